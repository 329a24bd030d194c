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
    rtt.sample(100 * MS, 0)
    assert (rtt.srtt, rtt.rttvar, rtt.rto) == (100 * MS, 50 * MS, 300 * MS)
    rtt.sample(200 * MS, 0)
    # RTTVAR = 3/4 * 50 + 1/4 * |100 - 200|; SRTT = 7/8 * 100 + 1/8 * 200
    assert (rtt.srtt, rtt.rttvar) == (112_500_000, 62_500_000)
    assert rtt.rto == 362_500_000


def test_bounds() -> None:
    rtt = estimator()
    rtt.sample(0, 0)
    assert rtt.srtt == 1
    assert rtt.rto == 200 * MS
    rtt.sample(1000 * SECOND, 0)
    assert rtt.rto == 120 * SECOND


def test_a_steady_path_needs_the_granularity() -> None:
    rtt = RttEstimator(SECOND, 1, 120 * SECOND)
    for _ in range(200):
        rtt.sample(10 * MS, 0)
    assert rtt.rto == 11 * MS


def test_backs_off_until_a_sample() -> None:
    rtt = estimator()
    for doubled in (2, 4, 8):
        rtt.back_off()
        assert rtt.rto == doubled * SECOND
    for _ in range(20):
        rtt.back_off()
    assert rtt.rto == 120 * SECOND
    rtt.sample(100 * MS, 0)
    assert rtt.rto == 300 * MS


def test_times_a_syn() -> None:
    rtt = estimator()
    rtt.start(100, now=0)
    rtt.on_ack(100, 80 * MS, None)
    assert rtt.srtt == 80 * MS
    rtt.on_ack(200, 90 * MS, None)
    assert rtt.srtt == 80 * MS


def test_the_worst_of_a_round_trip_counts() -> None:
    """RFC 6298 2.3 is made for a sample each round trip: more do not forget faster."""
    rtt = estimator()
    rtt.sample(100 * MS, 0, ack=1, nxt=101)
    for ack in range(2, 100):
        rtt.sample(100 * MS, 0, ack=ack, nxt=200)
    assert rtt.rttvar == 50 * MS
    rtt.sample(100 * MS, 0, ack=101, nxt=300)
    assert rtt.rttvar == 37_500_000
    rtt.sample(180 * MS, 0, ack=102, nxt=300)
    rtt.sample(100 * MS, 0, ack=103, nxt=300)
    assert rtt.rttvar == 57_500_000


def test_many_samples_weigh_as_one() -> None:
    """RFC 7323 appendix G."""
    rtt = estimator()
    rtt.sample(100 * MS, 0, ack=1, nxt=1)
    for ack in range(2, 21):
        rtt.sample(200 * MS, 0, ack=ack * 1000, nxt=21_000, mss=1000)
    assert 110 * MS < rtt.srtt < 125 * MS


def test_min_rtt_forgets_the_path_before() -> None:
    rtt = estimator()
    rtt.sample(10 * MS, SECOND)
    rtt.sample(30 * MS, 2 * SECOND)
    assert rtt.min_rtt == 10 * MS
    rtt.sample(30 * MS, 152 * SECOND)
    assert rtt.min_rtt == 10 * MS
    rtt.sample(40 * MS, 303 * SECOND)
    assert rtt.min_rtt == 30 * MS
    rtt.sample(40 * MS, 3000 * SECOND)
    assert rtt.min_rtt == 40 * MS
    rtt.sample(5 * MS, 3001 * SECOND)
    assert rtt.min_rtt == 5 * MS


def test_karn() -> None:
    rtt = estimator()
    rtt.start(100, now=0)
    rtt.cancel()
    rtt.on_ack(100, 80 * MS, None)
    assert rtt.srtt == 0
    # a timestamp tells an original from a retransmission
    rtt.on_ack(200, 90 * MS, 7 * MS)
    assert rtt.srtt == 7 * MS


def test_after_a_lost_syn() -> None:
    rtt = estimator()
    rtt.back_off()
    rtt.syn_was_lost()
    assert rtt.rto == 3 * SECOND  # RFC 6298 (5.7)
    rtt.sample(100 * MS, 0)
    rtt.syn_was_lost()
    assert rtt.rto == 300 * MS
