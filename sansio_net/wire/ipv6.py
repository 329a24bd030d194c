"""The IPv6 basic header.

RFC 8200 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

HEADER: Final = Struct("!IHBB16s16s")
"""version, traffic class and flow label; payload length; next header; hop limit;
source; destination"""

HEADER_SIZE: Final = 40


@dataclass(slots=True)
class Ipv6Header:
    """payload_length: bytes after these 40, extension headers included."""

    source: bytes
    destination: bytes
    next_header: int
    hop_limit: int
    traffic_class: int
    flow_label: int
    payload_length: int


def parse_ipv6(data: bytes, offset: int = 0) -> Ipv6Header:
    """The header at `offset`; `data` may go on beyond the packet (link padding)."""
    available = len(data) - offset
    if available < HEADER_SIZE:
        raise TruncatedError(f"IPv6 header cut at {available} bytes")
    first, length, next_header, hops, source, destination = HEADER.unpack_from(
        data, offset
    )
    if first >> 28 != 6:
        raise MalformedError(f"IP version {first >> 28}, not 6")
    if length > available - HEADER_SIZE:
        raise TruncatedError(f"IPv6 payload of {length} bytes cut short")
    return Ipv6Header(
        source,
        destination,
        next_header,
        hops,
        first >> 20 & 0xFF,
        first & 0xFFFFF,
        length,
    )


def build_ipv6(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload_length: int,
    *,
    hop_limit: int = 64,
    traffic_class: int = 0,
    flow_label: int = 0,
) -> bytes:
    if len(source) != 16 or len(destination) != 16:
        raise MalformedError("an IPv6 address has 16 bytes")
    if not 0 <= payload_length <= 0xFFFF:
        raise MalformedError(f"IPv6 payload of {payload_length} bytes")
    first = 6 << 28 | (traffic_class & 0xFF) << 20 | flow_label & 0xFFFFF
    return HEADER.pack(
        first, payload_length, next_header, hop_limit, source, destination
    )


def pack_header(
    source: bytes,
    destination: bytes,
    next_header: int,
    payload_length: int,
    hop_limit: int,
    traffic_class: int,
    flow_label: int = 0,
) -> bytes:
    """40 bytes, unchecked: the way out of the Stack."""
    return HEADER.pack(
        6 << 28 | traffic_class << 20 | flow_label,
        payload_length,
        next_header,
        hop_limit,
        source,
        destination,
    )
