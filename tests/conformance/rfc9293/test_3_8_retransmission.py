"""RFC 9293 3.8.1 to 3.8.4: time-outs, congestion, failures, keep-alives."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sansio_net.errors import TimedOut, Unreachable
from sansio_net.protocols.tcp import Stalled, State
from sansio_net.testing import Script
from tests.conformance.peers import (
    MS,
    SEC,
    accepted,
    connected,
    lost,
    places,
    plain,
    sizes,
)
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


# 3.8.1 and 3.8.2; RFC 6298 and RFC 5681 have suites of their own


@requirement(RFC, "MUST-18", "MUST compute RTO as RFC 6298, with Karn's algorithm")
def test_karn() -> None:
    t = connected(rtt=400 * MS)  # RTO = 400 + 4 * 200
    t.conn.send(b"x")
    t.us("P.", at=400 * MS)
    t.wait(1200 * MS)
    t.us("P.", at=1600 * MS)
    # this may be for either: no sample, and the RTO stays backed off
    t.wait(1 * MS)
    t.peer(".")
    t.conn.send(b"y")
    t.us("P.", at=1601 * MS)
    t.wait(2399 * MS)
    t.silent()
    t.wait(1 * MS)
    t.us("P.", data=b"y", at=(1601 + 2400) * MS)


@requirement(
    RFC, "MUST-19", "MUST implement slow start, congestion avoidance, back-off"
)
def test_back_off() -> None:
    t = connected()
    t.conn.send(b"x")
    t.wait(200 * MS * (1 + 2 + 4 + 8))
    at = [seen.now - t.last.now for seen in t.sent()] if t.last else []
    assert [when // MS for when in at] == [0, 200, 600, 1400, 3000]


@requirement(
    RFC, "MUST-19", "MUST implement slow start, congestion avoidance, back-off"
)
def test_slow_start_and_congestion_avoidance() -> None:
    t = connected(initial_window=4, rtt=100 * MS)
    t.conn.send(bytes(100_000))
    assert len(sizes(t)) == 4
    for each in range(1, 5):
        t.peer(".", ack=1 + 1000 * each)
        assert len(sizes(t)) == 2  # slow start: one more for each ACK
    t.wait(SEC)
    assert places(t) == [4001]  # a time-out: ssthresh is 4000, cwnd 1000
    una, flights = 4001, [1]
    for _ in range(5):
        for _ in range(flights[-1]):
            una += 1000
            t.peer(".", ack=una)
        flights.append(len(sizes(t)))
    assert flights == [1, 2, 4, 5, 6, 7]


@requirement(RFC, "MAY-4", "MAY retransmit with the same IP identity")
def test_the_identity_of_a_retransmission() -> None:
    t = connected()
    t.conn.send(b"x")
    t.us("P.")
    first = t.last
    t.wait(200 * MS)
    t.us("P.")
    assert first is not None
    assert t.last is not None
    # RFC 6864 4.1: whatever it is, it says nothing where DF is set
    assert (first.packet[6] & 0x40, t.last.packet[6] & 0x40) == (0x40, 0x40)


@requirement(RFC, "SHLD-8", "SHOULD support Explicit Congestion Notification")
def test_congestion_experienced() -> None:
    t = Script(options=plain(ecn="on"))
    t.connect()
    t.us("SEW", seq=0)
    t.peer("SE.", seq=0, ack=1, mss=1000)
    t.us(".", ecn=0)
    t.conn.send(b"text")
    t.us("P.", ecn=2)
    t.peer("P.", data=b"marked on its way", ecn=3)
    t.us("E.", ack=18)


# 3.8.3


@requirement(RFC, "MUST-20", "At R2 MUST close the connection")
@requirement(RFC, "MUST-21", "The application MUST be able to set R2 of a connection")
def test_r2_is_the_application_s() -> None:
    t = connected()
    t.conn.set(retries2=3)
    t.conn.send(b"x")
    t.wait(10 * SEC)
    assert [len(seen.data) for seen in t.sent()] == [1, 1, 1, 1]
    assert t.happened()[-1] == "ConnectionLost"
    assert isinstance(lost(t), TimedOut)


@requirement(RFC, "SHLD-10", "R1 SHOULD correspond to at least 3 retransmissions")
def test_r1() -> None:
    assert plain().retries1 >= 3


@requirement(RFC, "SHLD-9", "SHOULD inform the application between R1 and R2")
def test_the_application_hears_of_r1() -> None:
    t = connected()
    t.conn.send(b"x")
    t.us("P.")
    t.router(3, 1)  # no route to that host
    t.wait(200 * MS + 400 * MS)
    assert t.happened() == []
    t.wait(800 * MS)
    assert t.happened() == ["Stalled"]
    stalled = t.events[-1]
    assert isinstance(stalled, Stalled)
    assert isinstance(stalled.error, Unreachable)
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "SHLD-11", "R2 SHOULD correspond to at least 100 seconds")
def test_r2() -> None:
    t = connected()
    t.conn.send(b"x")
    t.wait(100 * SEC)
    assert t.conn.state is State.ESTABLISHED
    t.wait(3600 * SEC)
    assert isinstance(lost(t), TimedOut)


@requirement(RFC, "MUST-22", "SYNs MUST be handled in the same way")
@requirement(RFC, "MUST-23", "R2 MUST be at least 3 minutes for a SYN")
def test_a_syn_is_repeated_for_three_minutes() -> None:
    t = Script()
    t.connect()
    t.wait(180 * SEC)
    assert t.conn.state is State.SYN_SENT
    t.wait(600 * SEC)
    assert isinstance(lost(t), TimedOut)
    times = [seen.now // SEC for seen in t.sent()]
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == [1, 2, 4, 8, 16, 32, 64]


# 3.8.4


def kept(**options: int) -> Script:
    return connected(keepalive=True, **options)


@requirement(RFC, "MAY-5", "MAY include keep-alives")
@requirement(RFC, "SHLD-12", "SHOULD send a keep-alive with no data")
def test_a_keepalive() -> None:
    t = kept()
    t.wait(7200 * SEC)
    t.us(".", seq=0, ack=1, length=0, at=7200 * SEC)
    t.peer(".")
    t.silent()


@requirement(RFC, "MUST-24", "The application MUST be able to turn them on and off")
@requirement(RFC, "MUST-25", "They MUST default to off")
def test_on_and_off() -> None:
    t = accepted()
    t.wait(8000 * SEC)
    t.silent()
    t.conn.set(keepalive=True)
    t.wait(7300 * SEC)
    assert len(t.sent()) > 0
    t.peer(".")
    t.conn.set(keepalive=False)
    t.wait(8000 * SEC)
    t.silent()


@requirement(RFC, "MUST-26", "MUST only be sent when idle, and nothing is in flight")
def test_only_when_idle() -> None:
    t = kept(keepalive_idle=100 * SEC)
    t.wait(60 * SEC)
    t.peer("P.", data=b"alive")
    t.sent()
    t.wait(99 * SEC)
    t.sent()
    t.wait(1 * SEC)
    t.us(".", seq=0, at=160 * SEC)
    t.peer(".")
    t.conn.send(b"in flight")
    t.us("P.", seq=1)
    t.wait(100 * SEC)
    assert {t.relative(seen) for seen in t.sent()} == {1}


@requirement(RFC, "MUST-27", "The interval MUST be configurable")
@pytest.mark.parametrize("idle", [1, 10, 100_000])
def test_the_interval(idle: int) -> None:
    t = kept(keepalive_idle=idle * SEC)
    t.wait(idle * SEC - 1)
    t.silent()
    t.wait(1)
    t.us(".", seq=0)


@requirement(RFC, "MUST-28", "The interval MUST default to no less than two hours")
def test_two_hours() -> None:
    t = kept()
    t.wait(7200 * SEC - 1)
    t.silent()


@requirement(RFC, "MUST-29", "A probe without an answer MUST NOT be a dead connection")
def test_probes_may_be_lost() -> None:
    t = kept()
    t.wait(7200 * SEC + 8 * 75 * SEC)
    assert len(t.sent()) == 9
    t.peer(".")
    t.wait(7200 * SEC - 1)
    assert t.conn.state is State.ESTABLISHED
    assert t.happened() == []
