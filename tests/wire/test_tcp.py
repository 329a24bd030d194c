"""TCP headers and flag letters."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire import tcp
from sansio_net.wire.tcp import TcpHeader, build_tcp, format_flags, parse_tcp


def test_header_as_dpkt_reads_it() -> None:
    header = build_tcp(
        80,
        40000,
        0xFFFFFFFF,
        7,
        tcp.SYN | tcp.ACK | tcp.ECE,
        65535,
        checksum=0xBEEF,
        urgent=9,
        options=b"\x02\x04\x05\xb4",
    )
    segment = dpkt.tcp.TCP(header + b"data")
    assert (segment.sport, segment.dport) == (80, 40000)
    assert (segment.seq, segment.ack, segment.win) == (0xFFFFFFFF, 7, 65535)
    assert (segment.flags, segment.sum, segment.urp) == (0x52, 0xBEEF, 9)
    assert (segment.off, segment.opts) == (6, b"\x02\x04\x05\xb4")
    assert parse_tcp(b"x" + header + b"data", 1) == TcpHeader(
        80, 40000, 0xFFFFFFFF, 7, 24, 0x52, 65535, 0xBEEF, 9, b"\x02\x04\x05\xb4"
    )


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (tcp.SYN, "S"),
        (tcp.SYN | tcp.ACK, "S."),
        (tcp.FIN | tcp.PSH | tcp.ACK, "FP."),
        (tcp.SYN | tcp.ECE | tcp.CWR, "SEW"),
        (tcp.RST | tcp.URG, "RU"),
        (0, "none"),
    ],
)
def test_flag_letters(flags: int, text: str) -> None:
    assert format_flags(flags) == text


def test_refused() -> None:
    header = build_tcp(1, 2, 3, 4, tcp.ACK, 5, options=bytes(4))
    with pytest.raises(TruncatedError):
        parse_tcp(header[:19])
    with pytest.raises(TruncatedError):
        parse_tcp(header, 0, 23)
    with pytest.raises(TruncatedError):
        parse_tcp(header[:10], 0, 24)
    with pytest.raises(MalformedError):
        parse_tcp(header[:12] + b"\x40" + header[13:])


@pytest.mark.parametrize("size", [3, 44])
def test_options_are_whole_words_and_fit(size: int) -> None:
    with pytest.raises(MalformedError):
        build_tcp(1, 2, 3, 4, 0, 5, options=bytes(size))
