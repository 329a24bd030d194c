"""IP packets for machines that are used alone: header off, header on.

RFC 791, RFC 8200 3. Fragments and extension headers need a Reassembler or a Stack.
"""

from __future__ import annotations

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import Packet, PacketInfo

from .ipv4 import build_ipv4, parse_ipv4
from .ipv6 import HEADER_SIZE, build_ipv6, parse_ipv6


def ip_protocol(packet: Packet) -> int:
    """The transport protocol of the IP packet at `packet.offset`: for a demux."""
    return _ip_header(packet.join(), packet.offset)[0]


def ip_unwrap(packet: Packet, protocol: int | None = None) -> Packet:
    """An IP packet -> the Packet at its transport header, `info` set.

    The IP header starts at `packet.offset`; the result ends where the IP packet does.
    With `protocol`, a packet of another one raises MalformedError.
    """
    data = packet.join()
    found, start, end, info = _ip_header(data, packet.offset)
    if protocol not in (None, found):
        raise MalformedError(f"IP protocol {found}, not {protocol}")
    return Packet(
        data[:end],
        (),
        start,
        packet.gso_size,
        packet.csum,
        packet.csum_start,
        packet.csum_offset,
        info,
    )


def _ip_header(data: bytes, at: int) -> tuple[int, int, int, PacketInfo]:
    """Protocol, where the payload starts and ends, and what else the header says."""
    if len(data) <= at:
        raise TruncatedError("no IP header")
    if data[at] >> 4 == 6:
        six = parse_ipv6(data, at)
        info = PacketInfo(six.source, six.destination, six.traffic_class, six.hop_limit)
        start = at + HEADER_SIZE
        return six.next_header, start, start + six.payload_length, info
    four = parse_ipv4(data, at)
    if four.is_fragment:
        raise MalformedError("a fragment: reassemble it first")
    info = PacketInfo(four.source, four.destination, four.tos, four.ttl)
    return four.protocol, at + four.header_length, at + four.total_length, info


def ip_wrap(
    packet: Packet, protocol: int, *, identification: int = 0, flags: int = 0
) -> Packet:
    """A Packet at its transport header, `info` set -> the IP packet.

    identification and flags (`ipv4.DF`) are IPv4's. Raises MalformedError without
    addresses in `info`, or when the packet is longer than IP can say.
    """
    info, skip = packet.info, packet.offset
    if info is None or len(info.src) != len(info.dst):
        raise MalformedError("info must name both addresses")
    length = len(packet) - skip
    if len(info.src) == 16:
        header = build_ipv6(
            info.src,
            info.dst,
            protocol,
            length,
            hop_limit=info.ttl,
            traffic_class=info.tos,
        )
    else:
        header = build_ipv4(
            info.src,
            info.dst,
            protocol,
            length,
            ttl=info.ttl,
            tos=info.tos,
            identification=identification,
            flags=flags,
        )
    return Packet(
        header + packet.head[skip:],
        packet.body,
        0,
        packet.gso_size,
        packet.csum,
        packet.csum_start - skip + len(header),
        packet.csum_offset,
        info,
    )
