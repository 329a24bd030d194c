"""What a packet script sees of our segments and sends back as a router would."""

from __future__ import annotations

from sansio_net.addresses import pack_ip
from sansio_net.wire.checksum import ones_sum, pseudo_sum
from sansio_net.wire.icmp import build_icmp
from sansio_net.wire.icmpv6 import MIN_MTU, build_icmpv6
from sansio_net.wire.ipv4 import PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP
from sansio_net.wire.tcp import TcpHeader, parse_tcp
from sansio_net.wire.tcp_options import SegmentOptions, parse_tcp_options

from .craft import ip_packet


class Seen:
    """A segment of ours, taken apart: when it left, IP's part of it, TCP's, text.

    `kinds`: the option kinds in their order, padding and all.
    """

    __slots__ = (
        "checksum_holds",
        "data",
        "header",
        "identification",
        "line",
        "now",
        "options",
        "packet",
        "tos",
        "ttl",
    )

    def __init__(self, now: int, packet: bytes, line: str) -> None:
        self.now = now
        self.packet = packet
        self.line = line
        if packet[0] >> 4 == 6:
            start = 40
            self.tos = (packet[0] << 4 | packet[1] >> 4) & 0xFF
            self.ttl = packet[7]
            self.identification = 0
            src, dst = packet[8:24], packet[24:40]
        else:
            start = (packet[0] & 15) * 4
            self.tos = packet[1]
            self.ttl = packet[8]
            self.identification = int.from_bytes(packet[4:6], "big")
            src, dst = packet[12:16], packet[16:20]
        segment = packet[start:]
        pseudo = pseudo_sum(src, dst, PROTO_TCP, len(segment))
        self.checksum_holds = ones_sum(segment, pseudo) == 0xFFFF
        self.header: TcpHeader = parse_tcp(packet, start, len(packet))
        self.data = packet[start + self.header.data_offset :]
        self.options: SegmentOptions = parse_tcp_options(self.header.options)

    @property
    def ecn(self) -> int:
        """The two ECN bits of the IP header."""
        return self.tos & 3

    @property
    def kinds(self) -> list[int]:
        options, at, kinds = self.header.options, 0, []
        while at < len(options):
            kinds.append(options[at])
            at += 1 if options[at] < 2 else max(options[at + 1], 2)
        return kinds


def quote(
    router: str, ours: str, packet: bytes, kind: int, code: int, mtu: int
) -> bytes:
    """An ICMP error of a router about `packet`: its first 28 bytes, or what fits."""
    rest = mtu.to_bytes(4, "big")
    src, dst = pack_ip(router), pack_ip(ours)
    if len(src) == 4:
        message = build_icmp(kind, code, rest, packet[:28])
        return ip_packet(src, dst, PROTO_ICMP, message)
    body = packet[: MIN_MTU - 48]
    message = build_icmpv6(kind, code, rest, body, src, dst)
    return ip_packet(src, dst, PROTO_ICMPV6, message)
