from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.protocols.tcp.congestion.windowed import AckAggregation, MaxFilter
from sansio_net.units import MILLISECOND, SECOND

MSS = 1_000
RATE = 1_000_000


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=60))
def test_the_maximum_of_the_last_rounds(steps: list[tuple[int, int]]) -> None:
    kept, seen, now = MaxFilter(10), list[tuple[int, int]](), 0
    for later, value in steps:
        now += later
        seen.append((now, value))
        kept.update(value, now)
        assert kept.best == max(v for at, v in seen if at > now - 10)
        assert len(kept._kept) <= 10


def test_a_maximum_expires_after_ten_rounds() -> None:
    kept = MaxFilter(10)
    kept.update(9, 1)
    for at in range(2, 11):
        kept.update(5, at)
        assert kept.best == 9
    kept.update(4, 11)
    assert kept.best == 5


def bunches(size: int, every: int, count: int) -> AckAggregation:
    """ACKs that come `size` bytes at a time, at the rate on average."""
    made = AckAggregation()
    for tick in range(1, count + 1):
        made.on_ack(size, RATE, 1 << 20, tick % 4 == 0, tick * every)
    return made


def test_a_smooth_stream_needs_little_more_than_an_ack() -> None:
    assert bunches(MSS, MILLISECOND, 50).extra(RATE) <= 2 * MSS


def test_a_bunch_is_what_comes_above_the_rate() -> None:
    extra = bunches(20 * MSS, 20 * MILLISECOND, 50).extra(RATE)
    assert 20 * MSS <= extra <= 40 * MSS


def test_no_more_than_the_window_or_a_tenth_of_a_second() -> None:
    made = AckAggregation()
    made.on_ack(900 * MSS, RATE, 30 * MSS, True, 1)
    assert made.extra(RATE) == 30 * MSS
    made.on_ack(900 * MSS, RATE, 1 << 30, False, 2)
    assert made.extra(RATE) == RATE // 10


def test_it_is_forgotten_after_ten_rounds() -> None:
    made = AckAggregation()
    made.on_ack(50 * MSS, RATE, 1 << 20, True, 1)
    assert made.extra(RATE) == 50 * MSS
    for tick in range(1, 11):
        made.on_ack(MSS, RATE, 1 << 20, True, tick * SECOND)
    assert made.extra(RATE) <= 2 * MSS


def test_an_idle_time_is_no_reason_for_a_bunch() -> None:
    made = AckAggregation()
    made.on_ack(MSS, RATE, 1 << 20, True, 1)
    made.restart(SECOND)
    made.on_ack(MSS, RATE, 1 << 20, True, SECOND)
    assert made.extra(RATE) == MSS
