from __future__ import annotations

import pickle

import pytest

from sansio_net.protocols.tcp.congestion import AckSample, Bbr, Cause
from sansio_net.protocols.tcp.congestion.base import INFINITE
from sansio_net.protocols.tcp.congestion.bbr import (
    CYCLE,
    HIGH_GAIN,
    MIN_RTT_WINDOW,
    PROBE_RTT_TIME,
    UNIT,
)
from sansio_net.units import MILLISECOND, SECOND

MSS = 1_000
RTT = 20 * MILLISECOND
RATE = 5_000_000
BDP = RATE * RTT // SECOND  # 100 segments


class Flow:
    """Samples as a path would give them, one a call."""

    def __init__(self, seed: int = 1) -> None:
        self.cc = Bbr()
        self.cc.start(MSS, 10 * MSS, seed, 0)
        self.now = SECOND
        self.delivered = 0
        self.round_end = 0

    def ack(
        self,
        rate: int = RATE,
        *,
        acked: int = MSS,
        after: int = MILLISECOND,
        rtt: int = RTT,
        pipe: int = BDP,
        lost: int = 0,
        new_round: bool = False,
        limited: bool = False,
        recovering: bool = False,
    ) -> None:
        """`new_round`: for something sent after all that was delivered before it."""
        sample = AckSample()
        self.now += after
        prior = self.delivered if new_round else max(self.round_end - 1, 0)
        self.delivered += acked
        if new_round:
            self.round_end = self.delivered
        sample.now, sample.acked, sample.rtt = self.now, acked, rtt
        sample.pipe, sample.in_flight = pipe, pipe + acked
        sample.lost, sample.recovering, sample.limited = lost, recovering, True
        sample.delivered, sample.prior_delivered = self.delivered, prior
        sample.rate, sample.app_limited = rate, limited
        sample.interval = rtt if rate else 0
        self.cc.on_ack(sample)

    def round(self, rate: int = RATE, pipe: int = BDP) -> None:
        self.ack(rate, after=RTT + 1, acked=10 * MSS, new_round=True, pipe=pipe)

    def fill(self) -> Flow:
        """Through start-up."""
        for _ in range(5):
            self.round(pipe=3 * BDP)
        assert self.cc.full_rate_reached
        return self

    def probe_bw(self) -> Flow:
        self.fill()
        self.ack(pipe=BDP // 2)
        assert self.cc.phase == "probe_bw"
        return self


def paced(rate: int, gain: int = UNIT) -> int:
    return rate * gain // UNIT


def test_before_anything_is_known() -> None:
    cc = Flow().cc
    assert (cc.phase, cc.cwnd, cc.ssthresh) == ("startup", 10 * MSS, INFINITE)
    assert cc.pacing_rate == paced(10 * MSS * 1000, HIGH_GAIN)


def test_the_first_round_trip_sets_the_pace() -> None:
    flow = Flow()
    flow.ack(rate=0)
    # without a sample of the rate: the initial window in that time
    assert flow.cc.pacing_rate == paced(10 * MSS * SECOND // RTT, HIGH_GAIN)


def test_startup_doubles_cwnd_and_follows_the_rate() -> None:
    flow = Flow()
    flow.ack(rate=0)
    rate, before = 500_000, flow.cc.cwnd
    for _ in range(3):
        flow.ack(rate, acked=10 * MSS, new_round=True)
        rate *= 2
    assert flow.cc.phase == "startup"
    assert flow.cc.cwnd == before + 30 * MSS
    assert flow.cc.pacing_rate == paced(rate // 2, HIGH_GAIN)
    flow.ack(rate=1)  # one poor sample slows nothing down
    assert flow.cc.pacing_rate == paced(rate // 2, HIGH_GAIN)


def test_startup_to_drain_after_three_rounds_without_a_quarter_more() -> None:
    flow = Flow()
    flow.round(pipe=3 * BDP)
    flow.round(RATE * 5 // 4, pipe=3 * BDP)  # a quarter more: still growing
    for _ in range(2):
        flow.round(RATE * 5 // 4 + 1, pipe=3 * BDP)
        assert flow.cc.phase == "startup"
    flow.round(pipe=3 * BDP)
    assert flow.cc.phase == "drain"
    assert flow.cc.ssthresh < INFINITE
    assert flow.cc.pacing_rate < RATE // 2


def test_what_the_application_limits_does_not_end_startup() -> None:
    flow = Flow()
    flow.round()
    for _ in range(10):
        flow.ack(new_round=True, limited=True)
    assert flow.cc.phase == "startup"


def test_samples_within_a_round_do_not_end_startup() -> None:
    flow = Flow()
    flow.round()
    for _ in range(50):
        flow.ack()
    assert flow.cc.phase == "startup"


def test_drain_to_probe_bw_when_the_queue_is_gone() -> None:
    flow = Flow().fill()
    flow.ack(pipe=2 * BDP)
    assert flow.cc.phase == "drain"
    flow.ack(pipe=BDP)
    assert flow.cc.phase == "probe_bw"
    flow.ack(pipe=BDP)
    # two BDPs and room for bursts: 3 of 5 segments
    assert flow.cc.cwnd <= 2 * BDP + 20 * MSS


def gains(flow: Flow, count: int) -> list[int]:
    """What the pace is of the rate, whenever that changes."""
    out = list[int]()
    while len(out) < count:
        flow.round(pipe=BDP * 5 // 4 + 30 * MSS)
        gain = round(flow.cc.pacing_rate * UNIT / RATE)
        out.append(gain)
    return out


def test_the_gain_cycle_takes_a_round_trip_a_phase() -> None:
    flow = Flow().probe_bw()
    seen = gains(flow, 24)
    start = seen.index(CYCLE[0])
    assert seen[start : start + 8] == list(CYCLE)
    assert seen[start + 8 : start + 16] == list(CYCLE)


def test_the_cycle_begins_by_lot_but_never_with_draining() -> None:
    firsts = {Flow(seed).probe_bw().cc._cycle_index for seed in range(200)}
    assert firsts == set(range(8)) - {1}
    again = Flow(7).probe_bw().cc._cycle_index
    assert again == Flow(7).probe_bw().cc._cycle_index


def in_phase(index: int) -> Flow:
    flow = next(
        flow
        for flow in (Flow(seed).probe_bw() for seed in range(200))
        if flow.cc._cycle_index == (index if index != 1 else 0)
    )
    flow.ack(after=1, pipe=BDP)  # the gain is in force
    if index == 1:
        flow.ack(after=RTT + 1, pipe=2 * BDP)
    assert flow.cc._cycle_index == index
    return flow


def test_asking_for_more_goes_on_until_it_was_tried_or_loses() -> None:
    flow = in_phase(0)
    flow.ack(after=RTT + 1, pipe=BDP)  # not enough in flight yet
    assert flow.cc._cycle_index == 0
    flow.ack(after=1, pipe=BDP * 5 // 4 + 40 * MSS)
    assert flow.cc._cycle_index == 1
    flow = in_phase(0)
    flow.ack(after=RTT // 2, pipe=BDP, lost=MSS)
    assert flow.cc._cycle_index == 0  # not before its time
    flow.ack(after=RTT, pipe=BDP, lost=MSS)
    assert flow.cc._cycle_index == 1


def test_draining_ends_early_when_it_is_done() -> None:
    flow = in_phase(1)
    flow.ack(after=1, pipe=2 * BDP)
    assert flow.cc._cycle_index == 1
    flow.ack(after=1, pipe=BDP)
    assert flow.cc._cycle_index == 2


def test_the_rate_is_the_largest_of_ten_rounds() -> None:
    flow = Flow().probe_bw()
    for _ in range(8):
        flow.round(RATE // 2)
    assert flow.cc.rate == RATE
    for _ in range(3):
        flow.round(RATE // 2)
    assert flow.cc.rate == RATE // 2


def test_what_the_application_limits_counts_only_if_it_is_more() -> None:
    flow = Flow().probe_bw()
    for _ in range(30):
        flow.ack(RATE // 10, new_round=True, limited=True)
    assert flow.cc.rate == RATE
    flow.ack(RATE * 2, new_round=True, limited=True)
    assert flow.cc.rate == RATE * 2


def test_min_rtt_falls_at_once_and_is_kept_for_ten_seconds() -> None:
    flow = Flow().probe_bw()
    flow.ack(rtt=RTT // 2)
    assert flow.cc.min_rtt == RTT // 2
    since = flow.now
    while flow.now < since + MIN_RTT_WINDOW - SECOND:
        flow.ack(rtt=RTT, after=SECOND)
    assert flow.cc.min_rtt == RTT // 2
    assert flow.cc.phase == "probe_bw"
    flow.ack(rtt=RTT, after=SECOND + 1)
    assert flow.cc.min_rtt == RTT


def expire(flow: Flow) -> None:
    """The shortest round trip was seen ten seconds ago."""
    flow.ack(rtt=RTT + 1, after=MIN_RTT_WINDOW + SECOND, pipe=BDP)
    assert flow.cc.phase == "probe_rtt"
    assert flow.cc.cwnd == 4 * MSS


def test_probe_bw_to_probe_rtt_and_back() -> None:
    flow = Flow().probe_bw()
    for _ in range(20):
        flow.ack(pipe=BDP, acked=20 * MSS)
    before = flow.cc.cwnd
    expire(flow)
    flow.ack(after=PROBE_RTT_TIME + 1, pipe=5 * MSS)  # still too much in flight
    flow.ack(pipe=4 * MSS)
    flow.ack(after=PROBE_RTT_TIME - 1, pipe=4 * MSS, new_round=True)
    assert flow.cc.phase == "probe_rtt"
    flow.ack(rate=RATE // 50, after=2, pipe=4 * MSS)
    assert flow.cc.phase == "probe_bw"
    assert flow.cc.cwnd >= before - 10 * MSS
    assert flow.cc.rate == RATE
    # and not again for ten seconds
    flow.ack(after=MIN_RTT_WINDOW - SECOND, rtt=RTT + 2, pipe=BDP)
    assert flow.cc.phase == "probe_bw"


def test_probe_rtt_lasts_a_round_too() -> None:
    flow = Flow().probe_bw()
    expire(flow)
    flow.ack(pipe=4 * MSS)
    flow.round_end = flow.delivered
    flow.ack(after=2 * PROBE_RTT_TIME, pipe=4 * MSS)
    assert flow.cc.phase == "probe_rtt"
    flow.ack(pipe=4 * MSS, new_round=True)
    assert flow.cc.phase == "probe_bw"


def test_probe_rtt_to_startup_when_that_was_not_over() -> None:
    flow = Flow()
    flow.round()
    expire(flow)
    flow.ack(pipe=4 * MSS)
    flow.ack(after=PROBE_RTT_TIME + 1, pipe=4 * MSS, new_round=True)
    assert flow.cc.phase == "startup"


def test_the_rate_survives_probe_rtt() -> None:
    flow = Flow().probe_bw()
    expire(flow)
    for _ in range(40):
        # rounds of four segments: a fiftieth of the rate
        flow.ack(RATE // 50, pipe=4 * MSS, new_round=True, after=1)
    assert flow.cc.rate == RATE


def test_after_an_idle_time_it_paces_at_the_rate() -> None:
    flow = in_phase(0)
    assert flow.cc.pacing_rate == paced(RATE, CYCLE[0])
    flow.cc.on_sent(flow.now + RTT // 2)
    assert flow.cc.pacing_rate == paced(RATE, CYCLE[0])
    flow.cc.on_sent(flow.now + SECOND)
    assert flow.cc.pacing_rate == paced(RATE)


def test_an_idle_time_makes_no_round_trip_old() -> None:
    flow = Flow().probe_bw()
    flow.now += 2 * MIN_RTT_WINDOW
    flow.cc.on_sent(flow.now)
    flow.ack(after=RTT, pipe=BDP)
    assert flow.cc.phase == "probe_bw"


def test_probe_rtt_may_end_with_an_idle_time() -> None:
    flow = Flow().probe_bw()
    expire(flow)
    flow.ack(pipe=4 * MSS)
    flow.cc.on_sent(flow.now + SECOND)
    assert flow.cc.phase == "probe_bw"


def test_recovery_conserves_packets_for_a_round_then_grows() -> None:
    flow = Flow().probe_bw()
    for _ in range(20):
        flow.ack(acked=20 * MSS)
    cc = flow.cc
    before = cc.cwnd
    cc.on_congestion(Cause.LOSS, BDP, flow.now)
    assert cc.cwnd == before
    flow.ack(lost=10 * MSS, acked=2 * MSS, pipe=50 * MSS, recovering=True)
    assert cc.cwnd == 52 * MSS
    flow.round_end = flow.delivered
    flow.ack(acked=MSS, pipe=51 * MSS, recovering=True)
    assert cc.cwnd == 52 * MSS
    flow.ack(acked=5 * MSS, pipe=51 * MSS, recovering=True, new_round=True)
    assert cc.cwnd == 57 * MSS
    cc.on_recovered(flow.now)
    assert cc.cwnd == before


def test_recovery_that_ends_unseen() -> None:
    flow = Flow().probe_bw()
    flow.ack(acked=50 * MSS)
    before = flow.cc.cwnd
    flow.cc.on_congestion(Cause.LOSS, BDP, flow.now)
    flow.ack(pipe=10 * MSS, recovering=True)
    assert flow.cc.cwnd == 11 * MSS
    flow.ack(pipe=10 * MSS)
    assert flow.cc.cwnd >= before


def test_losses_come_off_the_window() -> None:
    flow = Flow().probe_bw()
    cc = flow.cc
    cc.cwnd = 50 * MSS
    flow.ack(lost=30 * MSS)
    assert cc.cwnd == 21 * MSS
    flow.ack(lost=300 * MSS)
    assert cc.cwnd == 4 * MSS


def test_ecn_is_no_reason() -> None:
    flow = Flow().probe_bw()
    before = flow.cc.cwnd, flow.cc.pacing_rate
    flow.cc.on_congestion(Cause.ECN, BDP, flow.now)
    assert (flow.cc.cwnd, flow.cc.pacing_rate) == before
    flow.ack(acked=MSS)
    assert flow.cc.cwnd >= before[0]


def test_a_timeout_starts_with_one_segment_and_comes_back() -> None:
    flow = Flow().probe_bw()
    for _ in range(20):
        flow.ack(acked=20 * MSS)
    cc = flow.cc
    before = cc.cwnd
    cc.on_timeout(BDP, True, flow.now)
    cc.on_timeout(MSS, False, flow.now + SECOND)
    assert cc.cwnd == MSS
    flow.ack(recovering=True)
    assert cc.cwnd == 4 * MSS
    flow.ack(recovering=True, acked=4 * MSS)
    assert cc.cwnd == 8 * MSS
    cc.on_recovered(flow.now)
    assert cc.cwnd == before


@pytest.mark.parametrize("timeout", [False, True])
def test_undo_gives_the_window_back(timeout: bool) -> None:
    flow = Flow().probe_bw()
    flow.ack(acked=50 * MSS)
    cc = flow.cc
    before = cc.cwnd
    if timeout:
        cc.on_timeout(BDP, True, flow.now)
    else:
        cc.on_congestion(Cause.LOSS, BDP, flow.now)
        flow.ack(pipe=5 * MSS, recovering=True)
    assert cc.cwnd < before
    cc.undo(flow.now)
    assert cc.cwnd == before


def test_a_policer_sets_the_rate_and_ends_the_cycle() -> None:
    flow = Flow().probe_bw()
    cc = flow.cc
    for _ in range(20):
        flow.ack(RATE, acked=10 * MSS, lost=4 * MSS, after=RTT, new_round=True)
    policed = 10 * MSS * SECOND // RTT
    assert abs(cc.rate - policed) <= policed // 8
    assert cc.pacing_rate == paced(cc.rate)
    for _ in range(60):
        flow.round(pipe=BDP)
    assert cc.rate == RATE  # something may have changed: probe again


def test_an_idle_restart_keeps_the_window() -> None:
    flow = Flow().probe_bw()
    before = flow.cc.cwnd
    flow.cc.on_idle(flow.now)
    assert flow.cc.cwnd == before


def test_another_mss() -> None:
    cc = Flow().cc
    cc.set_mss(500)
    assert cc.cwnd == 5 * MSS
    cc.on_timeout(MSS, True, 0)
    cc.set_mss(9000)
    assert cc.cwnd == 9000


def test_pickles() -> None:
    flow = Flow().probe_bw()
    twin = pickle.loads(pickle.dumps(flow))
    for one in (flow, twin):
        one.round(RATE + 5)
        expire(one)
    assert twin.cc.cwnd == flow.cc.cwnd
    assert twin.cc.pacing_rate == flow.cc.pacing_rate
