"""IGMP messages, all three versions.

RFC 3376 4, RFC 2236 2, RFC 1112 appendix I.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError

from .checksum import checksum
from .groups import (
    CHANGE_TO_EXCLUDE,
    GroupLeave,
    GroupQuery,
    GroupRecord,
    GroupReport,
    compress,
    expand,
)

QUERY: Final = 0x11
REPORT_V1: Final = 0x12
REPORT_V2: Final = 0x16
LEAVE: Final = 0x17
REPORT_V3: Final = 0x22

ALL_SYSTEMS: Final = bytes((224, 0, 0, 1))
ALL_ROUTERS: Final = bytes((224, 0, 0, 2))
V3_ROUTERS: Final = bytes((224, 0, 0, 22))

_HEADER: Final = Struct("!BBH4s")
_RECORD: Final = Struct("!BBH4s")
_ANY: Final = bytes(4)
_TICK: Final = 100
"""Times are tenths of a second; ours are ms."""


def parse_igmp(
    data: bytes, start: int, end: int, verify: bool = True
) -> GroupQuery | GroupReport | GroupLeave | None:
    """The message at ``data[start:end]``; None for a type that is ignored."""
    size = end - start
    if size < 8:
        raise TruncatedError(f"IGMP message of {size} bytes")
    if verify and checksum(data[start:end]):
        raise ChecksumError("IGMP checksum is wrong")
    kind, code, _, group = _HEADER.unpack_from(data, start)
    if kind == QUERY:
        return _query(data, start, size, code, group)
    if kind == REPORT_V3:
        return _report(data, start, end)
    if kind in (REPORT_V1, REPORT_V2):
        record = GroupRecord(CHANGE_TO_EXCLUDE, group)
        return GroupReport(1 if kind == REPORT_V1 else 2, (record,))
    if kind == LEAVE:
        return GroupLeave(group)
    return None  # RFC 3376 4: unrecognized types are ignored


def _query(data: bytes, start: int, size: int, code: int, group: bytes) -> GroupQuery:
    """RFC 3376 7.1 for the versions: by length and code."""
    name = group if group != _ANY else b""
    if size == 8:
        if not code:
            return GroupQuery(1, name, 100 * _TICK)  # RFC 2236 4: ten seconds
        return GroupQuery(2, name, code * _TICK)
    if size < 12:
        raise TruncatedError(f"IGMP query of {size} bytes")
    flags, interval = data[start + 8], data[start + 9]
    n = int.from_bytes(data[start + 10 : start + 12], "big")
    if size < 12 + 4 * n:
        raise TruncatedError(f"{n} sources in an IGMP query of {size} bytes")
    sources = _addresses(data, start + 12, n)
    return GroupQuery(
        3,
        name,
        expand(code, 8) * _TICK,
        sources,
        bool(flags & 8),
        flags & 7,
        expand(interval, 8),
    )


def _addresses(data: bytes, at: int, n: int) -> tuple[bytes, ...]:
    return tuple(data[i : i + 4] for i in range(at, at + 4 * n, 4))


def _report(data: bytes, start: int, end: int) -> GroupReport:
    n = int.from_bytes(data[start + 6 : start + 8], "big")
    at = start + 8
    records = []
    for _ in range(n):
        if at + 8 > end:
            raise TruncatedError("an IGMP group record is cut short")
        kind, auxiliary, count, group = _RECORD.unpack_from(data, at)
        size = 8 + 4 * count + 4 * auxiliary
        if at + size > end:
            raise TruncatedError("an IGMP group record is cut short")
        records.append(GroupRecord(kind, group, _addresses(data, at + 8, count)))
        at += size
    return GroupReport(3, tuple(records))


def _summed(message: bytes) -> bytes:
    return message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def build_query(query: GroupQuery) -> bytes:
    """A query of the version it says."""
    group = query.group or _ANY
    if query.version == 1:
        return _summed(_HEADER.pack(QUERY, 0, 0, group))
    tenths = query.max_response // _TICK
    if query.version == 2:
        code = min(max(tenths, 1), 255)  # 0 would be version 1
        return _summed(_HEADER.pack(QUERY, code, 0, group))
    head = _HEADER.pack(QUERY, compress(tenths, 8), 0, group)
    flags = query.suppress << 3 | query.robustness & 7
    tail = bytes((flags, compress(query.interval, 8)))
    tail += len(query.sources).to_bytes(2, "big")
    return _summed(head + tail + b"".join(query.sources))


def build_report(records: Sequence[GroupRecord]) -> bytes:
    """A version 3 report."""
    body = b"".join(
        _RECORD.pack(record.kind, 0, len(record.sources), record.group)
        + b"".join(record.sources)
        for record in records
    )
    if len(records) > 0xFFFF:
        raise MalformedError(f"{len(records)} records in one report")
    head = bytes((REPORT_V3, 0, 0, 0, 0, 0)) + len(records).to_bytes(2, "big")
    return _summed(head + body)


def build_old_report(version: int, group: bytes) -> bytes:
    """A report of version 1 or 2."""
    kind = REPORT_V1 if version == 1 else REPORT_V2
    return _summed(_HEADER.pack(kind, 0, 0, group))


def build_leave(group: bytes) -> bytes:
    return _summed(_HEADER.pack(LEAVE, 0, 0, group))
