"""The last step in: from a valid transport header to the part that is meant.

Listeners, TIME-WAIT, datagram sockets, fragments, ICMP and the errors that answer what
nobody wanted: everything but the segments of live connections (`ingress`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sansio_net.counters import DropReason
from sansio_net.packet import CSUM_NONE, Chunk, Packet
from sansio_net.protocols.icmp import EchoReply, IcmpError, error_for
from sansio_net.protocols.tcp import Connection, reset_for
from sansio_net.wire import ipv4
from sansio_net.wire.icmp import (
    FRAGMENTATION_NEEDED,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    UNREACHABLE,
    Quoted,
)

from . import egress, ingress, upkeep
from .fragments import MORE_FRAGMENTS, unfragmented

if TYPE_CHECKING:
    from .interface import Interface

MIN_PMTU: Final = 552  # no smaller path is believed: Linux's min_pmtu


class Arrival:
    """A packet on its way up: one per batch, filled anew for each packet.

    start, end: the IP packet in `packet.head`, Ethernet's padding cut off. src, dst,
    tos, ttl: of the IP header. group: sent to more than one host, by its link or its
    IP address.
    """

    __slots__ = ("dst", "end", "group", "nic", "packet", "src", "start", "tos", "ttl")

    packet: Packet

    def __init__(self, nic: Interface) -> None:
        self.nic = nic
        self.group = False
        self.start = self.end = self.tos = self.ttl = 0
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


def segment_without_connection(
    arrival: Arrival, key: bytes, segment: Segment, now: int
) -> None:
    """TIME-WAIT, a listener, or a reset (RFC 9293 3.10.7.1)."""
    stack = arrival.nic.stack
    sport, dport, seq, ack, flags, wnd, options, body = segment
    answer: Packet | Connection | str | None
    if key in stack.time_wait:
        answer = stack.time_wait.segment_arrives(
            key, seq, ack, flags, len(body), options, now
        )
        stack.deadlines.arm(stack.time_wait)
        if answer != "reopen":
            _answer(arrival, answer, now)
            return
    listener = stack.socket_table.listener_for(arrival.dst, dport, arrival.nic)
    if listener is None:
        arrival.drop(DropReason.TCP_NO_SOCKET)
        answer = reset_for(
            arrival.dst, dport, arrival.src, sport, seq, ack, flags, len(body)
        )
    else:
        answer = listener.segment_arrives(
            arrival.src, sport, arrival.dst, seq, ack, flags, wnd, options, body, now
        )
    if isinstance(answer, Connection):
        if upkeep.adopt(stack, answer, key, arrival.nic):
            stack.touched.append(answer)
    else:
        _answer(arrival, answer, now)


def _answer(arrival: Arrival, packet: Packet | str | None, now: int) -> None:
    if isinstance(packet, Packet):
        egress.send(arrival.nic.stack, packet, ipv4.PROTO_TCP, now)


def datagram_arrives(
    arrival: Arrival, data: bytes, sport: int, dport: int, now: int
) -> None:
    """To the socket whose binding fits best, to all of them for a group (RFC 768)."""
    nic = arrival.nic
    src, dst = arrival.src, arrival.dst
    sockets = nic.stack.socket_table.udp_for(src, sport, dst, dport, nic, arrival.group)
    for socket in sockets:
        socket.datagram_arrives(
            data, src, sport, dst, arrival.ttl, arrival.tos, nic.name, now
        )
    if not sockets:
        arrival.drop(DropReason.UDP_NO_SOCKET)
        # RFC 1122 4.1.3.1
        report(arrival, UNREACHABLE, PORT_UNREACHABLE, now)


def unknown_protocol(arrival: Arrival, now: int) -> None:
    arrival.drop(DropReason.UNKNOWN_PROTOCOL)
    report(arrival, UNREACHABLE, PROTOCOL_UNREACHABLE, now)  # RFC 1122 3.2.2.1


def report(
    arrival: Arrival, kind: int, code: int, now: int, rest: bytes = bytes(4)
) -> None:
    """Send an ICMP error about the packet, where RFC 1122 3.2.2 allows one."""
    if len(arrival.dst) != 4:
        return
    stack = arrival.nic.stack
    source = b"" if arrival.group else arrival.dst
    stack.icmp.report(kind, code, arrival.ip_packet(), rest, source, arrival.group, now)
    upkeep.pump_icmp(stack, now)


def fragment_arrives(arrival: Arrival, ihl: int, now: int) -> None:
    """RFC 791 3.2; the completed packet starts again at its IP header."""
    frame, start = arrival.packet.head, arrival.start
    stack = arrival.nic.stack
    field = int.from_bytes(frame[start + 6 : start + 8], "big")
    whole = stack.reassembler.fragment_arrives(
        frame[start + 12 : start + 20]
        + frame[start + 4 : start + 6]
        + frame[start + 9 : start + 10],
        frame[start : start + ihl],
        (field & 0x1FFF) * 8,
        bool(field & MORE_FRAGMENTS),
        frame[start + ihl : arrival.end],
        now,
    )
    stack.deadlines.arm(stack.reassembler)
    if whole is None:
        return
    header, payload = whole
    arrival.packet = Packet(unfragmented(header, len(payload)) + payload)
    ingress.ipv4_arrives(arrival, 0, now)


def icmp_arrives(arrival: Arrival, at: int, now: int) -> None:
    nic, packet = arrival.nic, arrival.packet
    stack = nic.stack
    found = stack.icmp.message_arrives(
        packet.head,
        at,
        arrival.end,
        arrival.src,
        arrival.dst,
        arrival.ttl,
        arrival.tos,
        nic.name,
        arrival.group,
        packet.csum != CSUM_NONE,
        now,
    )
    if isinstance(found, IcmpError):
        _error_arrives(arrival, found, now)
    elif isinstance(found, EchoReply):
        echo = stack.socket_table.echoes.get(found.identifier)
        if echo is None:
            arrival.drop(DropReason.ICMP_NOT_CONCERNING)
        else:
            echo.reply_arrives(found.source, found.sequence, found.data, found.ttl, now)
    upkeep.pump_icmp(stack, now)


def _error_arrives(arrival: Arrival, error: IcmpError, now: int) -> None:
    """Take an ICMP error to the socket whose packet it quotes (RFC 1122 3.2.2)."""
    nic, quoted = arrival.nic, error.quoted
    if quoted.source not in nic.stack.own:
        arrival.drop(DropReason.ICMP_NOT_CONCERNING)
        return
    mtu = 0
    if (error.type, error.code) == (UNREACHABLE, FRAGMENTATION_NEEDED):
        mtu = max(error.mtu, MIN_PMTU)
    if not concern(nic, quoted, error.type, error.code, mtu, now):
        arrival.drop(DropReason.ICMP_NOT_CONCERNING)


def concern(
    nic: Interface, quoted: Quoted, kind: int, code: int, mtu: int, now: int
) -> bool:
    """Tell the sender of a quoted packet; False if there is none."""
    stack = nic.stack
    failure, hard = error_for(kind, code)
    peer = (quoted.destination, quoted.destination_port)
    if quoted.protocol == ipv4.PROTO_TCP:
        key = b"".join(
            (
                quoted.destination,
                quoted.source,
                quoted.destination_port.to_bytes(2, "big"),
                quoted.source_port.to_bytes(2, "big"),
            )
        )
        connection = stack.connection_table.get(key)
        if connection is None:
            return False
        if mtu:
            connection.path_mtu(mtu, quoted.seq, now)
        else:
            connection.icmp_error(failure, hard, quoted.seq, now)
        stack.touched.append(connection)
        if connection.done:
            upkeep.forget_connection(stack, connection)
        return True
    if quoted.protocol == ipv4.PROTO_UDP:
        sockets = stack.socket_table.udp_for(
            *peer, quoted.source, quoted.source_port, nic
        )
        for socket in sockets:
            socket.error_arrives(failure, peer)
        return bool(sockets)
    if quoted.protocol == ipv4.PROTO_ICMP:
        echo = stack.socket_table.echoes.get(quoted.identifier)
        if echo is not None:
            echo.error_arrives(failure, quoted.destination, quoted.sequence)
        return echo is not None
    return False
