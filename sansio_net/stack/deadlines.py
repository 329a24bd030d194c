"""One heap of deadlines for everything in a Stack that has one.

Lazy: an entry is `[deadline, serial, part]`, made anew only when a part's deadline
moves earlier; one that moved later is noticed when its old entry comes up. A part that
goes takes itself out of its entry, so the heap keeps nothing alive. Ties go to the
lower serial: the order never depends on anything else.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import Any, Final, Protocol

from sansio_net.protocols.tcp import Connection

Entry = list[Any]  # [deadline, serial, part or None]


class Timed(Protocol):
    armed: Entry | None

    def deadline(self) -> int | None: ...
    def handle_timeout(self, now: int) -> None: ...


MAX_TOUCHED: Final = 256
"""Who never asks for the earliest deadline has so many looked at each time."""


class Deadlines:
    """touched: connections, by id, whose timers may have moved since the earliest
    deadline was last asked for. Timers that a turn starts and stops never get here.

    What was found to be the earliest is not asked again before something happens to it.
    """

    __slots__ = ("_dead", "_first", "_heap", "_serial", "touched")

    def __init__(self) -> None:
        self.touched: dict[int, Connection] = {}
        self._heap: list[Entry] = []
        self._first: Entry | None = None  # the earliest, as far as its part has said
        self._serial = 0
        self._dead = 0

    def arm(self, part: Timed) -> None:
        """Have `part` called at its deadline; call after anything that may move it."""
        entry = part.armed
        if entry is self._first:
            self._first = None
        due = part.deadline()
        if due is None:
            return
        if entry is not None:
            if entry[0] <= due:
                return
            entry[2] = None
            self._buried()
        self._serial += 1
        part.armed = entry = [due, self._serial, part]
        heappush(self._heap, entry)

    def disarm(self, part: Timed) -> None:
        """Let go of `part`."""
        if part.armed is not None:
            if part.armed is self._first:
                self._first = None
            part.armed[2] = None
            part.armed = None
            self._buried()

    def _buried(self) -> None:
        self._dead += 1
        if self._dead > 64 and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapify(self._heap)
            self._dead = 0

    def _settle(self) -> None:
        """Arm what was touched."""
        for connection in self.touched.values():
            entry = connection.armed
            if entry is self._first:
                self._first = None
            # what is armed for earlier is looked at again by then
            if entry is None or entry[0] > connection.timers.floor:
                self.arm(connection)
        self.touched.clear()

    def earliest(self) -> int | None:
        """The earliest deadline there is; entries that moved are settled on the way."""
        if self.touched:
            self._settle()
        heap = self._heap
        while heap:
            entry = heap[0]
            due: int | None = entry[0]
            if entry is self._first:
                return due
            part = entry[2]
            if part is None:
                self._dead -= 1
                heappop(heap)
                continue
            due = part.deadline()
            if due == entry[0]:
                self._first = entry
                return due
            if due is None:
                part.armed = None
                heappop(heap)
            else:
                self._serial += 1
                entry[0], entry[1] = due, self._serial
                heapreplace(heap, entry)
        return None

    def due(self, now: int) -> list[Timed]:
        """The parts whose deadline has come, in order; each must be armed again."""
        touched = self.touched
        for connection in touched.values():
            if connection.timers.floor <= now or len(touched) > MAX_TOUCHED:
                self._settle()
                break
        heap, parts = self._heap, []
        while heap and heap[0][0] <= now:
            part = heappop(heap)[2]
            self._first = None
            if part is None:
                self._dead -= 1
                continue
            part.armed = None
            due = part.deadline()
            if due is None:
                continue
            if due > now:
                self.arm(part)
            else:
                parts.append(part)
        return parts
