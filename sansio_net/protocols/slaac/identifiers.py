"""Interface identifiers that stay, and tell nobody who we are.

RFC 7217 5.
"""

from __future__ import annotations

from hashlib import blake2s
from typing import Final

LINK_LOCAL: Final = bytes.fromhex("fe80000000000000")
_RESERVED_ANYCAST: Final = bytes.fromhex("fdffffffffffff80")


def stable_identifier(
    prefix: bytes, interface: str, secret: bytes, dad_counter: int = 0
) -> bytes:
    """8 bytes, the same whenever we meet `prefix` (8 bytes) on this interface.

    dad_counter: how often an address of this prefix was a duplicate here.
    """
    counter = dad_counter
    while True:
        text = prefix + interface.encode() + counter.to_bytes(4, "big")
        identifier = blake2s(text, key=secret, digest_size=8, person=b"7217").digest()
        if not is_reserved(identifier):
            return identifier
        counter += 1 << 16  # RFC 7217 5 (2)


def is_reserved(identifier: bytes) -> bool:
    """RFC 5453's: the subnet-router anycast address and reserved anycast addresses."""
    return not any(identifier) or (
        identifier[:7] == _RESERVED_ANYCAST[:7] and identifier[7] >= 0x80
    )
