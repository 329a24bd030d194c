"""IPv4 headers and options."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError
from sansio_net.wire.ipv4 import (
    DF,
    MF,
    OPT_RECORD_ROUTE,
    OPT_ROUTER_ALERT,
    PROTO_UDP,
    build_ipv4,
    build_options,
    pack_header,
    parse_ipv4,
    parse_options,
)

from .naive import naive_sum

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def test_header_as_dpkt_reads_it() -> None:
    header = build_ipv4(
        A, B, PROTO_UDP, 8, ttl=3, tos=0xB8, identification=77, flags=DF
    )
    ip = dpkt.ip.IP(header + bytes(8))
    assert (ip.src, ip.dst, ip.p, ip.ttl, ip.tos, ip.id) == (A, B, 17, 3, 0xB8, 77)
    assert (ip.len, ip.df, ip.mf, ip.offset) == (28, 1, 0, 0)
    assert naive_sum(header) == 0xFFFF


def test_fragment_fields() -> None:
    header = build_ipv4(A, B, PROTO_UDP, 16, flags=MF, fragment_offset=1480)
    parsed = parse_ipv4(header + bytes(16))
    assert (parsed.flags, parsed.fragment_offset) == (MF, 1480)
    assert parsed.is_fragment
    assert parsed.payload_length == 16
    assert not parse_ipv4(build_ipv4(A, B, 1, 0)).is_fragment


def test_options_are_padded_and_covered() -> None:
    options = build_options([(OPT_ROUTER_ALERT, b"\0\0"), (1, b""), (7, b"\x04" * 5)])
    header = build_ipv4(A, B, PROTO_UDP, 0, options=options)
    parsed = parse_ipv4(header)
    assert parsed.header_length == 32
    assert naive_sum(header) == 0xFFFF
    assert parse_options(parsed.options) == [
        (OPT_ROUTER_ALERT, b"\0\0"),
        (OPT_RECORD_ROUTE, b"\x04" * 5),
    ]


def test_checksum_field_zero_when_the_sum_is_all_ones() -> None:
    """The identification makes the other words a multiple of 65535."""
    zero = pack_header(A, B, PROTO_UDP, 28, 0, 0, 64, 0)
    ident = int.from_bytes(zero[10:12], "big")
    header = pack_header(A, B, PROTO_UDP, 28, ident, 0, 64, 0)
    assert header[10:12] == b"\0\0"
    assert naive_sum(header) == 0xFFFF
    parse_ipv4(header + bytes(8))


def test_wrong_checksum() -> None:
    header = bytearray(build_ipv4(A, B, PROTO_UDP, 0))
    header[8] ^= 1
    with pytest.raises(ChecksumError):
        parse_ipv4(bytes(header))
    assert parse_ipv4(bytes(header), verify=False).ttl == 65


def test_padding_of_the_link_is_left_alone() -> None:
    frame = bytes(14) + build_ipv4(A, B, PROTO_UDP, 2) + b"ab" + bytes(10)
    assert parse_ipv4(frame, 14).total_length == 22


@pytest.mark.parametrize(
    ("header", "error"),
    [
        (bytes(19), TruncatedError),
        (b"\x65" + build_ipv4(A, B, 17, 0)[1:], MalformedError),
        (b"\x44" + build_ipv4(A, B, 17, 0)[1:], MalformedError),
        (b"\x46" + build_ipv4(A, B, 17, 0)[1:], MalformedError),
        (build_ipv4(A, B, 17, 1), TruncatedError),
    ],
)
def test_refused_headers(header: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_ipv4(header, verify=False)


@pytest.mark.parametrize("options", [b"\x07\x00", b"\x07\x01", b"\x07", b"\x07\x09\0"])
def test_option_lengths_that_lead_nowhere(options: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_options(options)


def test_nothing_after_the_end_of_options() -> None:
    assert parse_options(b"\x01\x00\x07\x00") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"payload_length": 65516},
        {"fragment_offset": 4},
        {"fragment_offset": 65536},
        {"options": bytes(41)},
        {"source": bytes(16)},
    ],
)
def test_unbuildable_headers(fields: dict[str, object]) -> None:
    known: dict[str, object] = {
        "source": A,
        "destination": B,
        "protocol": 17,
        "payload_length": 0,
    }
    with pytest.raises(MalformedError):
        build_ipv4(**(known | fields))  # type: ignore[arg-type]
