"""Loss recovery rule by rule, as a peer sees it. Segments have 1000 bytes."""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp.phase import CWR, DISORDER, FAST, OPEN, TIMEOUT
from sansio_net.protocols.tcp.rtt import RttEstimator
from sansio_net.protocols.tcp.timers import REORDER
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk

MS = MILLISECOND


def flying(n: int = 10, *, more: int = 0, rtt: int = 100 * MS, **options: Any) -> Talk:
    """n segments in flight, `more` bytes behind them, and a round trip measured."""
    options.setdefault("initial_window", n)
    options.setdefault("congestion", "reno")
    talk = Talk.active(**options)
    talk.conn.rtt = RttEstimator(SECOND, 200 * MS, 120 * SECOND)
    talk.conn.rtt.sample(rtt, talk.now)
    talk.conn.send(bytes(n * 1000 + more))
    assert len(talk.all_said()) == n
    talk.now += rtt
    return talk


def again(talk: Talk) -> list[int]:
    """The first numbers of what is said now."""
    return [said.seq for said in talk.all_said()]


def sack(talk: Talk, *blocks: tuple[int, int], ack: int = 1, **more: Any) -> list[int]:
    talk.peer(".", seq=1, ack=ack, sack=list(blocks), **more)
    return again(talk)


def phases(talk: Talk) -> list[tuple[object, ...]]:
    return [entry[3:5] for entry in talk.trace if entry[1] == "tcp.recovery"]


def undone(talk: Talk) -> list[object]:
    return [entry[3] for entry in talk.trace if entry[1] == "tcp.undo"]


# RFC 6675 ---------------------------------------------------------------------------


def test_6675_5_1_three_duplicates() -> None:
    talk = flying(10)
    assert sack(talk, (1001, 1501)) == []
    assert talk.conn.recovery.phase is DISORDER
    assert sack(talk, (1001, 1701)) == []
    assert sack(talk, (1001, 1901)) == [1]
    recovery = talk.conn.recovery
    assert (recovery.phase, recovery.recovery_point) == (
        FAST,
        talk.conn.sender.snd_nxt,
    )
    assert talk.conn.congestion.ssthresh == 5000
    assert phases(talk) == [("open", "disorder"), ("disorder", "recovery")]


def test_6675_5_2_more_than_two_segments_above_in_one_ack() -> None:
    talk = flying(10)
    assert sack(talk, (1001, 3001)) == []
    talk = flying(10)
    assert sack(talk, (1001, 3002)) == [1]
    talk = flying(10)
    # three ranges, of a byte each
    assert sack(talk, (1001, 1002), (2001, 2002), (4001, 4002)) == [1]


def test_6675_4_nextseg_1_only_what_is_lost() -> None:
    """Holes with less than DupThresh above them are not sent."""
    talk = flying(10)
    sack(talk, (3001, 4001))
    sack(talk, (5001, 6001), (3001, 4001))
    first = sack(talk, (7001, 8001), (5001, 6001), (3001, 4001))
    # 1..3001 is lost; 4001 and 6001 may be on their way
    assert first == [1]
    assert talk.conn.recovery.scoreboard is not None
    assert talk.conn.recovery.scoreboard.lost == 3000
    assert sack(talk, (7001, 9001), (5001, 6001), (3001, 4001)) == [1001]
    assert talk.conn.recovery.scoreboard.lost == 4000


def test_6675_4_nextseg_2_new_text_while_nothing_is_lost() -> None:
    talk = flying(10, more=5000)
    assert sack(talk, (1001, 5001)) == [1]
    for upto in (6001, 7001, 8001, 9001, 10_001):
        sack(talk, (1001, upto))
    nxt = talk.conn.sender.snd_nxt - talk.conn.sender.iss
    assert nxt > 10_001


def test_6675_4_nextseg_3_and_4_once() -> None:
    """Nothing new to send: what is below a SACK, then the last, once a recovery."""
    talk = flying(10)
    # the hole at 8001 has too little above it
    assert sack(talk, (1001, 8001), (9001, 10_001)) == [1, 8001]
    talk = flying(10)
    # 5 (4.3): not while the first may still arrive
    assert sack(talk, (1001, 8001)) == [1]
    assert sack(talk, ack=8001) == [9001]
    assert sack(talk, ack=8501) == []


