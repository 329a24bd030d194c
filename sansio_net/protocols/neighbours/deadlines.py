"""Deadlines of many objects, at most one each: a heap that forgets lazily."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar


class Timed(Protocol):
    timer_at: int | None
    """When this object is due; None: not armed."""
    timer_serial: int
    """Which entry of the heap is meant. Only `Deadlines` writes the two."""


T = TypeVar("T", bound=Timed)


class Deadlines(Generic[T]):
    """Ties are settled by who was armed first. The heap stays below twice its use."""

    __slots__ = ("_heap", "_n_armed", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, T]] = []
        self._serial = 0
        self._n_armed = 0

    def __len__(self) -> int:
        return self._n_armed

    def arm(self, item: T, at: int) -> None:
        if item.timer_at == at:
            return
        if item.timer_at is None:
            self._n_armed += 1
        self._serial += 1
        item.timer_at = at
        item.timer_serial = self._serial
        heappush(self._heap, (at, self._serial, item))
        if len(self._heap) > 2 * self._n_armed + 64:
            self._heap = [
                entry for entry in self._heap if entry[2].timer_serial == entry[1]
            ]
            heapify(self._heap)

    def cancel(self, item: T) -> None:
        if item.timer_at is not None:
            item.timer_at = None
            item.timer_serial = 0
            self._n_armed -= 1

    def earliest(self) -> int | None:
        heap = self._heap
        while heap and heap[0][2].timer_serial != heap[0][1]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: int) -> T | None:
        """The next object whose time has come, disarmed."""
        at = self.earliest()
        if at is None or at > now:
            return None
        item = heappop(self._heap)[2]
        self.cancel(item)
        return item
