"""virtio_net_hdr: offload metadata in front of the frames of TAP and AF_PACKET.

Virtual I/O Device (VIRTIO) 1.2, 5.1.6; the legacy form, in the host's byte order.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, Packet

from . import tcp, udp
from .segment import network_start

HEADER: Final = Struct("=BBHHHH")
"""flags, gso type, header length, gso size, csum start, csum offset"""

_fields: Final = HEADER.unpack_from

HEADER_SIZE: Final = 10
MERGED_SIZE: Final = 12
"""With the number of merged buffers behind, as virtio 1.0 devices have it."""

NEEDS_CSUM: Final = 1
DATA_VALID: Final = 2

GSO_NONE: Final = 0
GSO_TCPV4: Final = 1
GSO_UDP: Final = 3
"""UFO: fragments, not datagrams. Never negotiated."""
GSO_TCPV6: Final = 4
GSO_UDP_L4: Final = 5
GSO_ECN: Final = 0x80


def parse_vnet(buffer: bytes, size: int = HEADER_SIZE) -> Packet:
    """A header of `size` bytes (10 or 12) and a frame -> a received Packet."""
    if len(buffer) < size or size < HEADER_SIZE:
        raise TruncatedError(f"virtio_net_hdr cut at {len(buffer)} bytes")
    flags, gso_type, _, _, start, offset = _fields(buffer)
    frame = buffer[size:]
    if gso_type:
        return received(buffer, frame)
    if not flags & NEEDS_CSUM:
        csum = CSUM_VALID if flags & DATA_VALID else CSUM_NONE
        return Packet(frame, (), 0, 0, csum)
    if start + offset + 2 > len(frame):
        raise MalformedError("the checksum field lies beyond the frame")
    return Packet(frame, (), 0, 0, CSUM_PARTIAL, start, offset)


def received(header: bytes, frame: bytes) -> Packet:
    """The same for a header and a frame that were read into two buffers."""
    if len(header) < HEADER_SIZE:
        raise TruncatedError(f"virtio_net_hdr cut at {len(header)} bytes")
    flags, gso_type, _, gso_size, start, offset = HEADER.unpack_from(header)
    packet = Packet(frame)
    if flags & NEEDS_CSUM:
        if start + offset + 2 > len(frame):
            raise MalformedError("the checksum field lies beyond the frame")
        packet.csum = CSUM_PARTIAL
        packet.csum_start, packet.csum_offset = start, offset
    elif flags & DATA_VALID:
        packet.csum = CSUM_VALID
    kind = gso_type & ~GSO_ECN
    if kind != GSO_NONE:
        if kind not in (GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4):
            raise MalformedError(f"gso type {gso_type}")
        if not gso_size:
            raise MalformedError("a gso size of 0")
        packet.gso_size = gso_size
    return packet


def build_vnet(packet: Packet, size: int = HEADER_SIZE) -> bytes:
    """The header, of 10 or 12 bytes, that hands `packet` to a device as it is."""
    flags = gso_type = header_length = start = offset = 0
    if packet.csum == CSUM_PARTIAL:
        flags = NEEDS_CSUM
        start, offset = packet.csum_start, packet.csum_offset
    elif packet.csum == CSUM_VALID:
        flags = DATA_VALID
    elif packet.csum != CSUM_NONE:
        raise MalformedError(f"csum {packet.csum}")
    if packet.gso_size:
        if not flags & NEEDS_CSUM:
            raise MalformedError("a super-segment whose checksum is not partial")
        gso_type, header_length = _gso(packet, start, offset)
    header = HEADER.pack(flags, gso_type, header_length, packet.gso_size, start, offset)
    return header + bytes(size - HEADER_SIZE)


def _gso(packet: Packet, start: int, offset: int) -> tuple[int, int]:
    """gso type and length of all headers; they lie in `head` whole."""
    head = packet.head
    if offset == udp.CHECKSUM_OFFSET:
        return GSO_UDP_L4, start + udp.HEADER_SIZE
    if offset != tcp.CHECKSUM_OFFSET or len(head) < start + tcp.HEADER_SIZE:
        raise MalformedError("a super-segment is TCP or UDP")
    v4 = head[network_start(packet)] >> 4 == 4
    gso_type = GSO_TCPV4 if v4 else GSO_TCPV6
    if head[start + 13] & tcp.CWR:
        gso_type |= GSO_ECN
    return gso_type, start + (head[start + 12] >> 4) * 4
