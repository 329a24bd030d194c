from __future__ import annotations

from sansio_net.protocols.tcp.rtt import RttEstimator
from sansio_net.units import MILLISECOND, SECOND

MS = MILLISECOND


def estimator() -> RttEstimator:
    return RttEstimator(SECOND, 200 * MS, 120 * SECOND)


def test_begins_with_a_second() -> None:
    assert estimator().rto == SECOND  # RFC 6298 (2.1)


def test_first_and_second_sample() -> None:
    rtt = estimator()
    rtt.sample(100 * MS)
    assert (rtt.srtt, rtt.rttvar, rtt.rto) == (100 * MS, 50 * MS, 300 * MS)
    rtt.sample(200 * MS)
    # RTTVAR = 3/4 * 50 + 1/4 * |100 - 200|; SRTT = 7/8 * 100 + 1/8 * 200
    assert (rtt.srtt, rtt.rttvar) == (112_500_000, 62_500_000)
    assert rtt.rto == 362_500_000


def test_bounds() -> None:
    rtt = estimator()
    rtt.sample(0)
    assert rtt.srtt == 1
    assert rtt.rto == 200 * MS
    rtt.sample(1000 * SECOND)
    assert rtt.rto == 120 * SECOND


def test_a_steady_path_needs_the_granularity() -> None:
    rtt = RttEstimator(SECOND, 1, 120 * SECOND)
    for _ in range(200):
        rtt.sample(10 * MS)
    assert rtt.rto == 11 * MS


def test_backs_off_until_a_sample() -> None:
    rtt = estimator()
    for doubled in (2, 4, 8):
        rtt.back_off()
        assert rtt.rto == doubled * SECOND
    for _ in range(20):
        rtt.back_off()
    assert rtt.rto == 120 * SECOND
    rtt.sample(100 * MS)
    assert rtt.rto == 300 * MS


def test_times_one_segment_at_a_time() -> None:
    rtt = estimator()
    rtt.start(100, now=0)
    rtt.start(200, now=50 * MS)
    assert not rtt.on_ack(99, 60 * MS, None)
    assert rtt.on_ack(150, 80 * MS, None)
    assert rtt.srtt == 80 * MS
    assert not rtt.on_ack(200, 90 * MS, None)


def test_karn() -> None:
    rtt = estimator()
    rtt.start(100, now=0)
    rtt.cancel()
    assert not rtt.on_ack(100, 80 * MS, None)
    assert rtt.srtt == 0
    # a timestamp tells an original from a retransmission
    assert rtt.on_ack(200, 90 * MS, 7 * MS)
    assert rtt.srtt == 7 * MS


def test_after_a_lost_syn() -> None:
    rtt = estimator()
    rtt.back_off()
    rtt.syn_was_lost()
    assert rtt.rto == 3 * SECOND  # RFC 6298 (5.7)
    rtt.sample(100 * MS)
    rtt.syn_was_lost()
    assert rtt.rto == 300 * MS
