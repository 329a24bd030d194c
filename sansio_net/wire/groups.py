"""What IGMP and MLD have in common: queries and group records.

RFC 3376 4, RFC 3810 5: the same words for both families, in other places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# record types (RFC 3376 4.2.12, RFC 3810 5.2.12)
MODE_IS_INCLUDE: Final = 1
MODE_IS_EXCLUDE: Final = 2
CHANGE_TO_INCLUDE: Final = 3
CHANGE_TO_EXCLUDE: Final = 4
ALLOW_NEW_SOURCES: Final = 5
BLOCK_OLD_SOURCES: Final = 6


@dataclass(slots=True)
class GroupQuery:
    """group: b"" in a general query. max_response: ms. version: of the protocol that
    the querier speaks: IGMP 1, 2, 3, MLD 1, 2. robustness 0: says nothing; interval: s.
    """

    version: int
    group: bytes
    max_response: int
    sources: tuple[bytes, ...] = ()
    suppress: bool = False
    robustness: int = 0
    interval: int = 0


@dataclass(slots=True)
class GroupRecord:
    """What a host wants of one group."""

    kind: int
    group: bytes
    sources: tuple[bytes, ...] = ()


@dataclass(slots=True)
class GroupReport:
    """version 1 and 2 have one record, which names a group that is joined."""

    version: int
    records: tuple[GroupRecord, ...]


@dataclass(slots=True)
class GroupLeave:
    """IGMPv2's leave and MLDv1's done."""

    group: bytes


def expand(code: int, bits: int) -> int:
    """The floating point form of times: `bits` wide (RFC 3376 4.1.1, RFC 3810 5.1.3).

    Below half of its range a code is the value itself.
    """
    top = 1 << (bits - 1)
    if code < top:
        return code
    mantissa = bits - 4
    exponent = code >> mantissa & 7
    return (code & (1 << mantissa) - 1 | 1 << mantissa) << exponent + 3


def compress(value: int, bits: int) -> int:
    """The largest code that says no more than `value`."""
    top = 1 << (bits - 1)
    if value < top:
        return max(value, 0)
    mantissa = bits - 4
    exponent = min(max(value.bit_length() - mantissa - 4, 0), 7)
    fraction = min(value >> exponent + 3, (1 << mantissa + 1) - 1)
    return top | exponent << mantissa | fraction & (1 << mantissa) - 1
