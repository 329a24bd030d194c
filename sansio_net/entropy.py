"""Randomness as a value: a keyed BLAKE2s in counter mode (RFC 7693 as the PRF).

The only source of randomness in the core. Pure, picklable, the same on every Python:
the same seed and the same calls give the same numbers. One child per purpose, so that
one consumer never shifts another.
"""

from __future__ import annotations

from hashlib import blake2s

from .errors import StateError


class Entropy:
    """A stream of random bytes from `seed` (at least 16 bytes).

    >>> Entropy.of(7).child("ports").bytes(4) == Entropy.of(7).child("ports").bytes(4)
    True
    """

    __slots__ = ("_buffer", "_counter", "_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) < 16:
            raise StateError("a seed has at least 16 bytes")
        self._key = blake2s(seed, person=b"sansio").digest()
        self._counter = 0
        self._buffer = b""

    @classmethod
    def of(cls, n: int) -> Entropy:
        """The generator of an int seed, as in tests: its keys may be guessed."""
        return cls(n.to_bytes(32, "big"))

    def bytes(self, n: int) -> bytes:
        """The next `n` random bytes."""
        while len(self._buffer) < n:
            counter = self._counter.to_bytes(8, "big")
            self._buffer += blake2s(counter, key=self._key).digest()
            self._counter += 1
        taken, self._buffer = self._buffer[:n], self._buffer[n:]
        return taken

    def below(self, n: int) -> int:
        """A number in ``range(n)``, without bias that anyone could measure.

        Takes 8 bytes more than `n` needs, so the modulo bias is below 2**-64.
        """
        if n <= 0:
            raise StateError("below() needs a positive bound")
        return int.from_bytes(self.bytes((n.bit_length() + 7) // 8 + 8), "big") % n

    def child(self, label: str) -> Entropy:
        """An independent generator; depends on the seed and the label alone."""
        return Entropy(blake2s(label.encode(), key=self._key, person=b"child").digest())
