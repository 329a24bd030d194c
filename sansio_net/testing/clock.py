"""Virtual time: it jumps to whatever is due next. Nothing waits or reads a clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from sansio_net.errors import StateError
from sansio_net.units import SECOND

from .turns import Livelock

PATIENCE: Final = 10_000
"""Steps without time moving on after which everyone is taken to be stuck."""

LIMIT: Final = 1_000_000


class VirtualTime(ABC):
    """Machines that share a time: `now`, in ns; `steps` were taken so far."""

    def __init__(self, now: int = SECOND, patience: int = PATIENCE) -> None:
        self.now = now
        self.steps = 0
        self._patience = patience
        self._steps_here = 0

    @abstractmethod
    def next_timeout(self) -> int | None:
        """When something happens next."""

    @abstractmethod
    def _work(self) -> None:
        """Let everyone concerned take a turn at `now`."""

    @abstractmethod
    def _state(self) -> str:
        """What a livelock says."""

    def step(self) -> bool:
        """Jump to what is due next and let everyone concerned take a turn.

        False: nothing will ever happen again unless somebody calls a verb. Raises
        Livelock.
        """
        due = self.next_timeout()
        if due is None:
            return False
        if due > self.now:
            self.now = due
            self._steps_here = 0
        self._steps_here += 1
        self.steps += 1
        if self._steps_here > self._patience:
            raise self._livelock(f"{self._patience} steps at {self.now} ns")
        self._work()
        return True

    def run_until_idle(self, limit: int = LIMIT) -> int:
        """Step until nothing is left to do; the time then. Raises Livelock."""
        for _ in range(limit):
            if not self.step():
                return self.now
        raise self._livelock(f"still busy after {limit} steps")

    def run_until(
        self, condition: int | Callable[[], bool], limit: int = LIMIT
    ) -> bool:
        """Step until a point in time, or until `condition()` is true.

        False: all fell idle and the condition is not met. Raises Livelock.
        """
        if isinstance(condition, int):
            return self._run_until_time(condition, limit)
        for _ in range(limit):
            if condition():
                return True
            if not self.step():
                return condition()
        raise self._livelock(f"condition not met after {limit} steps")

    def run_for(self, duration: int, limit: int = LIMIT) -> bool:
        """Step until `duration` ns later. Raises Livelock."""
        return self._run_until_time(self.now + duration, limit)

    def _run_until_time(self, when: int, limit: int) -> bool:
        if when < self.now:
            raise StateError("time does not go back")
        for _ in range(limit):
            due = self.next_timeout()
            if due is None or due > when:
                self.now = when
                self._steps_here = 0
                return True
            self.step()
        raise self._livelock(f"still busy after {limit} steps")

    def _livelock(self, what: str) -> Livelock:
        return Livelock(f"{what}; {self._state()}")
