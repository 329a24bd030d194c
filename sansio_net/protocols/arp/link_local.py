"""Which IPv4 link-local address to claim next. RFC 3927 2.1."""

from __future__ import annotations

from typing import Final

from sansio_net.entropy import Entropy

FIRST: Final = 0xA9FE0100
"""169.254.1.0; the first and the last 256 addresses of 169.254/16 are reserved."""
N_ADDRESSES: Final = 65024


class LinkLocal:
    """The address that is claimed, or ours: `ip`; after a conflict, another one.

    The sequence depends on the MAC alone: the same host takes the same address again
    whenever it starts, and no two hosts move in lock-step.
    """

    __slots__ = ("_entropy", "ip")

    def __init__(self, mac: bytes, first: bytes = b"") -> None:
        self._entropy = Entropy(b"RFC 3927 2.1: " + mac)
        self.ip = first or self._pick()

    def move_on(self) -> None:
        self.ip = self._pick()

    def _pick(self) -> bytes:
        return (FIRST + self._entropy.below(N_ADDRESSES)).to_bytes(4, "big")


def may_be_chosen(ip: bytes) -> bool:
    return 0 <= int.from_bytes(ip, "big") - FIRST < N_ADDRESSES
