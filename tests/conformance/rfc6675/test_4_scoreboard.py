"""RFC 6675 4 and 5: loss recovery by SACK. Segments are counted from 0."""

from __future__ import annotations

from tests.conformance.peers import MS, in_flight, sacked, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 6675"


# 4 The functions


@requirement(RFC, "4-1", "SACKed data MUST NOT be removed before it is acknowledged")
def test_a_receiver_that_reneges() -> None:
    t = in_flight(5, more=0)
    sacked(t, 1, 2, 3, 4)
    t.wait(300 * MS)
    t.sent()
    # the first is acknowledged, and nothing is SACKed any more
    sent: list[int] = []
    for una in range(1, 5):
        t.peer(".", ack=1 + 1000 * una)
        t.wait(20_000 * MS)
        sent += segments_sent(t)
        assert una in sent
    t.peer(".", ack=5001)
    assert t.conn.info().unacked == 0


@requirement(RFC, "4-2", "IsLost: DupThresh discontiguous sequences SACKed above")
def test_three_discontiguous_sequences() -> None:
    t = in_flight(10, more=0)
    assert sacked(t, 2) == []
    assert sacked(t, 4, 2) == []
    assert sacked(t, 6, 4, 2)[0] == 0


@requirement(RFC, "4-3", "IsLost: more than (DupThresh - 1) * SMSS bytes SACKed above")
@requirement(RFC, "5-3", "(2): fast retransmit before DupThresh ACKs, if IsLost")
def test_one_ack_for_three_segments() -> None:
    t = in_flight(10, more=0)
    assert sacked(t, 3, 2, 1)[0] == 0


@requirement(RFC, "4-3", "IsLost: more than (DupThresh - 1) * SMSS bytes SACKed above")
def test_two_segments_are_not_enough() -> None:
    t = in_flight(10, more=0)
    assert sacked(t, 2, 1) == []


@requirement(RFC, "4-4", "NextSeg (1): the smallest that is lost, each of them once")
def test_every_hole_once_and_in_order() -> None:
    t = in_flight(16, more=0)
    sent: list[int] = []
    held: list[int] = []
    for n in (1, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15):
        held.insert(0, n)
        sent += sacked(t, *held)
    assert sent[:3] == [0, 2, 5]
    assert sent[3:] in ([], [15])  # the rescue, rule (4)


@requirement(RFC, "4-5", "NextSeg (2): new data, if nothing lost waits")
def test_new_data_in_recovery() -> None:
    t = in_flight(10)
    sent: list[int] = []
    held: list[int] = []
    for n in range(1, 10):
        held.insert(0, n)
        sent += sacked(t, *held)
    # limited transmit, then what was lost, then new data, half as much as arrives
    assert sent[:3] == [10, 11, 0]
    assert sent[3:] == list(range(12, 9 + len(sent)))
    assert len(sent[3:]) <= 4


@requirement(RFC, "4-6", "NextSeg: no new data beyond the peer's window")
def test_the_window_of_the_peer() -> None:
    t = in_flight(10, win=10_000)
    sent: list[int] = []
    held: list[int] = []
    for n in range(1, 10):
        held.insert(0, n)
        blocks = [(1001, 1001 + 1000 * n)]
        t.peer(".", ack=1, win=10_000, sack=blocks)
        sent += segments_sent(t)
    assert sent[0] == 0
    assert max(sent) < 10


@requirement(RFC, "4-8", "NextSeg (4): one rescue of the highest segment SHOULD go")
def test_the_rescue() -> None:
    t = in_flight(10, more=0)
    sent = sacked(t, 3, 2, 1)
    for n in range(4, 9):
        sent += sacked(t, *range(n, 0, -1))
    assert sent == [0]  # (4.3): not as long as the first may still arrive
    assert sacked(t, una=9) == [9]
    assert sacked(t, una=9) == []


@requirement(RFC, "4-8", "NextSeg (4): one rescue of the highest segment SHOULD go")
def test_no_rescue_of_what_just_left() -> None:
    t = in_flight(5, more=0)
    assert sacked(t, 4, 3, 2, 1) == [0]


@requirement(RFC, "4-7", "SetPipe: pipe is what is neither SACKed nor lost")
def test_pipe_holds_back() -> None:
    t = in_flight(20)
    sent: list[int] = []
    held: list[int] = []
    for n in range(1, 20):
        held.insert(0, n)
        sent += sacked(t, *held)
        assert len(sent) <= 2 + (n + 1)  # never more than arrives
    # cwnd is half of what it was: that much is in the network in the end
    assert t.conn.congestion.ssthresh == 10_000
    assert len(sent) - 1 <= 10


# 5 The algorithm


@requirement(RFC, "5-1", "A cumulative ACK MUST reset DupAcks")
def test_progress_between_duplicates() -> None:
    t = in_flight(30, more=0)
    sacked(t, 2)
    sacked(t, 4, 2)
    assert sacked(t, 4, una=3) == []
    # what was thought lost had been reordered: DupThresh may have grown by that
    assert sacked(t, 6, 4, una=3) == []
    sent = [sacked(t, *range(n, 7, -1), 6, 4, una=3) for n in range(8, 29)]
    assert 3 in [each for some in sent for each in some]


