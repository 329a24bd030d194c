"""ICMP messages and the packets that errors quote.

RFC 792; RFC 1122 3.2.2; RFC 1191 (MTU of a fragmentation-needed error); RFC 1812 5.2.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError

from . import ipv4, ipv6, ipv6_extensions
from .checksum import checksum, ones_sum

ECHO_REPLY: Final = 0
UNREACHABLE: Final = 3
SOURCE_QUENCH: Final = 4
REDIRECT: Final = 5
ECHO_REQUEST: Final = 8
ROUTER_ADVERTISEMENT: Final = 9
ROUTER_SOLICITATION: Final = 10
TIME_EXCEEDED: Final = 11
PARAMETER_PROBLEM: Final = 12
TIMESTAMP_REQUEST: Final = 13
TIMESTAMP_REPLY: Final = 14
INFORMATION_REQUEST: Final = 15
INFORMATION_REPLY: Final = 16
MASK_REQUEST: Final = 17
MASK_REPLY: Final = 18

# codes of UNREACHABLE
NET_UNREACHABLE: Final = 0
HOST_UNREACHABLE: Final = 1
PROTOCOL_UNREACHABLE: Final = 2
PORT_UNREACHABLE: Final = 3
FRAGMENTATION_NEEDED: Final = 4
SOURCE_ROUTE_FAILED: Final = 5
NET_UNKNOWN: Final = 6
HOST_UNKNOWN: Final = 7
HOST_ISOLATED: Final = 8
NET_PROHIBITED: Final = 9
HOST_PROHIBITED: Final = 10
NET_UNREACHABLE_TOS: Final = 11
HOST_UNREACHABLE_TOS: Final = 12
COMMUNICATION_PROHIBITED: Final = 13
PRECEDENCE_VIOLATION: Final = 14
PRECEDENCE_CUTOFF: Final = 15

# codes of REDIRECT
REDIRECT_NET: Final = 0
REDIRECT_HOST: Final = 1
REDIRECT_NET_TOS: Final = 2
REDIRECT_HOST_TOS: Final = 3

# codes of TIME_EXCEEDED
TTL_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

ERRORS: Final = frozenset(
    (UNREACHABLE, SOURCE_QUENCH, REDIRECT, TIME_EXCEEDED, PARAMETER_PROBLEM)
)
"""Types that quote a packet, and about which no error is ever sent."""

HEADER: Final = Struct("!BBH4s")
"""type, code, checksum, the rest (identifier and sequence, MTU, gateway, pointer)"""

HEADER_SIZE: Final = 8

_PORTS: Final = Struct("!HHI")
_ECHO: Final = Struct("!BBHHH")


@dataclass(slots=True)
class Icmp:
    """rest: the 4 bytes after the checksum; what they are depends on the type."""

    type: int
    code: int
    rest: bytes
    body: bytes
    checksum: int = 0


def parse_icmp(
    data: bytes, start: int = 0, end: int | None = None, verify: bool = True
) -> Icmp:
    stop = len(data) if end is None else min(end, len(data))
    if stop - start < HEADER_SIZE:
        raise TruncatedError(f"ICMP header cut at {stop - start} bytes")
    kind, code, check, rest = HEADER.unpack_from(data, start)
    if verify and ones_sum(data[start:stop]) != 0xFFFF:
        raise ChecksumError("ICMP checksum is wrong")
    return Icmp(kind, code, rest, data[start + HEADER_SIZE : stop], check)


def build_icmp(kind: int, code: int, rest: bytes, body: bytes) -> bytes:
    """A message with its checksum."""
    if len(rest) != 4:
        raise MalformedError("the rest of an ICMP header has 4 bytes")
    message = HEADER.pack(kind, code, 0, rest) + body
    return HEADER.pack(kind, code, checksum(message), rest) + body


@dataclass(slots=True)
class Quoted:
    """The packet that an ICMP error speaks of, as far as the quotation goes.

    Ports are 0 and seq, identifier and sequence None where the protocol has none of
    them or the quoted packet is a later fragment. For an ICMP message, identifier and
    sequence are those of an echo, and icmp_type says which. header_length: of the IP
    header, with extension headers.
    """

    source: bytes
    destination: bytes
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    seq: int | None = None
    identifier: int | None = None
    sequence: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    header_length: int = 0
    total_length: int = 0
    identification: int = 0
    df: bool = False
    fragment_offset: int = 0
    ttl: int = 0
    tos: int = 0


def parse_quoted(body: bytes) -> Quoted:
    """The packet quoted in an error's body; 8 bytes of its transport suffice.

    RFC 792: the header and the first 64 bits. Its length and checksum are not judged:
    what is quoted was cut, and routers change it before they quote.
    """
    if not body:
        raise TruncatedError("nothing is quoted")
    quoted = _quoted_ipv4(body) if body[0] >> 4 != 6 else _quoted_ipv6(body)
    if quoted.fragment_offset:
        return quoted
    start, protocol = quoted.header_length, quoted.protocol
    if protocol not in _TRANSPORTS:
        return quoted
    if len(body) < start + 8:
        raise TruncatedError(f"{len(body) - start} bytes of the transport are quoted")
    if protocol in (ipv4.PROTO_ICMP, ipv4.PROTO_ICMPV6):
        kind, code, _, identifier, sequence = _ECHO.unpack_from(body, start)
        quoted.icmp_type, quoted.icmp_code = kind, code
        quoted.identifier, quoted.sequence = identifier, sequence
        return quoted
    quoted.source_port, quoted.destination_port, seq = _PORTS.unpack_from(body, start)
    if protocol == ipv4.PROTO_TCP:
        quoted.seq = seq
    return quoted


_TRANSPORTS: Final = (
    ipv4.PROTO_TCP,
    ipv4.PROTO_UDP,
    ipv4.PROTO_ICMP,
    ipv4.PROTO_ICMPV6,
)


def _quoted_ipv4(body: bytes) -> Quoted:
    if len(body) < ipv4.HEADER_SIZE:
        raise TruncatedError(f"quoted IPv4 header cut at {len(body)} bytes")
    first, tos, total, ident, word, ttl, protocol, _, source, destination = (
        ipv4.HEADER.unpack_from(body)
    )
    size = (first & 15) * 4
    if first >> 4 != 4 or size < ipv4.HEADER_SIZE:
        raise MalformedError(f"the quoted packet starts with {first:#04x}")
    if len(body) < size:
        raise TruncatedError(f"quoted IPv4 header cut at {len(body)} bytes")
    return Quoted(
        source,
        destination,
        protocol,
        header_length=size,
        total_length=total,
        identification=ident,
        df=bool(word >> 13 & ipv4.DF),
        fragment_offset=(word & 0x1FFF) * 8,
        ttl=ttl,
        tos=tos,
    )


def _quoted_ipv6(body: bytes) -> Quoted:
    if len(body) < ipv6.HEADER_SIZE:
        raise TruncatedError(f"quoted IPv6 header cut at {len(body)} bytes")
    first, length, protocol, hops, source, destination = ipv6.HEADER.unpack_from(body)
    at, offset, identification = ipv6.HEADER_SIZE, 0, 0
    while protocol in ipv6_extensions.EXTENSIONS and not offset:
        if len(body) < at + 8:
            raise TruncatedError("a quoted extension header is cut short")
        size = 8 + body[at + 1] * 8
        if protocol == ipv6_extensions.FRAGMENT:
            word = int.from_bytes(body[at + 2 : at + 4], "big")
            size, offset = 8, word & 0xFFF8
            identification = int.from_bytes(body[at + 4 : at + 8], "big")
        protocol = body[at]
        at += size
    return Quoted(
        source,
        destination,
        protocol,
        header_length=at,
        total_length=ipv6.HEADER_SIZE + length,
        identification=identification,
        df=True,  # no router fragments IPv6 (RFC 8200 5)
        fragment_offset=offset,
        ttl=hops,
        tos=first >> 20 & 0xFF,
    )
