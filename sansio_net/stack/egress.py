"""The way out: route, neighbour, IP header, link header, fragments.

Output is pulled. `transmit` serves one interface: what is finished, then its
connections and sockets in turn, one packet each. A connection whose neighbour is not
resolved is parked until it is; datagrams wait in the ARP cache (DESIGN: "The way of a
frame").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.addresses import is_multicast
from sansio_net.counters import DropReason
from sansio_net.errors import Unreachable, WireError
from sansio_net.packet import Packet, PacketInfo
from sansio_net.protocols.arp import ArpCache
from sansio_net.protocols.ndp import NeighbourDiscovery
from sansio_net.protocols.neighbours import Neighbour, NeighbourState
from sansio_net.protocols.raw import FrameSocket, RawSocket
from sansio_net.protocols.tcp import Connection
from sansio_net.protocols.udp import UdpSocket
from sansio_net.protocols.udp.ways import put_header
from sansio_net.units import MILLISECOND
from sansio_net.wire import ipv4, ipv6
from sansio_net.wire.ipv4_options import OptionProblem, find_options, record
from sansio_net.wire.segment import flatten
from sansio_net.wire.vlan import put_on

from . import fragments6, frames, groups, offload, raw, upkeep
from .fragments import DONT_FRAGMENT, fragment
from .hops import (
    DEFAULT_HOP_LIMIT,
    MIN_MTU6,
    Hop,
    find_hop,
    may_send,
    next_ident,
    on_link,
    path_mtu,
    prove,
)
from .known import leaves

if TYPE_CHECKING:
    from .interface import Interface
    from .sockets import Datagrams, Sender
    from .stack import Stack

_pack: Final = ipv4.HEADER.pack


def transmit(nic: Interface, now: int, limit: int) -> list[Packet]:
    """At most `limit` packets of one interface."""
    out: list[Packet] = []
    arp, ndp, outbox, ready = nic.arp, nic.ndp, nic.outbox, nic.ready
    reporting = nic.reporting
    nic.seen = 0
    while len(out) < limit:
        if reporting:
            # RFC 4862 5.4.2: into the group first, then the question
            groups.speak(nic, reporting[0], out, now)
        elif arp is not None and arp.queued:
            _cache_speaks(nic, arp, out, now)
        elif ndp is not None and ndp.queued:
            _cache_speaks(nic, ndp, out, now)
        elif outbox:
            out.append(outbox.popleft())
        elif ready:
            sender = ready.popleft()
            if isinstance(sender, Connection):
                connection_speaks(nic, sender, out, now)
            elif isinstance(sender, UdpSocket):
                _datagrams_speak(nic, sender, out, now, limit)
            else:
                _socket_speaks(nic, sender, now)
        else:
            break
    if nic.frame_sockets:
        frames.leave(nic, out, now)
    if nic.tags:
        for packet in out:
            put_on(packet, nic.tags)
    tx_bytes = 0
    for packet in out:
        tx_bytes += len(packet.head)
        for part in packet.body:
            tx_bytes += len(part)
    nic.tx_packets += len(out)
    nic.tx_bytes += tx_bytes
    return out


def _cache_speaks(
    nic: Interface, cache: ArpCache | NeighbourDiscovery, out: list[Packet], now: int
) -> None:
    packet = cache.emit(now)
    if packet is not None:
        out.append(packet)
    else:
        cache.queued = False
        nic.settle_neighbours(now)


def connection_speaks(
    nic: Interface, connection: Connection, out: list[Packet], now: int
) -> None:
    """One packet of a connection, or none and it leaves the ready queue."""
    stack = nic.stack
    hop: Hop | None = connection.hop
    if hop is None or hop.version != stack.routes.version:
        hop = upkeep.route_connection(stack, connection)
        if hop is None:
            upkeep.no_way(stack, connection, now)
            return
    if hop.nic is not nic:
        _move(connection, hop.nic)
        return
    neighbour = hop.neighbour
    header = neighbour.header if neighbour is not None else hop.header
    if header is None and (header := hop.link_header(now)) is None:
        _wait_for_neighbour(nic, connection, hop, now)
        return
    packet = connection.emit(now)
    if packet is None:
        connection.queued = False
        upkeep.touch(stack, connection)
        return
    if connection.rests(now):
        connection.queued = False
    else:
        nic.ready.append(connection)
    upkeep.touch(stack, connection)
    neighbour = hop.neighbour  # perhaps looked up just now
    if neighbour is not None and (connection.suspicious or neighbour.suspect):
        _advise(hop, neighbour, connection, now)
    size = len(packet.head)
    for part in packet.body:
        size += len(part)
    dst, options = connection.raddr, connection.options
    tos = options.tos | connection.ect
    if len(dst) == 4:
        whole, ttl = 20 + size, options.ttl
        ident = next_ident(stack, dst, packet, size)
        flags = 0 if connection.fragments else DONT_FRAGMENT
        # the pseudo-header has the sum of the addresses, and of the protocol
        n = 0x4500 + tos + whole + ident + flags + (ttl << 8) + connection.pseudo
        check = 0xFFFF ^ (n % 65535 or 65535)
        src = connection.laddr
        top = _pack(0x45, tos, whole, ident, flags, ttl, 6, check, src, dst)
    else:
        hops = nic.hop_limit if options.ttl == DEFAULT_HOP_LIMIT else options.ttl
        flow = stack.flows.label(hop.flow, 6, connection.lport << 16 | connection.rport)
        top = ipv6.pack_header(connection.laddr, dst, 6, size, hops, tos, flow)
    start = len(header)
    packet.head = header + top + packet.head
    packet.offset, packet.csum_start = start, start + len(top)
    out.append(packet)


def _move(connection: Connection, nic: Interface) -> None:
    connection.ready = nic.ready
    nic.ready.append(connection)


def moves(nic: Interface, connection: Connection) -> bool:
    """Does it leave a blocked interface, because routes name another one now?"""
    if not upkeep.is_stale(nic.stack, connection.hop):
        return False
    hop = upkeep.route_connection(nic.stack, connection)
    if hop is None or hop.nic is nic:
        return False
    _move(connection, hop.nic)
    return True


def _wait_for_neighbour(
    nic: Interface, connection: Connection, hop: Hop, now: int
) -> None:
    """Park it until its neighbour is resolved; one that just failed fails at once."""
    neighbour = hop.neighbour
    if neighbour is not None and neighbour.state is NeighbourState.FAILED:
        connection.queued = False
        connection.unreachable(Unreachable(), now)
    else:
        upkeep.park(nic, hop.next_hop, connection)
        connection.blocked(now)
    upkeep.settle_connection(nic.stack, connection)


def _advise(hop: Hop, neighbour: Neighbour, connection: Connection, now: int) -> None:
    """TCP knows whether the neighbour works (RFC 4861 7.3.1; RFC 1122 2.3.2.1)."""
    assert hop.cache is not None
    if connection.suspicious:
        connection.suspicious = False
        hop.cache.advise(neighbour)
    elif connection.forward_progress:
        connection.forward_progress = False
        hop.cache.confirm(neighbour, now)


def _prepend(packet: Packet, header: bytes, top: bytes) -> None:
    packet.head = header + top + packet.head
    packet.csum_start += len(header) + len(top)
    packet.offset = len(header)


def _datagrams_speak(
    nic: Interface, socket: UdpSocket, out: list[Packet], now: int, limit: int
) -> None:
    """One of a socket's, or more while nobody else waits for his turn."""
    ready, stack = nic.ready, nic.stack
    while True:
        packet = socket.take(now)
        if packet is None:
            _has_said_all(stack, socket)
            return
        if leaves(nic, packet, socket):
            out.append(packet)
            if not ready and len(out) < limit:
                continue
        else:
            _route_datagram(stack, put_header(packet), socket, now)
        ready.append(socket)
        return


