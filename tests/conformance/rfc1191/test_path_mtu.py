"""RFC 1191 3 to 6: path MTU discovery by TCP."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, connected, places, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 1191"


def full_sized(**options: int) -> Script:
    t = connected(mss=1460, **options)
    t.conn.send(bytes(14_600))
    t.us(".", length=1460)
    return t


@requirement(RFC, "3-1", "DF is set in all datagrams of TCP")
def test_df() -> None:
    t = full_sized()
    t.conn.close()
    t.wait(300 * MS)
    assert all(seen.packet[6] & 0x40 for seen in t.sent())


@requirement(RFC, "3-2", "On Datagram Too Big the estimate MUST be reduced")
@requirement(RFC, "6.4-1", "What was too big is sent again, in smaller pieces")
def test_datagram_too_big() -> None:
    t = full_sized()
    t.sent()
    t.router(3, 4, mtu=1000)
    again = t.sent()
    assert t.relative(again[0]) == 1
    assert {len(seen.packet) for seen in again} == {1000}
    t.silent()


@requirement(RFC, "3-3", "MUST deal with messages without the next hop's MTU")
def test_an_old_router() -> None:
    t = full_sized()
    t.sent()
    t.router(3, 4, mtu=0)
    again = t.sent()
    assert t.relative(again[0]) == 1
    # section 5: the plateau below 1500, less a header that old routers add to it
    assert {len(seen.packet) for seen in again} == {1006}


@requirement(RFC, "3-4", "The estimate MUST never fall below 68")
@pytest.mark.parametrize("mtu", [1, 20, 67])
def test_nothing_below_68(mtu: int) -> None:
    t = full_sized()
    t.sent()
    t.router(3, 4, mtu=mtu)
    t.wait(300 * MS)
    assert all(len(seen.packet) >= 68 for seen in t.sent())


@requirement(RFC, "3-5", "MUST not increase the estimate by a Datagram Too Big")
def test_never_upwards() -> None:
    t = full_sized()
    t.sent()
    t.router(3, 4, mtu=9000)
    t.silent()
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "3.1-1", "The MSS option is 40 less than what can be received")
def test_the_mss_option_does_not_know_the_path() -> None:
    t = full_sized()
    t.router(3, 4, mtu=1000)
    t.sent()
    t.port += 1
    t.connect()
    t.us("S", mss=1460)


@requirement(RFC, "6.4-2", "Retransmission by Too Big is no sign of congestion")
def test_no_congestion() -> None:
    t = full_sized()
    t.sent()
    t.router(3, 4, mtu=770)
    assert t.conn.congestion.ssthresh >= 1 << 30
    assert places(t)[:2] == [1, 731]
    assert sizes(t) == []
