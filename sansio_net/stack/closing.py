"""How a Stack ends: FIN everywhere, abort what is left at a deadline, then say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .stack import Stack

OPEN: Final = 0
ASKED: Final = 1  # close() was called; waits for its first `now`
WAITING: Final = 2  # FINs are under way, `at` is when patience ends
ABORTED: Final = 3
REPORTED: Final = 4


class Closing:
    __slots__ = ("at", "phase", "timeout")

    def __init__(self) -> None:
        self.phase = OPEN
        self.timeout = 0
        self.at: int | None = None

    def ask(self, timeout: int) -> None:
        if self.phase == OPEN:
            self.phase, self.timeout = ASKED, timeout

    def is_due(self, stack: Stack) -> bool:
        """Does the loop have to call at once?"""
        return self.phase == ASKED or (
            OPEN < self.phase < REPORTED and not stack.connection_table
        )

    def handle_timeout(self, stack: Stack, now: int) -> None:
        if self.phase == ASKED:
            self.phase, self.at = WAITING, now + self.timeout
        if self.phase == WAITING and self.at is not None and now >= self.at:
            self.phase, self.at = ABORTED, None
            for connection in list(stack.connection_table.values()):
                connection.abort()

    def report(self, stack: Stack) -> bool:
        """Is it over, and nobody told yet?"""
        if OPEN < self.phase < REPORTED and not stack.connection_table:
            self.phase, self.at = REPORTED, None
            return True
        return False
