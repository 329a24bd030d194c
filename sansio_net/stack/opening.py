"""How connections and sockets come to be: what `Stack`'s verbs do.

RFC 9293 3.9.1.1 (OPEN), RFC 1122 4.2.3.10; RFC 6056 for the ports.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeVar

from sansio_net.addresses import (
    ZONED_SIZE,
    IpAddress,
    SocketAddress,
    is_loopback,
    is_multicast,
    pack_endpoint,
    pack_ip,
    zone_of,
)
from sansio_net.errors import AddressInUseError, LimitError, Unreachable
from sansio_net.protocols.icmp import EchoSocket
from sansio_net.protocols.tcp import Connection, Listener
from sansio_net.protocols.tcp.fastopen import FastOpen
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.udp import UdpSocket

from .hops import find_hop, is_broadcast, way_to
from .ports import ANY_PORT
from .selection import Prospect, sort_prospects
from .sockets import SocketRouter, local_endpoint
from .upkeep import connection_key

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


Destination = TypeVar("Destination", bound=IpAddress | SocketAddress)


def listen(
    stack: Stack,
    address: SocketAddress,
    backlog: int,
    nic: Interface | None,
    options: TcpOptions | None,
    transparent: bool,
    any_port: bool,
) -> Listener:
    bound = stack.name_of(nic)
    laddr, lport = local_endpoint(stack, address, nic, transparent)
    _check_any_port(any_port, lport)
    table = stack.socket_table
    table.check_room()
    listener = Listener(
        laddr,
        ANY_PORT if any_port else lport or table.listen_port(),
        backlog=backlog,
        options=options if options is not None else stack.config.tcp,
        isn=stack.isn,
        id=stack.next_id(),
        counters=stack.tally,
        trace=stack.trace,
    )
    listener.nic, listener.transparent = bound, transparent
    if len(laddr) == ZONED_SIZE:
        listener.zone = stack.zones.name(zone_of(laddr))
    table.add_listener(listener)
    return listener


def connect(
    stack: Stack,
    address: SocketAddress,
    local: SocketAddress | None,
    nic: Interface | None,
    options: TcpOptions | None,
) -> Connection:
    stack.name_of(nic)
    raddr, rport = _peer(stack, address, nic)
    if is_multicast(raddr) or is_broadcast(stack, raddr):
        # RFC 9293 MUST-46, RFC 1122 4.2.3.10
        raise Unreachable(code=errno.ENETUNREACH)
    if len(stack.connection_table) >= stack.config.max_connections:
        raise LimitError("the connection table is full")
    laddr, lport = local_endpoint(stack, local if local is not None else ("", 0), nic)
    hop, laddr = way_to(stack, raddr, laddr, nic)
    options = options if options is not None else stack.config.tcp
    lport = lport or stack.socket_table.connect_port(laddr, raddr, rport, options)
    key = connection_key(laddr, lport, raddr, rport)
    last = stack.time_wait.get(key)
    if key in stack.connection_table or (last and not last.gives_way(options)):
        raise AddressInUseError
    connection = Connection(
        laddr,
        lport,
        raddr,
        rport,
        isn=stack.isn,
        options=options,
        id=stack.next_id(),
        mtu=hop.mtu,
        gso_max=hop.nic.capabilities.gso_max,
        ready=hop.nic.ready,
        notified=stack.notified,
        counters=stack.tally,
        trace=stack.trace,
    )
    connection.hop, connection.nic = hop, hop.nic
    known = stack.paths.mtu(raddr)
    if known:
        connection.path_changed(hop.mtu, hop.nic.capabilities.gso_max, known)
    connection.orphans = stack.orphans
    if last is not None:
        connection.isn_floor = last.snd_nxt  # RFC 9293 3.6.1
        stack.time_wait.remove(key)
        stack.tally.count("tcp.time_wait_reused")
    if connection.options.fast_open:
        connection.fast_open = FastOpen((laddr, raddr, rport), stack.fast_open)
    stack.connection_table[key] = connection
    connection.connect()
    return connection


def bind(
    stack: Stack,
    address: SocketAddress,
    peer: SocketAddress | None,
    nic: Interface | None,
    broadcast: bool,
    reuse: bool,
    transparent: bool,
    any_port: bool,
) -> UdpSocket:
    bound = stack.name_of(nic)
    laddr, lport = local_endpoint(stack, address, nic, transparent)
    _check_any_port(any_port, lport)
    if any_port and peer is not None:
        raise ValueError("a socket of every port has no one peer")
    table = stack.socket_table
    table.check_room()
    raddr, rport = _peer(stack, peer, nic) if peer is not None else (None, None)
    if raddr is not None:
        _, laddr = way_to(stack, raddr, laddr, nic, transparent)
    router = SocketRouter(stack)
    router.socket = socket = UdpSocket(
        laddr,
        ANY_PORT if any_port else lport or table.udp_port(),
        raddr=raddr,
        rport=rport,
        nic=bound,
        broadcast=broadcast,
        reuse=reuse,
        transparent=transparent,
        options=stack.config.udp,
        router=router,
        id=stack.next_id(),
        endpoints=stack.endpoints,
        ready=stack.lo.ready,
        notified=stack.notified,
        counters=stack.tally,
        trace=stack.trace,
    )
    table.add_udp(socket)
    return socket


def _check_any_port(any_port: bool, lport: int) -> None:
    if any_port and lport:
        raise ValueError(f"port {lport}, or every port: not both")


def ping(stack: Stack, nic: Interface | None) -> EchoSocket:
    bound = stack.name_of(nic)
    table = stack.socket_table
    table.check_room()
    router = SocketRouter(stack)
    router.socket = echo = EchoSocket(
        table.echo_identifier(),
        nic=bound,
        router=router,
        id=stack.next_id(),
        endpoints=stack.endpoints,
        ready=stack.lo.ready,
        notified=stack.notified,
        counters=stack.tally,
        trace=stack.trace,
    )
    table.echoes[echo.identifier] = echo
    return echo


def sort_destinations(
    stack: Stack, destinations: Sequence[Destination]
) -> list[Destination]:
    prospects = []
    for one in destinations:
        if isinstance(one, str | bytes | IPv4Address | IPv6Address):
            packed = pack_ip(one, stack.zones)
        else:
            packed = pack_endpoint(one, stack.zones)[0]
        hop = find_hop(stack, packed)
        source = None
        if hop is not None and hop.nic.is_up and hop.nic.has_carrier:
            # any loopback address speaks for lo's own
            owner = stack.own.get(hop.source, stack.lo)
            known = owner.local.get(hop.source)
            source = known or (owner.addresses[0] if is_loopback(packed) else None)
        prospects.append(Prospect(packed, source))
    order = sort_prospects(prospects, stack.policy)
    return [destinations[place] for place in order]


def _peer(
    stack: Stack, address: SocketAddress, nic: Interface | None
) -> tuple[bytes, int]:
    name = nic.name if nic is not None else None
    host, port = stack.endpoints.pack(address, name)
    if not any(host) or not port:
        raise ValueError(f"a peer has an address and a port: {address!r}")
    return host, port
