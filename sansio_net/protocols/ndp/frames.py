"""Neighbour discovery as Ethernet frames.

RFC 4861 4 (hop limit 255), RFC 4291 2.7.1 (solicited-node groups), RFC 2464 7.
"""

from __future__ import annotations

from typing import Final

from sansio_net.addresses import IpAddress, is_unicast, pack_ip
from sansio_net.errors import MalformedError, StateError
from sansio_net.packet import Packet
from sansio_net.wire import ipv6, ndp
from sansio_net.wire.ethernet import ETHERTYPE_IPV6, build_ethernet, parse_ethernet
from sansio_net.wire.icmpv6 import parse_icmpv6
from sansio_net.wire.ipv4 import PROTO_ICMPV6

ALL_NODES: Final = bytes.fromhex("ff020000000000000000000000000001")
ALL_ROUTERS: Final = bytes.fromhex("ff020000000000000000000000000002")
SOLICITED_NODE: Final = bytes.fromhex("ff0200000000000000000001ff")
UNSPECIFIED: Final = bytes(16)


def solicited_node(ip: bytes) -> bytes:
    """The group in which the owner of `ip` is asked."""
    return SOLICITED_NODE + ip[13:]


def group_mac(group: bytes) -> bytes:
    return b"\x33\x33" + group[12:]


def is_link_local(ip: bytes) -> bool:
    return ip[0] == 0xFE and ip[1] & 0xC0 == 0x80


def pack_host(ip: IpAddress) -> bytes:
    packed = pack_ip(ip)
    if len(packed) != 16:
        raise StateError("neighbour discovery speaks IPv6")
    if not is_unicast(packed):
        raise StateError("not the address of one host")
    return packed


def read(frame: bytes) -> tuple[ndp.NdpMessage | None, ipv6.Ipv6Header, bytes]:
    """Message, IPv6 header and sending MAC of a frame. Raises WireError.

    With an extension header it is none: a fragment is never believed (RFC 6980 5).
    """
    ethernet = parse_ethernet(frame)
    if ethernet.ethertype != ETHERTYPE_IPV6:
        raise MalformedError("not IPv6")
    header = ipv6.parse_ipv6(frame, ethernet.size)
    if header.next_header != PROTO_ICMPV6:
        raise MalformedError("not ICMPv6")
    start = ethernet.size + ipv6.HEADER_SIZE
    end = start + header.payload_length
    source, destination = header.source, header.destination
    message = parse_icmpv6(frame, start, end, source, destination)
    return ndp.parse_ndp(message), header, ethernet.source


def is_valid(message: ndp.NdpMessage, src: bytes, dst: bytes, hop_limit: int) -> bool:
    """The checks of RFC 4861 6.1, 7.1 and 8.1 that need the IP header.

    A group as a link address is no host's.
    """
    if hop_limit != 255:
        return False
    if isinstance(message, ndp.NeighbourAdvertisement):
        link = message.target_link
        return not (message.solicited and dst[0] == 0xFF) and not _is_group(link)
    if isinstance(message, ndp.RouterAdvertisement):
        return is_link_local(src) and not _is_group(message.source_link)
    if isinstance(message, ndp.Redirect):
        return is_link_local(src) and not _is_group(message.target_link)
    link = message.source_link
    if any(src):
        return src[0] != 0xFF and not _is_group(link)
    asks_for_router = isinstance(message, ndp.RouterSolicitation)
    return link is None and (asks_for_router or dst.startswith(SOLICITED_NODE))


def _is_group(mac: bytes | None) -> bool:
    return mac is not None and bool(mac[0] & 1)


def ip_packet(source: bytes, to: bytes, body: bytes) -> Packet:
    header = ipv6.build_ipv6(source, to, PROTO_ICMPV6, len(body), hop_limit=255)
    return Packet(header + body)


def frame(own: bytes, mac: bytes, source: bytes, to: bytes, body: bytes) -> Packet:
    """A message from our MAC `own` to `mac`."""
    packet = ip_packet(source, to, body)
    link = build_ethernet(mac, own, ETHERTYPE_IPV6)
    packet.head = link + packet.head
    packet.offset = len(link)
    return packet


def probe(own: bytes, ip: bytes, nonce: bytes | None) -> Packet:
    """Does anybody have this address (RFC 4862 5.4.2)?"""
    group = solicited_node(ip)
    body = ndp.build_neighbour_solicitation(ip, UNSPECIFIED, group, None, nonce)
    return frame(own, group_mac(group), UNSPECIFIED, group, body)


def advertisement(own: bytes, ip: bytes, group: bytes, flags: int) -> Packet:
    """To a group, unasked."""
    body = ndp.build_neighbour_advertisement(ip, ip, group, own, flags)
    return frame(own, group_mac(group), ip, group, body)
