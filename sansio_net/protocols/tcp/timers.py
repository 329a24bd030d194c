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


class Timers:
    """Deadlines by slot. The minimum is kept, and found again only when it may differ.

    Re-arming the earliest timer to a later time, the usual case, marks the minimum
    stale: a look at every slot the next time somebody asks.
    """

    __slots__ = ("_at", "_earliest", "_stale")

    def __init__(self) -> None:
        self._at: list[int | None] = [None] * len(NAMES)
        self._earliest: int | None = None
        self._stale = False

    def set(self, slot: int, at: int) -> None:
        earliest = self._earliest
        if earliest is None or at <= earliest:
            self._earliest = at
        elif self._at[slot] == earliest:
            self._stale = True
        self._at[slot] = at

    def stop(self, slot: int) -> None:
        at = self._at[slot]
        if at is not None:
            self._at[slot] = None
            if at == self._earliest:
                self._stale = True

    def stop_several(self, slots: tuple[int, ...]) -> None:
        """As `stop`, for each of them."""
        armed = self._at
        for slot in slots:
            at = armed[slot]
            if at is not None:
                armed[slot] = None
                if at == self._earliest:
                    self._stale = True

    def stop_all(self) -> None:
        self._at = [None] * len(NAMES)
        self._earliest = None
        self._stale = False

    def at(self, slot: int) -> int | None:
        return self._at[slot]

    def earliest(self) -> int | None:
        if self._stale:
            armed = [at for at in self._at if at is not None]
            self._earliest = min(armed) if armed else None
            self._stale = False
        return self._earliest

    def due(self, now: int) -> list[int]:
        """The slots whose time has come, stopped, in the order of the slots."""
        earliest = self.earliest()
        if earliest is None or earliest > now:
            return []
        slots = [
            slot for slot, at in enumerate(self._at) if at is not None and at <= now
        ]
        for slot in slots:
            self._at[slot] = None
        self._stale = True
        return slots
