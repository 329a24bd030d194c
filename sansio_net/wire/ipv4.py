"""IPv4 headers and options.

RFC 791; RFC 1122 3.2.1 for what must be checked; RFC 2113 and RFC 1108 option numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError

from .checksum import checksum

PROTO_ICMP: Final = 1
PROTO_IGMP: Final = 2
PROTO_TCP: Final = 6
PROTO_UDP: Final = 17
PROTO_ICMPV6: Final = 58

DF: Final = 2
"""Don't fragment, in the three flag bits."""
MF: Final = 1
"""More fragments."""

OPT_END: Final = 0
OPT_NOP: Final = 1
OPT_RECORD_ROUTE: Final = 7
OPT_TIMESTAMP: Final = 68
OPT_SECURITY: Final = 130
OPT_LOOSE_SOURCE_ROUTE: Final = 131
OPT_STRICT_SOURCE_ROUTE: Final = 137
OPT_ROUTER_ALERT: Final = 148

OPT_COPIED: Final = 0x80
"""Set in the type of an option that every fragment carries (RFC 791 3.1)."""

HEADER: Final = Struct("!BBHHHBBH4s4s")
"""version and IHL, TOS, total length, identification, flags and fragment offset (in 8
bytes), TTL, protocol, checksum, source, destination"""

HEADER_SIZE: Final = 20
MAX_SIZE: Final = 65535

_pack: Final = HEADER.pack


@dataclass(slots=True)
class Ipv4Header:
    """flags: `DF` | `MF`. fragment_offset, total_length, header_length: bytes."""

    source: bytes
    destination: bytes
    protocol: int
    ttl: int
    tos: int
    identification: int
    flags: int
    fragment_offset: int
    total_length: int
    header_length: int
    checksum: int
    options: bytes = b""

    @property
    def payload_length(self) -> int:
        return self.total_length - self.header_length

    @property
    def is_fragment(self) -> bool:
        return bool(self.flags & MF or self.fragment_offset)


def parse_ipv4(data: bytes, offset: int = 0, verify: bool = True) -> Ipv4Header:
    """The header at `offset`; `data` may go on beyond the packet (link padding)."""
    available = len(data) - offset
    if available < HEADER_SIZE:
        raise TruncatedError(f"IPv4 header cut at {available} bytes")
    first, tos, total, ident, flags, ttl, protocol, check, source, destination = (
        HEADER.unpack_from(data, offset)
    )
    size = (first & 15) * 4
    if first >> 4 != 4:
        raise MalformedError(f"IP version {first >> 4}, not 4")
    if size < HEADER_SIZE or total < size:
        raise MalformedError(f"IPv4 header of {size} bytes in a packet of {total}")
    if total > available:
        raise TruncatedError(f"IPv4 packet of {total} bytes cut at {available}")
    # 0 modulo 0xFFFF is right (RFC 1071); the header is never all zero
    if verify and int.from_bytes(data[offset : offset + size], "big") % 0xFFFF:
        raise ChecksumError("IPv4 header checksum is wrong")
    return Ipv4Header(
        source,
        destination,
        protocol,
        ttl,
        tos,
        ident,
        flags >> 13,
        (flags & 0x1FFF) * 8,
        total,
        size,
        check,
        data[offset + HEADER_SIZE : offset + size],
    )


def build_ipv4(
    source: bytes,
    destination: bytes,
    protocol: int,
    payload_length: int,
    *,
    ttl: int = 64,
    tos: int = 0,
    identification: int = 0,
    flags: int = 0,
    fragment_offset: int = 0,
    options: bytes = b"",
) -> bytes:
    """A header with its checksum; options are padded with zeros to a whole word."""
    if len(source) != 4 or len(destination) != 4:
        raise MalformedError("an IPv4 address has 4 bytes")
    options += bytes(-len(options) % 4)
    size = HEADER_SIZE + len(options)
    if size > 60:
        raise MalformedError(f"{len(options)} bytes of IPv4 options, at most 40")
    if size + payload_length > MAX_SIZE:
        raise MalformedError(f"IPv4 packet of {size + payload_length} bytes")
    if fragment_offset % 8 or not 0 <= fragment_offset <= 0x1FFF * 8:
        raise MalformedError(f"fragment offset {fragment_offset}")
    total, word = size + payload_length, flags << 13 | fragment_offset >> 3
    if not options:
        return pack_header(
            source, destination, protocol, total, identification, word, ttl, tos
        )
    fields = (0x40 | size >> 2, tos, total, identification, word, ttl, protocol)
    header = _pack(*fields, 0, source, destination) + options
    return _pack(*fields, checksum(header), source, destination) + options


def pack_header(
    source: bytes,
    destination: bytes,
    protocol: int,
    total_length: int,
    identification: int,
    flags_fragment: int,
    ttl: int,
    tos: int,
) -> bytes:
    """20 bytes with checksum, unchecked: the way out of the Stack.

    `flags_fragment` is the word as it lies on the wire. The sum is taken of the fields,
    before there are bytes: one pack instead of two.
    """
    n = (
        0x4500
        + tos
        + total_length
        + identification
        + flags_fragment
        + (ttl << 8 | protocol)
        + int.from_bytes(source + destination, "big")
    )
    # n is never 0, so a multiple of 65535 sums to 0xFFFF, whose complement is 0
    check = 0xFFFF ^ (n % 65535 or 65535)
    return _pack(
        0x45,
        tos,
        total_length,
        identification,
        flags_fragment,
        ttl,
        protocol,
        check,
        source,
        destination,
    )


def parse_options(options: bytes) -> list[tuple[int, bytes]]:
    """(type, data) of each option up to the end of the list, NOPs left out.

    Raises MalformedError where a length is below 2 or leads beyond the header.
    """
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(options):
        kind = options[at]
        if kind == OPT_END:
            break
        if kind == OPT_NOP:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            raise MalformedError(f"IPv4 option {kind} of length {size}")
        found.append((kind, options[at + 2 : at + size]))
        at += size
    return found


def build_options(options: Sequence[tuple[int, bytes]]) -> bytes:
    """The options one after the other, padded with zeros to a whole word."""
    data = b"".join(
        bytes((kind,)) if kind <= OPT_NOP else bytes((kind, len(value) + 2)) + value
        for kind, value in options
    )
    return data + bytes(-len(data) % 4)
