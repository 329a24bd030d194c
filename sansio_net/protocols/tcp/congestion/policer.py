"""Is there a policer: a token bucket that drops whatever is above its rate?

draft-cardwell-iccrg-bbr-congestion-control-00 leaves it to Linux's tcp_bbr.c
(bbr_lt_bw_sampling): two intervals from loss to loss, each with a fifth lost and both
with the same rate, are taken for one.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND, SECOND

from .base import AckSample

LEAST_ROUNDS: Final = 4
MOST_ROUNDS: Final = 4 * LEAST_ROUNDS
LOSS_THRESHOLD: Final = 50
"""Of 256."""
RATE_DIFFERENCE: Final = 500
"""Bytes a second; or an eighth."""
USED_ROUNDS: Final = 48


class Policer:
    """`rate` in bytes a second is what it lets pass; 0: none is seen."""

    __slots__ = (
        "_before",
        "_began_at",
        "_began_delivered",
        "_lost",
        "_rounds",
        "_sampling",
        "rate",
    )

    def __init__(self) -> None:
        self.reset(0, 0)

    def reset(self, delivered: int, now: int) -> None:
        """Forget all of it."""
        self.rate = 0
        self._before = 0  # the rate of the interval before this one
        self._sampling = False
        self._begin(delivered, now)

    def _begin(self, delivered: int, now: int) -> None:
        self._began_at, self._began_delivered = now, delivered
        self._lost = 0
        self._rounds = 0

    def expired(self, probing: bool, round_start: bool) -> bool:
        """Has its rate been used long enough? Something may have changed."""
        if self.rate and probing and round_start:
            self._rounds += 1
        return self.rate > 0 and self._rounds >= USED_ROUNDS

    def on_timeout(self, delivered: int, now: int) -> None:
        """A loss, and the end of a round, without an ACK."""
        if self.rate:
            return
        if not self._sampling:
            self._sampling = True
            self._begin(delivered, now)
        self._rounds += 1

    def on_ack(self, sample: AckSample, app_limited: bool, round_start: bool) -> None:
        if self.rate:
            return
        now, delivered = sample.now, sample.delivered
        if not self._sampling:
            # the tokens saved up are gone when the first is lost
            if not sample.lost:
                return
            self._sampling = True
            self._begin(delivered, now)
        else:
            self._lost += sample.lost
        if app_limited:
            self.reset(delivered, now)
            return
        self._rounds += round_start
        if self._rounds < LEAST_ROUNDS:
            return
        if self._rounds > MOST_ROUNDS:
            self.reset(delivered, now)
            return
        passed = delivered - self._began_delivered
        elapsed = now - self._began_at
        if (
            sample.lost
            and passed > 0
            and self._lost << 8 >= LOSS_THRESHOLD * passed
            and elapsed >= MILLISECOND
        ):
            self._interval_done(passed * SECOND // elapsed, delivered, now)

    def _interval_done(self, rate: int, delivered: int, now: int) -> None:
        before = self._before
        difference = abs(rate - before)
        if before and (difference * 8 <= before or difference <= RATE_DIFFERENCE):
            self.rate = max((rate + before) // 2, 1)
            self._rounds = 0
            return
        self._before = rate
        self._begin(delivered, now)
