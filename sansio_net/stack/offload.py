"""Super-segments, and checksums put off: what devices take, what is cut here.

A packet that is passed on lies at its IP header (`offset` 0), all head, or with all of
its headers in it (`parted`); one of a socket's of ours at its UDP header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.errors import MalformedError, WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, Packet
from sansio_net.protocols.udp.build import datagram
from sansio_net.wire import ipv4, ipv6, tcp, udp
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ipv6_extensions import EXTENSIONS, FRAGMENT, ROUTING
from sansio_net.wire.segment import flatten

from .hops import path_mtu

_LONGEST_HEADER: Final = 60
"""Of TCP (RFC 9293 3.1)."""
_WORTH_IT: Final = 2048

if TYPE_CHECKING:
    from .arrival import Arrival
    from .hops import Hop
    from .interface import Interface
    from .stack import Stack

_CHECKSUM_AT: Final = {
    ipv4.PROTO_TCP: tcp.CHECKSUM_OFFSET,
    ipv4.PROTO_UDP: udp.CHECKSUM_OFFSET,
}


def settle(packet: Packet) -> None:
    """Make what the device that brought it vouched for true for one that takes it.

    A checksum that was never computed (CSUM_VALID: "trust me") becomes one to be
    completed; so does that of every super-segment. Raises a WireError for metadata that
    does not fit the bytes, or the wrong checksum of a super-segment.
    """
    data = packet.head
    if packet.csum == CSUM_PARTIAL:
        place = packet.csum_start + packet.csum_offset
        least = ipv4.HEADER_SIZE if data[0] >> 4 == 4 else ipv6.HEADER_SIZE
        if packet.csum_start < least or place + 2 > len(data):
            raise MalformedError("the checksum field lies beyond the packet")
        if packet.gso_size and not _is_outermost(packet):
            raise MalformedError("what is to be cut lies within a tunnel")
        return
    found = _transport(data)
    if found is None:
        if packet.gso_size:
            raise MalformedError("a super-segment is TCP or UDP")
        packet.csum = CSUM_NONE
        return
    protocol, start = found
    size, offset = len(data) - start, _CHECKSUM_AT[protocol]
    place = start + offset
    if place + 2 > len(data):
        raise MalformedError("the transport header is cut short")
    v4 = data[0] >> 4 == 4
    source, destination = (
        (data[12:16], data[16:20]) if v4 else (data[8:24], data[24:40])
    )
    base = pseudo_sum(source, destination, protocol, size)
    if packet.csum == CSUM_NONE:
        if checksum(data[start:], base):
            raise MalformedError("the checksum of a super-segment is wrong")
    elif protocol == ipv4.PROTO_UDP and not packet.gso_size:
        length = int.from_bytes(data[start + 4 : start + 6], "big")
        if length != size or (v4 and not any(data[place : place + 2])):
            # RFC 768: its sender computed none; or over less than we would
            packet.csum = CSUM_NONE
            return
    packet.head = data[:place] + base.to_bytes(2, "big") + data[place + 2 :]
    packet.csum, packet.csum_start, packet.csum_offset = CSUM_PARTIAL, start, offset


def cuts(packet: Packet) -> tuple[int, int]:
    """The size of the largest cut of a super-segment, and how many they are.

    DESIGN: that size is what counts against an MTU. Raises a WireError.
    """
    data, start, size = packet.head, packet.csum_start, len(packet)
    if packet.csum_offset == udp.CHECKSUM_OFFSET:
        top = start + udp.HEADER_SIZE
    elif len(data) >= start + tcp.HEADER_SIZE:
        top = start + (data[start + 12] >> 4) * 4
    else:
        top = size + 1
    if top > size:
        raise MalformedError("the headers of a super-segment are cut short")
    payload = size - top
    n = max(1, -(-payload // packet.gso_size))
    return top + min(payload, packet.gso_size), n


def parted(packet: Packet, top: bytes, start: int, end: int) -> Packet | None:
    """The packet at its IP header, which begins with `top` instead; what lies behind
    its headers is not copied. start, end: of it in `packet.head`. None: not worth it.
    """
    headers = packet.csum_start - start + _LONGEST_HEADER
    if packet.csum != CSUM_PARTIAL or end - start < 2 * headers + _WORTH_IT:
        return None
    frame = packet.head
    head = top + frame[start + len(top) : start + headers]
    made = replaced(packet, head)
    made.body = (memoryview(frame)[start + headers : end],)
    made.csum_start -= start
    return made


def takes(nic: Interface, size: int, csum_offset: int) -> bool:
    """Does its device cut a super-segment of `size` bytes from its IP header on?"""
    able = nic.capabilities
    if not able.checksum or (csum_offset == udp.CHECKSUM_OFFSET and not able.uso):
        return False
    link = 14 + len(nic.tags) if nic.mac else 0
    return link + size <= able.gso_max


def leaves_whole(stack: Stack, hop: Hop, packet: Packet) -> bool:
    """Does a socket's super-datagram leave as it is?

    Not one whose cuts no longer fit the path: of the application's datagrams none is
    re-cut, they go in fragments. Nor one with options, which are filled in for each.
    """
    info = packet.info
    assert info is not None
    top = ipv4.HEADER_SIZE if len(info.dst) == 4 else ipv6.HEADER_SIZE
    return (
        not info.options
        and takes(hop.nic, top + len(packet), packet.csum_offset)
        and top + udp.HEADER_SIZE + packet.gso_size <= path_mtu(stack, hop, info.dst)
    )


def datagrams(packet: Packet) -> list[Packet]:
    """A socket's super-datagram as the datagrams it stands for; nothing is copied."""
    step, info = packet.gso_size, packet.info
    assert info is not None
    (body,) = packet.body
    sport, dport, _, _ = udp.HEADER.unpack_from(packet.head)
    payload = memoryview(body)
    return [
        datagram(sport, dport, payload[at : at + step], info)
        for at in range(0, len(payload), step)
    ]


