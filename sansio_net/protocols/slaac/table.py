"""What routers said, each item until its time is over.

RFC 4861 6.3.4 and 6.3.5, RFC 4191 3, RFC 8106 5.3.1.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from sansio_net.machine import earliest

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lifetimes(Generic[K, V]):
    """At most `limit` items with a value and a time at which they end, None: never."""

    __slots__ = ("_ends", "_limit", "_values")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: dict[K, V] = {}
        self._ends: dict[K, int | None] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def names(self) -> list[K]:
        return list(self._values)

    def put(self, key: K, value: V, ends_at: int | None) -> bool:
        """Add or renew; False: there is no room for another one."""
        if key not in self._values and len(self._values) >= self._limit:
            return False
        self._values[key] = value
        self._ends[key] = ends_at
        return True

    def drop(self, key: K) -> V | None:
        self._ends.pop(key, None)
        return self._values.pop(key, None)

    def earliest(self) -> int | None:
        return earliest(*self._ends.values())

    def expired(self, now: int) -> list[K]:
        ends = self._ends.items()
        return [key for key, end in ends if end is not None and end <= now]
