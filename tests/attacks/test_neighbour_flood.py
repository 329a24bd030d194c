"""Neighbour cache exhaustion (RFC 3756 4.3.2, RFC 6583; scans of a /64), 2004.

Elsewhere: packets to, or from, as many neighbours as a subnet has room for filled the
cache with entries that never resolve, and those of hosts that are there went.

Here: the table has a bound; who is not there makes room before who is; known
neighbours are reached during all of it, and what waits is bounded in bytes.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import ZERO_MAC
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import icmp_packet, ip_packet
from sansio_net.units import MIB, SECOND
from sansio_net.wire.arp import REQUEST
from sansio_net.wire.icmpv6 import ECHO_REQUEST, build_icmpv6

from .arena import weight
from .link import (
    ATTACKER_MAC,
    EVERYBODY,
    VICTIM4,
    VICTIM6,
    Street,
    arp,
    ip_frame,
    solicitation,
)

LIMIT = 64


def street() -> Street:
    config = StackConfig()
    config.arp.table_limit = config.ndp.table_limit = LIMIT
    return Street(config)


def six(n: int) -> bytes:
    return VICTIM6[:8] + (n + 1000).to_bytes(8, "big")


def four(n: int) -> bytes:
    return bytes((10, 0, 0, 10 + n % 240))


def ping(n: int, family: int) -> bytes:
    """From a neighbour that is not there: the answer needs his address."""
    if family == 4:
        return icmp_packet(four(n), VICTIM4, 8, body=bytes(56))
    source = six(n)
    body = build_icmpv6(ECHO_REQUEST, 0, b"\0\1\0\1", bytes(56), source, VICTIM6)
    return ip_packet(source, VICTIM6, 58, body)


@pytest.mark.parametrize("family", [4, 6])
def test_pings_from_everybody(family: int) -> None:
    victim = street()
    assert victim.reaches_honest()
    asked = victim.asked
    for start in range(0, 2000, 20):
        victim.settle(*(ip_frame(ping(start + n, family)) for n in range(20)))
        victim.now += SECOND // 50
        if start % 200 == 0:
            assert victim.reaches_honest()
        assert victim.neighbours() <= 2 * LIMIT
    assert victim.reaches_honest()
    assert victim.asked == asked  # he was known all the time
    victim.forget_honest()
    assert victim.reaches_honest()  # and there is room for him
    assert weight(victim.stack) < 4 * MIB
    victim.wait(60 * SECOND)
    assert victim.reaches_honest()


def test_our_own_scan() -> None:
    """As a router that is asked for every host of a /64 (RFC 6583 2.1)."""
    victim = street()
    assert victim.reaches_honest()
    asked = victim.asked
    sock = victim.stack.udp_bind(("", 0))
    for n in range(3000):
        ip = six(n)
        text = ":".join(ip.hex()[i : i + 4] for i in range(0, 32, 4))
        sock.send_to(b"x", (text, 9))
        if n % 30 == 0:
            victim.settle()
            victim.now += SECOND // 20
            assert victim.neighbours() <= 2 * LIMIT
    assert victim.reaches_honest()
    assert victim.asked == asked
    victim.forget_honest()
    assert victim.reaches_honest()
    drops = victim.count("drop.neighbour_unreachable")
    drops += victim.count("drop.neighbour_table_full")
    assert drops + victim.count("drop.neighbour_queue_full") > 0


def test_questions_from_everybody() -> None:
    """Each asker makes an entry: he will talk to us. Nobody else's goes for that."""
    victim = street()
    assert victim.reaches_honest()
    asked = victim.asked
    for start in range(0, 2000, 50):
        frames = []
        for n in range(start, start + 50):
            mac = ATTACKER_MAC[:4] + (n & 0xFFFF).to_bytes(2, "big")
            frames.append(arp(REQUEST, mac, four(n), ZERO_MAC, VICTIM4, EVERYBODY))
            frames.append(solicitation(six(n), mac))
        victim.settle(*frames)
        victim.now += SECOND // 10
        assert victim.neighbours() <= 2 * LIMIT
        if start % 500 == 0:
            assert victim.reaches_honest()
    assert victim.reaches_honest()
    assert victim.asked == asked
    victim.forget_honest()
    assert victim.reaches_honest()