def _has_said_all(stack: Stack, sender: Datagrams) -> None:
    sender.queued = False
    if sender.closed:
        stack.socket_table.forget(sender)


def _socket_speaks(nic: Interface, sender: Sender, now: int) -> None:
    """One datagram of a socket; one that has no more leaves the ready queue."""
    assert not isinstance(sender, Connection)
    if send_datagram(nic.stack, sender, now):
        nic.ready.append(sender)


def send_datagram(stack: Stack, sender: Datagrams, now: int) -> bool:
    """It goes out by the interface its route names; False: there is none to send."""
    packet = sender.emit(now)
    if packet is None:
        _has_said_all(stack, sender)
        return False
    _route_datagram(stack, packet, sender, now)
    return True


def _route_datagram(stack: Stack, packet: Packet, sender: Datagrams, now: int) -> None:
    nic = None
    if sender.nic is not None and (nic := stack.named(sender.nic)) is None:
        stack.tally.drop(DropReason.NO_ROUTE)  # its interface was removed
    elif isinstance(sender, UdpSocket):
        loops, foreign = sender.multicast_loop, sender.transparent
        send(stack, packet, ipv4.PROTO_UDP, now, nic, loops, foreign)
    elif isinstance(sender, FrameSocket):
        frames.send(stack, packet, nic)
    elif isinstance(sender, RawSocket) and sender.include_header:
        raw.send_whole(stack, packet, nic, now)
    else:
        protocol, loops = sender.protocol, False
        if isinstance(sender, RawSocket):
            loops = sender.multicast_loop
        elif packet.info is not None and len(packet.info.dst) != 4:
            protocol = ipv4.PROTO_ICMPV6  # a ping socket speaks both
        send(stack, packet, protocol, now, nic, loops)