def test_6675_5_a_full_ack_ends_it() -> None:
    talk = flying(10)
    assert sack(talk, (1001, 5001)) == [1]
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=10_001)
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.congestion.cwnd == 5000
    assert phases(talk)[-1] == ("recovery", "open")


def test_3042_limited_transmit_with_sack() -> None:
    talk = flying(10, more=5000)
    assert sack(talk, (1001, 2001)) == [10_001]
    assert sack(talk, (1001, 3001)) == [11_001]
    assert sack(talk, (1001, 4001)) == [1]
    # RFC 5681 3.2 (2): what limited transmit sent does not count
    assert talk.conn.congestion.ssthresh == 5000


def test_3042_not_beyond_the_peers_window() -> None:
    talk = flying(10, more=5000, wnd=10_000)
    assert sack(talk, (1001, 2001), wnd=10_000) == []
    assert sack(talk, (1001, 3001), wnd=10_000) == []


def test_2018_3_blocks_that_cannot_be_are_ignored() -> None:
    talk = flying(5)
    for block in ((5001, 6001), (4001, 7001), (3001, 3001), (3001, 2001)):
        assert sack(talk, block) == []
    assert talk.counters.counts["tcp.sack_invalid"] >= 3
    assert talk.conn.recovery.phase is OPEN


def test_sack_that_was_not_agreed_on_is_not_heard() -> None:
    talk = flying(10, sack=False)
    for _ in range(2):
        assert sack(talk, (1001, 9001)) == []
    assert talk.conn.recovery.scoreboard is not None
    assert talk.conn.recovery.scoreboard.sacked == 0


def test_adapts_to_reordering() -> None:
    """What was only late raises the threshold (as Linux does)."""
    talk = flying(10, more=20_000)
    sack(talk, (1001, 3001))
    talk.peer(".", seq=1, ack=3001)
    talk.all_said()
    assert talk.conn.recovery.reordering == 3
    sack(talk, (4001, 5001), (6001, 7001), ack=3001)
    assert talk.conn.recovery.phase is DISORDER
    talk.peer(".", seq=1, ack=5001, sack=[(6001, 7001)])
    talk.all_said()
    assert talk.conn.recovery.reordering == 4
    # 5001 is missing: three segments above it do not suffice any more
    assert 5001 not in sack(talk, (6001, 9001), ack=5001)
    assert 5001 in sack(talk, (6001, 10_001), ack=5001)


# RFC 6582 and 5681: peers without SACK ------------------------------------------------


def dup(talk: Talk, ack: int = 1) -> list[int]:
    talk.peer(".", seq=1, ack=ack)
    return again(talk)


def test_6582_3_2_partial_and_full_acks() -> None:
    talk = flying(10, sack=False)
    assert [dup(talk) for _ in range(3)] == [[], [], [1]]
    assert talk.conn.congestion.ssthresh == 5000
    talk.now += 100 * MS
    assert dup(talk, 3001) == [3001]
    at = talk.conn.timers.at(0)
    assert at == talk.now + talk.conn.rtt.rto  # (3): the first partial ACK resets it
    talk.now += 100 * MS
    assert dup(talk, 5001) == [5001]
    assert talk.conn.timers.at(0) == at
    assert dup(talk, 10_001) == []
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.congestion.cwnd == 5000


def test_6582_3_2_not_again_for_the_same_window() -> None:
    talk = flying(10, more=10_000, sack=False)
    for _ in range(3):
        dup(talk)
    talk.now += 100 * MS
    said = dup(talk, 10_001)
    assert said
    assert said[0] > 10_000
    for _ in range(5):
        assert 10_001 not in dup(talk, 10_001)


def test_6582_4_1_unless_little_was_acknowledged() -> None:
    talk = flying(3, more=10_000, sack=False)
    talk.wait(SECOND)
    assert again(talk) == [1]
    dup(talk, 1001)
    dup(talk, 2001)
    dup(talk, 3001)
    assert talk.conn.recovery.phase is OPEN
    assert [3001 in dup(talk, 3001) for _ in range(3)] == [False, False, True]


def test_3042_limited_transmit_without_sack() -> None:
    talk = flying(10, more=5000, sack=False)
    assert [dup(talk) for _ in range(3)] == [[10_001], [11_001], [1]]


