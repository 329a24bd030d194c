from __future__ import annotations

import copy
import itertools
import pickle
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.protocols.tcp.congestion import Cause, Cubic
from sansio_net.protocols.tcp.congestion.base import INFINITE
from sansio_net.protocols.tcp.congestion.cubic import cube_root
from sansio_net.units import MILLISECOND, SECOND

from .samples import MSS, ack

RTT = 100 * MILLISECOND


def cubic(cwnd: int = 10 * MSS) -> Cubic:
    made = Cubic()
    made.start(MSS, cwnd, 1, 0)
    return made


def after_loss(cwnd: int, now: int = 0) -> Cubic:
    made = cubic(cwnd)
    made.on_congestion(Cause.LOSS, cwnd, now)
    made.on_recovered(now)
    return made


class Oracle:
    """RFC 9438 4.2 to 4.5 for a window always used up, in segments and seconds."""

    C = Fraction(4, 10)

    def __init__(self, cwnd: Fraction, w_max: Fraction, prior: Fraction) -> None:
        self.cwnd = self.w_est = cwnd
        self.prior = prior
        self.origin = max(w_max, cwnd)
        with localcontext() as context:
            context.prec = 50
            cubed = (self.origin - cwnd) / self.C
            value = Decimal(cubed.numerator) / Decimal(cubed.denominator)
            self.k = Fraction(value ** (Decimal(1) / Decimal(3)) if value else 0)

    def w_cubic(self, t: Fraction) -> Fraction:
        return self.C * (t - self.k) ** 3 + self.origin

    def ack(self, segments: Fraction, t: Fraction, srtt: Fraction) -> None:
        alpha = Fraction(1) if self.w_est >= self.prior else Fraction(9, 17)
        self.w_est += alpha * segments / self.cwnd
        if self.w_cubic(t) < self.w_est:
            self.cwnd = max(self.cwnd, self.w_est)
        else:
            target = min(self.w_cubic(t + srtt), self.cwnd * 3 / 2)
            if target > self.cwnd:
                self.cwnd += (target - self.cwnd) * segments / self.cwnd
        self.cwnd = self.cwnd.limit_denominator(10**12)
        self.w_est = self.w_est.limit_denominator(10**12)


