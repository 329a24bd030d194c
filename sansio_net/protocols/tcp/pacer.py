"""When the next burst may leave, and how large it is.

As Linux paces inside TCP (tcp_pacing_check, tcp_tso_autosize): bursts of about a
millisecond, a deadline for the next one, no tick.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import KIB, SECOND

LARGEST_BURST: Final = 64 * KIB
"""One super-segment."""

SLOW: Final = 150_000
"""Bytes a second below which a burst is one segment (1.2 Mbit/s, tcp_bbr.c)."""

_SLOW_START: Final = 200
_AVOIDANCE: Final = 120
"""Linux's tcp_pacing_ss_ratio and tcp_pacing_ca_ratio, per cent."""


def burst(rate: int, mss: int) -> int:
    """Bytes that may leave back to back: a millisecond of the rate, whole segments."""
    least = mss if rate < SLOW else 2 * mss
    most = max(LARGEST_BURST - LARGEST_BURST % mss, least)
    segments = rate // 1000 // mss * mss
    return min(max(segments, least), most)


def window_rate(cwnd: int, ssthresh: int, srtt: int) -> int:
    """Bytes a second that spread a window over a round trip, with room to grow.

    For controllers without a rate of their own; 0 while there is no RTT.
    """
    if not srtt:
        return 0
    # Linux: half of ssthresh is where slow start begins to tread softly
    ratio = _SLOW_START if cwnd < ssthresh // 2 else _AVOIDANCE
    return max(cwnd * ratio * SECOND // (100 * srtt), 1)


class Pacer:
    """A leaky bucket one burst deep: who comes late may catch up by as much.

    Ask `allowed`; when it says 0, come back at `next_at`. Say `on_sent` of text, new or
    sent again. The first `free` bytes are not paced: the initial window, as in Linux.
    """

    __slots__ = ("_free", "next_at")

    def __init__(self, free: int = 0) -> None:
        self._free = free
        self.next_at = 0

    def allowed(self, rate: int, mss: int, now: int) -> int:
        """Bytes that may leave now at `rate` bytes a second; 0: not before `next_at`.

        The burst may be overrun by a part of a segment; it is paid for afterwards.
        """
        if self._free > 0:
            return max(self._free, burst(rate, mss))
        return burst(rate, mss) if now >= self.next_at else 0

    def on_sent(self, size: int, rate: int, mss: int, now: int) -> None:
        """`size` bytes left."""
        if self._free > 0:
            self._free -= size
            return
        late = burst(rate, mss) * SECOND // rate
        begun = max(self.next_at, now - late)
        self.next_at = begun + -(-size * SECOND // rate)
