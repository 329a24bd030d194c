"""RFC 5682 2 and 3: was a time-out spurious? Segments are counted from 0."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, in_flight, sacked, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 5682"


def timed_out(*, sack: bool, more: int = 20, segments: int = 10) -> Script:
    t = in_flight(segments, more=more, sack_ok=sack, frto=True, rtt=100 * MS)
    t.wait(300 * MS)
    assert segments_sent(t) == [0]
    return t


@requirement(RFC, "2.1-1", "After an RTO the first unacknowledged segment goes")
@requirement(RFC, "2.1-2", "(2b): the first ACK advances: up to two new segments")
@requirement(RFC, "2.1-3", "(3b): so does the second: the time-out was spurious")
@pytest.mark.parametrize("sack", [False, True])
def test_a_spurious_timeout(sack: bool) -> None:
    t = timed_out(sack=sack)
    assert sacked(t, una=1) == [10, 11]
    sent = sacked(t, una=2)
    assert all(n >= 12 for n in sent)
    assert t.conn.info().total_retrans == 1
    assert t.conn.info().ca_state != "loss"


@requirement(RFC, "2.1-4", "(2a): a duplicate ACK first: conventional recovery")
def test_a_duplicate_first() -> None:
    t = timed_out(sack=False)
    t.peer(".", ack=1)
    sent = segments_sent(t)
    sent += sacked(t, una=1)
    assert sent[0] == 1
    assert t.conn.info().ca_state == "loss"


@requirement(RFC, "2.1-5", "(3a): a duplicate second: retransmit, cwnd at most 3 MSS")
def test_a_duplicate_second() -> None:
    t = timed_out(sack=False)
    assert sacked(t, una=1) == [10, 11]
    t.peer(".", ack=1001)
    sent = segments_sent(t)
    assert sent[0] == 1
    assert t.conn.congestion.cwnd <= 3000
    assert t.conn.info().ca_state == "loss"


@requirement(RFC, "2.1-6", "(2b): without new data, conventional recovery")
@pytest.mark.parametrize("sack", [False, True])
def test_nothing_new_to_send(sack: bool) -> None:
    t = timed_out(sack=sack, more=0)
    assert sacked(t, una=1)[0] == 1
    assert t.conn.info().ca_state == "loss"


@requirement(RFC, "2.1-7", "MUST start again from step 1 at another time-out")
def test_another_timeout() -> None:
    t = timed_out(sack=False)
    t.wait(600 * MS)
    assert segments_sent(t) == [0]
    assert sacked(t, una=1) == [10, 11]
    sacked(t, una=2)
    assert t.conn.info().ca_state != "loss"


@requirement(RFC, "2.1-8", "(2a): an ACK that covers recover exactly is no evidence")
def test_everything_had_arrived() -> None:
    t = timed_out(sack=False, more=0)
    sacked(t, una=10)
    assert t.conn.congestion.cwnd < 10_000
    assert t.conn.congestion.ssthresh == 5000
    assert t.conn.info().ca_state == "open"


@requirement(RFC, "3.1-1", "SACK: data SACKed that was not sent again: spurious")
def test_sacked_after_the_timeout() -> None:
    t = timed_out(sack=True)
    assert sacked(t, una=1) == [10, 11]
    sacked(t, 2, una=1)  # reordered, not lost
    assert t.conn.info().ca_state != "loss"


@requirement(RFC, "3.1-2", "SACK: beyond RecoveryPoint: recovery, cwnd at most 3 MSS")
def test_only_new_data_arrives() -> None:
    t = timed_out(sack=True)
    assert sacked(t, una=1) == [10, 11]
    sent = sacked(t, 10, una=1)
    assert sent[0] == 1
    assert t.conn.congestion.cwnd <= 3000
    assert t.conn.info().ca_state == "loss"
    # and nothing that arrives later makes it spurious again
    sacked(t, 10, 5, una=1)
    assert t.conn.info().ca_state == "loss"


@requirement(RFC, "3.1-3", "SACK: SHOULD NOT be applied in loss recovery")
def test_not_in_recovery() -> None:
    t = in_flight(10, more=20, frto=True, rtt=100 * MS)
    sacked(t, 3, 2, 1)
    t.wait(600 * MS)
    t.sent()
    sent = sacked(t, una=4)
    assert sent[0] == 4
    assert t.conn.info().ca_state == "loss"


@requirement(RFC, "4-1", "The response SHOULD be conservative")
def test_what_follows_a_spurious_timeout() -> None:
    """As in Linux, the reduction is undone (RFC 4015)."""
    t = timed_out(sack=True)
    sacked(t, una=1)
    sacked(t, una=2)
    assert t.conn.congestion.cwnd <= 12_000
