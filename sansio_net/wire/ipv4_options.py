"""IPv4 options that every module on the way reads or writes.

RFC 791 3.1 (record route, timestamp); RFC 1122 3.2.1.8, RFC 2113, RFC 7126.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Final

from sansio_net.errors import MalformedError

from .ipv4 import (
    HEADER_SIZE,
    OPT_END,
    OPT_LOOSE_SOURCE_ROUTE,
    OPT_NOP,
    OPT_RECORD_ROUTE,
    OPT_ROUTER_ALERT,
    OPT_STRICT_SOURCE_ROUTE,
    OPT_TIMESTAMP,
)

MAX_OPTIONS: Final = 40

TS_ONLY: Final = 0
TS_AND_ADDRESS: Final = 1
TS_PRESPECIFIED: Final = 3

NOT_MIDNIGHT: Final = 1 << 31
"""In a timestamp: it does not count from midnight UT (RFC 791 3.1)."""

SOURCE_ROUTES: Final = (OPT_LOOSE_SOURCE_ROUTE, OPT_STRICT_SOURCE_ROUTE)

_ONCE: Final = (OPT_RECORD_ROUTE, OPT_TIMESTAMP, *SOURCE_ROUTES)
_SHORTEST: Final = {OPT_RECORD_ROUTE: 3, OPT_TIMESTAMP: 4, OPT_ROUTER_ALERT: 4}
_STEP: Final = {TS_ONLY: 4, TS_AND_ADDRESS: 8, TS_PRESPECIFIED: 8}
_MAX_OVERFLOW: Final = 15


class OptionProblem(MalformedError):
    """pointer: the wrong octet, counted from the start of the IP header."""

    pointer = 0

    @classmethod
    def at(cls, pointer: int, text: str) -> OptionProblem:
        problem = cls(f"{text} at byte {pointer} of the IPv4 header")
        problem.pointer = pointer
        return problem


def find_options(options: bytes) -> dict[int, int]:
    """Where each type of option starts, the last of them where it is there twice.

    Raises OptionProblem for a length that cannot be, and for a second of what "appears
    at most once" (RFC 791 3.1).
    """
    found: dict[int, int] = {}
    at, end = 0, len(options)
    while at < end:
        kind = options[at]
        if kind == OPT_END:
            break
        if kind == OPT_NOP:
            at += 1
            continue
        size = options[at + 1] if at + 1 < end else 0
        if size < _SHORTEST.get(kind, 2) or at + size > end:
            raise _problem(at + 1, f"option {kind} of length {size}")
        if kind in _ONCE and kind in found:
            raise _problem(at, f"a second option {kind}")
        found[kind] = at
        at += size
    return found


def record(
    options: bytes,
    found: dict[int, int],
    address: bytes,
    own: Container[bytes],
    milliseconds: int,
) -> bytes:
    """The options with `address` in a recorded route and the time in a timestamp.

    found: as `find_options` has it. own: all addresses of this module, of which a
    prespecified timestamp may name one. Raises OptionProblem.
    """
    route, stamp = found.get(OPT_RECORD_ROUTE), found.get(OPT_TIMESTAMP)
    if route is None and stamp is None:
        return options
    written = bytearray(options)
    if route is not None:
        _record_route(written, route, address)
    if stamp is not None:
        time = (milliseconds % NOT_MIDNIGHT | NOT_MIDNIGHT).to_bytes(4, "big")
        _record_time(written, stamp, address, own, time)
    return bytes(written)


def _record_route(options: bytearray, at: int, address: bytes) -> None:
    size, pointer = options[at + 1], options[at + 2]
    if pointer < 4 or pointer <= size < pointer + 3:
        raise _problem(at + 2, f"a route recorded at {pointer} of {size}")
    if pointer <= size:
        # the pointer counts from 1
        options[at + pointer - 1 : at + pointer + 3] = address
        options[at + 2] = pointer + 4


def _record_time(
    options: bytearray, at: int, address: bytes, own: Container[bytes], time: bytes
) -> None:
    size, pointer = options[at + 1], options[at + 2]
    overflow, flag = options[at + 3] >> 4, options[at + 3] & 15
    step = _STEP.get(flag)
    if step is None:
        return  # RFC 791 says nothing of it
    if pointer < 5 or pointer <= size < pointer + step - 1:
        raise _problem(at + 2, f"a timestamp at {pointer} of {size}")
    start = at + pointer - 1
    if pointer > size:
        if flag == TS_PRESPECIFIED:
            return  # those who were asked have answered
        if overflow == _MAX_OVERFLOW:
            raise _problem(at + 3, "too many without a timestamp")
        options[at + 3] += 1 << 4
        return
    if flag == TS_ONLY:
        options[start : start + 4] = time
    elif flag == TS_AND_ADDRESS:
        options[start : start + 8] = address + time
    elif flag == TS_PRESPECIFIED and bytes(options[start : start + 4]) in own:
        options[start + 4 : start + 8] = time
    else:
        return
    options[at + 2] = pointer + step


def for_the_way_back(options: bytes) -> bytes:
    """Of the options of an echo request, what its reply carries (RFC 1122 3.2.2.6)."""
    kept = b""
    for kind, at in find_options(options).items():
        if kind in (OPT_RECORD_ROUTE, OPT_TIMESTAMP):
            kept += options[at : at + options[at + 1]]
    return kept + bytes(-len(kept) % 4)


def check_options(options: bytes) -> bytes:
    """Options to be sent, padded to a whole word. Raises ValueError.

    Source routes are refused (RFC 7126 4.3, 4.4: they would not get far).
    """
    padded = options + bytes(-len(options) % 4)
    if len(padded) > MAX_OPTIONS:
        raise ValueError(f"{len(padded)} bytes of IPv4 options, at most {MAX_OPTIONS}")
    found = find_options(padded)
    record(padded, found, bytes(4), (), 0)
    if any(kind in found for kind in SOURCE_ROUTES):
        raise ValueError("source routes are not sent")
    return padded


def _problem(at: int, text: str) -> OptionProblem:
    return OptionProblem.at(HEADER_SIZE + at, text)