def send(
    stack: Stack,
    packet: Packet,
    protocol: int,
    now: int,
    nic: Interface | None = None,
    loops: bool = False,
    foreign: bool = False,
) -> None:
    """Route a packet at its transport header; `info` says from, to, tos and ttl.

    loops: we hear it as well, if it is for a group that we are in. foreign: it may be
    from an address that is not ours, as the answer to what was sent to that is.
    """
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
    source = info.src or hop.source
    if source != hop.proven or not source:
        if not source or not may_send(stack, hop, source, foreign):
            # the address may have gone since the packet was made
            stack.tally.drop(DropReason.NO_ROUTE)
            return
        way, hop = hop, on_link(stack, hop, info.dst, source)
        if way is hop and source in stack.own:
            prove(stack, hop, source)
    header = hop.link_header(now)
    if header is not None and len(nic.outbox) >= stack.config.output_queue:
        # asked once a datagram: its fragments go together or not at all
        stack.tally.drop(DropReason.OUTPUT_QUEUE_FULL)
        return
    # like Linux: who broadcasts hears it himself, whatever he says
    loops = hop.to_all or (loops and is_multicast(info.dst))
    if packet.gso_size and (loops or not offload.leaves_whole(stack, hop, packet)):
        for one in offload.datagrams(packet):
            send(stack, one, protocol, now, nic, loops, foreign)
        return
    if (
        header is not None
        and not (loops or info.options)
        and _leaves_whole(stack, hop, header, packet, source, protocol, info)
    ):
        return
    for piece in _ip_packets(stack, hop, packet, source, protocol, info, now):
        if loops:
            groups.loop_back(nic, piece.join(), source[:16], info.dst[:16])
        if loops and not info.ttl:
            continue  # RFC 1112 6.1: not beyond this host
        leave(hop, header, piece, now)
    if header is None:
        nic.settle_neighbours(now)


def _leaves_whole(
    stack: Stack,
    hop: Hop,
    header: bytes,
    packet: Packet,
    source: bytes,
    protocol: int,
    info: PacketInfo,
) -> bool:
    """Is it the usual IPv4 datagram, that needs no fragments? Then it is gone, all its
    headers put on at once.
    """
    dst, size = info.dst, 20 + len(packet.head)
    for part in packet.body:
        size += len(part)
    if len(dst) != 4 or (size > hop.mtu and not packet.gso_size):
        return False
    ident = next_ident(stack, dst, packet, size - 20)
    top = ipv4.pack_header(source, dst, protocol, size, ident, 0, info.ttl, info.tos)
    _prepend(packet, header, top)
    hop.nic.outbox.append(packet)
    return True


