"""RFC 6298 5: managing the retransmission timer."""

from __future__ import annotations

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, connected, places
from tests.conformance.requirements import requirement

RFC = "RFC 6298"


@requirement(RFC, "5-1", "MUST never retransmit less than one RTO after the last time")
@requirement(RFC, "5.1", "Data sent starts the timer if it is not running")
@requirement(RFC, "5.6", "The timer starts again after it expired")
def test_the_timer_starts_with_data() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(bytes(1000))
    t.us("P.", seq=1, at=100 * MS)
    t.wait(299 * MS)
    t.conn.send(bytes(1000))  # the timer runs already
    t.us("P.", seq=1001)
    t.wait(1 * MS)
    t.us(".", seq=1, at=400 * MS)
    t.wait(599 * MS)
    t.silent()
    t.wait(1 * MS)
    t.us(".", seq=1, at=1000 * MS)


@requirement(RFC, "5.2", "All acknowledged: the timer is turned off")
def test_the_timer_stops() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(b"x")
    t.us("P.")
    t.peer(".")
    t.wait(100 * SEC)
    t.silent()


@requirement(RFC, "5.3", "An ACK of new data restarts the timer")
def test_the_timer_starts_again() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(bytes(2000))
    t.sent()
    t.wait(200 * MS)
    t.peer(".", ack=1001)
    # RTTVAR = 3/4 * 50 + 1/4 * 100, SRTT = 112.5: 362 ms from now
    t.wait(362 * MS)
    t.silent()
    t.wait(1 * MS)
    assert places(t) == [1001]


@requirement(RFC, "5.4", "The earliest segment not acknowledged is retransmitted")
def test_the_earliest_goes_first() -> None:
    t = connected()
    t.conn.send(bytes(5000))
    t.sent()
    t.peer(".", ack=2001)
    t.wait(200 * MS)
    assert places(t) == [2001]


@requirement(RFC, "5.5", "The host MUST set RTO to twice itself when it expires")
def test_back_off() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(b"x")
    t.wait(300 * MS * 31)
    times = [(seen.now - SEC) // MS - 100 for seen in t.sent()]
    assert times == [0, 300, 900, 2100, 4500, 9300]


@requirement(RFC, "5.7", "RTO MUST be 3 seconds for data when a SYN had to be repeated")
def test_after_a_lost_syn() -> None:
    t = Script()
    t.connect()
    t.us("S", at=0)
    t.wait(SEC)
    t.us("S", at=SEC)
    t.peer("S.")
    t.us(".")
    t.conn.send(b"x")
    t.us("P.", at=SEC)
    t.wait(3 * SEC)
    t.us("P.", at=4 * SEC)


@requirement(RFC, "5-2", "A new measurement collapses a backed-off RTO")
def test_the_back_off_ends() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(b"x")
    t.wait(900 * MS)
    t.sent()
    t.peer(".")
    t.conn.send(b"y")
    t.sent()
    t.wait(100 * MS)
    t.peer(".")
    t.conn.send(b"z")
    t.sent()
    t.wait(300 * MS)
    assert len(t.sent()) == 1  # RTTVAR 37.5, SRTT 100: 250 ms
