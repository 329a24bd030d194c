"""ARP packets for IPv4 over Ethernet.

RFC 826.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

REQUEST: Final = 1
REPLY: Final = 2

HEADER: Final = Struct("!HHBBH6s4s6s4s")
"""hardware type, protocol type, their address sizes, op, sha, spa, tha, tpa"""

SIZE: Final = 28


@dataclass(slots=True)
class Arp:
    """Sender's and target's hardware (MAC) and protocol (IPv4) addresses."""

    op: int
    sha: bytes
    spa: bytes
    tha: bytes
    tpa: bytes


def parse_arp(data: bytes, offset: int = 0) -> Arp:
    """Any `op` passes; other address families and sizes do not (RFC 826)."""
    if len(data) < offset + SIZE:
        raise TruncatedError(f"ARP packet cut at {len(data) - offset} bytes")
    hrd, pro, hln, pln, op, sha, spa, tha, tpa = HEADER.unpack_from(data, offset)
    if (hrd, pro, hln, pln) != (1, 0x0800, 6, 4):
        raise MalformedError(
            f"ARP for hardware {hrd}/{hln} and protocol {pro:#06x}/{pln}"
        )
    return Arp(op, sha, spa, tha, tpa)


def build_arp(op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes) -> bytes:
    if (len(sha), len(spa), len(tha), len(tpa)) != (6, 4, 6, 4):
        raise MalformedError("ARP takes MAC and IPv4 addresses")
    return HEADER.pack(1, 0x0800, 6, 4, op, sha, spa, tha, tpa)