def test_6937_3_without_sack_each_duplicate_delivers_a_segment() -> None:
    talk = flying(20, more=20_000, sack=False)
    said = [dup(talk) for _ in range(19)]
    # half of what is delivered leaves while the window comes down
    sent = sum(map(len, said[3:]))
    assert 7 <= sent <= 10


# RFC 6937 -----------------------------------------------------------------------------


def test_6937_3_reduces_in_proportion() -> None:
    talk = flying(20, more=50_000)
    said = []
    for n in range(2, 21):
        said.append(sack(talk, (1001, n * 1000 + 1)))
    assert talk.conn.congestion.ssthresh == 10_000
    assert said[2] == [1]
    # never silent for long, never two at once
    assert max(map(len, said)) == 1
    new = sum(map(len, said[3:]))
    assert 7 <= new <= 9
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=20_001)
    assert talk.conn.congestion.cwnd == 10_000


# RFC 6298, 5681: time-outs ------------------------------------------------------------


def test_6298_5_4_one_segment_and_slow_start() -> None:
    talk = flying(10, frto=False)
    talk.wait_timer("retransmit")
    assert again(talk) == [1]
    assert talk.conn.recovery.phase is TIMEOUT
    assert (talk.conn.congestion.cwnd, talk.conn.congestion.ssthresh) == (1000, 5000)
    assert dup(talk, 1001) == [1001, 2001]
    assert dup(talk, 3001) == [3001, 4001, 5001, 6001]
    assert dup(talk, 10_001) == []
    assert talk.conn.recovery.phase is OPEN
    assert phases(talk) == [("open", "loss"), ("loss", "open")]


def test_5681_3_1_ssthresh_is_held_when_it_is_lost_again() -> None:
    talk = flying(10)
    talk.wait_timer("retransmit")
    again(talk)
    talk.wait_timer("retransmit")
    assert again(talk) == [1]
    assert talk.conn.congestion.ssthresh == 5000


def test_a_timeout_keeps_what_was_sacked() -> None:
    """RFC 6675 5.1, errata 1610: as long as nothing speaks of reneging."""
    talk = flying(25, frto=False)
    sack(talk, (2001, 3001), (24_001, 25_001))
    talk.wait_timer("retransmit")
    assert again(talk) == [1]
    assert dup(talk, 1001) == [1001, 3001]
    assert dup(talk, 25_001) == []


def test_2018_8_reneging() -> None:
    """The ACK ends where a SACKed range begins: the peer dropped it."""
    talk = flying(5, frto=False)
    assert sack(talk, (1001, 2001), (3001, 4001)) == []
    talk.peer(".", seq=1, ack=1001)
    assert talk.counters.counts["tcp.sack_reneged"] == 1
    # Linux: a little later, in case that more is on its way
    assert talk.wait_timer("retransmit") <= 20 * MS
    assert again(talk) == [1001]
    board = talk.conn.recovery.scoreboard
    assert board is not None
    assert board.sacked == 0
    assert dup(talk, 2001) == [2001, 3001]


def test_2018_8_reneging_while_more_arrives() -> None:
    """ACKs that do not advance, each before the wait is over, do not prolong it."""
    talk = flying(9, frto=False)
    sack(talk, (1001, 2001), (3001, 4001))
    talk.peer(".", seq=1, ack=1001)
    begun = talk.now
    for segment in range(4, 9):
        talk.all_said()
        talk.wait(8 * MS)
        talk.peer(".", seq=1, ack=1001, sack=[(3001, 1001 + 1000 * segment)])
    assert talk.conn.retransmits == 1
    assert talk.conn.info().total_rto_time <= talk.now - begun
    assert talk.counters.counts["tcp.sack_reneged"] == 1


def test_a_hole_that_is_filled_late_is_no_reneging() -> None:
    talk = flying(5)
    sack(talk, (1001, 2001))
    talk.peer(".", seq=1, ack=1001)
    talk.peer(".", seq=1, ack=2001)
    timer = talk.conn.timers.at(0)
    assert timer is not None
    assert timer - talk.now == talk.conn.rtt.rto


# RFC 5682 -----------------------------------------------------------------------------


