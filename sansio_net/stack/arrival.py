"""What a packet is on its way up."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sansio_net.counters import DropReason
from sansio_net.packet import Chunk, Packet

if TYPE_CHECKING:
    from .interface import Interface


class Arrival:
    """A packet on its way up: one per batch, filled anew for each packet.

    start, end: the IP packet in `packet.head`, Ethernet's padding cut off. src, dst,
    tos, ttl: of the IP header. group: sent to more than one host, by its link or its
    IP address. named_at: where the IPv6 packet names its upper layer. was_fragmented:
    with an IPv6 fragment header, be it an atomic one. router_alert: what IPv6's says.
    is_looped: we sent it to a group that we are in. options: IPv4's, of this packet.
    raw: the raw sockets by protocol, empty where none is open.
    """

    __slots__ = (
        *("dst", "end", "group", "named_at", "nic", "packet", "src", "start"),
        *("is_looped", "options", "raw", "router_alert", "tos", "ttl"),
        "was_fragmented",
    )

    packet: Packet

    def __init__(self, nic: Interface) -> None:
        self.nic = nic
        self.group = False
        self.start = self.end = self.tos = self.ttl = self.named_at = 0
        self.was_fragmented = False
        self.router_alert: int | None = None
        self.is_looped = False
        self.options = b""
        self.raw = nic.stack.socket_table.raw
        self.src = self.dst = b""

    def drop(self, reason: DropReason) -> None:
        self.nic.stack.tally.drop(reason)

    def ip_packet(self) -> bytes:
        return self.packet.head[self.start : self.end]


class Segment(NamedTuple):
    """A TCP segment for no live connection; the off-path twin of loose arguments."""

    sport: int
    dport: int
    seq: int
    ack: int
    flags: int
    wnd: int
    options: bytes
    body: Chunk
