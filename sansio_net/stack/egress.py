"""The way out: route, neighbour, IP header, link header, fragments.

Output is pulled. `transmit` serves one interface: what is finished, then its
connections and sockets in turn, one packet each. A connection whose neighbour is not
resolved is parked until it is; datagrams wait in the ARP cache (DESIGN: "The way of a
frame").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.addresses import BROADCAST4, BROADCAST_MAC, is_loopback, is_multicast
from sansio_net.counters import DropReason
from sansio_net.errors import WireError
from sansio_net.packet import Packet, PacketInfo
from sansio_net.protocols.arp import Neighbour
from sansio_net.protocols.tcp import Connection
from sansio_net.wire import ipv4, ipv6
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from sansio_net.wire.segment import flatten

from . import upkeep
from .fragments import DONT_FRAGMENT, fragment

if TYPE_CHECKING:
    from .interface import Interface
    from .sockets import Sender
    from .stack import Stack

_TYPE4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_TYPE6: Final = ETHERTYPE_IPV6.to_bytes(2, "big")


class Hop:
    """A cached way out: interface, next hop and how its link header is found.

    version: the routing table's when it was made; another version makes it stale.
    header: the link header where no neighbour is needed (IP medium, groups), or None.
    """

    __slots__ = ("header", "neighbour", "next_hop", "nic", "version")

    def __init__(self, nic: Interface, next_hop: bytes, version: int) -> None:
        self.nic = nic
        self.next_hop = next_hop
        self.version = version
        self.neighbour: Neighbour | None = None
        self.header: bytes | None = None if nic.arp is not None else b""

    def link_header(self, now: int) -> bytes | None:
        """None while the neighbour is not resolved; asking starts that."""
        if self.header is not None:
            return self.header
        neighbour = self.neighbour
        if neighbour is not None and neighbour.header is not None:
            return neighbour.header
        arp = self.nic.arp
        assert arp is not None
        self.neighbour = neighbour = arp.lookup(self.next_hop, now)
        header = neighbour.header or arp.use(neighbour, now)
        self.nic.settle_neighbours(now)
        return header


def find_hop(stack: Stack, dst: bytes, nic: Interface | None = None) -> Hop | None:
    """The way to `dst`, over `nic` alone when given; None without a route."""
    key = (dst, nic.index if nic is not None else 0)
    hop = stack.hops.get(key)
    version = stack.routes.version
    if hop is not None and hop.version == version:
        return hop
    if len(stack.hops) >= stack.config.max_hops:
        stack.hops.clear()
        stack.tally.count("hops_flushed")
    hop = _new_hop(stack, dst, nic, version)
    if hop is not None:
        stack.hops[key] = hop
    return hop


def _new_hop(
    stack: Stack, dst: bytes, nic: Interface | None, version: int
) -> Hop | None:
    if dst in stack.own or is_loopback(dst):
        return Hop(stack.lo, dst, version)
    group_mac = _group_mac(stack, dst, nic)
    route = stack.routes.lookup(dst, nic)
    if route is None:
        if group_mac is None or nic is None:
            return None
        hop = Hop(nic, dst, version)  # a group needs no route but an interface
    else:
        hop = Hop(route.nic, route.via or dst, version)
    if group_mac is not None and hop.nic.arp is not None:
        hop.header = group_mac + hop.nic.mac + (_TYPE4 if len(dst) == 4 else _TYPE6)
    return hop


def _group_mac(stack: Stack, dst: bytes, nic: Interface | None) -> bytes | None:
    """The MAC of a broadcast or multicast destination (RFC 1112 6.4), else None."""
    if is_multicast(dst):
        if len(dst) == 16:
            return b"\x33\x33" + dst[12:]
        return b"\x01\x00\x5e" + bytes((dst[1] & 0x7F,)) + dst[2:]
    if dst == BROADCAST4 or any(
        dst in one.broadcasts for one in ((nic,) if nic else stack.interfaces())
    ):
        return BROADCAST_MAC
    return None


def transmit(nic: Interface, now: int, limit: int) -> list[Packet]:
    """At most `limit` packets of one interface."""
    out: list[Packet] = []
    arp, outbox, ready = nic.arp, nic.outbox, nic.ready
    nic.seen = 0
    if arp is not None and arp.queued:
        while len(out) < limit:
            packet = arp.emit(now)
            if packet is None:
                arp.queued = False
                break
            out.append(packet)
        nic.settle_neighbours(now)
    while len(out) < limit:
        if outbox:
            out.append(outbox.popleft())
        elif ready:
            sender = ready.popleft()
            if isinstance(sender, Connection):
                _connection_speaks(nic, sender, out, now)
            else:
                _socket_speaks(nic, sender, now)
        else:
            break
    if out:
        nic.tx_packets += len(out)
        nic.tx_bytes += sum(map(len, out))
    return out


def _connection_speaks(
    nic: Interface, connection: Connection, out: list[Packet], now: int
) -> None:
    """One packet of a connection, or none and it leaves the ready queue."""
    stack = nic.stack
    hop = connection.hop
    if hop is None or hop.version != stack.routes.version:
        upkeep.route_connection(stack, connection, now)
        hop = connection.hop
        if hop is None:
            upkeep.settle_connection(stack, connection)
            return
        if hop.nic is not nic:
            connection.ready = hop.nic.ready
            hop.nic.ready.append(connection)
            return
    header = hop.link_header(now)
    if header is None:
        nic.parked.setdefault(hop.next_hop, []).append(connection)
        connection.blocked(now)
        upkeep.settle_connection(stack, connection)
        return
    packet = connection.emit(now)
    if packet is None:
        connection.queued = False
        upkeep.settle_connection(stack, connection)
        return
    nic.ready.append(connection)
    stack.deadlines.arm(connection)
    neighbour = hop.neighbour
    if neighbour is not None and (connection.suspicious or neighbour.suspect):
        _advise(nic, neighbour, connection, now)
    size = len(packet.head)
    for part in packet.body:
        size += len(part)
    dst = connection.raddr
    if len(dst) == 4:
        top = ipv4.pack_header(
            connection.laddr,
            dst,
            6,
            20 + size,
            upkeep.next_ident(stack, dst, packet, size),
            DONT_FRAGMENT,
            connection.ttl,
            connection.tos,
        )
    else:
        top = ipv6.pack_header(
            connection.laddr, dst, 6, size, connection.ttl, connection.tos
        )
    _prepend(packet, header, top)
    out.append(packet)


def _advise(
    nic: Interface, neighbour: Neighbour, connection: Connection, now: int
) -> None:
    """TCP knows whether the neighbour works (RFC 4861 7.3.1; RFC 1122 2.3.2.1)."""
    assert nic.arp is not None
    if connection.suspicious:
        connection.suspicious = False
        nic.arp.advise(neighbour)
    elif connection.forward_progress:
        connection.forward_progress = False
        nic.arp.confirm(neighbour, now)


def _prepend(packet: Packet, header: bytes, top: bytes) -> None:
    packet.head = header + top + packet.head
    packet.csum_start += len(header) + len(top)
    packet.offset = len(header)


def _socket_speaks(nic: Interface, sender: Sender, now: int) -> None:
    """One datagram of a socket: it goes out by the interface its route names."""
    stack = nic.stack
    assert not isinstance(sender, Connection)
    packet = sender.emit(now)
    if packet is None:
        sender.queued = False
        if sender.closed:
            stack.socket_table.forget(sender)
        return
    nic.ready.append(sender)
    send(stack, packet, sender.protocol, now, nic=stack.named(sender.nic))


def send(
    stack: Stack,
    packet: Packet,
    protocol: int,
    now: int,
    nic: Interface | None = None,
) -> None:
    """Route a packet at its transport header; `info` says from, to, tos and ttl."""
    info = packet.info
    assert info is not None
    hop = find_hop(stack, info.dst, nic)
    if hop is None:
        stack.tally.drop(DropReason.NO_ROUTE)
        return
    nic = hop.nic
    if not (nic.is_up and nic.has_carrier):
        stack.tally.drop(DropReason.LINK_DOWN)
        return
    source = info.src or upkeep.source_on(stack, hop, info.dst)
    if not source:
        stack.tally.drop(DropReason.NO_ROUTE)
        return
    header = hop.link_header(now)
    if header is not None and len(nic.outbox) >= stack.config.output_queue:
        # asked once a datagram: its fragments go together or not at all
        stack.tally.drop(DropReason.OUTPUT_QUEUE_FULL)
        return
    for piece in _ip_packets(stack, nic, packet, source, protocol, info):
        if header is None:
            assert nic.arp is not None
            assert hop.neighbour is not None
            nic.arp.enqueue(hop.neighbour, piece, now)
        else:
            piece.head = header + piece.head
            piece.csum_start += len(header)
            piece.offset = len(header)
            nic.outbox.append(piece)
    if header is None:
        nic.settle_neighbours(now)


def _ip_packets(
    stack: Stack,
    nic: Interface,
    packet: Packet,
    source: bytes,
    protocol: int,
    info: PacketInfo,
) -> list[Packet]:
    """The packet with its IP header, in fragments where it is too big (RFC 791 3.2)."""
    dst, size = info.dst, len(packet)
    if len(dst) == 16:
        _prepend(
            packet,
            b"",
            ipv6.pack_header(source, dst, protocol, size, info.ttl, info.tos),
        )
        if 40 + size > nic.mtu:
            stack.tally.drop(DropReason.PACKET_TOO_BIG)
            return []
        return [packet]
    ident = upkeep.next_ident(stack, dst, packet, size)
    top = ipv4.pack_header(
        source, dst, protocol, 20 + size, ident, 0, info.ttl, info.tos
    )
    _prepend(packet, b"", top)
    if 20 + size <= nic.mtu:
        return [packet]
    try:
        (whole,) = flatten(packet)  # checksums cannot wait for fragments
    except (WireError, ValueError):
        stack.tally.drop(DropReason.PACKET_TOO_BIG)
        return []
    stack.tally.count("fragmented")
    return [Packet(piece) for piece in fragment(top, whole[20:], nic.mtu)]
