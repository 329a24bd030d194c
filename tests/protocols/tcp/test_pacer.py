from __future__ import annotations

import itertools
import pickle

import pytest

from sansio_net.protocols.tcp.pacer import Pacer, burst, window_rate
from sansio_net.units import MILLISECOND, SECOND

MSS = 1460


@pytest.mark.parametrize(
    ("rate", "segments"),
    [
        (1, 1),
        (149_999, 1),  # below 1.2 Mbit/s
        (150_000, 2),
        (6_250_000, 4),  # 50 Mbit/s
        (10**12, 44),  # 64 KiB
    ],
)
def test_a_burst_is_a_millisecond_in_whole_segments(rate: int, segments: int) -> None:
    assert burst(rate, MSS) == segments * MSS


def test_a_burst_of_huge_segments() -> None:
    assert burst(10**9, 60_000) == 120_000


def test_linux_ratios() -> None:
    assert window_rate(10_000, 1 << 30, 10 * MILLISECOND) == 2_000_000
    assert window_rate(10_000, 20_000, 10 * MILLISECOND) == 1_200_000
    assert window_rate(9_999, 20_000, 10 * MILLISECOND) == 1_999_800
    assert window_rate(10_000, 20_000, 0) == 0
    assert window_rate(1, 1, 1000 * SECOND) == 1


def released(
    pacer: Pacer, rate: int, until: int, now: int = 0
) -> list[tuple[int, int]]:
    """What leaves when somebody always wants to send, and comes exactly in time."""
    out = []
    while now < until:
        size = pacer.allowed(rate, MSS, now)
        if size:
            out.append((now, size))
            pacer.on_sent(size, rate, MSS, now)
        else:
            assert pacer.next_at > now
            now = pacer.next_at
    return out


def test_a_second_at_a_rate() -> None:
    for rate in (10_000, 150_000, 6_250_000, 125_000_000):
        pacer = Pacer()
        bursts = released(pacer, rate, 2 * SECOND, now=SECOND)
        total = sum(size for _, size in bursts)
        assert abs(total - rate) <= 2 * burst(rate, MSS)
        gaps = {b[0] - a[0] for a, b in itertools.pairwise(bursts[1:])}
        assert max(gaps) - min(gaps) <= 1


def test_who_comes_late_catches_up_but_only_by_a_burst() -> None:
    rate = 1_460_000
    pacer = Pacer()
    pacer.on_sent(2 * MSS, rate, MSS, 10 * SECOND)
    pacer.on_sent(2 * MSS, rate, MSS, 10 * SECOND)
    assert pacer.next_at == 10 * SECOND + 2 * MILLISECOND
    pacer.on_sent(2 * MSS, rate, MSS, 10 * SECOND + 3 * MILLISECOND)
    assert pacer.next_at == 10 * SECOND + 4 * MILLISECOND
    pacer.on_sent(2 * MSS, rate, MSS, 20 * SECOND)
    assert pacer.next_at == 20 * SECOND


def test_the_first_window_is_not_paced() -> None:
    pacer = Pacer(10 * MSS)
    assert pacer.allowed(1_000, MSS, 5) == 10 * MSS
    pacer.on_sent(6 * MSS, 1_000, MSS, 5)
    assert pacer.allowed(1_000, MSS, 5) == 4 * MSS
    pacer.on_sent(4 * MSS, 1_000, MSS, 5)
    pacer.on_sent(MSS, 1_000, MSS, 5)
    pacer.on_sent(MSS, 1_000, MSS, 5)
    assert pacer.allowed(1_000, MSS, 5) == 0
    assert pickle.loads(pickle.dumps(pacer)).next_at == pacer.next_at
