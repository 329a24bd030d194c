"""Slow start and congestion avoidance.

RFC 5681 3.1 and 4.1, counting bytes (RFC 3465); RFC 7661 for a window that is not
used; RFC 8511 for ECN.
"""

from __future__ import annotations

from typing import ClassVar

from sansio_net.protocols.tcp.pacer import window_rate

from .base import INFINITE, AckSample, Cause


class Reno:
    """One ACK may stand for many: what it acknowledges counts, not that it came."""

    __slots__ = (
        "_acked",
        "_initial",
        "_mss",
        "_prior_cwnd",
        "_prior_ssthresh",
        "_srtt",
        "cwnd",
        "paced",
        "ssthresh",
    )

    needs_rate: ClassVar[bool] = False
    owns_recovery: ClassVar[bool] = False

    def __init__(self) -> None:
        self.cwnd = 0
        self.ssthresh = INFINITE
        self._mss = 0
        self._initial = 0
        self.paced = False
        self._srtt = 0  # only if paced
        self._acked = 0  # in congestion avoidance, since cwnd last grew
        self._prior_cwnd = 0
        self._prior_ssthresh = INFINITE

    @property
    def phase(self) -> str:
        return "slow_start" if self.cwnd < self.ssthresh else "avoidance"

    @property
    def pacing_rate(self) -> int:
        if not self.paced:
            return 0
        return window_rate(self.cwnd, self.ssthresh, self._srtt)

    def start(
        self, mss: int, initial_window: int, seed: int, now: int, paced: bool = False
    ) -> None:
        self._mss = mss
        self._initial = self.cwnd = initial_window
        self.paced = paced

    def set_mss(self, mss: int) -> None:
        if mss < self._mss:
            # RFC 5681 3.1: no burst of more segments than before
            self.cwnd = self.cwnd * mss // self._mss
        self._mss = mss
        self.cwnd = max(self.cwnd, mss)

    def on_sent(self, now: int) -> None:
        """A window that is not used does not grow: nothing to note."""

    def on_ack(self, sample: AckSample) -> None:
        if self.paced and sample.rtt:
            srtt = self._srtt
            self._srtt = srtt + (sample.rtt - srtt) // 8 if srtt else sample.rtt
        cwnd = self.cwnd
        if cwnd < self.ssthresh:
            # a window that was not used says nothing about the path (RFC 7661 4.1)
            if cwnd <= 2 * sample.in_flight:
                self.cwnd = min(cwnd + sample.acked, self.ssthresh)
            return
        if not sample.limited:
            return
        self._acked += sample.acked
        # a round trip acknowledges whole segments: half a segment of cwnd is never used
        used = cwnd - cwnd % self._mss
        if self._acked >= used:
            self._acked -= used
            self.cwnd = min(cwnd + self._mss, INFINITE)

    def on_congestion(self, cause: Cause, in_flight: int, now: int) -> None:
        self._remember()
        flight = min(in_flight, self.cwnd)
        if cause is Cause.ECN:
            # RFC 8511 3 leaves Reno's answer to 0.8; RFC 3168 6.1.2: it never grows
            self.ssthresh = max(flight * 4 // 5, 2 * self._mss)
            self.cwnd = min(self.cwnd, self.ssthresh)
        else:
            # RFC 5681 equation (4)
            self.ssthresh = self.cwnd = max(flight // 2, 2 * self._mss)
        self._acked = 0

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        # RFC 5681 3.1: ssthresh is held when the same segment is lost again
        if first:
            self._remember()
            self.ssthresh = max(min(in_flight, self.cwnd) // 2, 2 * self._mss)
        self.cwnd = self._mss
        self._acked = 0

    def on_recovered(self, now: int) -> None:
        # not up to ssthresh: a mark may have brought cwnd below its two segments
        self.cwnd = max(min(self.cwnd, self.ssthresh), self._mss)

    def undo(self, now: int) -> None:
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        self.ssthresh = max(self.ssthresh, self._prior_ssthresh)

    def on_idle(self, now: int) -> None:
        # RFC 5681 4.1; what the path had carried is remembered (RFC 7661 4.4.3)
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
        self.cwnd = max(min(self.cwnd, self._initial), self._mss)

    def _remember(self) -> None:
        self._prior_cwnd = self.cwnd
        self._prior_ssthresh = self.ssthresh
