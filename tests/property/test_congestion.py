"""Whatever a connection tells its congestion control, in whatever order."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.protocols.tcp.congestion import (
    CONTROLLERS,
    AckSample,
    Cause,
    CongestionController,
    controller,
)
from sansio_net.protocols.tcp.congestion.base import INFINITE
from sansio_net.protocols.tcp.pacer import Pacer, burst
from sansio_net.units import SECOND

Step = Callable[[CongestionController, int], None]

sizes = st.one_of(st.just(0), st.integers(1, 100_000), st.integers(0, INFINITE))
times = st.one_of(st.integers(0, SECOND), st.integers(0, 10_000 * SECOND))
rates = st.one_of(st.integers(0, 10**7), st.integers(0, 10**12))


@st.composite
def acks(draw: st.DrawFn) -> Step:
    fields = {
        "acked": draw(sizes),
        "in_flight": draw(sizes),
        "pipe": draw(sizes),
        "lost": draw(sizes),
        "rtt": draw(times),
        "una": draw(st.integers(0, 1 << 34)),
        "nxt": draw(st.integers(0, 1 << 34)),
        "delivered": draw(st.integers(0, 1 << 40)),
        "prior_delivered": draw(st.integers(0, 1 << 40)),
        "rate": draw(rates),
        "interval": draw(times),
        "limited": draw(st.booleans()),
        "recovering": draw(st.booleans()),
        "app_limited": draw(st.booleans()),
    }

    def step(cc: CongestionController, now: int) -> None:
        sample = AckSample()
        for name, value in fields.items():
            setattr(sample, name, value)
        sample.now = now
        cc.on_ack(sample)

    return step


steps = st.one_of(
    acks(),
    acks(),
    acks(),
    st.builds(
        lambda cause, size: lambda cc, now: cc.on_congestion(cause, size, now),
        st.sampled_from(Cause),
        sizes,
    ),
    st.builds(
        lambda first, size: lambda cc, now: cc.on_timeout(size, first, now),
        st.booleans(),
        sizes,
    ),
    st.builds(
        lambda mss: lambda cc, now: cc.set_mss(mss),
        st.integers(1, 65_495),
    ),
    st.just(lambda cc, now: cc.on_sent(now)),
    st.just(lambda cc, now: cc.on_recovered(now)),
    st.just(lambda cc, now: cc.undo(now)),
    st.just(lambda cc, now: cc.on_idle(now)),
)


def figures(cc: CongestionController) -> tuple[int, int, int, str]:
    return cc.cwnd, cc.ssthresh, cc.pacing_rate, cc.phase


@pytest.mark.parametrize("name", list(CONTROLLERS))
@given(
    mss=st.integers(64, 9_000),
    seed=st.integers(0, 2**32 - 1),
    story=st.lists(st.tuples(times, steps), max_size=30),
    split=st.integers(0, 30),
)
def test_any_story(
    name: str, mss: int, seed: int, story: list[tuple[int, Step]], split: int
) -> None:
    cc, twin = controller(name), controller(name)
    now = 0
    for one in (cc, twin):
        one.start(mss, 10 * mss, seed, now)
    for count, (later, step) in enumerate(story):
        now += later
        if count == split:
            twin = pickle.loads(pickle.dumps(twin))
        step(cc, now)
        step(twin, now)
        assert figures(cc) == figures(twin)
        assert type(cc.cwnd) is type(cc.ssthresh) is type(cc.pacing_rate) is int
        assert cc._mss <= cc.cwnd <= INFINITE  # type: ignore[attr-defined]
        assert 1 <= cc.ssthresh <= INFINITE
        assert cc.pacing_rate >= 0


@given(
    rate=st.integers(1, 10**11),
    mss=st.integers(64, 9_000),
    steps=st.lists(st.tuples(st.integers(0, SECOND), st.integers(1, 65_536))),
)
def test_a_pacer_is_never_faster_than_its_rate_and_two_bursts(
    rate: int, mss: int, steps: list[tuple[int, int]]
) -> None:
    pacer, now, left = Pacer(), SECOND, 0
    for later, size in steps:
        now += later
        allowed = pacer.allowed(rate, mss, now)
        assert (allowed > 0) is (now >= pacer.next_at)
        if allowed:
            pacer.on_sent(min(size, allowed), rate, mss, now)
            left += min(size, allowed)
        assert left <= rate * (now - SECOND) // SECOND + 2 * burst(rate, mss)
