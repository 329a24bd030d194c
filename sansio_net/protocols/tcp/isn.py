"""Initial sequence numbers that grow with time and cannot be guessed.

RFC 6528 3; timestamp offsets: RFC 7323 5.4.
"""

from __future__ import annotations

from hashlib import blake2s

from sansio_net.entropy import Entropy

from .seq import MASK


class IsnGenerator:
    """ISN = M + F(addresses, ports, key): M ticks every 4 us, F is keyed BLAKE2s."""

    __slots__ = ("_key", "_offset", "_pair")

    def __init__(self, entropy: Entropy) -> None:
        self._key = entropy.bytes(32)
        self._pair, self._offset = b"", 0  # the hosts last asked for, and theirs

    def isn(self, laddr: bytes, lport: int, raddr: bytes, rport: int, now: int) -> int:
        mark = now // 4_000
        return (mark + self._hash(b"isn", laddr, lport, raddr, rport)) & MASK

    def ts_offset(self, laddr: bytes, lport: int, raddr: bytes, rport: int) -> int:
        """Added to the timestamp clock; without the ports, so that stamps grow from
        one connection of two hosts to the next, as RFC 6191 wants them to."""
        pair = laddr + raddr
        if pair != self._pair:
            self._pair, self._offset = pair, self._hash(b"ts", laddr, 0, raddr, 0)
        return self._offset

    def secret(
        self,
        purpose: bytes,
        laddr: bytes,
        lport: int,
        raddr: bytes,
        rport: int,
        n: int,
    ) -> int:
        """A number of a connection that nobody else can foresee."""
        what = n.to_bytes(16, "big")
        return self._hash(purpose, laddr, lport, raddr, rport, what)

    def key(self, purpose: bytes) -> bytes:
        """A key of its own for another keyed number of this host."""
        return blake2s(purpose, key=self._key, person=b"key").digest()

    def _hash(
        self,
        purpose: bytes,
        laddr: bytes,
        lport: int,
        raddr: bytes,
        rport: int,
        what: bytes = b"",
    ) -> int:
        ports = lport.to_bytes(2, "big") + rport.to_bytes(2, "big")
        digest = blake2s(laddr + raddr + ports + what, key=self._key, person=purpose)
        return int.from_bytes(digest.digest()[:4], "big")
