"""The timers of a connection: fixed slots and the earliest of them.

RFC 9293 3.8.1, 3.8.4, 3.8.6.1, 3.10.8; RFC 8985 6.3 and 7. Nothing here knows what a
timer means.
"""

from __future__ import annotations

from typing import Final

RETRANSMIT: Final = 0
DELAYED_ACK: Final = 1
PERSIST: Final = 2
KEEPALIVE: Final = 3
USER: Final = 4
FIN_WAIT_2: Final = 5
REORDER: Final = 6
PROBE: Final = 7
PACING: Final = 8
STALL: Final = 9
CORK: Final = 10
PATH: Final = 11

NAMES: Final = (
    "retransmit",
    "delayed_ack",
    "persist",
    "keepalive",
    "user",
    "fin_wait_2",
    "reorder",
    "probe",
    "pacing",
    "stall",
    "cork",
    "path",
)

NEVER: Final = 1 << 62
"""When a timer that does not run is due."""

_IDLE: Final = [NEVER] * len(NAMES)
"""The slots of all that have none running; nobody writes to it."""


class Timers:
    """Deadlines by slot. The minimum is kept, and found again only when it may differ.

    floor: none is due before, `NEVER` if none runs. Re-arming the earliest timer to a
    later time, the usual case, leaves the floor where it is, below all of them: a look
    at every slot the next time somebody asks for the `earliest`.
    """

    __slots__ = ("_at", "_stale", "floor")

    def __init__(self) -> None:
        self._at = _IDLE
        self.floor = NEVER
        self._stale = False

    def set(self, slot: int, at: int) -> None:
        if at <= self.floor:
            self.floor = at
        elif self._at[slot] == self.floor:
            self._stale = True
        if self._at is _IDLE:
            self._at = [NEVER] * len(NAMES)
        self._at[slot] = at

    def stop(self, slot: int) -> None:
        if self._at[slot] < NEVER:
            self._at[slot] = NEVER
            self._stale = True

    def stop_several(self, slots: tuple[int, ...]) -> None:
        """As `stop`, for each of them."""
        armed = self._at
        for slot in slots:
            if armed[slot] < NEVER:
                armed[slot] = NEVER
                self._stale = True

    def stop_all(self) -> None:
        self._at = _IDLE
        self.floor = NEVER
        self._stale = False

    def at(self, slot: int) -> int | None:
        at = self._at[slot]
        return at if at < NEVER else None

    def earliest(self) -> int | None:
        if self._stale:
            self.floor = min(self._at)
            self._stale = False
            if self.floor == NEVER:
                self._at = _IDLE  # an idle connection is small
        return self.floor if self.floor < NEVER else None

    def due(self, now: int) -> list[int]:
        """The slots whose time has come, stopped, in the order of the slots."""
        if self.floor > now:
            return []
        slots = [slot for slot, at in enumerate(self._at) if at <= now]
        for slot in slots:
            self._at[slot] = NEVER
        self._stale = True
        return slots