def first_on_wire(packet: Packet) -> bytes:
    """What an error quotes of it: its first cut, checksum complete."""
    if packet.csum != CSUM_PARTIAL:
        return packet.head
    try:
        if packet.gso_size:
            # two cuts at most: who gets an error does not pay for all of them
            size = cuts(packet)[0] + packet.gso_size
            packet = replaced(packet, packet.head[:size])
        return flatten(packet)[0]
    except WireError:
        return packet.head


def original(arrival: Arrival) -> bytes:
    """The packet as it is quoted in an error about it."""
    packet = arrival.packet
    if packet.csum != CSUM_PARTIAL:
        return arrival.ip_packet()
    made = replaced(packet, arrival.ip_packet())
    made.csum_start -= arrival.start
    return first_on_wire(made)


def replaced(packet: Packet, data: bytes) -> Packet:
    """Other bytes at the IP header with the same metadata."""
    gso, csum = packet.gso_size, packet.csum
    return Packet(data, (), 0, gso, csum, packet.csum_start, packet.csum_offset)


def _is_outermost(packet: Packet) -> bool:
    """Is the checksum to be completed that of the packet's own transport header?"""
    data = packet.head
    if data[0] >> 4 == 4:
        protocol, at = data[9], (data[0] & 15) * 4
    else:
        protocol, at = data[6], ipv6.HEADER_SIZE
        while protocol in EXTENSIONS and at + 8 <= packet.csum_start:
            protocol, at = data[at], at + 8 + data[at + 1] * 8
    return at == packet.csum_start and _CHECKSUM_AT.get(protocol) == packet.csum_offset


def _transport(data: bytes) -> tuple[int, int] | None:
    """Protocol and place of a TCP or UDP header whose checksum we could compute."""
    if data[0] >> 4 == 4:
        if int.from_bytes(data[6:8], "big") & 0x3FFF:
            return None  # a fragment
        protocol, at = data[9], (data[0] & 15) * 4
    else:
        protocol, at = data[6], ipv6.HEADER_SIZE
        while protocol in EXTENSIONS:
            # behind a routing header, another address counts (RFC 8200 8.1)
            if protocol in (FRAGMENT, ROUTING) or at + 8 > len(data):
                return None
            protocol, at = data[at], at + 8 + data[at + 1] * 8
    return (protocol, at) if protocol in _CHECKSUM_AT else None
