"""TCP headers and their flags.

RFC 9293 3.1; RFC 3168 6.1 for ECE and CWR.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

FIN: Final = 0x01
SYN: Final = 0x02
RST: Final = 0x04
PSH: Final = 0x08
ACK: Final = 0x10
URG: Final = 0x20
ECE: Final = 0x40
CWR: Final = 0x80

HEADER: Final = Struct("!HHIIBBHHH")
"""source port, destination port, seq, ack, data offset (upper 4 bits, words) and
reserved bits, flags, window, checksum, urgent pointer"""

HEADER_SIZE: Final = 20
FLAGS_OFFSET: Final = 13
CHECKSUM_OFFSET: Final = 16

_LETTERS: Final = (
    (FIN, "F"),
    (SYN, "S"),
    (RST, "R"),
    (PSH, "P"),
    (ACK, "."),
    (URG, "U"),
    (ECE, "E"),
    (CWR, "W"),
)


@dataclass(slots=True)
class TcpHeader:
    """data_offset: bytes from the header's start to the payload."""

    source_port: int
    destination_port: int
    seq: int
    ack: int
    data_offset: int
    flags: int
    window: int
    checksum: int
    urgent: int
    options: bytes = b""


def parse_tcp(data: bytes, start: int = 0, end: int | None = None) -> TcpHeader:
    """The header at `start` of an IP payload that ends at `end`."""
    available = (len(data) if end is None else end) - start
    if available < HEADER_SIZE or len(data) < start + HEADER_SIZE:
        raise TruncatedError(f"TCP header cut at {available} bytes")
    sport, dport, seq, ack, offset, flags, window, check, urgent = HEADER.unpack_from(
        data, start
    )
    size = (offset >> 4) * 4
    if size < HEADER_SIZE:
        raise MalformedError(f"TCP data offset {size}")
    if size > available:
        raise TruncatedError(f"TCP header of {size} bytes cut at {available}")
    options = data[start + HEADER_SIZE : start + size]
    return TcpHeader(
        sport, dport, seq, ack, size, flags, window, check, urgent, options
    )


def build_tcp(
    source_port: int,
    destination_port: int,
    seq: int,
    ack: int,
    flags: int,
    window: int,
    *,
    checksum: int = 0,
    urgent: int = 0,
    options: bytes = b"",
) -> bytes:
    """A header; `options` must be whole words (`build_tcp_options` pads them)."""
    if len(options) % 4 or len(options) > 40:
        raise MalformedError(f"{len(options)} bytes of TCP options")
    offset = (HEADER_SIZE + len(options)) << 2
    fields = (source_port, destination_port, seq, ack, offset, flags, window)
    return HEADER.pack(*fields, checksum, urgent) + options


def format_flags(flags: int) -> str:
    """tcpdump's letters: ``"S."``, ``"FP."``; ``"none"`` without any."""
    return "".join(letter for bit, letter in _LETTERS if flags & bit) or "none"
