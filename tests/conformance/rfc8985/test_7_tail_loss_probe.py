"""RFC 8985 7: tail loss probes."""

from __future__ import annotations

from typing import Any

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, connected, in_flight, places, plain, sacked
from tests.conformance.requirements import requirement

RFC = "RFC 8985"


def probing(segments: int = 5, *, more: int = 0, **kwargs: Any) -> Script:
    """SRTT is 100 ms: PTO is twice that, RTO three times."""
    options = {"tail_loss_probe": True, "rack": True, "rtt": 100 * MS}
    return in_flight(segments, more=more, ago=0, **(options | kwargs))


@requirement(RFC, "7.2-1", "New data SHOULD start a PTO of 2 SRTT")
@requirement(RFC, "7.3-3", "Without new data SHOULD retransmit the highest segment")
def test_a_probe_after_two_round_trips() -> None:
    t = probing()
    t.wait(199 * MS)
    t.silent()
    t.wait(3 * MS)
    assert places(t) == [4001]


@requirement(RFC, "7.2-2", "With one segment in flight PTO MAY allow for a delayed ACK")
def test_a_single_segment() -> None:
    t = probing(1, initial_window=10, rtt=SEC, initial_rto=9 * SEC)
    t.wait(2 * SEC)
    t.silent()
    t.wait(500 * MS)
    assert places(t) == [1]
    assert t.conn.info().retransmits == 0


@requirement(RFC, "7.2-6", "Without SRTT the PTO SHOULD be 1 second")
def test_without_a_round_trip() -> None:
    t = Script(options=plain(tail_loss_probe=True, rack=True))
    t.connect()
    t.wait(SEC)  # the SYN was lost: its round trip is not known, RTO is 3 s
    assert len(t.sent()) == 2
    t.peer("S.", seq=0, ack=1, mss=1000, sack_ok=True)
    t.us(".")
    t.conn.send(bytes(5000))
    assert len(t.sent()) == 5
    t.wait(SEC - 1)
    t.silent()
    t.wait(1)
    assert places(t) == [4001]


@requirement(RFC, "7.2-3", "Never later than the RTO")
def test_the_rto_is_sooner() -> None:
    t = connected(sack_ok=True, rtt=100 * MS, tail_loss_probe=True, rack=True)
    t.conn.send(bytes(1000))
    t.sent()
    t.wait(300 * MS)
    assert places(t) == [1]


@requirement(RFC, "7.2-4", "A cumulative ACK SHOULD restart the PTO")
def test_an_ack_restarts_it() -> None:
    t = probing(min_rto=SEC)
    t.wait(150 * MS)
    t.peer(".", ack=1001)
    t.wait(180 * MS)
    t.silent()
    t.wait(300 * MS)
    assert places(t)[0] == 4001


@requirement(RFC, "7.2-5", "Not in recovery, nor when segments were SACKed")
def test_no_probe_with_sacked_segments() -> None:
    t = probing(5, min_rto=SEC, rack=False)
    sacked(t, 2)
    t.wait(300 * MS)
    assert places(t) == [1]  # what is missing, and not the last segment
    t.silent()


@requirement(RFC, "7.3-2", "The probe SHOULD be new data, where there is some")
def test_new_data_as_a_probe() -> None:
    t = probing(5, more=5)
    t.wait(210 * MS)
    assert places(t) == [5001]


@requirement(RFC, "7.3-1", "MUST NOT probe while a probe is in flight")
@requirement(RFC, "7.3-4", "After a probe the RTO MUST be armed")
def test_then_the_rto() -> None:
    t = probing()
    t.wait(SEC)
    sent = [((seen.now - SEC) // MS - 100, t.relative(seen)) for seen in t.sent()]
    assert sent[0][1] == 4001
    assert sent[1][1] == 1  # the time-out
    assert 299 <= sent[1][0] - sent[0][0] <= 302


@requirement(RFC, "7.3-1", "MUST NOT probe while a probe is in flight")
def test_no_probe_for_what_follows_a_probe() -> None:
    t = probing(initial_window=10)
    t.wait(202 * MS)
    assert places(t) == [4001]
    t.conn.send(bytes(1000))
    assert places(t) == [5001]
    t.wait(280 * MS)  # more than a PTO
    t.silent()
    t.wait(20 * MS)
    assert places(t) == [1]
    assert t.conn.info().retransmits == 1


@requirement(RFC, "7.4.2-1", "A loss that the probe repaired SHOULD bring cwnd down")
def test_a_single_loss_repaired() -> None:
    t = probing(10, more=0)
    t.wait(210 * MS)
    assert places(t) == [9001]
    before = t.conn.congestion.cwnd
    t.wait(90 * MS)
    t.peer(".", ack=9001)
    t.peer(".", ack=10_001)
    t.conn.send(bytes(1000))
    t.sent()
    t.wait(100 * MS)
    t.peer(".", ack=11_001)
    assert t.conn.congestion.cwnd < before


@requirement(RFC, "7.4.2-2", "A DSACK of the probe: nothing was lost")
def test_a_spurious_probe() -> None:
    t = probing(5, more=0)
    t.wait(210 * MS)
    assert places(t) == [4001]
    before = t.conn.congestion.cwnd
    t.peer(".", ack=5001)
    t.peer(".", ack=5001, sack=[(4001, 5001)])
    t.conn.send(bytes(1000))
    t.sent()
    t.wait(100 * MS)
    t.peer(".", ack=6001)
    assert t.conn.congestion.cwnd >= before


@requirement(RFC, "7.3-5", "A probe MUST be noted as any transmission is")
@requirement(RFC, "7.4.1-1", "The ACK of the probe tells RACK what was lost before it")
def test_losses_before_the_probe() -> None:
    t = probing(5)
    t.wait(210 * MS)
    assert places(t) == [4001]
    t.wait(100 * MS)
    t.peer(".", ack=1, sack=[(4001, 5001)])
    t.wait(30 * MS)
    sent = places(t)
    assert sent[0] == 1
    assert t.conn.info().retransmits == 0
