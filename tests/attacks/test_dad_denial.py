"""Denial by duplicate detection (RFC 3756 4.1.3; dos-new-ip6, and ARP's), 2004.

Elsewhere: whoever answered every question "is this address taken?" kept new hosts from
ever having one; some tried again as fast as they could.

Here: another identifier is tried three times and no more (RFC 7217 6), IPv4's next
link-local address after ten conflicts once a minute (RFC 3927); what was ours stays
ours; our own questions that come back are known by their nonce (RFC 7527).
"""

from __future__ import annotations

import itertools

from sansio_net.addresses import pack_ip
from sansio_net.protocols.ndp.frames import ALL_NODES
from sansio_net.units import HOUR, MINUTE, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, parse_arp
from sansio_net.wire.icmpv6 import NEIGHBOUR_SOLICITATION

from .link import (
    ATTACKER_MAC,
    EVERYBODY,
    VICTIM4,
    VICTIM6,
    VICTIM_MAC,
    Street,
    advertisement,
    arp,
    solicitation,
)
from .test_rogue_router import prefix, rogue

ROGUE6 = pack_ip("fe80::bad")


def question(frame: bytes) -> bytes | None:
    """The address that is probed."""
    if frame[12:14] == b"\x08\x06":
        asked = parse_arp(frame, 14)
        return asked.tpa if asked.op == REQUEST and not any(asked.spa) else None
    if frame[20] == 58 and frame[54] == NEIGHBOUR_SOLICITATION:
        return frame[62:78] if not any(frame[22:38]) else None
    return None


def denied(street: Street, duration: int) -> list[tuple[int, bytes]]:
    """Every question is answered: when it was asked, and for which address."""
    asked = []
    end = street.now + duration
    frames: list[bytes] = []
    for _ in range(100_000):
        sent = street.turn(*frames)
        frames = []
        for ip in filter(None, map(question, sent)):
            asked.append((street.now, ip))
            if len(ip) == 4:
                frames.append(arp(REPLY, ATTACKER_MAC, ip, VICTIM_MAC, bytes(4)))
            else:
                frames.append(advertisement(ip, ATTACKER_MAC, to=ALL_NODES, flags=0x20))
        if not frames:
            due = street.stack.next_timeout()
            if due is None or due > end:
                street.now = end
                return asked
            street.now = max(street.now, due)
    raise AssertionError("it does not come to rest")


def test_no_address_is_formed_for_ever() -> None:
    street = Street(addresses=["10.0.0.2/24"], slaac=True)
    asked = denied(street, MINUTE)
    link_local = {ip for _, ip in asked}
    assert 1 <= len(link_local) <= 4
    assert len(asked) <= 8
    street.turn(rogue(prefixes=(prefix(1),)))
    asked = denied(street, HOUR)
    formed = {ip for _, ip in asked if ip[:2] == b"\x20\x01"}
    assert len(formed) <= 4
    assert len(asked) <= 16
    assert [
        one for one in street.nic.addresses if len(one.ip) == 16 and one.usable
    ] == []
    assert VICTIM4 in street.nic.local  # the other family goes on
    assert "AddressConflict" in street.told()


def test_link_local_addresses_of_ipv4() -> None:
    street = Street(addresses=[], link_local=True)
    asked = [at for at, ip in denied(street, 30 * MINUTE) if len(ip) == 4]
    assert len(asked) <= 10 + 31
    late = asked[11:]
    assert min(b - a for a, b in itertools.pairwise(late)) >= 59 * SECOND


def test_what_is_ours_stays_ours() -> None:
    """A question, or a claim, after it was settled (RFC 4862 5.4.3, 5.4.4)."""
    street = Street()
    street.wait(MINUTE)
    for _ in range(50):
        street.now += SECOND
        street.turn(
            solicitation(bytes(16), None),
            advertisement(VICTIM6, ATTACKER_MAC, to=ALL_NODES, flags=0x20),
            arp(REQUEST, ATTACKER_MAC, bytes(4), bytes(6), VICTIM4, EVERYBODY),
            arp(REQUEST, ATTACKER_MAC, VICTIM4, bytes(6), VICTIM4, EVERYBODY),
        )
    assert VICTIM4 in street.nic.local
    assert VICTIM6 in street.nic.local
    assert street.reaches_honest()


def test_our_own_question_comes_back() -> None:
    """From a loop in the link, or from who sends it back on purpose."""
    street = Street(addresses=["2001:db8::2/64"], dad=True)
    seen: list[bytes] = []
    for _ in range(200):
        sent = street.turn(*seen)
        seen = [one for one in sent if question(one)]
        due = street.stack.next_timeout()
        if due is None or street.now > 20 * SECOND:
            break
        street.now = max(street.now, due)
    assert VICTIM6 in street.nic.local
    assert ROGUE6 not in street.nic.local
