"""The last step in: from a valid transport header to the part that is meant.

Listeners, TIME-WAIT, datagram sockets, fragments, ICMP and the errors that answer what
nobody wanted: everything but the segments of live connections (`ingress`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.counters import DropReason
from sansio_net.errors import WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, Packet
from sansio_net.protocols.icmp import EchoReply, IcmpError, IcmpRedirect
from sansio_net.protocols.tcp import Connection, reset_for
from sansio_net.wire import icmpv6, ipv4, tcp, udp
from sansio_net.wire.icmp import Icmp as IcmpMessage
from sansio_net.wire.ipv6_extensions import Chain
from sansio_net.wire.ndp import Redirect, RouterAdvertisement, parse_ndp
from sansio_net.wire.tcp import FLAGS_OFFSET, RST

from . import autoconf, egress, faults, fragments6, groups, upkeep
from .arrival import Arrival, Segment
from .fragments import MORE_FRAGMENTS, unfragmented
from .hops import redirect
from .transparent import is_foreign, speaks_as

if TYPE_CHECKING:
    from sansio_net.protocols.udp import UdpSocket


def segment_without_connection(
    arrival: Arrival, key: bytes, segment: Segment, now: int
) -> None:
    """TIME-WAIT, a listener, or a reset (RFC 9293 3.10.7.1)."""
    stack = arrival.nic.stack
    sport, dport, seq, ack, flags, wnd, options, body = segment
    answer: Packet | Connection | str | None
    floor: int | None = None
    if key in stack.time_wait:
        answer = stack.time_wait.segment_arrives(
            key, seq, ack, flags, len(body), options, now
        )
        stack.deadlines.arm(stack.time_wait)
        if answer != "reopen":
            _answer(arrival, answer, now)
            return
        floor = stack.time_wait.reopened_nxt
    table, foreign = stack.socket_table, is_foreign(arrival)
    listener = table.listener_for(arrival.dst, dport, arrival.nic, foreign)
    if listener is None and floor is not None:
        # nothing takes its place: TIME-WAIT goes on (RFC 9293 MUST-13)
        answer = stack.time_wait.refuse(key, now)
    elif listener is None:
        arrival.drop(DropReason.TCP_NO_SOCKET)
        answer = reset_for(
            seq,
            ack,
            flags,
            len(body),
            laddr=arrival.dst,
            lport=dport,
            raddr=arrival.src,
            rport=sport,
            options=options,
        )
    else:
        answer = listener.segment_arrives(
            arrival.src,
            sport,
            arrival.dst,
            seq,
            ack,
            flags,
            wnd,
            options,
            body,
            now,
            mtu=arrival.nic.mtu_for(arrival.src),
            gso_max=arrival.nic.capabilities.gso_max,
            floor=floor,
            dport=dport,
        )
    if isinstance(answer, Connection):
        if upkeep.adopt(stack, answer, key, arrival.nic):
            upkeep.touch(stack, answer)
            stack.time_wait.remove(key)
    else:
        _answer(arrival, answer, now)


def _answer(arrival: Arrival, packet: Packet | str | None, now: int) -> None:
    if not isinstance(packet, Packet):
        return
    stack = arrival.nic.stack
    if packet.head[FLAGS_OFFSET] & RST and not stack.resets.allows(now):
        stack.tally.count("tcp.resets_limited")
        return
    egress.send(stack, packet, ipv4.PROTO_TCP, now, foreign=is_foreign(arrival))


def sockets_for(arrival: Arrival, sport: int, dport: int) -> list[UdpSocket]:
    """The socket whose binding fits best, all of them for a group (RFC 768)."""
    nic, table, foreign = (
        arrival.nic,
        arrival.nic.stack.socket_table,
        is_foreign(arrival),
    )
    src, dst, group = arrival.src, arrival.dst, arrival.group
    sockets = table.udp_for(src, sport, dst, dport, nic, group, foreign)
    if len(sockets) == 1 and not group:
        nic.known.note_flow(arrival, sport, dport, sockets[0])
    return sockets


def datagrams_arrive(
    arrival: Arrival,
    at: int,
    sport: int,
    dport: int,
    wanted: Sequence[UdpSocket],
    now: int,
) -> None:
    """Several datagrams that came as one, from `at` to `arrival.end`: whole to sockets
    that ask for that, else one by one (udp(7), UDP_GRO).
    """
    packet, src, dst = arrival.packet, arrival.src, arrival.dst
    if packet.csum == CSUM_PARTIAL and (
        packet.csum_start != at or packet.csum_offset != udp.CHECKSUM_OFFSET
    ):
        # not these datagrams are to be cut, but what is within them: a tunnel's
        arrival.drop(DropReason.DEVICE_METADATA)
        return
    frame, top, end = packet.head, at + udp.HEADER_SIZE, arrival.end
    step, size = packet.gso_size, end - top
    name, options = arrival.nic.name, arrival.options
    rest = arrival.ttl, arrival.tos, name, now, options, dport
    for one in wanted:
        if one.gro and size > step:
            one.datagram_arrives(frame[top:end], src, sport, dst, *rest, step)
    single = [one for one in wanted if not one.gro or size <= step]
    if wanted and not single:
        return
    for start in range(top, max(end, top + 1), step):
        data = frame[start : min(start + step, end)]
        for one in single:
            one.datagram_arrives(data, src, sport, dst, *rest)
        if not wanted:
            unwanted_datagram(arrival, now)


def unwanted_datagram(arrival: Arrival, now: int) -> None:
    arrival.drop(DropReason.UDP_NO_SOCKET)
    faults.port_unreachable(arrival, now)


def unknown_protocol(arrival: Arrival, now: int) -> None:
    arrival.drop(DropReason.UNKNOWN_PROTOCOL)
    faults.protocol_unreachable(arrival, now)


def fragment_arrives(arrival: Arrival, ihl: int, now: int) -> Packet | None:
    """RFC 791 3.2; the whole packet once it is complete."""
    frame, start = arrival.packet.head, arrival.start
    stack = arrival.nic.stack
    field = int.from_bytes(frame[start + 6 : start + 8], "big")
    offset = (field & 0x1FFF) * 8
    if frame[start + 9] == ipv4.PROTO_TCP and (
        offset == 8 or (not offset and arrival.end - start - ihl < tcp.HEADER_SIZE)
    ):
        # RFC 3128 3: it would hide part of the header from filters on the way
        arrival.drop(DropReason.FRAGMENT_TINY)
        return None
    whole = stack.reassembler.fragment_arrives(
        frame[start + 12 : start + 20]
        + frame[start + 4 : start + 6]
        + frame[start + 9 : start + 10],
        frame[start : start + ihl],
        offset,
        bool(field & MORE_FRAGMENTS),
        frame[start + ihl : arrival.end],
        now,
    )
    stack.deadlines.arm(stack.reassembler)
    if stack.reassembler.pending_kinds:
        # others were due as well: the reassembler looks at the time itself
        faults.report_reassembly(stack, now)
    if whole is None:
        return None
    header, payload = whole
    return Packet(unfragmented(header, len(payload)) + payload)


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
        arrival.options,
    )
    if isinstance(found, IcmpError):
        faults.error_arrives(arrival, found, now)
    elif isinstance(found, IcmpRedirect):
        quoted = found.quoted
        if not speaks_as(stack, quoted.source) or not redirect(
            stack, nic, quoted.destination, found.gateway, found.source
        ):
            arrival.drop(DropReason.ICMP_NOT_CONCERNING)
    elif isinstance(found, EchoReply):
        _echo_reply_arrives(arrival, found, now)
    faults.pump_icmp(stack, now)


def _echo_reply_arrives(arrival: Arrival, reply: EchoReply, now: int) -> None:
    echo = arrival.nic.stack.socket_table.echoes.get(reply.identifier)
    if echo is None:
        arrival.drop(DropReason.ICMP_NOT_CONCERNING)
    else:
        echo.reply_arrives(reply.source, reply.sequence, reply.data, reply.ttl, now)


# IPv6 -------------------------------------------------------------------------------


def fragment6_arrives(arrival: Arrival, chain: Chain, now: int) -> Packet | None:
    """RFC 8200 4.5; the whole packet once it is complete."""
    frame, start = arrival.packet.head, arrival.start
    stack = arrival.nic.stack
    assert chain.fragment_at is not None
    whole = stack.reassembler.fragment_arrives(
        # RFC 8200 4.5: source, destination and identification name the packet
        arrival.src + arrival.dst + chain.identification.to_bytes(4, "big"),
        frame[start : start + chain.start],
        chain.offset,
        chain.more,
        frame[start + chain.start : arrival.end],
        now,
    )
    stack.deadlines.arm(stack.reassembler)
    if stack.reassembler.pending_kinds:
        faults.report_reassembly(stack, now)
    if whole is None:
        return None
    header, payload = whole
    top = fragments6.unfragmented(header, len(payload))
    return Packet(top + payload)


def icmp6_arrives(arrival: Arrival, at: int, now: int) -> None:
    nic, packet = arrival.nic, arrival.packet
    stack = nic.stack
    found = stack.icmp6.message_arrives(
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
        faults.error_arrives(arrival, found, now)
    elif isinstance(found, EchoReply):
        _echo_reply_arrives(arrival, found, now)
    elif found is not None:
        _discovery_arrives(arrival, found, now)
    faults.pump_icmp(stack, now)


_MLD: Final = (
    icmpv6.MLD_QUERY,
    icmpv6.MLD_REPORT,
    icmpv6.MLD_DONE,
    icmpv6.MLD2_REPORT,
)


def _discovery_arrives(arrival: Arrival, message: IcmpMessage, now: int) -> None:
    """Neighbour discovery, or listener discovery."""
    nic = arrival.nic
    if message.type in _MLD:
        groups.mld_arrives(arrival, message, now)
        return
    if nic.ndp is None or arrival.was_fragmented:
        # RFC 6980 5: never believed in fragments
        arrival.drop(DropReason.NDP_INVALID)
        return
    try:
        found = parse_ndp(message)
    except WireError:
        arrival.drop(DropReason.NDP_MALFORMED)
        return
    assert found is not None  # it is of one of its types
    mac = arrival.packet.head[6:12]
    src, dst = arrival.src[:16], arrival.dst[:16]
    valid = nic.ndp.ndp_arrives(found, src, dst, arrival.ttl, mac, now)
    if valid and isinstance(found, RouterAdvertisement):
        autoconf.router_advertises(nic, found, src, now)
    elif valid and isinstance(found, Redirect):
        if redirect(nic.stack, nic, found.destination, found.target, src):
            nic.ndp.redirected(found, now)
        else:
            arrival.drop(DropReason.ICMP_NOT_CONCERNING)
    nic.settle_neighbours(now)
