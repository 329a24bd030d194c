from __future__ import annotations

from sansio_net.protocols.tcp.congestion import Cause, Reno
from sansio_net.units import MILLISECOND

from .samples import MSS, ack


def reno(cwnd: int = 10 * MSS) -> Reno:
    made = Reno()
    made.start(MSS, cwnd, 1, 0)
    return made


def test_slow_start_doubles() -> None:
    cc = reno()
    assert cc.phase == "slow_start"
    for _ in range(10):
        cc.on_ack(ack(MSS, 10 * MSS))
    assert cc.cwnd == 20 * MSS


def test_an_unused_window_does_not_grow() -> None:
    cc = reno()
    cc.on_ack(ack(MSS, MSS, limited=False))
    assert cc.cwnd == 10 * MSS
    cc.ssthresh = 5 * MSS
    cc.on_ack(ack(20 * MSS, 10 * MSS, limited=False))
    assert cc.cwnd == 10 * MSS


def test_congestion_avoidance_grows_a_segment_a_window() -> None:
    cc = reno()
    cc.ssthresh = 10 * MSS
    assert cc.phase == "avoidance"
    for _ in range(9):
        cc.on_ack(ack(MSS, 10 * MSS))
    assert cc.cwnd == 10 * MSS
    cc.on_ack(ack(MSS, 10 * MSS))
    assert cc.cwnd == 11 * MSS


def test_loss_halves_what_was_in_flight() -> None:
    cc = reno(20 * MSS)
    cc.on_congestion(Cause.LOSS, 16 * MSS, 0)
    assert cc.ssthresh == cc.cwnd == 8 * MSS
    cc.on_recovered(0)
    assert cc.cwnd == 8 * MSS


def test_ecn_costs_less_than_loss() -> None:
    cc = reno(20 * MSS)
    cc.on_congestion(Cause.ECN, 20 * MSS, 0)
    assert cc.ssthresh == cc.cwnd == 16 * MSS  # RFC 8511 3
    cc.cwnd = MSS
    cc.on_congestion(Cause.ECN, MSS, 0)
    cc.on_recovered(0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 2 * MSS)


def test_timeout_leaves_one_segment_and_holds_ssthresh() -> None:
    cc = reno(20 * MSS)
    cc.on_timeout(20 * MSS, True, 0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 10 * MSS)
    cc.on_timeout(MSS, False, 0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 10 * MSS)
    cc.on_timeout(MSS, True, 0)
    assert cc.ssthresh == 2 * MSS


def test_undo_gives_back_what_a_timeout_took() -> None:
    cc = reno(20 * MSS)
    cc.ssthresh = 30 * MSS
    cc.on_timeout(20 * MSS, True, 0)
    cc.on_timeout(MSS, False, 0)
    cc.undo(0)
    assert (cc.cwnd, cc.ssthresh) == (20 * MSS, 30 * MSS)


def test_idle_and_another_mss() -> None:
    cc = reno()
    cc.cwnd = 100 * MSS
    cc.on_idle(0)
    assert cc.cwnd == 10 * MSS
    cc.on_timeout(MSS, True, 0)
    cc.set_mss(9000)
    assert cc.cwnd == 9000


def test_paced_if_asked_to_be() -> None:
    cc = reno()
    cc.on_ack(ack(MSS, 10 * MSS, rtt=10 * MILLISECOND))
    assert cc.pacing_rate == 0
    cc = Reno()
    cc.start(MSS, 10 * MSS, 1, 0, True)
    assert cc.pacing_rate == 0
    cc.on_ack(ack(MSS, 10 * MSS, rtt=10 * MILLISECOND))
    assert cc.pacing_rate == 2 * 1_100_000
    cc.on_congestion(Cause.LOSS, 10 * MSS, 0)
    assert cc.pacing_rate == 600_000
    cc.on_ack(ack(MSS, 5 * MSS, rtt=18 * MILLISECOND))
    assert cc.pacing_rate == 5 * MSS * 120 * 1000 // 1100
