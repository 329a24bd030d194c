"""Connections that nobody waits for any more, and those that get nowhere.

Who closes leaves the rest to TCP: a peer that never acknowledges, or answers window
probes for ever (sockstress), could keep that for good. RFC 9293 3.8.6.1 (MUST-37) lets
an application keep such a connection, so only `zero_window_timeout` ends one that is
not closed. Linux's tcp_max_orphans and tcp_orphan_retries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.errors import TimedOut

from .lifecycle import reset
from .timers import STALL

if TYPE_CHECKING:
    from .connection import Connection


class Orphans:
    """How many connections of a Stack were closed and still have to finish."""

    __slots__ = ("_held", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, id: int) -> bool:
        """One more; False: there are too many."""
        if len(self._held) >= self.limit:
            return False
        self._held[id] = None
        return True

    def let_go(self, id: int) -> None:
        self._held.pop(id, None)


def arm(conn: Connection, now: int) -> None:
    """Nothing can leave: from now on the peer has so long to make a difference."""
    limit = _limit(conn)
    if limit is not None and conn.timers.at(STALL) is None:
        conn.stalled_una = conn.sender.snd_una
        conn.timers.set(STALL, now + limit)


def stalled(conn: Connection, now: int) -> None:
    """The time is over: was anything acknowledged?"""
    limit = _limit(conn)
    if limit is None:
        return
    if conn.sender.snd_una == conn.stalled_una:
        if conn.counters is not None:
            conn.counters.count("tcp.stalled")
        reset(conn, conn.soft_error or TimedOut())
    else:
        arm(conn, now)


def _limit(conn: Connection) -> int | None:
    """How long no progress is borne with, now; None: for ever."""
    sender, options = conn.sender, conn.options
    if conn.closed:
        return None if sender.fin_acked else options.orphan_timeout
    shut = conn.established and not sender.snd_wnd  # before, none was offered
    if shut and (sender.in_flight or sender.stuck):
        return options.zero_window_timeout
    return None
