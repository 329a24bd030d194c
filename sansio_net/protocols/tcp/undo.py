"""Was anything lost at all? Evidence that what went again need not have.

RFC 2883 and 3708 (DSACK), RFC 3522 and 4015 (Eifel: timestamps), as Linux joins them.
"""

from __future__ import annotations

from .scoreboard import NEVER


class Undo:
    """One reduction of the window and what went again since.

    point: SND.UNA when it began; NEVER: there is nothing to be undone. bytes: went
    again and the peer has not said that it had it already; NEVER: nothing went again.
    """

    __slots__ = ("bytes", "first_at", "point")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.point = self.bytes = self.first_at = NEVER

    def begin(self, una: int, retransmitted: int) -> None:
        """The window comes down. `retransmitted` is in flight again already."""
        self.point = una
        self.bytes = retransmitted or NEVER
        self.first_at = NEVER

    def on_resent(self, size: int, now: int) -> None:
        if self.point == NEVER:
            return
        self.bytes = max(self.bytes, 0) + size
        if self.first_at == NEVER:
            self.first_at = now

    def on_dsack(self, start: int, end: int) -> None:
        """The peer got ``[start, end)`` twice (RFC 2883 5)."""
        if self.bytes > 0 and end > self.point != NEVER:
            self.bytes = max(0, self.bytes - (end - start))

    def is_late(self, echo_at: int) -> bool:
        """What arrives answers something that left before anything went again.

        `echo_at`: it left by then; NEVER: not known (RFC 3522 3.2 (3), (4)).
        """
        if self.point == NEVER or echo_at == NEVER or self.first_at == NEVER:
            return False
        return echo_at < self.first_at

    @property
    def all_twice(self) -> bool:
        """The peer has had everything already that went again."""
        return self.point != NEVER and self.bytes == 0

    def allows(self, echo_at: int) -> bool:
        """It all was for nothing: said by DSACKs, by timestamps, or because nothing
        went again and it arrived all the same."""
        if self.point == NEVER:
            return False
        nothing_went = self.bytes == NEVER
        return nothing_went or self.bytes == 0 or self.is_late(echo_at)
