"""RFC 6298 2 to 4: round trips become a time-out."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, connected
from tests.conformance.requirements import requirement

RFC = "RFC 6298"


def round_trip(t: Script, rtt: int) -> None:
    """A segment, and its ACK after `rtt`."""
    t.conn.send(b"x")
    t.us("P.")
    t.wait(rtt)
    t.peer(".")


def timeout(t: Script) -> int:
    """How long a segment without an answer waits, in ms."""
    t.conn.send(b"x")
    t.us("P.")
    began = t.elapsed
    t.wait(200 * SEC)
    return (t.sent()[0].now - SEC - began) // MS


@requirement(RFC, "2.1", "Without a measurement RTO SHOULD be 1 second")
def test_the_first_timeout() -> None:
    t = Script()
    t.connect()
    t.us("S", at=0)
    t.wait(3 * SEC)
    t.us("S", at=SEC)
    t.us("S", at=3 * SEC)  # "backing off still applies"


@pytest.mark.parametrize("rtt", [100, 250, 1000, 3000])
@requirement(RFC, "2.2", "The first R MUST give SRTT = R, RTTVAR = R/2, RTO = 3 R")
def test_the_first_measurement(rtt: int) -> None:
    assert timeout(connected(rtt=rtt * MS, initial_rto=9 * SEC)) == 3 * rtt


@requirement(RFC, "2.3-1", "Others MUST give RTO = SRTT + 4 RTTVAR, RTTVAR first")
@requirement(RFC, "2.3-2", "alpha SHOULD be 1/8 and beta 1/4")
def test_another_measurement() -> None:
    t = connected(rtt=800 * MS)
    round_trip(t, 1600 * MS)
    # RTTVAR = 3/4 * 400 + 1/4 * |800 - 1600|, SRTT = 7/8 * 800 + 1/8 * 1600
    assert timeout(t) == 900 + 4 * 500
    t = connected(rtt=800 * MS)
    for _ in range(2):
        round_trip(t, 400 * MS)
    # RTTVAR: 400, 400, 387.5; SRTT: 800, 750, 706.25
    assert timeout(t) == int(706.25 + 4 * 387.5)


@requirement(RFC, "2.4", "An RTO below 1 second SHOULD be rounded up to it")
def test_the_least_timeout_is_an_option() -> None:
    assert timeout(connected(rtt=10 * MS, min_rto=SEC)) >= 1000
    assert 200 <= timeout(connected(rtt=10 * MS)) <= 210


@requirement(RFC, "2.5", "A maximum of at least 60 seconds MAY be placed on RTO")
def test_the_largest_timeout() -> None:
    t = connected(rtt=50 * SEC, initial_rto=60 * SEC)
    assert timeout(t) == 120_000


@requirement(RFC, "3-1", "RTT samples MUST NOT be made of what was retransmitted")
def test_karn() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(b"x")
    t.wait(300 * MS)
    assert len(t.sent()) == 2
    t.wait(5 * MS)
    t.peer(".")
    # 5 ms would have made it less; what was backed off stays so
    assert timeout(t) == 600


@requirement(RFC, "3-1", "RTT samples MUST NOT be made of what was retransmitted")
def test_karn_with_timestamps() -> None:
    """Only then a retransmission can give a sample."""
    t = connected(rtt=400 * MS, stamps=True)
    t.conn.send(b"x")
    t.wait(1200 * MS)
    assert len(t.sent()) == 2
    t.wait(80 * MS)
    t.peer(".")  # echoes the second
    # RTTVAR = 3/4 * 200 + 1/4 * 320, SRTT = 7/8 * 400 + 1/8 * 80
    assert timeout(t) == 360 + 4 * 230


@requirement(RFC, "3-2", "MUST take at least one measurement per RTT")
def test_a_measurement_each_round_trip() -> None:
    t = connected(rtt=100 * MS)
    spread = []
    for _ in range(8):
        t.conn.send(bytes(5000))
        t.sent()
        t.wait(200 * MS)
        for _ in range(5):
            t.peer(".")
        spread.append(t.conn.info().rtt // MS)
    assert spread == sorted(spread)
    assert spread[0] == 112
    assert spread[-1] > 160


@requirement(RFC, "4-1", "K * RTTVAR MUST NOT be less than the clock's G")
def test_granularity() -> None:
    t = connected(rtt=300 * MS)
    for _ in range(60):
        round_trip(t, 300 * MS)
    assert timeout(t) > 300
