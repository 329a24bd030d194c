"""IGMP and MLD messages, against tshark's reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.errors import ChecksumError, TruncatedError
from sansio_net.wire import icmpv6, igmp, ipv4, ipv6, mld
from sansio_net.wire.groups import (
    ALLOW_NEW_SOURCES,
    CHANGE_TO_EXCLUDE,
    GroupLeave,
    GroupQuery,
    GroupRecord,
    GroupReport,
    compress,
    expand,
)
from sansio_net.wire.ipv6_extensions import ROUTER_ALERT, build_options

from .malformed import dissect

GROUP, A, B = map(pack_ip, ("239.1.2.3", "10.0.0.1", "10.0.0.2"))
GROUP6, A6, B6 = map(pack_ip, ("ff3e::8000:1", "fe80::1", "fe80::2"))
RECORDS = (
    GroupRecord(CHANGE_TO_EXCLUDE, GROUP),
    GroupRecord(ALLOW_NEW_SOURCES, GROUP, (A, B)),
)
RECORDS6 = (
    GroupRecord(CHANGE_TO_EXCLUDE, GROUP6),
    GroupRecord(ALLOW_NEW_SOURCES, GROUP6, (A6, B6)),
)


def igmp_parsed(message: bytes) -> object:
    return igmp.parse_igmp(b"x" + message + b"pad", 1, 1 + len(message))


def mld_parsed(message: bytes) -> object:
    return mld.parse_mld(icmpv6.parse_icmpv6(message, 0, len(message), A6, B6))


@pytest.mark.parametrize(
    "query",
    [
        GroupQuery(1, b"", 10_000),
        GroupQuery(2, GROUP, 1000),
        GroupQuery(3, b"", 10_000, (), False, 2, 125),
        GroupQuery(3, GROUP, 12_800, (A, B), True, 7, 128),
    ],
)
def test_igmp_queries(query: GroupQuery) -> None:
    assert igmp_parsed(igmp.build_query(query)) == query


def test_igmp_reports() -> None:
    assert igmp_parsed(igmp.build_report(RECORDS)) == GroupReport(3, RECORDS)
    for version in (1, 2):
        made = igmp.build_old_report(version, GROUP)
        assert igmp_parsed(made) == GroupReport(version, RECORDS[:1])
    assert igmp_parsed(igmp.build_leave(GROUP)) == GroupLeave(GROUP)


def test_mld() -> None:
    for query in (
        GroupQuery(1, GROUP6, 1000),
        GroupQuery(2, b"", 10_000, (), False, 2, 125),
        GroupQuery(2, GROUP6, 32_768, (A6,), True, 3, 60),
    ):
        assert mld_parsed(mld.build_query(query, A6, B6)) == query
    made = mld.build_report(RECORDS6, A6, B6)
    assert mld_parsed(made) == GroupReport(2, RECORDS6)
    made = mld.build_old_report(GROUP6, A6, B6)
    assert mld_parsed(made) == GroupReport(1, RECORDS6[:1])
    assert mld_parsed(mld.build_done(GROUP6, A6, B6)) == GroupLeave(GROUP6)


@pytest.mark.parametrize("bits", [8, 16])
def test_codes_say_no_more_than_was_meant(bits: int) -> None:
    for value in (*range(200), 12_345, 31_744, 32_768, 100_000):
        said = expand(compress(value, bits), bits)
        assert said <= value
        top = expand((1 << bits) - 1, bits)
        assert said == top or value - said <= max(value >> (bits - 5), 0)
    assert expand(0xFF, 8) == 31_744  # RFC 3376 4.1.1: (15 | 16) << (7 + 3)
    assert all(compress(expand(code, bits), bits) == code for code in range(1 << bits))


def test_damage() -> None:
    message = igmp.build_report(RECORDS)
    with pytest.raises(ChecksumError):
        igmp_parsed(message[:-1] + b"!")
    for parse, made, body in (
        (igmp_parsed, igmp.build_report(RECORDS), 8),
        (mld_parsed, mld.build_report(RECORDS6, A6, B6), 8),
    ):
        for cut in range(body, len(made)):
            with pytest.raises((TruncatedError, ChecksumError)):
                parse(made[:cut])


@pytest.mark.programs("tshark")
def test_tshark_reads_the_same(tmp_path: Path) -> None:
    alert = ((ipv4.OPT_ROUTER_ALERT, b"\0\0"),)

    def over_ipv4(message: bytes) -> bytes:
        options = ipv4.build_options(alert)
        size = len(message)
        return ipv4.build_ipv4(A, GROUP, 2, size, ttl=1, options=options) + message

    def over_ipv6(message: bytes) -> bytes:
        hop_by_hop = build_options(58, [(ROUTER_ALERT, b"\0\0")])
        size = len(hop_by_hop) + len(message)
        return ipv6.build_ipv6(A6, B6, 0, size, hop_limit=1) + hop_by_hop + message

    packets = [
        over_ipv4(igmp.build_report(RECORDS)),
        over_ipv4(igmp.build_query(GroupQuery(3, GROUP, 12_800, (A, B), True, 7, 128))),
        over_ipv4(igmp.build_leave(GROUP)),
        over_ipv6(mld.build_report(RECORDS6, A6, B6)),
        over_ipv6(mld.build_query(GroupQuery(2, GROUP6, 32_768, (A6,)), A6, B6)),
    ]
    rows = dissect(
        tmp_path, packets, "igmp.type", "igmp.maddr", "icmpv6.type", "igmp.saddr"
    )
    group, sources = "239.1.2.3", "10.0.0.1,10.0.0.2"
    assert rows == [
        ["0x22", f"{group},{group}", "", sources],
        ["0x11", group, "", sources],
        ["0x17", group, "", ""],
        ["", "", "143", ""],
        ["", "", "130", ""],
    ]
