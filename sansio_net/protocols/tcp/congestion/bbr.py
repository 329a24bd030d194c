"""BBR, version 1: a model of the path, its rate and its round trip, instead of losses.

draft-cardwell-iccrg-bbr-congestion-control-00, and Linux's tcp_bbr.c where that goes
on: sending rates leave a margin, ACKs in bunches, policers, recovery.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final

from sansio_net.protocols.tcp.pacer import burst
from sansio_net.units import MILLISECOND, SECOND

from .base import INFINITE, AckSample, Cause
from .policer import Policer
from .windowed import AckAggregation, MaxFilter

UNIT: Final = 256
"""Gains are so many of it."""
HIGH_GAIN: Final = UNIT * 2885 // 1000 + 1
"""2 / ln 2: doubles what is sent every round trip."""
DRAIN_GAIN: Final = UNIT * 1000 // 2885
CWND_GAIN: Final = 2 * UNIT
CYCLE: Final = (UNIT * 5 // 4, UNIT * 3 // 4, UNIT, UNIT, UNIT, UNIT, UNIT, UNIT)
"""Of PROBE_BW: ask for more, drain what that queued, cruise; a min_rtt each."""
RATE_ROUNDS: Final = len(CYCLE) + 2
MIN_RTT_WINDOW: Final = 10 * SECOND
PROBE_RTT_TIME: Final = 200 * MILLISECOND
LEAST_SEGMENTS: Final = 4
FULL_RATE_GROWTH: Final = UNIT * 5 // 4
FULL_RATE_ROUNDS: Final = 3


class Mode(Enum):
    """Where it stands (draft 4.3)."""

    STARTUP = "startup"
    DRAIN = "drain"
    PROBE_BW = "probe_bw"
    PROBE_RTT = "probe_rtt"


STARTUP, DRAIN = Mode.STARTUP, Mode.DRAIN
PROBE_BW, PROBE_RTT = Mode.PROBE_BW, Mode.PROBE_RTT


class Bbr:
    """The rate is the largest delivery rate of ten rounds, the round trip the shortest
    of ten seconds; `cwnd` is a gain times their product, `pacing_rate` one times the
    rate. A round is over when something sent after its begin is delivered."""

    __slots__ = (
        "_acked_at",
        "_aggregation",
        "_conserving",
        "_cwnd_gain",
        "_cycle_at",
        "_cycle_index",
        "_delivered",
        "_dice",
        "_entering",
        "_full_rate",
        "_full_rate_rounds",
        "_has_rtt",
        "_idle_restart",
        "_initial",
        "_limited_from",
        "_limited_until",
        "_mss",
        "_next_round",
        "_pacing_gain",
        "_policer",
        "_prior_cwnd",
        "_probe_rtt_round_done",
        "_probe_rtt_until",
        "_rates",
        "_recovering",
        "_round_start",
        "cwnd",
        "full_rate_reached",
        "min_rtt",
        "min_rtt_at",
        "mode",
        "paced",
        "pacing_rate",
        "rounds",
        "ssthresh",
    )

    needs_rate: ClassVar[bool] = True
    owns_recovery: ClassVar[bool] = True

    def __init__(self) -> None:
        self.cwnd = 0
        self.ssthresh = INFINITE
        self.paced = True
        self.pacing_rate = 0
        self._mss = self._initial = 0
        self.mode = STARTUP
        self._pacing_gain = self._cwnd_gain = HIGH_GAIN
        self._dice = 0
        # the model
        self._rates = MaxFilter(RATE_ROUNDS)
        self.min_rtt = 0  # 0: none yet
        self.min_rtt_at = 0
        self._aggregation = AckAggregation()
        self._policer = Policer()
        # rounds
        self.rounds = 0
        self._round_start = False
        self._next_round = 0  # what was delivered when this one began
        self._delivered = 0
        self._acked_at = 0
        # start-up
        self._full_rate = 0
        self._full_rate_rounds = 0
        self.full_rate_reached = False
        self._has_rtt = False
        # the gain cycle
        self._cycle_index = 0
        self._cycle_at = 0
        # PROBE_RTT
        self._probe_rtt_until = 0  # 0: what is in flight is still too much
        self._probe_rtt_round_done = False
        self._limited_from = self._limited_until = -1
        self._idle_restart = False
        # recovery
        self._prior_cwnd = 0
        self._recovering = False
        self._entering = False
        self._conserving = False

    # The protocol ---------------------------------------------------------------------

    @property
    def phase(self) -> str:
        return self.mode.value

    @property
    def rate(self) -> int:
        """What the path is believed to deliver, bytes a second."""
        return self._policer.rate or self._rates.best

    def start(
        self, mss: int, initial_window: int, seed: int, now: int, paced: bool = False
    ) -> None:
        self._mss = mss
        self._initial = self.cwnd = initial_window
        self._dice = seed
        self.min_rtt_at = self._acked_at = now
        self._aggregation.restart(now)
        # as if the round trip took a millisecond, until one is known
        self._pace(initial_window * 1000, HIGH_GAIN)

    def set_mss(self, mss: int) -> None:
        if mss < self._mss:
            # RFC 5681 3.1: no burst of more segments than before
            self.cwnd = self.cwnd * mss // self._mss
        self._mss = mss
        self.cwnd = max(self.cwnd, mss)

    def on_sent(self, now: int) -> None:
        """Draft 4.3.4.4: after an idle time pacing goes on at the rate, not above."""
        if now - self._acked_at <= self.min_rtt or not self.min_rtt:
            return
        self._idle_restart = True
        self._aggregation.restart(now)
        if self.mode is PROBE_BW:
            self._pace(self.rate, UNIT)
        elif self.mode is PROBE_RTT:
            self._check_probe_rtt_done(now)

    def on_ack(self, sample: AckSample) -> None:
        self._acked_at = sample.now
        self._delivered = sample.delivered
        self._update_model(sample)
        rate = self.rate
        if not self._has_rtt and sample.rtt:
            self._has_rtt = True
            self.pacing_rate = 0
            self._pace(self.cwnd * SECOND // sample.rtt, HIGH_GAIN)
        self._pace(rate, self._pacing_gain)
        self._set_cwnd(sample, rate)

    def on_congestion(self, cause: Cause, in_flight: int, now: int) -> None:
        """A loss is answered by conserving packets for a round; a mark is not."""
        self._save_cwnd()
        if cause is Cause.LOSS:
            self._recovering = self._entering = True

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        if first:
            self._save_cwnd()
        self._recovering = True
        self._entering = self._conserving = False
        self._full_rate = 0
        self._policer.on_timeout(self._delivered, now)
        self.cwnd = self._mss

    def on_recovered(self, now: int) -> None:
        if self._recovering:
            self._recovering = self._entering = self._conserving = False
            self.cwnd = max(self.cwnd, self._prior_cwnd)

    def undo(self, now: int) -> None:
        # spurious losses hold the rate down: look again whether it is full
        self._full_rate = self._full_rate_rounds = 0
        self._policer.reset(self._delivered, now)
        self.on_recovered(now)

    def on_idle(self, now: int) -> None:
        """Pacing takes care of it."""

    # The model ------------------------------------------------------------------------

    def _update_model(self, sample: AckSample) -> None:
        self._update_rate(sample)
        if self.mode is PROBE_BW and self._is_next_phase(sample):
            self._advance_cycle(sample.now)
        self._check_full_rate(sample)
        self._check_drain(sample)
        self._update_min_rtt(sample)
        if self.mode is STARTUP:
            self._pacing_gain = self._cwnd_gain = HIGH_GAIN
        elif self.mode is DRAIN:
            self._pacing_gain, self._cwnd_gain = DRAIN_GAIN, HIGH_GAIN
        elif self.mode is PROBE_BW:
            cruising = self._policer.rate > 0
            self._pacing_gain = UNIT if cruising else CYCLE[self._cycle_index]
            self._cwnd_gain = CWND_GAIN
        else:
            self._pacing_gain = self._cwnd_gain = UNIT

    def _update_rate(self, sample: AckSample) -> None:
        self._round_start = False
        if sample.interval <= 0:
            return
        if sample.prior_delivered >= self._next_round:
            self._next_round = sample.delivered
            self.rounds += 1
            self._round_start = True
            self._conserving = False
        limited = self._is_limited(sample)
        if self._policer.expired(self.mode is PROBE_BW, self._round_start):
            self._policer.reset(sample.delivered, sample.now)
            if self.mode is PROBE_BW:
                self._enter_probe_bw(sample.now)
        else:
            self._policer.on_ack(sample, limited, self._round_start)
        if not limited or sample.rate >= self._rates.best:
            self._rates.update(sample.rate, self.rounds)
        self._aggregation.on_ack(
            sample.acked, self.rate, self.cwnd, self._round_start, sample.now
        )

    def _is_limited(self, sample: AckSample) -> bool:
        """By the application, or by ourselves in PROBE_RTT."""
        prior = sample.prior_delivered
        return sample.app_limited or self._limited_from <= prior <= self._limited_until

    def _is_next_phase(self, sample: AckSample) -> bool:
        """Draft 4.3.4.3."""
        full_length = sample.now - self._cycle_at > self.min_rtt
        gain = self._pacing_gain
        if gain == UNIT:
            return full_length
        in_flight, best = sample.in_flight, self._rates.best
        if gain > UNIT:
            # until the queue was tried, unless that loses packets
            in_flight += burst(self.pacing_rate, self._mss)
            enough = in_flight >= self._inflight(best, gain)
            return full_length and (sample.lost > 0 or enough)
        return full_length or in_flight <= self._inflight(best, UNIT)

    def _advance_cycle(self, now: int) -> None:
        self._cycle_index = (self._cycle_index + 1) % len(CYCLE)
        self._cycle_at = now

    def _check_full_rate(self, sample: AckSample) -> None:
        """Draft 4.3.2.2: three rounds that bring less than a quarter more."""
        if self.full_rate_reached or not self._round_start or self._is_limited(sample):
            return
        best = self._rates.best
        if best * UNIT >= self._full_rate * FULL_RATE_GROWTH:
            self._full_rate = best
            self._full_rate_rounds = 0
            return
        self._full_rate_rounds += 1
        self.full_rate_reached = self._full_rate_rounds >= FULL_RATE_ROUNDS

    def _check_drain(self, sample: AckSample) -> None:
        if self.mode is STARTUP and self.full_rate_reached:
            self.mode = DRAIN
            self.ssthresh = min(self._inflight(self._rates.best, UNIT), INFINITE)
        if self.mode is not DRAIN:
            return
        if sample.pipe <= self._inflight(self._rates.best, UNIT):
            self._enter_probe_bw(sample.now)

    def _enter_probe_bw(self, now: int) -> None:
        """Draft 4.3.4.2: anywhere in the cycle but where it drains, by lot, so that
        flows do not ask for more in step."""
        self.mode = PROBE_BW
        self._dice = (self._dice * 6364136223846793005 + 1442695040888963407) % (
            1 << 64
        )
        self._cycle_index = len(CYCLE) - 1 - (self._dice >> 33) % (len(CYCLE) - 1)
        self._advance_cycle(now)

    def _update_min_rtt(self, sample: AckSample) -> None:
        now = sample.now
        expired = now > self.min_rtt_at + MIN_RTT_WINDOW
        if sample.rtt and (not self.min_rtt or sample.rtt <= self.min_rtt or expired):
            self.min_rtt, self.min_rtt_at = sample.rtt, now
        if expired and not self._idle_restart and self.mode is not PROBE_RTT:
            self._save_cwnd()
            self.mode = PROBE_RTT
            self._probe_rtt_until = 0
            self._limited_from = sample.delivered
        if self.mode is PROBE_RTT:
            self._probe_rtt(sample)
        if sample.acked:
            self._idle_restart = False

    def _probe_rtt(self, sample: AckSample) -> None:
        """Draft 4.3.5: four segments in flight for 200 ms and a round."""
        # what is sent now says nothing about the rate
        self._limited_until = sample.delivered + sample.pipe
        if not self._probe_rtt_until:
            if sample.pipe <= LEAST_SEGMENTS * self._mss:
                self._probe_rtt_until = sample.now + PROBE_RTT_TIME
                self._probe_rtt_round_done = False
                self._next_round = sample.delivered
            return
        if self._round_start:
            self._probe_rtt_round_done = True
        if self._probe_rtt_round_done:
            self._check_probe_rtt_done(sample.now)

    def _check_probe_rtt_done(self, now: int) -> None:
        if not 0 < self._probe_rtt_until < now:
            return
        self.min_rtt_at = now
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        if self.full_rate_reached:
            self._enter_probe_bw(now)
        else:
            self.mode = STARTUP

    # Its answer -----------------------------------------------------------------------

    def _pace(self, rate: int, gain: int) -> None:
        # the draft's 4.2.1; Linux stays one per cent below, which PROBE_RTT's pauses
        # on a long path leave no room for
        rate = rate * gain // UNIT
        # in start-up a low sample is no reason to slow down
        if self.full_rate_reached or rate > self.pacing_rate:
            self.pacing_rate = max(rate, 1)

    def _bdp(self, rate: int, gain: int) -> int:
        if not self.min_rtt:
            return self._initial
        return -(-rate * self.min_rtt * gain // (UNIT * SECOND))

    def _quantized(self, size: int) -> int:
        """Room for bursts in flight on both ends, and whole pairs for delayed ACKs."""
        pair = 2 * self._mss
        size += 3 * burst(self.pacing_rate, self._mss)
        size += -size % pair
        if self.mode is PROBE_BW and not self._cycle_index:
            size += pair
        return size

    def _inflight(self, rate: int, gain: int) -> int:
        return self._quantized(self._bdp(rate, gain))

    def _save_cwnd(self) -> None:
        if self._recovering or self.mode is PROBE_RTT:
            self._prior_cwnd = max(self._prior_cwnd, self.cwnd)
        else:
            self._prior_cwnd = self.cwnd

    def _set_cwnd(self, sample: AckSample, rate: int) -> None:
        acked = sample.acked
        if acked and not self._recovers(sample):
            target = self._bdp(rate, self._cwnd_gain)
            if self.full_rate_reached:
                target += self._aggregation.extra(rate)
            target = self._quantized(target)
            if self.full_rate_reached:
                self.cwnd = min(self.cwnd + acked, target)
            elif self.cwnd < target or sample.delivered < self._initial:
                self.cwnd += acked
            self.cwnd = max(self.cwnd, LEAST_SEGMENTS * self._mss)
        self.cwnd = min(self.cwnd, INFINITE)
        if self.mode is PROBE_RTT:
            self.cwnd = min(self.cwnd, LEAST_SEGMENTS * self._mss)

    def _recovers(self, sample: AckSample) -> bool:
        """Losses come off; in the first round of recovery a packet leaves for each
        that arrived; afterwards it may grow towards the target again."""
        if sample.lost:
            self.cwnd = max(self.cwnd - sample.lost, self._mss)
        if self._entering:
            self._entering = False
            self._conserving = True
            self._next_round = sample.delivered
            self.cwnd = max(sample.pipe + sample.acked, self._mss)
        elif self._recovering and not sample.recovering:
            self.on_recovered(sample.now)
        if self._conserving:
            self.cwnd = max(self.cwnd, sample.pipe + sample.acked)
        return self._conserving
