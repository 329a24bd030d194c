"""UDP headers."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire.udp import UdpHeader, build_udp, parse_udp


def test_header_as_dpkt_reads_it() -> None:
    udp = dpkt.udp.UDP(build_udp(53, 40000, 4, 0xBEEF) + b"abcd")
    assert (udp.sport, udp.dport, udp.ulen, udp.sum) == (53, 40000, 12, 0xBEEF)


def test_length_may_be_less_than_the_ip_payload() -> None:
    data = b"xx" + build_udp(1, 2, 3) + b"abc" + b"more"
    assert parse_udp(data, 2) == UdpHeader(1, 2, 11, 0)


@pytest.mark.parametrize(("size", "end"), [(7, 7), (8, 7), (7, 8), (11, 11)])
def test_cut_short(size: int, end: int) -> None:
    data = (build_udp(1, 2, 4) + b"abcd")[:size]
    with pytest.raises(TruncatedError):
        parse_udp(data, 0, end)


def test_impossible_lengths() -> None:
    with pytest.raises(MalformedError):
        parse_udp(b"\0\x01\0\x02\0\x07\0\0")
    with pytest.raises(MalformedError):
        build_udp(1, 2, 65528)
    assert build_udp(1, 2, 65527)[4:6] == b"\xff\xff"
