"""MLD messages, both versions: ICMPv6 messages about groups.

RFC 3810 5, RFC 2710's format by RFC 3810 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

from . import icmpv6
from .groups import (
    CHANGE_TO_EXCLUDE,
    GroupLeave,
    GroupQuery,
    GroupRecord,
    GroupReport,
    compress,
    expand,
)
from .icmp import Icmp

ALL_NODES: Final = bytes.fromhex("ff020000000000000000000000000001")
ALL_ROUTERS: Final = bytes.fromhex("ff020000000000000000000000000002")
V2_ROUTERS: Final = bytes.fromhex("ff020000000000000000000000000016")

_RECORD: Final = Struct("!BBH16s")
_ANY: Final = bytes(16)


def parse_mld(message: Icmp) -> GroupQuery | GroupReport | GroupLeave | None:
    """What an ICMPv6 message says of groups; None when it is none of these."""
    kind, rest, body = message.type, message.rest, message.body
    if kind == icmpv6.MLD_QUERY:
        return _query(rest, body)
    if kind == icmpv6.MLD2_REPORT:
        return _report(rest, body)
    if kind not in (icmpv6.MLD_REPORT, icmpv6.MLD_DONE):
        return None
    if len(body) < 16:
        raise TruncatedError(f"MLD message of {8 + len(body)} bytes")
    group = body[:16]
    if kind == icmpv6.MLD_DONE:
        return GroupLeave(group)
    return GroupReport(1, (GroupRecord(CHANGE_TO_EXCLUDE, group),))


def _query(rest: bytes, body: bytes) -> GroupQuery:
    """RFC 3810 8.1: 24 bytes are version 1, 28 and more version 2, others neither."""
    code = int.from_bytes(rest[:2], "big")
    group = body[:16] if body[:16] != _ANY else b""
    if len(body) == 16:
        return GroupQuery(1, group, code)
    if len(body) < 20:
        raise TruncatedError(f"MLD query of {8 + len(body)} bytes")
    n = int.from_bytes(body[18:20], "big")
    if len(body) < 20 + 16 * n:
        raise TruncatedError(f"{n} sources in an MLD query of {8 + len(body)} bytes")
    return GroupQuery(
        2,
        group,
        expand(code, 16),
        _addresses(body, 20, n),
        bool(body[16] & 8),
        body[16] & 7,
        expand(body[17], 8),
    )


def _addresses(data: bytes, at: int, n: int) -> tuple[bytes, ...]:
    return tuple(data[i : i + 16] for i in range(at, at + 16 * n, 16))


def _report(rest: bytes, body: bytes) -> GroupReport:
    at = 0
    records = []
    for _ in range(int.from_bytes(rest[2:], "big")):
        if at + 20 > len(body):
            raise TruncatedError("an MLD group record is cut short")
        kind, auxiliary, count, group = _RECORD.unpack_from(body, at)
        size = 20 + 16 * count + 4 * auxiliary
        if at + size > len(body):
            raise TruncatedError("an MLD group record is cut short")
        records.append(GroupRecord(kind, group, _addresses(body, at + 20, count)))
        at += size
    return GroupReport(2, tuple(records))


def build_query(query: GroupQuery, source: bytes, destination: bytes) -> bytes:
    """A query of the version it says."""
    code = query.max_response
    code = min(code, 0xFFFF) if query.version == 1 else compress(code, 16)
    body = query.group or _ANY
    if query.version != 1:
        flags = query.suppress << 3 | query.robustness & 7
        body += bytes((flags, compress(query.interval, 8)))
        body += len(query.sources).to_bytes(2, "big") + b"".join(query.sources)
    rest = code.to_bytes(2, "big") + bytes(2)
    return icmpv6.build_icmpv6(icmpv6.MLD_QUERY, 0, rest, body, source, destination)


def build_report(
    records: Sequence[GroupRecord], source: bytes, destination: bytes
) -> bytes:
    """A version 2 report."""
    if len(records) > 0xFFFF:
        raise MalformedError(f"{len(records)} records in one report")
    body = b"".join(
        _RECORD.pack(record.kind, 0, len(record.sources), record.group)
        + b"".join(record.sources)
        for record in records
    )
    rest = bytes(2) + len(records).to_bytes(2, "big")
    return icmpv6.build_icmpv6(icmpv6.MLD2_REPORT, 0, rest, body, source, destination)


def build_old_report(group: bytes, source: bytes, destination: bytes) -> bytes:
    """A version 1 report."""
    kind = icmpv6.MLD_REPORT
    return icmpv6.build_icmpv6(kind, 0, bytes(4), group, source, destination)


def build_done(group: bytes, source: bytes, destination: bytes) -> bytes:
    kind = icmpv6.MLD_DONE
    return icmpv6.build_icmpv6(kind, 0, bytes(4), group, source, destination)
