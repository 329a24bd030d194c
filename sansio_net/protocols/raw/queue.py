"""A queue with a bound in items and in bytes."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class BoundedQueue(Generic[Item]):
    """At most so many items and bytes; what comes to an empty one always fits."""

    __slots__ = ("_items", "_max_items", "_max_size", "size")

    def __init__(self, max_items: int, max_size: int) -> None:
        self._items: deque[tuple[Item, int]] = deque()
        self._max_items = max_items
        self._max_size = max_size
        self.size = 0

    def __len__(self) -> int:
        return len(self._items)

    def has_room(self, size: int, count: int = 1) -> bool:
        """For `count` items of `size` bytes together."""
        items = self._items
        return not items or (
            len(items) + count <= self._max_items and self.size + size <= self._max_size
        )

    def put(self, item: Item, size: int) -> None:
        self._items.append((item, size))
        self.size += size

    def take(self) -> Item | None:
        if not self._items:
            return None
        item, size = self._items.popleft()
        self.size -= size
        return item

    def is_relaxed(self) -> bool:
        """A third of it is free."""
        return (
            len(self._items) * 3 <= self._max_items * 2
            and self.size * 3 <= self._max_size * 2
        )

    def clear(self) -> None:
        self._items.clear()
        self.size = 0
