"""Flow labels: what routers and receivers spread the flows of a host by.

RFC 6437 3: the same for all packets of a flow, uniformly distributed, and not to be
guessed: multiply-shift hashing of protocol and ports, its key drawn once, its offset
from the destination.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

from sansio_net.entropy import Entropy

_MASK: Final = (1 << 64) - 1
_LABEL_SHIFT: Final = 64 - 20


class FlowLabels:
    """enabled: else all are 0, which says that there are none."""

    __slots__ = ("_enabled", "_factor", "_key")

    def __init__(self, enabled: bool, entropy: Entropy) -> None:
        self._enabled = enabled
        self._key = entropy.bytes(32)
        self._factor = int.from_bytes(entropy.bytes(8), "big") | 1

    def offset(self, destination: bytes) -> int:
        """What `label` takes for all flows to one host. b"" and IPv4: anything."""
        digest = blake2s(destination[:16], key=self._key, digest_size=8).digest()
        return int.from_bytes(digest, "big")

    def label(self, offset: int, protocol: int, ports: int) -> int:
        """Of a flow. ports: of the source and the destination, 16 bits each."""
        if not self._enabled:
            return 0
        mixed = offset + self._factor * (protocol << 32 | ports)
        return (mixed & _MASK) >> _LABEL_SHIFT or 1
