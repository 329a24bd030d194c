"""RFC 8201 4 and 5: path MTU discovery for IPv6. Its musts are in small letters."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from sansio_net.units import MINUTE
from tests.conformance.peers import MS, places, plain
from tests.conformance.requirements import requirement

RFC = "RFC 8201"

TOO_BIG = 2


def full_sized(size: int = 1440) -> Script:
    """A full segment and more is in flight; nothing as large has arrived before."""
    t = Script(us="fd00::2/64", peer="fd00::1", options=plain())
    t.connect()
    t.us("S", seq=0, mss=1440)
    t.peer("S.", seq=0, ack=1, mss=1440)
    t.us(".")
    t.conn.send(bytes(3 * size))
    t.us(".", seq=1, length=size)
    t.sent()
    return t


@requirement(RFC, "4-1", "A Packet Too Big must reduce the estimate")
@requirement(RFC, "5.4-1", "What was too big is sent again, no larger than the path")
def test_packet_too_big() -> None:
    t = full_sized()
    t.router(TOO_BIG, 0, mtu=1300)
    again = t.sent()
    assert t.relative(again[0]) == 1
    assert max(len(seen.packet) for seen in again) == 1300


@requirement(RFC, "4-2", "Never below 1280: what says less must be discarded")
@pytest.mark.parametrize("mtu", [0, 68, 576, 1279])
def test_less_than_1280(mtu: int) -> None:
    t = full_sized()
    t.router(TOO_BIG, 0, mtu=mtu)
    t.wait(300 * MS)
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "4-3", "A Packet Too Big must not increase the estimate")
def test_never_upwards() -> None:
    t = full_sized()
    t.router(TOO_BIG, 0, mtu=9000)
    t.silent()
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "4-4", "The payload should be validated")
def test_a_guess() -> None:
    t = full_sized()
    assert t.last is not None
    packet = bytearray(t.last.packet)
    packet[44:48] = ((t.our_isn or 0) + 1_000_000).to_bytes(8, "big")[-4:]
    t.router(TOO_BIG, 0, mtu=1300, about=bytes(packet))
    t.wait(300 * MS)
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "4-5", "No increase is tried within five minutes")
@requirement(RFC, "5.3-1", "An estimate should age")
def test_ageing() -> None:
    t = full_sized()
    t.router(TOO_BIG, 0, mtu=1300)
    t.sent()
    t.peer(".")
    sizes = []
    for _ in range(16):
        t.wait(1 * MINUTE)
        t.conn.send(bytes(1440))
        sizes.append(max(len(seen.packet) for seen in t.sent()))
        t.peer(".")
    assert set(sizes[:5]) == {1300}
    assert sizes[-1] == 1500


@requirement(RFC, "5.4-2", "It must not be taken as congestion")
def test_no_congestion() -> None:
    t = full_sized()
    t.router(TOO_BIG, 0, mtu=1300)
    assert t.conn.congestion.ssthresh >= 1 << 30
    assert places(t)[0] == 1
