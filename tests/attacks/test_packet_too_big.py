"""Forged "packet too big", and atomic fragments by force (RFC 5927 7, RFC 6946), 2012.

Elsewhere: an MTU below 1280 put a fragment header on everything that was sent, which
many networks drop, and whose numbers could be guessed (RFC 8021); or cut datagrams to
crumbs; or the table of paths grew with each of them.

Here: what is below 1280 changes nothing (RFC 8201 4), nor below 552 for IPv4's TCP, and
no atomic fragment is ever sent; one that comes is a packet of its own; only what quotes
something that we sent, and is smaller, is believed, for ten minutes, of so many paths.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import icmp_packet, ip_packet, udp_packet
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.ipv6_extensions import build_fragment

from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, Street, on_ip

ROUTER6 = pack_ip("2001:db8::99")
FRAGMENT = 44


def too_big(mtu: int, peer: bytes = HONEST6, size: int = 1400, port: int = 53) -> bytes:
    """A router's word about a datagram of ours."""
    quoted = udp_packet((VICTIM6, port), (peer, 9), bytes(size))[:1200]
    body = build_icmpv6(2, 0, mtu.to_bytes(4, "big"), quoted, ROUTER6, VICTIM6)
    return ip_packet(ROUTER6, VICTIM6, 58, body)


def sent(victim: Street, size: int = 1400, peer: str = "2001:db8::1") -> list[bytes]:
    sock = next(iter(victim.stack.sockets()), None)
    sock = sock or victim.stack.udp_bind(("", 53))
    sock.send_to(bytes(size), (peer, 9))  # type: ignore[union-attr]
    return victim.turn()


def test_the_right_one_is_believed() -> None:
    """Otherwise what follows shows nothing."""
    victim = on_ip()
    assert [one[6] for one in sent(victim)] == [17]
    victim.turn(too_big(1300))
    assert [one[6] for one in sent(victim)] == [FRAGMENT, FRAGMENT]


@pytest.mark.parametrize("mtu", [0, 1, 68, 576, 1279, 1500, 0xFFFFFFFF])
def test_no_atomic_fragments(mtu: int) -> None:
    """RFC 8021, RFC 8200 5: neither below 1280, nor more than what was sent."""
    victim = on_ip()
    sent(victim)
    victim.turn(too_big(mtu))
    for size in (1, 1000, 1400):
        assert [one[6] for one in sent(victim, size)] == [17]
    assert victim.count("pmtu_ignored") == 1


def test_about_nothing_of_ours() -> None:
    victim = on_ip()
    sent(victim)
    victim.turn(too_big(1280, port=54), too_big(1280, size=100))
    assert [one[6] for one in sent(victim)] == [17]
    assert len(victim.stack.datagram_paths) == 0


def test_a_flood() -> None:
    victim = on_ip(StackConfig(max_hops=32))
    sent(victim)
    for n in range(2000):
        victim.turn(too_big(1280 + n % 100, HONEST6[:12] + n.to_bytes(4, "big")))
    assert len(victim.stack.datagram_paths) <= 32
    assert victim.count("paths_forgotten") >= 1900
    victim.wait(20 * 60 * 10**9)
    assert len(victim.stack.datagram_paths) == 0


@pytest.mark.parametrize("mtu", [0, 1, 67, 68, 296, 551])
def test_ipv4_datagrams_are_cut_by_those_who_must(mtu: int) -> None:
    """We set no DF on them: the word of a router is not needed, and not believed."""
    victim = on_ip()
    sent(victim, peer="10.0.0.1")
    quoted = udp_packet((VICTIM4, 53), (HONEST4, 9), bytes(1400))
    rest = bytes(2) + mtu.to_bytes(2, "big")
    victim.turn(icmp_packet("10.0.0.99", VICTIM4, 3, 4, rest=rest, body=quoted))
    (packet,) = sent(victim, peer="10.0.0.1")
    assert len(packet) == 1428


def test_an_atomic_fragment_joins_nothing() -> None:
    """RFC 6946 4: it is whole, whatever waits under its number."""
    victim = on_ip()
    sock = victim.stack.udp_bind(("", 7))
    whole = udp_packet((HONEST6, 9), (VICTIM6, 7), b"atomic")[40:]
    other = udp_packet((HONEST6, 9), (VICTIM6, 7), bytes(92))[40:]

    def piece(data: bytes, offset: int, more: bool) -> bytes:
        head = build_fragment(17, offset, more, 77)
        return ip_packet(HONEST6, VICTIM6, FRAGMENT, head + data)

    victim.turn(piece(other[:48], 0, True), piece(whole, 0, False))
    victim.turn(piece(other[48:], 48, False))
    first, second = sock.receive(), sock.receive()
    assert first is not None
    assert second is not None
    assert (first.data, second.data) == (b"atomic", bytes(92))
