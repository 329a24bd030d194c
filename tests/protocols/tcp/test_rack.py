"""RACK (RFC 8985), rule by rule, as a peer sees it. Segments have 1000 bytes."""

from __future__ import annotations

from typing import Any

from sansio_net.protocols.tcp.phase import DISORDER, FAST, OPEN, TIMEOUT
from sansio_net.protocols.tcp.rack import Rack
from sansio_net.protocols.tcp.scoreboard import Scoreboard
from sansio_net.protocols.tcp.timers import NAMES, REORDER
from sansio_net.units import MILLISECOND

from .dialogue import Talk
from .test_recovery import again, flying, sack, undone

MS = MILLISECOND


def racked(n: int = 10, **options: Any) -> Talk:
    return flying(n, rack=True, **options)


def rack(talk: Talk) -> Rack:
    assert talk.conn.recovery.rack is not None
    return talk.conn.recovery.rack


def board(talk: Talk) -> Scoreboard:
    assert talk.conn.recovery.scoreboard is not None
    return talk.conn.recovery.scoreboard


def test_6_2_step_4_three_segments_without_reordering() -> None:
    """DupThresh holds as long as order was kept: no waiting then."""
    talk = racked()
    assert sack(talk, (1001, 2001)) == []
    assert sack(talk, (1001, 3001)) == []
    assert talk.conn.recovery.phase is DISORDER
    assert sack(talk, (1001, 4001)) == [1]
    assert talk.conn.recovery.phase is FAST
    assert rack(talk).reo_wnd == 0


def test_6_2_step_5_one_sack_and_a_quarter_of_the_round_trip() -> None:
    talk = racked(2)
    assert sack(talk, (1001, 2001)) == []
    at = talk.conn.timers.at(REORDER)
    assert at == talk.now + rack(talk).min_rtt // 4
    talk.now = at - 1
    talk.conn.handle_timeout(talk.now)
    assert again(talk) == []
    assert talk.wait_timer("reorder") == 1
    assert again(talk) == [1]
    assert talk.conn.recovery.phase is FAST
    assert talk.conn.congestion.cwnd < 10_000


def test_6_2_step_5_what_fills_the_hole_in_time() -> None:
    talk = racked(4)
    sack(talk, (1001, 2001))
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=2001)
    assert again(talk) == []
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.timers.at(REORDER) is None
    # step 3: it was late, and had not been sent again
    assert rack(talk).reordering


def test_6_2_step_4_after_reordering_count_does_not_matter() -> None:
    talk = racked(10)
    sack(talk, (1001, 2001))
    talk.peer(".", seq=1, ack=2001)
    assert rack(talk).reordering
    assert sack(talk, (3001, 8001), ack=2001) == []
    assert talk.conn.recovery.phase is DISORDER
    talk.wait_timer("reorder")
    assert again(talk) == [2001]


def test_6_2_step_4_dsacks_widen_the_window() -> None:
    talk = racked(10)
    sack(talk, (1001, 4001))
    talk.now += 50 * MS
    talk.peer(".", seq=1, ack=4001)
    assert rack(talk).reo_wnd_mult == 1
    # a DSACK a round trip, one step
    sack(talk, (1, 1001), ack=4001)
    sack(talk, (1, 1001), ack=4001)
    assert rack(talk).reo_wnd_mult == 2


def test_6_2_step_4_sixteen_recoveries_without_forget_it() -> None:
    made = Rack()
    made.reo_wnd_mult = 5
    for _ in range(15):
        made.recovered()
    assert made.reo_wnd_mult == 5
    made.recovered()
    assert made.reo_wnd_mult == 1


def test_a_lost_retransmission_is_found_without_a_timeout() -> None:
    """What RFC 6675 needs an RTO for."""
    talk = racked(10, more=20_000)
    assert sack(talk, (1001, 4001))[0] == 1
    talk.now += 10 * MS
    said = sack(talk, (1001, 9001))
    assert 10_001 in said  # sent after the retransmission
    talk.now += 100 * MS
    said = sack(talk, (1001, 11_001))
    assert said[0] == 1
    assert talk.conn.retransmits == 0


def test_6_2_step_2_an_ack_too_soon_is_for_the_original() -> None:
    talk = racked(10)
    sack(talk, (1001, 4001))
    before = rack(talk).rtt
    talk.now += 10 * MS
    # it answers the original of the first: the retransmission left 10 ms ago
    talk.peer(".", seq=1, ack=4001)
    assert rack(talk).rtt >= before


def test_6_3_a_timeout_loses_the_first_and_what_is_old() -> None:
    talk = racked(10, more=20_000, frto=False)
    talk.peer(".", seq=1, ack=1001)
    assert again(talk) != []
    nxt = talk.conn.sender.snd_nxt
    talk.conn.timers.set(NAMES.index("retransmit"), talk.now + 1)
    talk.wait_timer("retransmit")
    # what just left had no time to arrive
    assert talk.conn.recovery.phase is TIMEOUT
    assert board(talk).lost == 9000
    assert nxt - talk.conn.sender.snd_una > 9000


def test_7_4_1_the_probe_shows_what_was_lost() -> None:
    talk = racked(5, tail_loss_probe=True)
    talk.wait_timer("probe")
    assert again(talk) == [4001]
    talk.now += 100 * MS
    sack(talk, (4001, 5001))
    if talk.conn.recovery.phase is not FAST:
        talk.wait_timer("reorder")
        assert again(talk)[0] == 1
    assert talk.conn.recovery.phase is FAST
    assert board(talk).lost == 4000


def test_needs_sack() -> None:
    talk = flying(5, rack=True, sack=False)
    assert talk.conn.recovery.rack is None


def test_undo_makes_room_again() -> None:
    talk = racked(10)
    sack(talk, (1001, 4001))
    talk.now += 20 * MS
    talk.peer(".", seq=1, ack=10_001)
    sack(talk, (1, 1001), ack=10_001)
    assert undone(talk) == ["dsack"]
    assert talk.conn.congestion.cwnd == 10_000
