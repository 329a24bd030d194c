"""UDP headers.

RFC 768.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

HEADER: Final = Struct("!HHHH")
"""source port, destination port, length, checksum"""

HEADER_SIZE: Final = 8
CHECKSUM_OFFSET: Final = 6


@dataclass(slots=True)
class UdpHeader:
    """length: bytes, the header's 8 included. checksum 0: the sender made none."""

    source_port: int
    destination_port: int
    length: int
    checksum: int


def parse_udp(data: bytes, start: int = 0, end: int | None = None) -> UdpHeader:
    """The header at `start` of an IP payload that ends at `end`.

    The payload is ``data[start + 8 : start + header.length]``.
    """
    available = (len(data) if end is None else end) - start
    if available < HEADER_SIZE or len(data) < start + HEADER_SIZE:
        raise TruncatedError(f"UDP header cut at {available} bytes")
    source_port, destination_port, length, check = HEADER.unpack_from(data, start)
    if length < HEADER_SIZE:
        raise MalformedError(f"UDP length {length}")
    if length > available:
        raise TruncatedError(f"UDP datagram of {length} bytes cut at {available}")
    return UdpHeader(source_port, destination_port, length, check)


def build_udp(
    source_port: int, destination_port: int, payload_length: int, checksum: int = 0
) -> bytes:
    length = HEADER_SIZE + payload_length
    if length > 0xFFFF:
        raise MalformedError(f"UDP datagram of {length} bytes")
    return HEADER.pack(source_port, destination_port, length, checksum)
