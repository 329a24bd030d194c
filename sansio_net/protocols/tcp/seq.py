"""Sequence numbers: 32 bits on the wire, plain growing ints inside.

RFC 9293 3.4. Inside, `<`, `-` and `bisect` work; only the edge wraps and unwraps.
"""

from __future__ import annotations

from typing import Final

MASK: Final = 0xFFFFFFFF
_HALF: Final = 0x80000000


def unwrap(wire: int, near: int) -> int:
    """The number with these 32 bits that lies nearest to `near`.

    >>> unwrap(5, near=2**32 - 3) == 2**32 + 5
    True
    """
    return near + ((wire - near + _HALF) & MASK) - _HALF


def wrap(number: int) -> int:
    """The 32 bits that go on the wire."""
    return number & MASK


def is_older(stamp: int, than: int) -> bool:
    """Timestamps, which stay 32 bits: is `stamp` before `than`? (RFC 7323 5.2)"""
    return (stamp - than) & MASK > _HALF - 1
