"""A datagram as a packet at its UDP header. RFC 768."""

from __future__ import annotations

from typing import Final

from sansio_net.addresses import ZONED_SIZE
from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.ipv4 import PROTO_UDP
from sansio_net.wire.udp import CHECKSUM_OFFSET, HEADER_SIZE, build_udp

MAX_PAYLOAD: Final = {
    4: 0xFFFF - 20 - HEADER_SIZE,
    16: 0xFFFF - HEADER_SIZE,
    ZONED_SIZE: 0xFFFF - HEADER_SIZE,
}
"""By the size of an address: IPv4 counts its header in the length, IPv6 does not."""


def datagram(sport: int, dport: int, payload: bytes, info: PacketInfo) -> Packet:
    """`info` says from, to and all that the IP header needs."""
    size = len(payload)
    initial = pseudo_sum(info.src, info.dst, PROTO_UDP, size + HEADER_SIZE)
    head, body = build_udp(sport, dport, size, initial), (payload,) if payload else ()
    return Packet(head, body, 0, 0, CSUM_PARTIAL, 0, CHECKSUM_OFFSET, info)


def check_octet(name: str, value: int | None, lowest: int) -> None:
    """Raises ValueError."""
    if value is not None and not lowest <= value <= 255:
        raise ValueError(f"{name} out of range: {value}")