def leave(hop: Hop, header: bytes | None, packet: Packet, now: int) -> None:
    """A packet at its IP header, to its neighbour, who may have to be found first."""
    if header is None:
        assert hop.cache is not None
        assert hop.neighbour is not None
        hop.cache.enqueue(hop.neighbour, packet, now)
    else:
        packet.head = header + packet.head
        packet.csum_start += len(header)
        packet.offset = len(header)
        hop.nic.outbox.append(packet)


def _ip_packets(
    stack: Stack,
    hop: Hop,
    packet: Packet,
    source: bytes,
    protocol: int,
    info: PacketInfo,
    now: int,
) -> list[Packet]:
    """The packet with its IP header, in fragments where it is too big (RFC 791 3.2)."""
    dst, size = info.dst, len(packet)
    if len(dst) != 4:
        return _ipv6_packets(stack, hop, packet, source, protocol, info)
    ident = next_ident(stack, dst, packet, size)
    if info.options:
        top = _with_options(stack, source, info, protocol, size, ident, now)
    else:
        top = ipv4.pack_header(
            source, dst, protocol, 20 + size, ident, 0, info.ttl, info.tos
        )
    _prepend(packet, b"", top)
    if len(top) + size <= hop.mtu or packet.gso_size:
        return [packet]
    try:
        (whole,) = flatten(packet)  # checksums cannot wait for fragments
    except (WireError, ValueError):
        stack.tally.drop(DropReason.PACKET_TOO_BIG)
        return []
    stack.tally.count("fragmented")
    return [Packet(piece) for piece in fragment(top, whole[len(top) :], hop.mtu)]


def _with_options(
    stack: Stack,
    source: bytes,
    info: PacketInfo,
    protocol: int,
    size: int,
    identification: int,
    now: int,
) -> bytes:
    """The header of a packet with options that we send, which are valid.

    RFC 1122 3.2.1.8 (e): where it starts is the first to record a time.
    """
    own, time = stack.own, now // MILLISECOND
    options = info.options
    try:
        options = record(options, find_options(options), source, own, time)
    except OptionProblem:
        # a reply to options that were full, or nearly, once we had filled them in
        stack.tally.count("ip.options_full")
    return ipv4.build_ipv4(
        source,
        info.dst,
        protocol,
        size,
        ttl=info.ttl,
        tos=info.tos,
        identification=identification,
        options=options,
    )


def _ipv6_packets(
    stack: Stack,
    hop: Hop,
    packet: Packet,
    source: bytes,
    protocol: int,
    info: PacketInfo,
) -> list[Packet]:
    """The same for IPv6, where the source alone fragments (RFC 8200 4.5)."""
    dst, size = info.dst, len(packet)
    hops = info.ttl
    if hops == DEFAULT_HOP_LIMIT and not is_multicast(dst):
        hops = hop.nic.hop_limit
    ports = 0
    if protocol in (ipv4.PROTO_TCP, ipv4.PROTO_UDP):
        ports = int.from_bytes(packet.head[:4], "big")
    flow = stack.flows.label(hop.flow, protocol, ports)
    top = ipv6.pack_header(source, dst, protocol, size, hops, info.tos, flow)
    _prepend(packet, b"", top)
    if 40 + size <= MIN_MTU6 or packet.gso_size:
        return [packet]
    mtu = path_mtu(stack, hop, dst)
    if 40 + size <= mtu:
        return [packet]
    try:
        (whole,) = flatten(packet)
    except (WireError, ValueError):
        stack.tally.drop(DropReason.PACKET_TOO_BIG)
        return []
    stack.tally.count("fragmented")
    ident = int.from_bytes(stack.ident6.bytes(4), "big")
    return [Packet(piece) for piece in fragments6.fragment(top, whole[40:], mtu, ident)]
