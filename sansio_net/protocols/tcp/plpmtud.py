"""Finding the path's MTU by trying: for paths that lose large packets and say nothing.

RFC 4821 7, as Linux's tcp_mtu_probing. Sizes are IP packets; a probe is one segment of
new text, larger than the others.
"""

from __future__ import annotations

from typing import Final

CLOSE_ENOUGH: Final = 8
"""RFC 4821 7.3: a range smaller than this is not worth another probe (Linux's)."""

TRIAL: Final = 32
"""Segments of a new size after which it has proved itself (RFC 4821 7.8)."""

MANY: Final = 3
"""Losses during the trial that speak against it."""


class Search:
    """`low` is known to pass, above `high` nothing is tried (RFC 4821 7.1).

    One probe at a time: `size` (0: none), with the numbers ``[start, end)``.
    not_before: no probe till then. first: the largest is tried before the search.
    """

    __slots__ = (
        "_losses",
        "_previous",
        "_trial_end",
        "base",
        "end",
        "first",
        "high",
        "low",
        "not_before",
        "size",
        "start",
    )

    def __init__(self, base: int, top: int, first: bool) -> None:
        self.base = self.low = min(base, top)
        self.high = top
        self.first = first
        self.size = self.start = self.end = 0
        self.not_before = 0
        self._previous = 0  # what `low` was before the trial; 0: there is none
        self._trial_end = 0
        self._losses = 0

    @property
    def converged(self) -> bool:
        return self.high - self.low < CLOSE_ENOUGH

    def next_size(self) -> int:
        """The packet to try next: most paths carry what their first link carries, and
        between there and here is a search by halves."""
        return self.high if self.first else (self.low + self.high + 1) // 2

    def sent(self, size: int, start: int, end: int) -> None:
        self.first = False
        self.size, self.start, self.end = size, start, end

    def arrived(self, nxt: int, mss: int) -> int:
        """The probe was acknowledged (7.6.1). Returns the MTU there is now."""
        self._previous = self.low
        self._trial_end = nxt + TRIAL * mss
        self._losses = 0
        self.low = self.size
        self.high = max(self.high, self.low)
        self.size = 0
        return self.low

    def failed(self, not_before: int) -> None:
        """The probe alone was lost (7.6.2), or a router says so."""
        self.high = max(self.low, self.size - 1)
        self.size = 0
        self.not_before = not_before

    def inconclusive(self) -> None:
        """It was lost among others (7.6.4): the same size again, later."""
        self.size = 0

    def limit(self, mtu: int) -> None:
        """A router says how much the path carries."""
        self.high = min(self.high, mtu)
        self.low = min(self.low, self.high)
        self._previous = 0

    def loss(self, una: int) -> int:
        """Something was lost. The MTU to go back to if the new one is to blame (7.8);
        else 0."""
        if not self._previous:
            return 0
        if una >= self._trial_end:
            self._previous = 0
            return 0
        self._losses += 1
        if self._losses < MANY:
            return 0
        self.high, self.low = self.low - 1, self._previous
        self._previous = 0
        return self.low

    def full_stop(self, mtu: int, least: int) -> int:
        """R1 time-outs in a row (7.7): the MTU to go on with, less each time."""
        self.size = 0
        self._previous = 0
        if mtu > self.low:
            return self.low
        if self.low > self.base:
            self.low = self.base
        else:
            self.low = max(self.low // 2, least)
        return self.low

    def again(self, top: int) -> None:
        """The path may have grown (7.3)."""
        self.high = max(top, self.low)
        self.first = True