def test_5682_3_1_a_timeout_that_was_none() -> None:
    talk = flying(10, more=10_000)
    talk.wait_timer("retransmit")
    assert again(talk) == [1]
    # the ACKs of the originals were only late
    talk.peer(".", seq=1, ack=1001)
    assert again(talk) == [10_001, 11_001]  # (2b) new, and nothing lost
    talk.peer(".", seq=1, ack=2001)
    assert undone(talk) == ["frto"]
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.congestion.cwnd >= 10_000
    said = again(talk)
    assert not said or said[0] > 11_000


def test_5682_3_1_3a_a_timeout_that_was_one() -> None:
    talk = flying(10, more=10_000)
    talk.wait_timer("retransmit")
    again(talk)
    talk.peer(".", seq=1, ack=1001)
    assert again(talk) == [10_001, 11_001]
    # what is new arrives, what was in flight does not
    assert sack(talk, (10_001, 11_001), ack=1001) == [1001]
    assert undone(talk) == []
    assert talk.conn.recovery.phase is TIMEOUT


def test_5682_2_1_2b_nothing_new_to_send() -> None:
    talk = flying(10)
    talk.wait_timer("retransmit")
    again(talk)
    talk.peer(".", seq=1, ack=1001)
    assert again(talk) == [1001, 2001]


def test_5682_2_1_without_sack_a_filled_hole_proves_nothing() -> None:
    talk = flying(10, more=10_000, sack=False)
    talk.wait_timer("retransmit")
    again(talk)
    # the rest may have waited at the peer for the first
    talk.peer(".", seq=1, ack=5001)
    assert undone(talk) == []
    assert again(talk) == [10_001, 11_001]
    talk.peer(".", seq=1, ack=6001)
    assert undone(talk) == ["frto"]


def test_5682_is_an_option() -> None:
    talk = flying(10, more=10_000, frto=False)
    talk.wait_timer("retransmit")
    again(talk)
    talk.peer(".", seq=1, ack=1001)
    assert again(talk) == [1001, 2001]


# Undo ---------------------------------------------------------------------------------


def test_2883_dsack_undoes_a_recovery() -> None:
    talk = flying(10)
    assert sack(talk, (1001, 5001)) == [1]
    assert talk.conn.congestion.cwnd == 5000
    # the original arrives after all, and then the copy
    talk.peer(".", seq=1, ack=10_001)
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.congestion.cwnd == 5000
    sack(talk, (1, 1001), ack=10_001)
    assert talk.conn.congestion.cwnd == 10_000
    assert undone(talk) == ["dsack"]
    assert talk.counters.counts["tcp.dsack_received"] == 1


def test_a_dsack_of_a_part_undoes_nothing() -> None:
    talk = flying(10)
    assert sack(talk, (2001, 7001)) == [1, 1001]
    talk.peer(".", seq=1, ack=10_001)
    sack(talk, (1, 1001), ack=10_001)
    assert talk.conn.congestion.cwnd == 5000
    sack(talk, (1001, 2001), ack=10_001)
    assert talk.conn.congestion.cwnd == 10_000


def test_3522_timestamps_undo_a_recovery() -> None:
    """RFC 3522 3.2: the ACK echoes a stamp older than the retransmission's."""
    talk = flying(10, stamps=True, more=20_000)
    stamp = (talk.now // MS + talk.conn.ts_offset) % 2**32
    mss = 988
    first = sack(talk, (mss + 1, 5 * mss + 1), ts_val=1000, ts_ecr=stamp - 100)
    assert first[-1] == 1
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=5 * mss + 1, ts_val=1000, ts_ecr=stamp - 100)
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=10 * mss + 1, ts_val=1000, ts_ecr=stamp - 100)
    assert undone(talk) == ["timestamps"]
    assert talk.conn.congestion.cwnd >= 10 * mss


def test_timestamps_of_the_retransmission_undo_nothing() -> None:
    talk = flying(10, stamps=True)
    mss = 988
    sack(talk, (mss + 1, 5 * mss + 1))
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=talk.conn.sender.snd_nxt - talk.conn.sender.iss)
    assert undone(talk) == []


# RFC 8985 7 ---------------------------------------------------------------------------


