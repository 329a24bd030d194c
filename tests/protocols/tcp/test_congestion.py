from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp.congestion import Reno, controller

MSS = 1000


def reno(cwnd: int = 10 * MSS) -> Reno:
    made = Reno()
    made.start(MSS, cwnd)
    return made


def test_by_name() -> None:
    assert isinstance(controller("reno"), Reno)
    with pytest.raises(StateError, match="vegas"):
        controller("vegas")


def test_slow_start_doubles() -> None:
    cc = reno()
    for _ in range(10):
        cc.on_ack(MSS, 10 * MSS, True, 0)
    assert cc.cwnd == 20 * MSS


def test_an_unused_window_does_not_grow() -> None:
    cc = reno()
    cc.on_ack(MSS, MSS, False, 0)
    assert cc.cwnd == 10 * MSS
    cc.ssthresh = 5 * MSS
    cc.on_ack(20 * MSS, 10 * MSS, False, 0)
    assert cc.cwnd == 10 * MSS


def test_congestion_avoidance_grows_a_segment_a_window() -> None:
    cc = reno()
    cc.ssthresh = 10 * MSS
    for _ in range(9):
        cc.on_ack(MSS, 10 * MSS, True, 0)
    assert cc.cwnd == 10 * MSS
    cc.on_ack(MSS, 10 * MSS, True, 0)
    assert cc.cwnd == 11 * MSS


def test_loss_halves_what_was_in_flight() -> None:
    cc = reno(20 * MSS)
    cc.on_loss(16 * MSS, 0)
    assert cc.ssthresh == cc.cwnd == 8 * MSS
    cc.on_recovered(3 * MSS)
    assert cc.cwnd == 3 * MSS
    cc.on_recovered(30 * MSS)
    assert cc.cwnd == 8 * MSS


def test_timeout_leaves_one_segment_and_holds_ssthresh() -> None:
    cc = reno(20 * MSS)
    cc.on_timeout(20 * MSS, True, 0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 10 * MSS)
    cc.on_timeout(MSS, False, 0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 10 * MSS)
    cc.on_timeout(MSS, True, 0)
    assert cc.ssthresh == 2 * MSS


def test_idle_and_another_mss() -> None:
    cc = reno()
    cc.cwnd = 100 * MSS
    cc.on_idle()
    assert cc.cwnd == 10 * MSS
    cc.on_timeout(MSS, True, 0)
    cc.set_mss(9000)
    assert cc.cwnd == 9000
