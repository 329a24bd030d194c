"""The IPv6 basic header."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire.ipv6 import Ipv6Header, build_ipv6, pack_header, parse_ipv6

A, B = bytes(15) + b"\x01", bytes.fromhex("fe80") + bytes(13) + b"\x02"


def test_header_as_dpkt_reads_it() -> None:
    header = build_ipv6(A, B, 17, 9, hop_limit=255, traffic_class=0xB9, flow_label=77)
    ip = dpkt.ip6.IP6(header + bytes(9))
    assert (ip.src, ip.dst, ip.nxt, ip.hlim, ip.plen) == (A, B, 17, 255, 9)
    assert (ip.v, ip.fc, ip.flow) == (6, 0xB9, 77)
    parsed = parse_ipv6(bytes(14) + header + bytes(9), 14)
    assert parsed == Ipv6Header(A, B, 17, 255, 0xB9, 77, 9)


def test_the_fast_way_out() -> None:
    expected = build_ipv6(A, B, 6, 20, hop_limit=9, traffic_class=0xB8)
    assert pack_header(A, B, 6, 20, 9, 0xB8) == expected


def test_refused() -> None:
    header = build_ipv6(A, B, 17, 9)
    with pytest.raises(TruncatedError):
        parse_ipv6(header + bytes(8))
    with pytest.raises(TruncatedError):
        parse_ipv6(header[:39])
    with pytest.raises(MalformedError):
        parse_ipv6(b"\x45" + header[1:] + bytes(9))
    with pytest.raises(MalformedError):
        build_ipv6(A, b"\x0a\0\0\x01", 17, 0)
    with pytest.raises(MalformedError):
        build_ipv6(A, B, 17, 65536)
