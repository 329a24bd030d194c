"""A datagram, or several in one, as a packet at its UDP header. RFC 768."""

from __future__ import annotations

from typing import Final

from sansio_net.addresses import ZONED_SIZE
from sansio_net.errors import MessageTooLongError
from sansio_net.packet import (
    COPY_BELOW,
    CSUM_PARTIAL,
    Chunk,
    Datagram,
    Packet,
    PacketInfo,
)
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.ipv4 import PROTO_UDP
from sansio_net.wire.udp import CHECKSUM_OFFSET, HEADER_SIZE, build_udp

MAX_PAYLOAD: Final = {
    4: 0xFFFF - 20 - HEADER_SIZE,
    16: 0xFFFF - HEADER_SIZE,
    ZONED_SIZE: 0xFFFF - HEADER_SIZE,
}
"""By the size of an address: IPv4 counts its header in the length, IPv6 does not."""


MAX_SEGMENTS: Final = 64
"""What one send may be cut into, as udp(7) has it."""


def datagram(
    sport: int, dport: int, payload: Chunk, info: PacketInfo, gso_size: int = 0
) -> Packet:
    """`info` says from, to and all that the IP header needs."""
    size = len(payload)
    initial = pseudo_sum(info.src, info.dst, PROTO_UDP, size + HEADER_SIZE)
    head, body = build_udp(sport, dport, size, initial), (payload,) if payload else ()
    return Packet(head, body, 0, gso_size, CSUM_PARTIAL, 0, CHECKSUM_OFFSET, info)


def kept(data: bytearray | memoryview) -> Chunk:
    """What a queue may keep of it: nothing that somebody else can change."""
    if (
        isinstance(data, memoryview)
        and isinstance(data.obj, bytes)
        and data.nbytes >= COPY_BELOW
        and data.c_contiguous
    ):
        return data.cast("B")
    return bytes(data)


def cut_size(segment_size: int, size: int, destination: bytes, mtu: int) -> int:
    """How long each datagram of `size` bytes of payload is; 0: they are one.

    Linux's rules (udp(7), UDP_SEGMENT): at most `MAX_SEGMENTS`, none of them in
    fragments. Raises ValueError, MessageTooLongError.
    """
    if not 0 < segment_size <= 0xFFFF:
        raise ValueError(f"segment_size out of range: {segment_size}")
    top = HEADER_SIZE + (20 if len(destination) == 4 else 40)
    if top + min(size, segment_size) > mtu:
        raise MessageTooLongError()
    if size > segment_size * MAX_SEGMENTS:
        raise ValueError(f"more than {MAX_SEGMENTS} datagrams in one send")
    return segment_size if size > segment_size else 0


def cuts(datagram: Datagram) -> int:
    """How many came as one."""
    step = datagram.segment_size
    return -(-len(datagram.data) // step) if step else 1


def check_octet(name: str, value: int | None, lowest: int) -> None:
    """Raises ValueError."""
    if value is not None and not lowest <= value <= 255:
        raise ValueError(f"{name} out of range: {value}")
