"""ICMP errors, out and in, and what else tells a sender that its packet failed.

RFC 1122 3.2.2: errors go to whom the quoted packet came from; 3.3.8: so does the news
of a neighbour that does not answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.addresses import ZONED_SIZE, is_multicast, is_zoned, mask_ip
from sansio_net.counters import DropReason
from sansio_net.errors import (
    ConnectionAborted,
    ConnectionFailed,
    Unreachable,
    WireError,
)
from sansio_net.packet import Packet
from sansio_net.protocols.icmp import IcmpError, error_for, error_for6
from sansio_net.protocols.reassembly import ReassemblyTimedOut
from sansio_net.protocols.tcp.lifecycle import reset
from sansio_net.wire import icmpv6, ipv4
from sansio_net.wire.icmp import (
    ECHO_REQUEST,
    FRAGMENTATION_NEEDED,
    HOST_UNREACHABLE,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    REASSEMBLY_EXCEEDED,
    TIME_EXCEEDED,
    UNREACHABLE,
    Quoted,
    parse_quoted,
)

from . import advice, egress, offload, raw, routing, upkeep
from .arrival import Arrival
from .hops import MIN_MTU6, forget_gateway
from .transparent import speaks_as
from .zones import with_zone

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


def report(
    arrival: Arrival, kind: int, code: int, now: int, rest: bytes = bytes(4)
) -> None:
    """Send an ICMP error about the packet, where RFC 1122 3.2.2 allows one."""
    if len(arrival.dst) != 4:
        return
    stack = arrival.nic.stack
    source = b"" if arrival.group else arrival.dst
    stack.icmp.report(
        kind, code, offload.original(arrival), rest, source, arrival.group, now
    )
    pump_icmp(stack, now)


def report6(
    arrival: Arrival,
    kind: int,
    code: int,
    now: int,
    value: int = 0,
    group_too: bool = False,
) -> None:
    """Send an ICMPv6 error about the packet, where RFC 4443 2.4 allows one.

    value: the MTU or pointer. group_too: also when it came to a group.
    """
    stack = arrival.nic.stack
    if is_anycast(arrival.nic, arrival.src):
        arrival.drop(DropReason.ICMP_NEVER_ABOUT)  # RFC 4443 2.4 (e.6)
        return
    source = b"" if arrival.group else arrival.dst
    to_group = arrival.group and is_multicast(arrival.dst)  # or else to an anycast one
    original, rest = offload.original(arrival), value.to_bytes(4, "big")
    stack.icmp6.report(
        kind, code, original, rest, source, to_group, now, group_too, arrival.src
    )
    pump_icmp(stack, now)


def is_anycast(nic: Interface, ip: bytes) -> bool:
    """Does it name the routers of a subnet of ours (RFC 4291 2.6.1, RFC 6164)?"""
    return any(
        len(one.ip) == 16
        and one.prefixlen < 127
        and mask_ip(one.ip, one.prefixlen) == ip
        for one in nic.addresses
    )


def port_unreachable(arrival: Arrival, now: int) -> None:
    """RFC 1122 4.1.3.1, RFC 4443 3.1."""
    if len(arrival.dst) == 4:
        report(arrival, UNREACHABLE, PORT_UNREACHABLE, now)
    else:
        report6(arrival, icmpv6.UNREACHABLE, icmpv6.PORT_UNREACHABLE, now)


def protocol_unreachable(arrival: Arrival, now: int) -> None:
    """RFC 1122 3.2.2.1; RFC 8200 4: an unrecognized next header."""
    if len(arrival.dst) == 4:
        report(arrival, UNREACHABLE, PROTOCOL_UNREACHABLE, now)
    else:
        report6(arrival, icmpv6.PARAMETER_PROBLEM, 1, now, arrival.named_at)


def pump_icmp(stack: Stack, now: int) -> None:
    """Send what ICMP wants to say: replies and errors."""
    for icmp, protocol in (
        (stack.icmp, ipv4.PROTO_ICMP),
        (stack.icmp6, ipv4.PROTO_ICMPV6),
    ):
        while icmp.queued:
            packet = icmp.emit(now)
            if packet is None:
                icmp.queued = False
            else:
                # who answers in another's name was asked in it
                foreign = packet.info is not None and speaks_as(stack, packet.info.src)
                egress.send(stack, packet, protocol, now, foreign=foreign)


def report_reassembly(stack: Stack, now: int) -> None:
    """ICMP time exceeded for datagrams whose fragments never all came (RFC 792)."""
    for event in stack.reassembler.events():
        if isinstance(event, ReassemblyTimedOut) and event.data is not None:
            # RFC 1122 3.3.2: only where fragment zero is there to be quoted
            original = event.header + bytes(event.data)
            if original[0] >> 4 == 6:
                src_size = ZONED_SIZE if is_zoned(event.key) else 16
                asked = event.key[src_size:-4]
                stack.icmp6.report(
                    icmpv6.TIME_EXCEEDED,
                    icmpv6.REASSEMBLY_EXCEEDED,
                    original,
                    bytes(4),
                    asked,
                    not speaks_as(stack, asked),
                    now,
                    to=event.key[:src_size],
                )
                continue
            asked = event.header[16:20]
            stack.icmp.report(
                TIME_EXCEEDED,
                REASSEMBLY_EXCEEDED,
                original,
                bytes(4),
                asked,
                not speaks_as(stack, asked),
                now,
            )
    pump_icmp(stack, now)


def neighbour_failed(
    stack: Stack, nic: Interface, ip: bytes, packets: list[Packet], now: int
) -> None:
    """Resolution failed: tell the connections and sockets that waited."""
    forget_gateway(stack, ip)
    routing.lost(stack, nic, ip, now)
    for connection in nic.parked.pop(ip, {}).values():
        if upkeep.is_stale(stack, connection.hop):
            # the link or the routes changed meanwhile: it has to look again
            nic.ready.append(connection)
            continue
        connection.queued = False
        connection.unreachable(Unreachable(), now)
        upkeep.settle_connection(stack, connection)
    for packet in packets:
        whole = packet.join()[packet.offset :]
        source = whole[12:16] if whole[0] >> 4 == 4 else whole[8:24]
        if with_zone(nic, source) not in stack.own:
            # somebody else's, which we passed on
            original = offload.first_on_wire(packet)
            advice.host_unreachable(stack, nic, original, now)
            continue
        try:
            quoted = parse_quoted(whole)
        except WireError:
            continue
        quoted.source = with_zone(nic, quoted.source)
        quoted.destination = with_zone(nic, quoted.destination)
        failure, hard = error_for(UNREACHABLE, HOST_UNREACHABLE)
        raw.concern(nic, quoted, failure)
        concern(nic, quoted, failure, hard, None, now)


def address_lost(nic: Interface, ip: bytes, now: int) -> None:
    """Another host has it: our peers are told at last (RFC 5227 2.4, RFC 3927 2.5)."""
    stack = nic.stack
    out: list[Packet] = []
    for connection in stack.connections():
        if connection.laddr == ip and connection.nic is nic:
            reset(connection, ConnectionAborted("another host uses its address"))
            egress.connection_speaks(nic, connection, out, now)
            upkeep.forget_connection(stack, connection)
    nic.outbox.extend(out)


def error_arrives(arrival: Arrival, error: IcmpError, now: int) -> None:
    """Take an ICMP error to the socket whose packet it quotes (RFC 1122 3.2.2)."""
    nic, quoted = arrival.nic, error.quoted
    quoted.source = with_zone(nic, quoted.source)
    quoted.destination = with_zone(nic, quoted.destination)
    if not speaks_as(nic.stack, quoted.source):
        arrival.drop(DropReason.ICMP_NOT_CONCERNING)
        return
    mtu: int | None = None
    if len(quoted.source) != 4:
        failure, hard = error_for6(error.type, error.code)
        if error.type == icmpv6.PACKET_TOO_BIG:
            mtu = error.mtu
    else:
        failure, hard = error_for(error.type, error.code)
        if (error.type, error.code) == (UNREACHABLE, FRAGMENTATION_NEEDED):
            mtu = error.mtu
    is_told = raw.concern(nic, quoted, failure, error.source)
    if not concern(nic, quoted, failure, hard, mtu, now) and not is_told:
        arrival.drop(DropReason.ICMP_NOT_CONCERNING)


def concern(
    nic: Interface,
    quoted: Quoted,
    failure: ConnectionFailed,
    hard: bool,
    mtu: int | None,
    now: int,
) -> bool:
    """Tell the sender of a quoted packet; False if there is none.

    `mtu`: of the next link, where the packet was too big for it; 0: it is not told.
    """
    stack = nic.stack
    peer = (quoted.destination, quoted.destination_port)
    if quoted.protocol == ipv4.PROTO_TCP:
        key = upkeep.connection_key(quoted.source, quoted.source_port, *peer)
        connection = stack.connection_table.get(key)
        if connection is None:
            return False
        if mtu is not None:
            size, header = quoted.total_length, quoted.header_length
            connection.path_mtu(mtu, size, header, quoted.seq or 0, now)
            upkeep.note_path(stack, connection, now)
        else:
            connection.icmp_error(failure, hard, quoted.seq or 0, now)
        upkeep.settle_connection(stack, connection)
        return True
    if quoted.protocol == ipv4.PROTO_UDP:
        sockets = stack.socket_table.udp_for(
            *peer,
            quoted.source,
            quoted.source_port,
            nic,
            foreign=quoted.source not in stack.own,
        )
        for socket in sockets:
            socket.error_arrives(failure, peer, hard)
        if sockets and mtu is not None:
            _narrow(stack, quoted, mtu, now)
        return bool(sockets)
    asked = (quoted.protocol, quoted.icmp_type)
    if asked in (
        (ipv4.PROTO_ICMP, ECHO_REQUEST),
        (ipv4.PROTO_ICMPV6, icmpv6.ECHO_REQUEST),
    ):
        echo = stack.socket_table.echoes.get(quoted.identifier or 0)
        if echo is not None:
            echo.error_arrives(failure, quoted.destination, quoted.sequence or 0)
            if mtu is not None:
                _narrow(stack, quoted, mtu, now)
        return echo is not None
    if asked == (ipv4.PROTO_ICMPV6, icmpv6.ECHO_REPLY) and mtu is not None:
        _narrow(stack, quoted, mtu, now)
        return True
    return False


def _narrow(stack: Stack, quoted: Quoted, mtu: int, now: int) -> None:
    """A router had no room for a datagram of ours: the next ones leave in fragments.

    RFC 8201 4: never below 1280, and never more than what was sent. IPv4's routers cut
    by themselves.
    """
    if len(quoted.destination) == 4:
        return
    known = stack.datagram_paths.mtu(quoted.destination) or quoted.total_length
    if not MIN_MTU6 <= mtu < min(known, quoted.total_length):
        stack.tally.count("pmtu_ignored")
        return
    stack.tally.count("pmtu_datagrams")
    stack.datagram_paths.learn(quoted.destination, mtu, now)
    stack.deadlines.arm(stack.datagram_paths)
