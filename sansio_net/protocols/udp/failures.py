"""Errors about a socket's datagrams, in their place among the datagrams.

RFC 1122 4.1.3.3; which of them verbs raise is Linux's rule.
"""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from sansio_net.counters import Counters
from sansio_net.errors import ConnectionFailed

Endpoint: TypeAlias = tuple[bytes, int]


class Failure:
    """An error and its place among the datagrams."""

    __slots__ = ("after", "error", "is_hard", "is_told", "peer")

    def __init__(
        self, error: ConnectionFailed, peer: Endpoint, is_hard: bool, after: int
    ) -> None:
        self.error = error
        self.peer = peer
        self.is_hard = is_hard
        self.after = after  # so many datagrams had been accepted before
        self.is_told = False

    def says_the_same(self, other: Failure) -> bool:
        mine = self.peer, self.is_hard, self.after, repr(self.error)
        return mine == (other.peer, other.is_hard, other.after, repr(other.error))


class Failures:
    """At most `limit` of them. raises: those that are hard stay for a verb."""

    __slots__ = ("_counters", "_limit", "_waiting", "raises")

    def __init__(self, limit: int, raises: bool, counters: Counters) -> None:
        self._limit = limit
        self._counters = counters
        self._waiting: deque[Failure] = deque()
        self.raises = raises

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def clear(self) -> None:
        self._waiting.clear()

    def add(self, failure: Failure) -> bool:
        """False: it had to be forgotten."""
        waiting = self._waiting
        if waiting and waiting[-1].says_the_same(failure):
            # like Linux: a burst of errors is raised once; it is told again
            waiting[-1].is_told = False
            return True
        if len(waiting) >= self._limit:
            self._counters.count("udp.errors_dropped")
            told = next((one for one in waiting if one.is_told), None)
            if told is None:
                return False
            waiting.remove(told)
        waiting.append(failure)
        return True

    def take_hard(self, before: int) -> ConnectionFailed | None:
        """The first to be raised that arrived before datagram number `before`."""
        if self.raises:
            for failure in self._waiting:
                if failure.is_hard and failure.after <= before:
                    self._waiting.remove(failure)
                    return failure.error
        return None

    def next_untold(self) -> Failure | None:
        return next((one for one in self._waiting if not one.is_told), None)

    def told(self, failure: Failure) -> bool:
        """One event was made of it: keep it only if a verb will raise it. True: there
        is another one to tell."""
        failure.is_told = True
        if not self.raises or not failure.is_hard:
            self._waiting.remove(failure)
        return self.next_untold() is not None
