"""Slow start and congestion avoidance.

RFC 5681 3.1 and 4.1, counting bytes (RFC 3465).
"""

from __future__ import annotations

from typing import Final

INFINITE: Final = 1 << 30
"""RFC 5681 3.1: ssthresh begins arbitrarily high: the largest window there is."""


class Reno:
    """One ACK may stand for many: what it acknowledges counts, not that it came."""

    __slots__ = ("_acked", "_initial", "_mss", "cwnd", "ssthresh")

    def __init__(self) -> None:
        self.cwnd = 0
        self.ssthresh = INFINITE
        self._mss = 0
        self._initial = 0
        self._acked = 0  # in congestion avoidance, since cwnd last grew

    def start(self, mss: int, initial_window: int) -> None:
        self._mss = mss
        self._initial = self.cwnd = initial_window

    def set_mss(self, mss: int) -> None:
        self._mss = mss
        self.cwnd = max(self.cwnd, mss)

    def on_ack(self, acked: int, in_flight: int, limited: bool, now: int) -> None:
        cwnd = self.cwnd
        if cwnd < self.ssthresh:
            # a window that was not used says nothing about the path (RFC 7661 4.1)
            if cwnd <= 2 * in_flight:
                self.cwnd = min(cwnd + acked, INFINITE)
            return
        if not limited:
            return
        self._acked += acked
        if self._acked >= cwnd:
            self._acked -= cwnd
            self.cwnd = min(cwnd + self._mss, INFINITE)

    def on_loss(self, in_flight: int, now: int) -> None:
        # RFC 5681 equation (4)
        self.ssthresh = max(in_flight // 2, 2 * self._mss)
        self.cwnd = self.ssthresh
        self._acked = 0

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        # RFC 5681 3.1: ssthresh is held when the same segment is lost again
        if first:
            self.ssthresh = max(in_flight // 2, 2 * self._mss)
        self.cwnd = self._mss
        self._acked = 0

    def on_recovered(self, cwnd: int) -> None:
        self.cwnd = max(min(cwnd, self.ssthresh), self._mss)

    def on_idle(self) -> None:
        self.cwnd = min(self.cwnd, self._initial)
