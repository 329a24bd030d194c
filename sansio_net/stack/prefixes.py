"""Longest prefix match over packed addresses of one family.

One dict for each prefix length, keyed by the masked number. An address is looked for
only under the lengths that are in use below its own first bits (16 of IPv4, 32 of
IPv6, what a provider is given), longest first, then under those that are shorter. So a
look-up takes as many probes as there are lengths around its destination, whatever the
number of prefixes, and adding or taking away one of them touches nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Generic, TypeAlias, TypeVar

V = TypeVar("V")

SPLIT: Final = {4: 16, 16: 32}
"""How many first bits choose the lengths to try, by the size of an address."""

Way: TypeAlias = tuple[int, dict[int, V]]
"""How far to shift an address, and the prefixes of what is left."""


class PrefixMap(Generic[V]):
    """What is known of each prefix."""

    __slots__ = ("_bits", "_counts", "_deep", "_split", "_tables", "_top", "_ways")

    def __init__(self, size: int) -> None:
        """size: of an address, 4 or 16 bytes."""
        self._bits = size * 8
        self._split = SPLIT[size]
        self._tables: list[dict[int, V]] = [{} for _ in range(size * 8 + 1)]
        # first bits -> the lengths in use below them, as a bit mask and as ways
        self._deep: dict[int, tuple[int, list[Way[V]]]] = {}
        self._counts: dict[int, int] = {}  # of prefixes, by first bits and length
        self._ways: dict[int, tuple[int, list[Way[V]]]] = {}  # the same, shared
        self._top: list[Way[V]] = []  # of the lengths that are shorter

    def get(self, network: bytes, prefixlen: int) -> V | None:
        """What is known of exactly this prefix; bits beyond it do not count."""
        key = int.from_bytes(network, "big") >> self._bits - prefixlen
        return self._tables[prefixlen].get(key)

    def put(self, network: bytes, prefixlen: int, value: V) -> None:
        key = int.from_bytes(network, "big") >> self._bits - prefixlen
        table = self._tables[prefixlen]
        is_new = key not in table
        table[key] = value
        if not is_new:
            return
        if prefixlen < self._split:
            if len(table) == 1:
                self._renew_top()
            return
        first = key >> prefixlen - self._split
        count = first << 8 | prefixlen
        n = self._counts[count] = self._counts.get(count, 0) + 1
        if n == 1:
            mask = self._deep[first][0] if first in self._deep else 0
            self._deep[first] = self._shared(mask | 1 << prefixlen)

    def drop(self, network: bytes, prefixlen: int) -> None:
        """Raises KeyError."""
        key = int.from_bytes(network, "big") >> self._bits - prefixlen
        table = self._tables[prefixlen]
        del table[key]
        if prefixlen < self._split:
            if not table:
                self._renew_top()
            return
        first = key >> prefixlen - self._split
        count = first << 8 | prefixlen
        self._counts[count] -= 1
        if self._counts[count]:
            return
        del self._counts[count]
        mask = self._deep[first][0] & ~(1 << prefixlen)
        if mask:
            self._deep[first] = self._shared(mask)
        else:
            del self._deep[first]

    def matches(self, address: bytes) -> Iterator[V]:
        """What is known of every prefix of `address`, the longest first."""
        value = int.from_bytes(address, "big")
        deep = self._deep.get(value >> self._bits - self._split)
        if deep is not None:
            for shift, table in deep[1]:
                known = table.get(value >> shift)
                if known is not None:
                    yield known
        for shift, table in self._top:
            known = table.get(value >> shift)
            if known is not None:
                yield known

    def values(self) -> Iterator[V]:
        """All of them, longest prefix first, in the order of their addition."""
        for table in reversed(self._tables):
            yield from table.values()

    def _renew_top(self) -> None:
        self._top = [
            (self._bits - prefixlen, self._tables[prefixlen])
            for prefixlen in reversed(range(self._split))
            if self._tables[prefixlen]
        ]

    def _shared(self, mask: int) -> tuple[int, list[Way[V]]]:
        """The ways of a set of lengths; few sets serve for many first bits."""
        known = self._ways.get(mask)
        if known is None:
            if len(self._ways) > 2 * len(self._deep) + 64:
                self._ways.clear()  # most of them serve for nothing any more
            ways = [
                (self._bits - prefixlen, self._tables[prefixlen])
                for prefixlen in range(self._bits, self._split - 1, -1)
                if mask >> prefixlen & 1
            ]
            known = self._ways[mask] = mask, ways
        return known