def tail(n: int = 3, **options: Any) -> Talk:
    return flying(n, tail_loss_probe=True, **options)


def test_8985_7_2_after_two_round_trips() -> None:
    talk = tail()
    talk.now -= 100 * MS
    assert talk.wait_timer("probe") == 202 * MS
    assert again(talk) == [2001]
    assert ("tcp.probe", 0, "tail") in [entry[1:4] for entry in talk.trace]
    # then the RTO, and no other probe
    assert talk.conn.deadline() == talk.now + talk.conn.rtt.rto
    talk.wait_timer("retransmit")
    assert again(talk) == [1]


def test_8985_7_2_one_segment_may_be_acknowledged_late() -> None:
    talk = tail(1)
    talk.now -= 100 * MS
    # 2 SRTT + the peer's delay is later than the RTO, which is when it leaves
    assert talk.wait_timer("probe") == talk.conn.rtt.rto == 300 * MS
    assert again(talk) == [1]


def test_8985_7_3_new_text_before_the_last() -> None:
    talk = tail(more=500)
    talk.wait_timer("probe")
    said = talk.us("P.", seq=3001)
    assert len(said.data) == 500
    talk.silent()


def test_8985_7_3_not_without_a_sample_since() -> None:
    talk = tail()
    talk.wait_timer("probe")
    again(talk)
    talk.peer(".", seq=1, ack=1001)
    talk.conn.send(bytes(1000))
    talk.all_said()
    assert talk.conn.timers.at(7) is None
    assert talk.conn.timers.at(0) is not None


def test_8985_7_4_1_the_probe_tells_of_losses_before_it() -> None:
    talk = tail(5)
    talk.wait_timer("probe")
    assert again(talk) == [4001]
    talk.now += 100 * MS
    assert sack(talk, (4001, 5001))[:1] == [1]
    assert talk.conn.recovery.phase is FAST
    assert talk.conn.recovery.scoreboard is not None
    assert talk.conn.recovery.scoreboard.lost == 4000


def test_8985_7_4_2_a_loss_that_the_probe_repaired() -> None:
    talk = tail(10)
    talk.wait_timer("probe")
    again(talk)
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=10_001)
    assert talk.conn.congestion.cwnd >= 10_000
    talk.conn.send(bytes(1000))
    talk.all_said()
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=11_001)
    assert talk.conn.congestion.cwnd < 10_000


@pytest.mark.parametrize("dsack", [True, False])
def test_8985_7_4_2_a_probe_for_nothing(dsack: bool) -> None:
    talk = tail(10, more=0)
    talk.wait_timer("probe")
    again(talk)
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=10_001)
    talk.conn.send(bytes(1000))
    talk.all_said()
    if dsack:
        sack(talk, (9001, 10_001), ack=10_001)
    else:
        talk.peer(".", seq=1, ack=10_001)
    talk.now += 100 * MS
    talk.peer(".", seq=1, ack=11_001)
    assert talk.conn.congestion.cwnd >= 10_000


def test_8985_7_needs_sack_and_is_an_option() -> None:
    for options in ({"sack": False}, {"tail_loss_probe": False}):
        talk = flying(3, **{"tail_loss_probe": True, **options})
        assert talk.conn.timers.at(7) is None


# RFC 3168 -----------------------------------------------------------------------------


def test_3168_6_1_2_the_window_comes_down_bit_by_bit() -> None:
    talk = flying(10, more=20_000)
    conn = talk.conn
    una, nxt = conn.sender.snd_una, conn.sender.snd_nxt
    assert conn.recovery.congestion_window_reduced(
        una + 1, una, nxt, conn.congestion, talk.now
    )
    assert conn.recovery.phase is CWR
    said = []
    for n in range(1, 10):
        talk.peer(".", seq=1, ack=1000 * n + 1)
        said.append(len(again(talk)))
    assert max(said) == 1
    assert 6 <= sum(said) <= 8
    talk.peer(".", seq=1, ack=10_001)
    assert conn.recovery.phase is OPEN
    assert conn.congestion.cwnd == 8000


# What waits for other reasons ---------------------------------------------------------


