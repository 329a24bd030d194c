"""HyStart++: leave the first slow start when the queue grows, not when it overflows.

RFC 9406 4.2, from its published pseudocode and constants.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND

from .base import AckSample

MIN_RTT_THRESH: Final = 4 * MILLISECOND
MAX_RTT_THRESH: Final = 16 * MILLISECOND
MIN_RTT_DIVISOR: Final = 8
N_RTT_SAMPLE: Final = 8
CSS_GROWTH_DIVISOR: Final = 4
CSS_ROUNDS: Final = 5
L: Final = 8
"""Segments that one ACK may add; without limit where text is paced."""


class HyStart:
    """Rounds are windows of data; in each the shortest RTT is compared with the last
    round's. Longer by an eighth: conservative slow start (CSS), a quarter as fast.
    After five rounds of it, `done`; one with a shorter RTT takes the suspicion back.
    """

    __slots__ = (
        "_baseline",
        "_last_min",
        "_limit",
        "_round_min",
        "_samples",
        "_window_end",
        "css_rounds",
        "done",
    )

    def __init__(self, mss: int, paced: bool) -> None:
        self._limit = 0 if paced else L * mss
        self._window_end = 0
        self._last_min = 0  # 0: none
        self._round_min = 0
        self._samples = 0
        self._baseline = 0
        self.css_rounds = 0  # begun; 0: in slow start proper
        self.done = False

    def on_ack(self, sample: AckSample) -> int:
        """What cwnd grows by."""
        if sample.una >= self._window_end:
            self._next_round(sample.nxt)
        if sample.rtt:
            self._samples += 1
            if not self._round_min or sample.rtt < self._round_min:
                self._round_min = sample.rtt
            if self._samples >= N_RTT_SAMPLE:
                self._compare()
        grown = sample.acked
        if self._limit:
            grown = min(grown, self._limit)
        return grown // CSS_GROWTH_DIVISOR if self.css_rounds else grown

    def _next_round(self, nxt: int) -> None:
        self._window_end = nxt
        self._last_min = self._round_min
        self._round_min = self._samples = 0
        if self.css_rounds:
            # the part of a round in which it began counts as one
            self.done = self.css_rounds >= CSS_ROUNDS
            self.css_rounds += 1

    def _compare(self) -> None:
        if self.css_rounds:
            if self._round_min < self._baseline:
                self.css_rounds = 0  # the delay was not ours
        elif self._last_min:
            threshold = min(self._last_min // MIN_RTT_DIVISOR, MAX_RTT_THRESH)
            threshold = max(threshold, MIN_RTT_THRESH)
            if self._round_min >= self._last_min + threshold:
                self._baseline = self._round_min
                self.css_rounds = 1
