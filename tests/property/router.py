"""A router between two links: what is larger than the second carries is told, cut, or
swallowed."""

from __future__ import annotations

from collections.abc import Sequence

from sansio_net.packet import Packet
from sansio_net.stack.fragments import fragment
from sansio_net.testing import Link
from sansio_net.testing.link import LinkItem
from sansio_net.wire.icmp import FRAGMENTATION_NEEDED, UNREACHABLE, build_icmp
from sansio_net.wire.ipv4 import PROTO_ICMP, build_ipv4
from sansio_net.wire.segment import flatten

ROUTER = bytes((10, 0, 0, 254))
DF = 0x40


class Router(Link):
    """Carries bare IPv4 packets. `path` is the MTU; what is larger and has DF is
    answered by an ICMP error that gives `says` (0: as old routers do), or by nothing
    (None)."""

    path = 1500
    says: int | None = 1500
    too_big = 0
    largest = 0  # with DF, that passed

    def receive(self, items: Sequence[LinkItem], now: int) -> None:
        for end, packet in items:
            for frame in flatten(packet):
                self._forward(end, frame, now)

    def _forward(self, end: int, frame: bytes, now: int) -> None:
        if len(frame) <= self.path:
            if frame[6] & DF:
                self.largest = max(self.largest, len(frame))
            super().receive([(end, Packet.received(frame))], now)
        elif not frame[6] & DF:
            for piece in fragment(frame[:20], frame[20:], self.path):
                super().receive([(end, Packet.received(piece))], now)
        else:
            self.too_big += 1
            if self.says is not None:
                answer = self.error(frame, self.says)
                super().receive([(1 - end, Packet.received(answer))], now)

    def error(self, frame: bytes, mtu: int) -> bytes:
        """ICMP fragmentation needed about a packet."""
        rest = mtu.to_bytes(4, "big")
        message = build_icmp(UNREACHABLE, FRAGMENTATION_NEEDED, rest, frame[:28])
        header = build_ipv4(ROUTER, frame[12:16], PROTO_ICMP, len(message))
        return header + message
