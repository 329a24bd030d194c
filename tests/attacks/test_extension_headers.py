"""IPv6 headers that lie: AMNESIA:33, Ripple20 (CVE-2020-11897), INFRA:HALT, 2020.

Elsewhere: lengths that led beyond the packet were read past its end, options of length
zero were walked for ever, and chains without end took the time of everybody.

Here: no header and no option leads beyond its packet; eight headers, eight options and
2048 bytes are walked, and no more; what a packet costs has a bound, whatever it says.
"""

from __future__ import annotations

import pytest

from sansio_net.entropy import Entropy
from sansio_net.testing.craft import ip_packet
from sansio_net.wire import ndp
from sansio_net.wire.icmpv6 import build_icmpv6

from .arena import steps
from .link import ATTACKER_MAC, HONEST6, VICTIM6, Street, icmp6_frame, on_ip

HOP, DESTINATION, ROUTING, FRAGMENT, UDP = 0, 60, 43, 44, 17
ECHO = build_icmpv6(128, 0, b"\0\1\0\1", b"echo", HONEST6, VICTIM6)


def packet(first: int, payload: bytes) -> bytes:
    return ip_packet(HONEST6, VICTIM6, first, payload)


def answered(victim: Street, *packets: bytes) -> list[int]:
    """The ICMPv6 types that they earn."""
    return [one[40] for one in victim.turn(*packets)]


def lies(kind: int) -> list[bytes]:
    """One header of every length, with as much behind it as fits 64 bytes."""
    return [packet(kind, bytes((58, n)) + bytes(62)) for n in range(256)]


def test_the_right_chain_is_answered() -> None:
    """Otherwise what follows shows nothing."""
    chain = bytes((DESTINATION, 0, 1, 4, 0, 0, 0, 0)) + bytes((58, 0, 1, 4)) + bytes(4)
    assert answered(on_ip(), packet(HOP, chain + ECHO)) == [129]


@pytest.mark.parametrize("kind", [HOP, DESTINATION, ROUTING, FRAGMENT])
def test_every_length_of_a_header(kind: int) -> None:
    victim = on_ip()
    victim.stack.config.icmp.limited = False
    for one in lies(kind):
        assert victim.turn(one) == [] or one[41] * 8 + 8 <= 64
        assert victim.turn(one[:44]) == []
    assert answered(victim, packet(58, ECHO)) == [129]


@pytest.mark.parametrize("kind", [HOP, DESTINATION])
def test_every_length_of_an_option(kind: int) -> None:
    """Of length 0 it is two bytes long, and the walk goes on."""
    victim = on_ip()
    for option in (0, 1, 5, 0x1E, 0x3E, 0x63, 0xC2):
        for size in range(256):
            header = bytes((58, 1, option, size)) + bytes(12)
            answers = answered(victim, packet(kind, header + ECHO))
            assert answers in ([], [129], [4])


def test_chains_without_end_cost_no_more_than_their_limit() -> None:
    victim = on_ip()
    link = bytes((DESTINATION, 0, 1, 4, 0, 0, 0, 0))
    last = bytes((58, 0, 1, 4, 0, 0, 0, 0))
    whole = packet(DESTINATION, link * 7 + last + ECHO)
    assert answered(victim, whole) == [129]
    usual = steps(lambda: victim.turn(whole))
    for n in (8, 9, 100, 150, 180):
        chain = packet(DESTINATION, link * n)
        assert steps(lambda c=chain: victim.turn(c)) < 2 * usual  # type: ignore[misc]
    assert victim.count("drop.ip_bad_options") == 5


@pytest.mark.parametrize("option", [b"\0", b"\1\0", b"\x1e\0", b"\x1e\1x"])
def test_options_without_end(option: bytes) -> None:
    """As many as 1400 bytes hold: padding has a limit as well (RFC 8504 5.3)."""
    victim = on_ip()
    usual = steps(lambda: victim.turn(packet(58, ECHO)))
    n = 8 * (1392 // 8) - 2
    header = bytes((58, 173)) + (option * n)[:n]
    many = packet(DESTINATION, header.ljust(1392, b"\0") + ECHO)
    assert steps(lambda: victim.turn(many)) < 3 * usual
    assert victim.count("drop.ip_bad_options") == 1


def test_a_hop_by_hop_header_where_it_may_not_be() -> None:
    victim = on_ip()
    chain = bytes((HOP, 0, 1, 4, 0, 0, 0, 0)) + bytes((58, 0, 1, 4, 0, 0, 0, 0))
    assert answered(victim, packet(DESTINATION, chain + ECHO)) == [4]
    assert answered(victim, packet(HOP, bytes((HOP, *chain[1:])) + ECHO)) == [4]


@pytest.mark.parametrize("kind", [133, 134, 135, 136, 137])
def test_options_of_neighbour_discovery(kind: int) -> None:
    """A length of zero would be walked for ever (RFC 4861 4.6: discard)."""
    victim = Street(slaac=True)
    body = {133: 0, 134: 8, 135: 16, 136: 16, 137: 32}[kind]
    fixed = (VICTIM6 + HONEST6)[:body]
    source = bytes.fromhex("fe80") + bytes(13) + b"\1"
    before = victim.neighbours()
    for option in (1, 2, 3, 5, 14, 24, 25, 31, 255):
        for size in (0, 2, 8, 255):
            data = fixed + bytes((option, size)) + bytes(6)
            message = build_icmpv6(kind, 0, bytes(4), data, source, VICTIM6)
            victim.turn(icmp6_frame(message, source, VICTIM6, mac=ATTACKER_MAC))
    assert victim.neighbours() <= before + 1
    assert victim.count("drop.ndp_malformed") >= 9 * 3
    assert [str(one) for one in victim.stack.routes if one.via] == []


def test_search_lists_that_point_into_themselves() -> None:
    """Names of RFC 8106 in RFC 1035's form, without an end or with a pointer."""
    victim = Street(slaac=True)
    source = bytes.fromhex("fe80") + bytes(13) + b"\1"
    endless = b"\xc0\0", b"\1a", b"\0", b"\xff", b"\x3faaa"
    for names in ((one * 16)[:16] for one in endless):
        option = bytes((ndp.DNSSL, 3, 0, 0)) + (600).to_bytes(4, "big") + names
        data = bytes(8) + option
        message = build_icmpv6(134, 0, bytes((64, 0, 0, 0)), data, source, VICTIM6)
        victim.turn(icmp6_frame(message, source, VICTIM6))
    assert "DnsServersChanged" not in victim.told()


def test_noise_behind_the_header() -> None:
    dice = Entropy.of(7)
    victim = on_ip()
    victim.stack.config.icmp.limited = False
    usual = steps(lambda: victim.turn(packet(58, ECHO)))
    kinds = (HOP, DESTINATION, ROUTING, FRAGMENT, 58, UDP, 6, 59, 50, 51, 135, 139)
    for _ in range(2000):
        body = bytearray(dice.bytes(8 * (1 + dice.below(12))))
        at = 0
        for _ in range(dice.below(6)):
            if at + 8 > len(body):
                break
            body[at] = kinds[dice.below(len(kinds))]
            body[at + 1] = dice.below(3)
            at += 8 + 8 * body[at + 1]
        one = packet(kinds[dice.below(4)], bytes(body))
        assert steps(lambda p=one: victim.turn(p)) < 6 * usual  # type: ignore[misc]
    assert answered(victim, packet(58, ECHO)) == [129]