@pytest.mark.parametrize("rtt", [MILLISECOND, 20 * MILLISECOND, RTT, 300 * MILLISECOND])
@pytest.mark.parametrize("segments", [12, 100, 2_000])
def test_the_window_over_time_is_that_of_the_rfc(segments: int, rtt: int) -> None:
    cc = after_loss(segments * MSS)
    now, grew = SECOND, False
    cc.on_ack(ack(MSS, cc.cwnd, rtt=rtt, now=now))
    start = Fraction(segments * 7, 10)
    oracle = Oracle(start, Fraction(segments), Fraction(segments))
    srtt = Fraction(rtt, SECOND)
    oracle.ack(Fraction(1), Fraction(0), srtt)
    for _ in range(300):
        now += max(rtt // 4, 60 * MILLISECOND)
        acked = cc.cwnd // 4 // MSS * MSS or MSS
        cc.on_ack(ack(acked, cc.cwnd, rtt=rtt, now=now))
        oracle.ack(Fraction(acked, MSS), Fraction(now - SECOND, SECOND), srtt)
        # the two divisions round down by less than a byte an ACK
        assert abs(cc.cwnd - oracle.cwnd * MSS) < MSS // 2
        grew = grew or cc.cwnd > segments * MSS
    assert grew


def grow(cc: Cubic, now: int, until: int, rtt: int = RTT) -> int:
    while now < until:
        now += rtt
        for _ in range(4):
            cc.on_ack(ack(cc.cwnd // 4, cc.cwnd, rtt=rtt, now=now))
    return now


def test_concave_to_the_old_maximum_then_convex() -> None:
    cc = after_loss(1_000 * MSS)
    assert cc.cwnd == cc.ssthresh == 700 * MSS
    assert cc.phase == "avoidance"
    sizes = []
    now = 0
    for second in range(1, 20):
        now = grow(cc, now, second * SECOND)
        sizes.append(cc.cwnd // MSS)
    k = 9  # (300 / 0.4) ** (1/3) is 9.09 s
    gains = [b - a for a, b in itertools.pairwise(sizes)]
    assert abs(sizes[k - 1] - 1_000) <= 2
    assert gains[: k - 2] == sorted(gains[: k - 2], reverse=True)
    assert gains[k:] == sorted(gains[k:])
    assert sizes[-1] > 1_300


def test_short_paths_are_grown_as_reno_would() -> None:
    # 12 segments at 5 ms: the cubic function would take seconds
    cc = after_loss(12 * MSS)
    rtt = 5 * MILLISECOND
    now = grow(cc, 0, 7 * rtt, rtt)
    # alpha is 9/17 of a segment a round trip up to 12 segments
    assert 11_500 < cc.cwnd < 12_500
    before = cc.cwnd
    grow(cc, now, now + 20 * rtt, rtt)
    # and one beyond them
    assert 19 * MSS < cc.cwnd - before < 21 * MSS


def test_a_window_is_never_left_by_more_than_half_in_a_round_trip() -> None:
    cc = after_loss(100 * MSS)
    cc.on_ack(ack(MSS, cc.cwnd, rtt=RTT, now=0))
    before = cc.cwnd
    cc.on_ack(ack(before, before, rtt=RTT, now=3600 * SECOND))
    assert cc.cwnd == before + before // 2


def test_fast_convergence_gives_up_more_below_the_last_maximum() -> None:
    cc = after_loss(10_000 * MSS)
    cc.cwnd = 9_000 * MSS
    cc.on_congestion(Cause.LOSS, cc.cwnd, 0)
    twin = after_loss(9_000 * MSS)
    assert cc.cwnd == twin.cwnd == 6_300 * MSS
    grow(cc, 0, 15 * SECOND)
    grow(twin, 0, 15 * SECOND)
    # a plateau at 7650 segments instead of 9000
    assert 7_600 * MSS < cc.cwnd < 7_700 * MSS
    assert twin.cwnd > 8_900 * MSS


def test_decrease_factors() -> None:
    cc = cubic(100 * MSS)
    cc.on_congestion(Cause.LOSS, 100 * MSS, 0)
    assert (cc.cwnd, cc.ssthresh) == (70 * MSS, 70 * MSS)
    cc = cubic(100 * MSS)
    cc.on_congestion(Cause.ECN, 100 * MSS, 0)
    assert (cc.cwnd, cc.ssthresh) == (85 * MSS, 85 * MSS)
    cc = cubic(100 * MSS)
    cc.on_congestion(Cause.LOSS, 50 * MSS, 0)  # RFC 9438 4.6: flight_size
    assert cc.ssthresh == 35 * MSS
    cc = cubic(2 * MSS)
    cc.on_congestion(Cause.LOSS, 2 * MSS, 0)
    assert (cc.cwnd, cc.ssthresh) == (2 * MSS, 2 * MSS)


def test_marks_bring_it_down_to_one_segment() -> None:
    cc = cubic(3 * MSS)
    for _ in range(20):
        cc.on_congestion(Cause.ECN, cc.cwnd, 0)
        cc.on_recovered(0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 2 * MSS)


def test_after_a_timeout_the_function_starts_at_its_plateau() -> None:
    cc = cubic(100 * MSS)
    cc.on_timeout(100 * MSS, True, 0)
    assert (cc.cwnd, cc.ssthresh) == (MSS, 70 * MSS)
    assert cc.phase == "slow_start"
    cc.on_timeout(MSS, False, 0)
    assert cc.ssthresh == 70 * MSS
    cc.on_ack(ack(80 * MSS, 80 * MSS, rtt=RTT, now=0))
    assert cc.cwnd == 70 * MSS
    grow(cc, 0, SECOND)
    # K = 0 and W_max = 70: 0.4 segments by the cube, 9/17 a round trip by Reno's
    assert 74 * MSS < cc.cwnd < 77 * MSS


def test_time_stands_still_while_the_window_is_not_used() -> None:
    cc, twin = after_loss(1_000 * MSS), after_loss(1_000 * MSS)
    for one in (cc, twin):
        grow(one, 0, 2 * SECOND)
    for at in range(2, 60):  # a trickle
        sample = ack(MSS, MSS, limited=False, rtt=RTT, now=at * SECOND + RTT)
        cc.on_ack(sample)
        cc.on_sent(at * SECOND + 5 * RTT)
    assert cc.cwnd == twin.cwnd
    # what lay between the last ACK and the first of the trickle is one round trip
    grow(cc, 60 * SECOND, 63 * SECOND)
    grow(twin, 2 * SECOND + RTT, 5 * SECOND + RTT)
    assert abs(cc.cwnd - twin.cwnd) <= 3 * MSS


def test_time_stands_still_while_nothing_is_sent() -> None:
    cc, twin = after_loss(1_000 * MSS), after_loss(1_000 * MSS)
    for one in (cc, twin):
        grow(one, 0, 2 * SECOND)
    cc.on_sent(3600 * SECOND)
    grow(cc, 3600 * SECOND, 3603 * SECOND)
    grow(twin, 2 * SECOND, 5 * SECOND)
    assert cc.cwnd == twin.cwnd


def test_undo_restores_the_epoch() -> None:
    cc = after_loss(1_000 * MSS)
    now = grow(cc, 0, 3 * SECOND)
    twin = copy.deepcopy(cc)
    cc.on_congestion(Cause.LOSS, cc.cwnd, now)
    assert cc.cwnd < twin.cwnd
    cc.undo(now)
    assert (cc.cwnd, cc.ssthresh) == (twin.cwnd, twin.ssthresh)
    grow(cc, now, now + 5 * SECOND)
    grow(twin, now, now + 5 * SECOND)
    assert abs(cc.cwnd - twin.cwnd) <= 1


def test_undo_comes_too_late_or_twice() -> None:
    cc = after_loss(10 * MSS)
    cc.cwnd = 20 * MSS
    cc.undo(0)
    assert (cc.cwnd, cc.ssthresh) == (20 * MSS, 7 * MSS)
    cc.undo(0)
    assert cc.cwnd == 20 * MSS


def test_undo_of_a_repeated_timeout() -> None:
    cc = cubic(50 * MSS)
    cc.on_timeout(50 * MSS, True, 0)
    cc.on_timeout(MSS, False, 1)
    cc.undo(2)
    assert (cc.cwnd, cc.ssthresh) == (50 * MSS, INFINITE)


def test_hystart_ends_the_first_slow_start_without_a_loss() -> None:
    cc = cubic()
    una, now = 1, 0
    phases = list[str]()
    for step in range(12):
        rtt = (20 if step < 4 else 40) * MILLISECOND
        nxt = una + cc.cwnd
        flight = cc.cwnd
        now += rtt
        for _ in range(flight // MSS):
            una += MSS
            cc.on_ack(ack(MSS, flight, rtt=rtt, una=una, nxt=nxt, now=now))
        if not phases or phases[-1] != cc.phase:
            phases.append(cc.phase)
    assert phases == ["slow_start", "css", "avoidance"]
    assert cc.ssthresh < INFINITE
    assert cc.cwnd >= cc.ssthresh


def test_slow_start_stops_at_ssthresh() -> None:
    cc = cubic(100 * MSS)
    cc.on_timeout(100 * MSS, True, 0)
    cc.cwnd = 69 * MSS
    cc.on_ack(ack(3 * MSS, 69 * MSS, now=1))
    assert cc.cwnd == 70 * MSS


def test_unused_window_does_not_grow() -> None:
    cc = cubic()
    cc.on_ack(ack(MSS, MSS, limited=False, now=1))
    assert cc.cwnd == 10 * MSS


def test_idle_and_another_mss() -> None:
    cc = after_loss(100 * MSS)
    grow(cc, 0, 10 * SECOND)
    had = cc.cwnd
    cc.on_idle(0)
    assert cc.cwnd == 100 * MSS  # its initial window
    cc = cubic()
    cc.cwnd = cc.ssthresh = 100 * MSS
    cc.on_idle(0)
    assert (cc.cwnd, cc.ssthresh) == (10 * MSS, 100 * MSS)
    assert had > 100 * MSS
    cc.on_timeout(MSS, True, 0)
    cc.set_mss(9000)
    assert cc.cwnd == 9000


def test_pickles() -> None:
    cc = after_loss(100 * MSS)
    twin = pickle.loads(pickle.dumps(cc))
    grow(cc, 0, SECOND)
    grow(twin, 0, SECOND)
    assert cc.cwnd == twin.cwnd


@given(st.integers(0, 1 << 140))
def test_cube_root_is_exact(n: int) -> None:
    root = cube_root(n)
    assert root**3 <= n < (root + 1) ** 3


@pytest.mark.parametrize("root", [1, 2, 3, 10, 4096, 10**12])
def test_cube_root_of_cubes(root: int) -> None:
    assert cube_root(root**3) == root
    assert cube_root(root**3 - 1) == root - 1


def test_paced_if_asked_to_be() -> None:
    cc = Cubic()
    cc.start(MSS, 10 * MSS, 1, 0, True)
    assert cc.pacing_rate == 0
    cc.on_ack(ack(10 * MSS, 10 * MSS, rtt=RTT, una=1, nxt=2, now=RTT))
    assert (cc.cwnd, cc.pacing_rate) == (20 * MSS, 400_000)
    cc.on_congestion(Cause.LOSS, 10 * MSS, 0)
    assert cc.pacing_rate == 7 * MSS * 12
    assert cubic().pacing_rate == 0
