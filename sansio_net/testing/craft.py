"""Whole packets in one call, checksums and all: what tests put on the wire.

Either family: the addresses decide.
"""

from __future__ import annotations

from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, build_ethernet
from sansio_net.wire.icmp import build_icmp
from sansio_net.wire.ipv4 import PROTO_ICMP, PROTO_TCP, PROTO_UDP, build_ipv4
from sansio_net.wire.ipv6 import build_ipv6
from sansio_net.wire.tcp import build_tcp
from sansio_net.wire.udp import build_udp

Address = str | bytes


def ip_packet(
    source: Address,
    destination: Address,
    protocol: int,
    payload: bytes,
    *,
    ttl: int = 64,
    tos: int = 0,
    identification: int = 0,
    flags: int = 0,
    fragment_offset: int = 0,
    options: bytes = b"",
) -> bytes:
    """An IP packet; the last four are IPv4's."""
    src, dst = pack_ip(source), pack_ip(destination)
    size = len(payload)
    if len(src) == 16:
        header = build_ipv6(src, dst, protocol, size, hop_limit=ttl, traffic_class=tos)
    else:
        header = build_ipv4(
            src,
            dst,
            protocol,
            size,
            ttl=ttl,
            tos=tos,
            identification=identification,
            flags=flags,
            fragment_offset=fragment_offset,
            options=options,
        )
    return header + payload


def tcp_segment(
    source: tuple[Address, int],
    destination: tuple[Address, int],
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = 0,
    window: int = 65535,
    urgent: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
) -> bytes:
    """A TCP header and its payload, checksum complete; sequence numbers modulo 2^32."""
    seq, ack = seq % (1 << 32), ack % (1 << 32)
    ports = source[1], destination[1]
    src, dst = pack_ip(source[0]), pack_ip(destination[0])
    args = (*ports, seq, ack, flags, window)
    bare = build_tcp(*args, urgent=urgent, options=options) + payload
    check = checksum(bare, pseudo_sum(src, dst, PROTO_TCP, len(bare)))
    return build_tcp(*args, checksum=check, urgent=urgent, options=options) + payload


def tcp_packet(
    source: tuple[Address, int],
    destination: tuple[Address, int],
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = 0,
    window: int = 65535,
    urgent: int = 0,
    options: bytes = b"",
    payload: bytes = b"",
    ttl: int = 64,
    tos: int = 0,
) -> bytes:
    segment = tcp_segment(
        source,
        destination,
        seq=seq,
        ack=ack,
        flags=flags,
        window=window,
        urgent=urgent,
        options=options,
        payload=payload,
    )
    return ip_packet(source[0], destination[0], PROTO_TCP, segment, ttl=ttl, tos=tos)


def udp_packet(
    source: tuple[Address, int],
    destination: tuple[Address, int],
    payload: bytes = b"",
    *,
    ttl: int = 64,
    tos: int = 0,
) -> bytes:
    src, dst = pack_ip(source[0]), pack_ip(destination[0])
    bare = build_udp(source[1], destination[1], len(payload)) + payload
    check = checksum(bare, pseudo_sum(src, dst, PROTO_UDP, len(bare))) or 0xFFFF
    datagram = build_udp(source[1], destination[1], len(payload), check) + payload
    return ip_packet(src, dst, PROTO_UDP, datagram, ttl=ttl, tos=tos)


def icmp_packet(
    source: Address,
    destination: Address,
    kind: int,
    code: int = 0,
    *,
    rest: bytes = b"\0\0\0\0",
    body: bytes = b"",
    ttl: int = 64,
) -> bytes:
    """An ICMP message for IPv4; ``kind=8`` asks for an echo."""
    message = build_icmp(kind, code, rest, body)
    return ip_packet(source, destination, PROTO_ICMP, message, ttl=ttl)


def ethernet_frame(
    packet: bytes,
    *,
    source: str | bytes = "02:00:00:00:00:01",
    destination: str | bytes = "ff:ff:ff:ff:ff:ff",
    ethertype: int | None = None,
    vlan: tuple[int, ...] = (),
) -> bytes:
    """An IP packet in a frame; padded to 60 bytes as a wire delivers it."""
    if ethertype is None:
        six = packet[:1] and packet[0] >> 4 == 6
        ethertype = ETHERTYPE_IPV6 if six else ETHERTYPE_IPV4
    header = build_ethernet(pack_mac(destination), pack_mac(source), ethertype, vlan)
    return (header + packet).ljust(60, b"\0")
