"""Paths that carry less than their first link: what was learned of them.

RFC 1191 6.2, RFC 8201 5.2. What connections learned is known to new ones until it is
old (6.3); those that live learn for themselves: one that was deceived deceives no
other. Datagrams have a table of their own: what a router says of one of them can be
checked less well, and is believed of datagrams alone.
"""

from __future__ import annotations

from sansio_net.counters import Counters

from .deadlines import Entry


class PathTable:
    """MTUs by destination, for `age` ns; at `limit` the oldest makes room."""

    __slots__ = ("_age", "_counters", "_known", "_limit", "armed")

    def __init__(self, limit: int, age: int, counters: Counters) -> None:
        self._limit = limit
        self._age = age
        self._counters = counters
        self._known: dict[bytes, tuple[int, int]] = {}  # (MTU, until), oldest first
        self.armed: Entry | None = None

    def __len__(self) -> int:
        return len(self._known)

    def mtu(self, destination: bytes) -> int:
        """0: nothing is known."""
        return self._known.get(destination, (0, 0))[0]

    def learn(self, destination: bytes, mtu: int, now: int) -> None:
        self.forget(destination)
        if len(self._known) >= self._limit:
            del self._known[next(iter(self._known))]
            self._counters.count("paths_forgotten")
        self._known[destination] = mtu, now + self._age

    def forget(self, destination: bytes) -> None:
        """It is reached another way now."""
        self._known.pop(destination, None)

    def deadline(self) -> int | None:
        for _, until in self._known.values():
            return until
        return None

    def handle_timeout(self, now: int) -> None:
        old = [dst for dst, (_, until) in self._known.items() if until <= now]
        for destination in old:
            del self._known[destination]
