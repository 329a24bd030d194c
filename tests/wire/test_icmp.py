"""ICMP messages and quoted packets."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError
from sansio_net.wire import icmp, ipv4, ipv6
from sansio_net.wire.icmp import Icmp, build_icmp, parse_icmp, parse_quoted
from sansio_net.wire.tcp import build_tcp
from sansio_net.wire.udp import build_udp

from .naive import naive_sum

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))


def test_echo_as_dpkt_reads_it() -> None:
    message = build_icmp(icmp.ECHO_REQUEST, 0, b"\x12\x34\x00\x07", b"odd")
    assert naive_sum(message) == 0xFFFF
    echo = dpkt.icmp.ICMP(message)
    assert (echo.type, echo.data.id, echo.data.seq) == (8, 0x1234, 7)
    parsed = parse_icmp(b"xx" + message + b"pad", 2, 2 + len(message))
    check = int.from_bytes(message[2:4], "big")
    assert parsed == Icmp(8, 0, b"\x12\x34\x00\x07", b"odd", check)


def test_damage() -> None:
    message = build_icmp(icmp.ECHO_REPLY, 0, bytes(4), b"data")
    damaged = message[:-1] + b"!"
    with pytest.raises(ChecksumError):
        parse_icmp(damaged)
    assert parse_icmp(damaged, verify=False).body == b"dat!"
    with pytest.raises(TruncatedError):
        parse_icmp(message[:7])
    with pytest.raises(TruncatedError):
        parse_icmp(message, 0, 7)
    with pytest.raises(MalformedError):
        build_icmp(0, 0, b"", b"")


def test_quoted_tcp_of_eight_bytes() -> None:
    segment = build_tcp(1000, 2000, 0xDEADBEEF, 0, 0, 0)
    packet = (
        ipv4.build_ipv4(
            A, B, 6, 20, flags=ipv4.DF, identification=9, options=b"\x94\x04\0\0"
        )
        + segment[:8]
    )
    quoted = parse_quoted(packet)
    assert (quoted.source, quoted.destination, quoted.protocol) == (A, B, 6)
    assert (quoted.source_port, quoted.destination_port) == (1000, 2000)
    assert (quoted.seq, quoted.df, quoted.header_length) == (0xDEADBEEF, True, 24)
    assert (quoted.total_length, quoted.identification) == (44, 9)
    assert quoted.identifier is None


def test_quoted_udp_and_echo() -> None:
    udp = parse_quoted(ipv4.build_ipv4(A, B, 17, 8) + build_udp(5, 6, 0))
    assert (udp.source_port, udp.destination_port, udp.seq) == (5, 6, None)
    echo = build_icmp(icmp.ECHO_REQUEST, 0, b"\0\x05\0\x06", b"")
    quoted = parse_quoted(ipv4.build_ipv4(A, B, 1, 8) + echo)
    assert (quoted.identifier, quoted.sequence, quoted.icmp_type) == (5, 6, 8)
    assert quoted.source_port == 0


def test_quoted_ipv6() -> None:
    a, b = bytes(15) + b"\x01", bytes(15) + b"\x02"
    quoted = parse_quoted(ipv6.build_ipv6(a, b, 17, 8) + build_udp(5, 6, 0))
    assert (quoted.source, quoted.destination) == (a, b)
    assert (quoted.source_port, quoted.df, quoted.header_length) == (5, True, 40)


def test_quoted_later_fragment_has_no_ports() -> None:
    packet = ipv4.build_ipv4(A, B, 17, 8, fragment_offset=1480) + b"\xff" * 8
    quoted = parse_quoted(packet)
    assert (quoted.fragment_offset, quoted.source_port) == (1480, 0)


def test_quoted_other_protocol_needs_no_payload() -> None:
    assert parse_quoted(ipv4.build_ipv4(A, B, 253, 0)).protocol == 253


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", TruncatedError),
        (b"\x45" + bytes(18), TruncatedError),
        (b"\x4f" + bytes(30), TruncatedError),
        (b"\x44" + bytes(30), MalformedError),
        (b"\x55" + bytes(30), MalformedError),
        (ipv4.build_ipv4(A, B, 6, 20) + bytes(7), TruncatedError),
        (b"\x60" + bytes(30), TruncatedError),
    ],
)
def test_unusable_quotations(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_quoted(body)
