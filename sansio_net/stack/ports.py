"""Ephemeral ports that cannot be guessed and do not come back soon.

RFC 6056: 3.3.4 (double hash) for connections, with increments drawn as in 3.3.5; 3.3.1
(random) for listeners and datagram sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2s
from typing import Final

from sansio_net.entropy import Entropy
from sansio_net.errors import AddressInUseError

ANY_PORT: Final = 0
"""Where sockets of every port stand in the tables: no packet is for port 0."""

TABLE_LENGTH: Final = 256
STRIDE: Final = 8
"""The next port of a destination lies at most so far on: a few ports are spent, so that
who sees his own connections cannot count the others."""


class EphemeralPorts:
    """first, last: the range. Each destination has its own way round it, so that a
    port comes back to it only after a round."""

    __slots__ = ("_entropy", "_first", "_key", "_span", "_table")

    def __init__(self, first: int, last: int, entropy: Entropy) -> None:
        self._first = first
        self._span = last - first + 1
        self._entropy = entropy
        self._key = entropy.bytes(32)
        seed = entropy.bytes(2 * TABLE_LENGTH)
        self._table = [seed[n] << 8 | seed[n + 1] for n in range(0, len(seed), 2)]

    def towards(
        self, laddr: bytes, raddr: bytes, rport: int, fitness: Callable[[int], int]
    ) -> int:
        """The next port for a connection; `fitness`: 2 free, 1 if need be, 0 taken.

        Raises AddressInUseError.
        """
        endpoint = laddr + raddr + rport.to_bytes(2, "big")
        digest = blake2s(endpoint, key=self._key, digest_size=9).digest()
        offset, index = int.from_bytes(digest[:8], "big"), digest[8]
        start = offset + self._table[index]
        self._table[index] += 1 + self._entropy.below(STRIDE)
        return self._search(start, fitness)

    def random(self, free: Callable[[int], bool]) -> int:
        """Any free port. Raises AddressInUseError."""
        start = self._entropy.below(self._span)
        return self._search(start, lambda port: 2 * free(port))

    def _search(self, start: int, fitness: Callable[[int], int]) -> int:
        second: int | None = None
        for step in range(self._span):
            port = self._first + (start + step) % self._span
            fit = fitness(port)
            if fit == 2:
                return port
            if fit and second is None:
                second = port
        if second is None:
            raise AddressInUseError("no ephemeral port is free")
        return second
