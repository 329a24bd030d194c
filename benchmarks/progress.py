"""A bar on stderr for what takes minutes; lines, now and then, where it is a file."""

from __future__ import annotations

import sys
import time
from typing import Final

WIDTH: Final = 24
BETWEEN_LINES: Final = 30.0
"""Seconds."""


class Progress:
    """Of `total` units of work, `done` of them before it starts."""

    def __init__(self, total: int, done: int = 0) -> None:
        self.total = max(total, 1)
        self.done = self._before = done
        self._started = time.monotonic()
        self._said_at = 0.0
        self._terminal = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def left(self) -> float | None:
        """Seconds; None before the first unit."""
        here = self.done - self._before
        return self.seconds / here * (self.total - self.done) if here else None

    def add(self, units: int, about: str) -> None:
        self.done += units
        now = time.monotonic()
        if not self._terminal and now - self._said_at < BETWEEN_LINES:
            return
        self._said_at = now
        filled = WIDTH * self.done // self.total
        left = "?" if self.left is None else clock(self.left)
        line = (
            f"[{'#' * filled}{'.' * (WIDTH - filled)}]"
            f" {100 * self.done // self.total:3d}%  {left} left  {about}"
        )
        end = "\n"
        if self._terminal:
            line, end = f"\r\x1b[K{line}", ""
        print(line, end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._terminal:
            print(file=sys.stderr)


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