@requirement(RFC, "5-2", "A duplicate ACK is one with new SACK information")
def test_the_same_sack_again() -> None:
    t = in_flight(10)
    sacked(t, 1)
    for _ in range(10):
        assert sacked(t, 1) == []
    for _ in range(10):
        t.peer(".", ack=1)  # none at all
        t.silent()


@requirement(RFC, "5-2", "A duplicate ACK is one with new SACK information")
def test_a_duplicate_with_text_and_another_window() -> None:
    t = in_flight(10, more=0)
    for n in range(1, 4):
        blocks = [(1001, 1001 + 1000 * n)]
        t.peer(".", data=b"x", ack=1, win=60_000 + n, sack=blocks)
    assert 0 in segments_sent(t)


@requirement(RFC, "5-4", "(3): MAY send new data by limited transmit")
def test_limited_transmit() -> None:
    t = in_flight(10)
    assert sacked(t, 1) == [10]
    assert sacked(t, 2, 1) == [11]


@requirement(RFC, "5-5", "(4.2): ssthresh = FlightSize / 2, without limited transmit")
@requirement(RFC, "5-6", "(4.3): the segment at HighACK + 1 is retransmitted")
def test_the_beginning_of_recovery() -> None:
    t = in_flight(10)
    sacked(t, 1)
    sacked(t, 2, 1)
    assert sacked(t, 3, 2, 1) == [0]
    assert t.conn.congestion.ssthresh == 5000


@requirement(RFC, "5-7", "(A): the ACK of RecoveryPoint MUST end recovery")
def test_the_end_of_recovery() -> None:
    t = in_flight(10)
    sent = sacked(t, 3, 2, 1)
    before = t.conn.info().total_retrans
    sacked(t, una=max(9, *sent) + 1)
    assert t.conn.info().ca_state in ("open", "disorder")
    assert t.conn.congestion.cwnd <= 6000
    assert t.conn.info().total_retrans == before == 1


@requirement(RFC, "5-8", "(A): what is known beyond HighACK SHOULD NOT be cleared")
def test_the_scoreboard_outlives_recovery() -> None:
    t = in_flight(10)
    sent = sacked(t, 3, 2, 1)
    point = max(10, *(n + 1 for n in sent))
    # new data, SACKed while recovery still lasts
    sent = sacked(t, 5, 4, 3, 2, 1)
    sent += sacked(t, *range(9, 0, -1))
    new = max(sent)
    assert new > point
    sacked(t, new, *range(9, 0, -1))
    sacked(t, new, una=point)
    assert t.conn.info().sacked > 0


@requirement(RFC, "5-9", "(B): each ACK MUST update scoreboard and pipe")
def test_partial_acks() -> None:
    t = in_flight(16, more=0)
    assert sacked(t, 3, 2, 1)[0] == 0
    sent = sacked(t, 15, 14, 13, 12, 11, 10, 9, 3, 2, 1)
    una = 4
    for _ in range(8):
        sent += sacked(t, 15, 14, 13, 12, 11, 10, 9, una=una)
        una = max(una, *(n + 1 for n in sent)) if sent else una
        if una >= 9:
            break
    assert sorted(set(sent)) == [4, 5, 6, 7, 8]


# 5.1 Time-outs


@requirement(RFC, "5.1-1", "After an RTO the first segment MUST go, SACKed or not")
@requirement(RFC, "5.1-4", "What SACK says after an RTO SHOULD be used")
def test_holes_after_a_timeout() -> None:
    t = in_flight(10, more=0)
    sacked(t, 5, 3)
    t.wait(200 * MS)
    assert set(segments_sent(t)) == {0}
    sent = sacked(t, 7, 5, 3, una=1)
    una = 1
    while una < 10:
        assert sent, f"stuck at {una}"
        assert not {3, 5, 7} & set(sent)
        got = set(sent) | {3, 5, 7}
        while una in got:
            una += 1
        if una < 10:
            sent = sacked(t, *(n for n in (7, 5, 3) if n >= una), una=una)
    assert una == 10


@requirement(RFC, "5.1-2", "An RTO in recovery MUST end it")
@requirement(RFC, "5.1-3", "A new recovery MUST NOT begin before HighData is reached")
def test_a_timeout_in_recovery() -> None:
    t = in_flight(10)
    sacked(t, 3, 2, 1)
    t.wait(1000 * MS)
    t.sent()
    ssthresh = t.conn.congestion.ssthresh
    assert t.conn.info().ca_state == "loss"
    sacked(t, 3, 2, 1)
    sacked(t, 5, 3, 2, 1)
    sacked(t, 7, 5, 3, 2, 1)
    sacked(t, 9, 7, 5, 3, 2, 1)
    assert t.conn.info().ca_state == "loss"
    assert t.conn.congestion.ssthresh == ssthresh
