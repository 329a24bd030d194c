"""TCP options, read leniently and laid out as Linux does.

RFC 9293 3.2; RFC 7323 (window scale, timestamps); RFC 2018 (SACK).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError

OPT_END: Final = 0
OPT_NOP: Final = 1
OPT_MSS: Final = 2
OPT_WSCALE: Final = 3
OPT_SACK_PERMITTED: Final = 4
OPT_SACK: Final = 5
OPT_TIMESTAMPS: Final = 8

TIMESTAMPS: Final = Struct("!HHII")
"""Two NOPs, kind and length, value, echo reply: the 12 bytes of most segments."""
TIMESTAMPS_START: Final = (0x0101, 0x080A)
"""The first two fields of `TIMESTAMPS`."""

_SYN: Final = Struct("!HHIII3sB")
_SYN_KINDS: Final = (0x0204, 0x0402080A, b"\1\3\3")
"""The 20 bytes of nearly every SYN: MSS, SACK-permitted with timestamps, a NOP and the
window scale; its fields, and what tells it."""

_MSS: Final = Struct("!BBH")
_PAIR: Final = Struct("!II")


@dataclass(slots=True)
class SegmentOptions:
    """What the options of one segment say; None, False or () where absent.

    unknown: (kind, data) of options of other kinds, or of a length that their kind does
    not have, in order.
    """

    mss: int | None = None
    wscale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    ts_val: int | None = None
    ts_ecr: int | None = None
    unknown: tuple[tuple[int, bytes], ...] = ()


def parse_tcp_options(data: bytes) -> SegmentOptions:
    """Never raises: an impossible length ends the parse.

    A known kind with a wrong length is ignored, that is, kept under `unknown`.
    """
    if len(data) == _SYN.size:
        kind1, mss, kinds23, ts_val, ts_ecr, kind4, wscale = _SYN.unpack(data)
        if (kind1, kinds23, kind4) == _SYN_KINDS:
            return SegmentOptions(mss, wscale, True, (), ts_val, ts_ecr)
    found = SegmentOptions()
    at, end = 0, len(data)
    while at < end:
        kind = data[at]
        if kind == OPT_END:
            break
        if kind == OPT_NOP:
            at += 1
            continue
        size = data[at + 1] if at + 1 < end else 0
        # RFC 9293 MUST-7: illegal lengths must not hurt; nothing after them is sure
        if size < 2 or at + size > end:
            break
        _take(found, kind, data[at + 2 : at + size])
        at += size
    return found


def _take(found: SegmentOptions, kind: int, value: bytes) -> None:
    size = len(value)
    if kind == OPT_MSS and size == 2:
        found.mss = int.from_bytes(value, "big")
    elif kind == OPT_WSCALE and size == 1:
        found.wscale = value[0]
    elif kind == OPT_SACK_PERMITTED and size == 0:
        found.sack_permitted = True
    elif kind == OPT_SACK and size and size % 8 == 0:
        found.sack = tuple(_PAIR.iter_unpack(value))
    elif kind == OPT_TIMESTAMPS and size == 8:
        found.ts_val, found.ts_ecr = _PAIR.unpack(value)
    else:
        found.unknown += ((kind, value),)


def build_tcp_options(
    *,
    mss: int | None = None,
    wscale: int | None = None,
    sack_permitted: bool = False,
    sack: Sequence[tuple[int, int]] = (),
    ts_val: int | None = None,
    ts_ecr: int | None = None,
    unknown: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """Options in Linux's order, aligned with NOPs, padded with zeros to a whole word.

    Raises MalformedError when they take more than 40 bytes.
    """
    parts: list[bytes] = []
    if mss is not None:
        parts.append(_MSS.pack(OPT_MSS, 4, mss))
    if ts_val is not None:
        stamp = TIMESTAMPS.pack(*TIMESTAMPS_START, ts_val, ts_ecr or 0)
        # SACK-permitted takes the place of the two NOPs
        parts.append(b"\x04\x02" + stamp[2:] if sack_permitted else stamp)
    elif sack_permitted:
        parts.append(b"\x01\x01\x04\x02")
    if wscale is not None:
        parts.append(bytes((OPT_NOP, OPT_WSCALE, 3, wscale)))
    if sack:
        parts.append(bytes((OPT_NOP, OPT_NOP, OPT_SACK, 2 + 8 * len(sack))))
        parts += [_PAIR.pack(left, right) for left, right in sack]
    parts += [bytes((kind, len(value) + 2)) + value for kind, value in unknown]
    data = b"".join(parts)
    if len(data) > 40:
        raise MalformedError(f"{len(data)} bytes of TCP options, at most 40")
    return data + bytes(-len(data) % 4)
