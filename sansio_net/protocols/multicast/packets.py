"""Reports of both families as IP packets.

RFC 3376 4, RFC 2236 9, RFC 3810 5, RFC 2711 (router alert).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sansio_net.wire import igmp, ipv4, ipv6, mld
from sansio_net.wire.groups import (
    CHANGE_TO_EXCLUDE,
    MODE_IS_EXCLUDE,
    GroupRecord,
)
from sansio_net.wire.ipv6_extensions import ROUTER_ALERT, build_options

IGMP_TOS: Final = 0xC0
"""Internetwork control (RFC 3376 4)."""
_ALERT4: Final = ipv4.build_options([(ipv4.OPT_ROUTER_ALERT, b"\0\0")])
_ALERT6: Final = build_options(ipv4.PROTO_ICMPV6, [(ROUTER_ALERT, b"\0\0")])
_ROOM: Final = 1280 - 80
"""Bytes of records in one report: it fits any link."""


def _over_ipv4(source: bytes, to: bytes, body: bytes) -> bytes:
    size = len(body)
    header = ipv4.build_ipv4(
        source, to, ipv4.PROTO_IGMP, size, ttl=1, tos=IGMP_TOS, options=_ALERT4
    )
    return header + body


def _over_ipv6(source: bytes, to: bytes, body: bytes) -> bytes:
    size = len(_ALERT6) + len(body)
    header = ipv6.build_ipv6(source, to, 0, size, hop_limit=1)
    return header + _ALERT6 + body


def reports(records: Sequence[GroupRecord], source: bytes) -> list[bytes]:
    """Version 3 of IGMP, version 2 of MLD; as many packets as it takes."""
    packets = []
    batch: list[GroupRecord] = []
    room = _ROOM
    for record in (part for one in records for part in _parts(one)):
        size = 4 + len(record.group) * (1 + len(record.sources))
        if batch and size > room:
            packets.append(_report(batch, source))
            batch, room = [], _ROOM
        batch.append(record)
        room -= size
    if batch:
        packets.append(_report(batch, source))
    return packets


def _parts(record: GroupRecord) -> list[GroupRecord]:
    """One record that fits a report, or several (RFC 3376 4.2.16).

    Of what is excluded the rest is not told: it is heard, and dropped here.
    """
    sources, fit = record.sources, (_ROOM - 4) // len(record.group) - 1
    if len(sources) <= fit:
        return [record]
    kind, group = record.kind, record.group
    if kind in (MODE_IS_EXCLUDE, CHANGE_TO_EXCLUDE):
        return [GroupRecord(kind, group, sources[:fit])]
    starts = range(0, len(sources), fit)
    return [GroupRecord(kind, group, sources[at : at + fit]) for at in starts]


def _report(records: Sequence[GroupRecord], source: bytes) -> bytes:
    if len(source) == 4:
        return _over_ipv4(source, igmp.V3_ROUTERS, igmp.build_report(records))
    body = mld.build_report(records, source, mld.V2_ROUTERS)
    return _over_ipv6(source, mld.V2_ROUTERS, body)


def old_report(version: int, group: bytes, source: bytes) -> bytes:
    """IGMPv1's, IGMPv2's or MLDv1's."""
    if len(group) == 4:
        return _over_ipv4(source, group, igmp.build_old_report(version, group))
    return _over_ipv6(source, group, mld.build_old_report(group, source, group))


def old_leave(group: bytes, source: bytes) -> bytes:
    """IGMPv2's leave, MLDv1's done."""
    if len(group) == 4:
        return _over_ipv4(source, igmp.ALL_ROUTERS, igmp.build_leave(group))
    to = mld.ALL_ROUTERS
    return _over_ipv6(source, to, mld.build_done(group, source, to))