def test_fast_retransmit_while_the_rest_waits_for_a_smaller_mtu() -> None:
    """What is to go again because the path shrank goes with what is lost."""
    talk = flying(10, more=10_000)
    conn = talk.conn
    conn.recovery.lose(conn.sender.snd_una, conn.sender.snd_nxt, "mtu")
    assert len(again(talk)) == 10
    talk.now += 100 * MS
    said = sack(talk, (1001, 6001))
    assert talk.conn.recovery.phase is not OPEN
    assert conn.recovery.scoreboard is not None
    talk.now += 100 * MS
    said += sack(talk, (1001, 10_001))
    talk.wait(SECOND)
    assert 1 in said + again(talk)


def test_long_losses_go_as_super_segments() -> None:
    talk = Talk.active(gso_max=65_535, frto=False, initial_window=10)
    talk.conn.send(bytes(10_000))
    assert [len(said.data) for said in talk.all_said()] == [10_000]
    talk.wait_timer("retransmit")
    assert [len(said.data) for said in talk.all_said()] == [1000]
    talk.peer(".", seq=1, ack=1001)
    assert [len(said.data) for said in talk.all_said()] == [2000]
    talk.peer(".", seq=1, ack=3001)
    assert [len(said.data) for said in talk.all_said()] == [4000]


# By time, as RFC 8985 6.2 has it: few segments, and retransmissions that are lost -----


def test_few_segments_are_lost_a_quarter_of_a_round_trip_later() -> None:
    talk = flying(4)
    assert sack(talk, (1001, 2001)) == []
    at = talk.conn.timers.at(REORDER)
    assert at == talk.now + talk.conn.rtt.min_rtt // 4
    talk.wait_timer("reorder")
    assert again(talk) == [1]
    assert talk.conn.recovery.phase is FAST
    assert talk.conn.congestion.cwnd == 2000


def test_few_segments_that_were_only_late() -> None:
    talk = flying(4)
    assert sack(talk, (1001, 2001)) == []
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=2001)
    assert again(talk) == []
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.timers.at(REORDER) is None
    assert talk.conn.congestion.cwnd >= 4000


def test_more_segments_wait_for_duplicates() -> None:
    talk = flying(21)
    assert sack(talk, (1001, 2001)) == []
    assert talk.conn.timers.at(REORDER) is None


def lost_twice(**options: Any) -> Talk:
    """The first of ten went again and did not arrive; what left later did."""
    talk = flying(10, more=10_000, **options)
    assert sack(talk, (1001, 4001)) == [1]
    for end in range(5001, 10_002, 1000):
        sack(talk, (1001, end))
    assert talk.conn.sender.snd_nxt > 10_001  # new text left behind it
    talk.now += 100 * MS
    return talk


def test_a_lost_retransmission_goes_again_without_a_timeout() -> None:
    talk = lost_twice()
    window = talk.conn.congestion.ssthresh
    assert 1 in sack(talk, (1001, 11_001))
    assert talk.conn.recovery.phase is FAST
    # PRR brought cwnd down: it is no further reason (RFC 8985 9.3)
    assert talk.conn.congestion.ssthresh == window
    assert talk.conn.recovery.reductions == 1


def test_not_as_long_as_only_older_text_arrives() -> None:
    talk = flying(10, more=10_000)
    assert sack(talk, (1001, 4001)) == [1]
    for end in range(5001, 10_002, 1000):
        talk.now += 10 * MS
        assert 1 not in sack(talk, (1001, end))


def test_a_lost_retransmission_waits_where_order_is_not_kept() -> None:
    talk = lost_twice()
    assert talk.conn.recovery.rack is not None
    talk.conn.recovery.rack.reordering = True
    assert 1 not in sack(talk, (1001, 11_001))
    at = talk.conn.timers.at(REORDER)
    assert at == talk.now + talk.conn.rtt.min_rtt // 4
    talk.wait_timer("reorder")
    assert again(talk)[0] == 1


def test_a_lost_retransmission_after_a_timeout() -> None:
    talk = flying(4, frto=False, tail_loss_probe=False)
    talk.wait_timer("retransmit")
    assert again(talk) == [1]
    talk.now += 100 * MS
    assert sack(talk, ack=1001) == [1001, 2001]
    talk.now += 100 * MS
    assert sack(talk, (2001, 3001), ack=1001)[0] == 1001
    assert talk.conn.recovery.phase is TIMEOUT
