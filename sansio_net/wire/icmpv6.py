"""ICMPv6 messages.

RFC 4443; types of RFC 4861, 2710, 3810 and 4286 by number. What errors quote is read
by `icmp.parse_quoted`, which knows both families.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from sansio_net.errors import ChecksumError, MalformedError, TruncatedError

from .checksum import checksum, pseudo_sum
from .icmp import Icmp
from .ipv4 import PROTO_ICMPV6

UNREACHABLE: Final = 1
PACKET_TOO_BIG: Final = 2
TIME_EXCEEDED: Final = 3
PARAMETER_PROBLEM: Final = 4
ECHO_REQUEST: Final = 128
ECHO_REPLY: Final = 129
MLD_QUERY: Final = 130
MLD_REPORT: Final = 131
MLD_DONE: Final = 132
ROUTER_SOLICITATION: Final = 133
ROUTER_ADVERTISEMENT: Final = 134
NEIGHBOUR_SOLICITATION: Final = 135
NEIGHBOUR_ADVERTISEMENT: Final = 136
REDIRECT: Final = 137
MLD2_REPORT: Final = 143

# codes of UNREACHABLE (RFC 4443 3.1)
NO_ROUTE: Final = 0
PROHIBITED: Final = 1
BEYOND_SCOPE: Final = 2
ADDRESS_UNREACHABLE: Final = 3
PORT_UNREACHABLE: Final = 4
POLICY: Final = 5
REJECT_ROUTE: Final = 6

# codes of TIME_EXCEEDED (3.3)
HOP_LIMIT_EXCEEDED: Final = 0
REASSEMBLY_EXCEEDED: Final = 1

HEADER: Final = Struct("!BBH4s")
"""type, code, checksum, the rest (identifier and sequence, MTU, pointer)"""

HEADER_SIZE: Final = 8

MIN_MTU: Final = 1280
"""RFC 8200 5: every link carries packets of this size; errors are no longer."""


def is_error(kind: int) -> bool:
    """RFC 4443 2.1: error messages have a type below 128."""
    return kind < 128


def parse_icmpv6(
    data: bytes,
    start: int,
    end: int,
    source: bytes,
    destination: bytes,
    verify: bool = True,
) -> Icmp:
    """The message at ``data[start:end]``, of a packet between these addresses."""
    if end - start < HEADER_SIZE:
        raise TruncatedError(f"ICMPv6 header cut at {end - start} bytes")
    kind, code, check, rest = HEADER.unpack_from(data, start)
    if verify:
        pseudo = pseudo_sum(source, destination, PROTO_ICMPV6, end - start)
        if checksum(data[start:end], pseudo):
            raise ChecksumError("ICMPv6 checksum is wrong")
    return Icmp(kind, code, rest, data[start + HEADER_SIZE : end], check)


def build_icmpv6(
    kind: int, code: int, rest: bytes, body: bytes, source: bytes, destination: bytes
) -> bytes:
    """A message with its checksum (RFC 4443 2.3)."""
    if len(rest) != 4:
        raise MalformedError("the rest of an ICMPv6 header has 4 bytes")
    size = HEADER_SIZE + len(body)
    pseudo = pseudo_sum(source, destination, PROTO_ICMPV6, size)
    check = checksum(HEADER.pack(kind, code, 0, rest) + body, pseudo)
    return HEADER.pack(kind, code, check, rest) + body
