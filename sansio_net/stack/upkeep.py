"""What the way in and the way out ask of the tables: adopt, settle, forget, tell.

A connection is settled after everything that may have moved its deadline or ended it:
once a batch on the way in, once a visit on the way out.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import is_loopback
from sansio_net.counters import DropReason
from sansio_net.errors import (
    AddressNotAvailableError,
    ConnectionAborted,
    Unreachable,
    WireError,
)
from sansio_net.packet import Packet
from sansio_net.protocols.reassembly import ReassemblyTimedOut
from sansio_net.protocols.tcp import Connection
from sansio_net.wire.icmp import (
    HOST_UNREACHABLE,
    REASSEMBLY_EXCEEDED,
    TIME_EXCEEDED,
    UNREACHABLE,
    parse_quoted,
)
from sansio_net.wire.ipv4 import PROTO_ICMP

from . import delivery, egress
from .sockets import connection_key

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

IDENT_BUCKETS: Final = 64


def adopt(stack: Stack, connection: Connection, key: bytes, nic: Interface) -> bool:
    """Take a listener's new child into the tables; False when they are full."""
    if len(stack.connection_table) >= stack.config.max_connections:
        stack.tally.drop(DropReason.TCP_BACKLOG_FULL)
        if connection.listener is not None:
            connection.listener.child_gone(connection)
        return False
    connection.id = stack.next_id()
    connection.nic = nic
    stack.connection_table[key] = connection
    hop = egress.find_hop(stack, connection.raddr)
    out = hop.nic if hop is not None else nic
    # what it already wants to send hangs in its own queue: bring it to the interface's
    connection.join(out.ready, stack.notified)
    connection.path_changed(out.mtu, out.capabilities.gso_max)
    connection.hop = hop
    return True


def settle_batch(stack: Stack) -> None:
    """At the end of a received batch."""
    touched = stack.touched
    if touched:
        last = None
        for connection in touched:
            if connection is not last:
                settle_connection(stack, connection)
                last = connection
        touched.clear()


def settle_connection(stack: Stack, connection: Connection) -> None:
    if connection.done:
        forget_connection(stack, connection)
    else:
        stack.deadlines.arm(connection)


def forget_connection(stack: Stack, connection: Connection) -> None:
    """Take a connection that is done out of the tables; harmless to repeat.

    A last ACK or RST still leaves: it hangs in its interface's ready queue till then.
    """
    stack.deadlines.disarm(connection)
    key = connection_key(
        connection.laddr, connection.lport, connection.raddr, connection.rport
    )
    if stack.connection_table.get(key) is not connection:
        return
    del stack.connection_table[key]
    if connection.time_wait is not None:
        stack.time_wait.add(key, connection.time_wait)
        stack.deadlines.arm(stack.time_wait)
    if connection.listener is not None:
        connection.listener.child_gone(connection)


def route_connection(stack: Stack, connection: Connection, now: int) -> None:
    """Look the way out up again, after routes or addresses changed."""
    hop = None
    if connection.laddr in stack.own or is_loopback(connection.laddr):
        hop = egress.find_hop(stack, connection.raddr)
    connection.hop = hop
    if hop is None:
        connection.queued = False
        connection.unreachable(Unreachable(code=errno.ENETUNREACH), now)
        return
    connection.path_changed(hop.nic.mtu, hop.nic.capabilities.gso_max)


def source_for(
    stack: Stack, destination: bytes, source: bytes, nic: Interface | None
) -> bytes:
    """`Router.source_for`: see machine.py."""
    if source and any(source in one.broadcasts for one in stack.interfaces()):
        source = b""  # the answer to a broadcast comes from an address of ours
    hop = egress.find_hop(stack, destination, nic)
    if hop is None:
        raise Unreachable(code=errno.ENETUNREACH)
    if source and any(source):
        if source not in stack.own and not is_loopback(source):
            raise AddressNotAvailableError
        return source
    chosen = source_on(stack, hop, destination)
    if not chosen:
        raise Unreachable(f"{hop.nic.name} has no address", errno.ENETUNREACH)
    return chosen


def source_on(stack: Stack, hop: egress.Hop, destination: bytes) -> bytes:
    """The address a packet by `hop` is sent from; to ourselves, the same address."""
    if hop.nic.is_loopback:
        return destination
    return hop.nic.source_for(hop.next_hop)


def next_ident(stack: Stack, dst: bytes, packet: Packet, size: int) -> int:
    """The IPv4 identification of a packet to `dst`, one for each cut (RFC 6864 4).

    Counters by destination, each from a random start: distinct within a destination
    for 65536 packets, and none tells how much others are sent.
    """
    idents = stack.idents
    bucket = int.from_bytes(dst[-2:], "big") % IDENT_BUCKETS
    ident = idents[bucket]
    n = -(-size // packet.gso_size) if packet.gso_size else 1
    idents[bucket] = (ident + n) & 0xFFFF
    return ident


def pump_icmp(stack: Stack, now: int) -> None:
    """Send what ICMP wants to say: replies and errors."""
    icmp = stack.icmp
    while icmp.queued:
        packet = icmp.emit(now)
        if packet is None:
            icmp.queued = False
            return
        egress.send(stack, packet, PROTO_ICMP, now)


def report_reassembly(stack: Stack, now: int) -> None:
    """ICMP time exceeded for datagrams whose fragments never all came (RFC 792)."""
    for event in stack.reassembler.events():
        if isinstance(event, ReassemblyTimedOut) and event.data is not None:
            # RFC 1122 3.3.2: only where fragment zero is there to be quoted
            original = event.header + bytes(event.data)
            stack.icmp.report(
                TIME_EXCEEDED,
                REASSEMBLY_EXCEEDED,
                original,
                bytes(4),
                b"",
                False,
                now,
            )
    pump_icmp(stack, now)


def neighbour_failed(
    stack: Stack, nic: Interface, ip: bytes, packets: list[Packet], now: int
) -> None:
    """Resolution failed: tell the connections and sockets that waited."""
    for connection in nic.parked.pop(ip, ()):
        connection.queued = False
        connection.unreachable(Unreachable(), now)
        settle_connection(stack, connection)
    for packet in packets:
        stack.tally.drop(DropReason.NEIGHBOUR_UNREACHABLE)
        try:
            quoted = parse_quoted(packet.join()[packet.offset :])
        except WireError:
            continue
        delivery.concern(nic, quoted, UNREACHABLE, HOST_UNREACHABLE, 0, now)


def interface_gone(stack: Stack, nic: Interface) -> None:
    for connection in list(stack.connection_table.values()):
        if connection.nic is nic:
            connection.lose(ConnectionAborted("its interface was removed"))
            connection.queued = False
            forget_connection(stack, connection)
