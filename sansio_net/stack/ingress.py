"""The way in: from a frame to the inner door of what it is for.

Each layer is parsed flat into locals with one `unpack_from`; what is rare (options,
fragments, tags, errors) is called out of line. Nothing raises for any bytes: what is
wrong is dropped and counted (RFC 1122 3.2.1, 4.1.3, RFC 9293 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import (
    BROADCAST4,
    is_link_local,
    is_loopback,
    is_multicast,
    is_unicast,
    is_unspecified,
)
from sansio_net.counters import DropReason
from sansio_net.errors import WireError
from sansio_net.packet import COPY_BELOW, CSUM_NONE, CSUM_VALID, Medium, Packet
from sansio_net.wire import icmpv6, ipv4, ipv6, tcp, udp
from sansio_net.wire.arp import parse_arp
from sansio_net.wire.checksum import words
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
)
from sansio_net.wire.ipv6_extensions import (
    ERRONEOUS_FIELD,
    EXTENSIONS,
    NO_NEXT_HEADER,
    ParameterProblem,
    walk,
)
from sansio_net.wire.vlan import is_tag, read_tags

from . import (
    delivery,
    established,
    faults,
    forwarding,
    frames,
    groups,
    options4,
    raw,
    upkeep,
)
from .arrival import Arrival, Segment
from .transparent import takes
from .zones import with_zone

if TYPE_CHECKING:
    from .interface import Interface

_ETHERNET: Final = Medium.ETHERNET
_IPV4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_IPV6: Final = ETHERTYPE_IPV6.to_bytes(2, "big")
_ARP: Final = ETHERTYPE_ARP.to_bytes(2, "big")
_ICMP: Final = ipv4.PROTO_ICMP.to_bytes(1, "big")
_TCP: Final = ipv4.PROTO_TCP.to_bytes(1, "big")
_UDP: Final = ipv4.PROTO_UDP.to_bytes(1, "big")

_ipv4_fields: Final = ipv4.HEADER.unpack_from
_ipv6_fields: Final = ipv6.HEADER.unpack_from
_tcp_fields: Final = tcp.HEADER.unpack_from
_udp_fields: Final = udp.HEADER.unpack_from


def receive(nic: Interface, packets: Sequence[Packet | bytes], now: int) -> None:
    """Take a batch."""
    if nic.frame_sockets:
        frames.arrive(nic, packets, now)
    ethernet = nic.medium is _ETHERNET
    arrival = Arrival(nic)  # one for the batch, filled anew for each packet
    mac, known, rx_bytes = nic.mac, nic.known, 0
    # raw sockets see what comes, and tags are looked at, on the general way alone
    is_plain = ethernet and not (nic.vlans or arrival.raw)
    run = established.Run(nic.stack) if is_plain and len(packets) > 1 else None
    for item in packets:
        packet = Packet(item) if isinstance(item, bytes) else item
        if packet.body:
            packet = packet.joined()
        frame = packet.head
        rx_bytes += len(frame)
        if run is not None and run.connection is not None:
            if run.goes_on(packet):
                continue
            run.ends(now)
        arrival.packet = packet
        arrival.group = False
        if is_plain and frame[:6] == mac and packet.info is None:
            kind = frame[12:14]
            if kind == _IPV4:
                protocol = frame[23:24]
                if protocol == _TCP:
                    if established.takes(nic, packet, 14, now, run):
                        continue
                elif protocol == _UDP:
                    if known.takes(packet, 14, now):
                        continue
                elif protocol == _ICMP and known.echoes(packet, 14, now):
                    continue
                ipv4_arrives(arrival, 14, now)
                continue
            if kind == _IPV6:
                protocol = frame[20:21]
                if protocol == _TCP:
                    if established.takes6(nic, packet, 14, now):
                        continue
                elif protocol == _UDP and known.takes6(packet, 14, now):
                    continue
        if ethernet:
            _frame_arrives(arrival, now)
        else:
            ip_arrives(arrival, 0, now)
    if run is not None and run.connection is not None:
        run.ends(now)
    nic.rx_packets += len(packets)
    nic.rx_bytes += rx_bytes


def looped_arrives(nic: Interface, now: int) -> None:
    """What we sent to groups that we are in."""
    arrival = Arrival(nic)
    arrival.is_looped = True
    looped, nic.looped = nic.looped, []
    for packet in looped:
        arrival.packet = Packet(packet, csum=CSUM_VALID)
        arrival.group = True
        ip_arrives(arrival, 0, now)


def _frame_arrives(arrival: Arrival, now: int) -> None:
    nic, packet = arrival.nic, arrival.packet
    frame = packet.head
    if len(frame) < 14:
        arrival.drop(DropReason.FRAME_TRUNCATED)
        return
    if frame[:6] != nic.mac:
        if not frame[0] & 1:
            arrival.drop(DropReason.OTHER_HOST)
            return
        arrival.group = True
    ethertype, at = frame[12:14], 14
    if (
        packet.info is not None
        or nic.vlans
        or (ethertype != _IPV4 and is_tag(ethertype))
    ):
        found = read_tags(frame, packet.info)
        if found is None or found[0] != nic.vlans:
            arrival.drop(DropReason.VLAN)
            return
        at = found[1] + 2
        ethertype = frame[at - 2 : at]
    if ethertype == _IPV4:
        ipv4_arrives(arrival, at, now)
    elif ethertype == _IPV6:
        ipv6_arrives(arrival, at, now)
    elif ethertype == _ARP:
        _arp_arrives(nic, frame, at, now)
    else:
        arrival.drop(DropReason.UNKNOWN_ETHERTYPE)


def _arp_arrives(nic: Interface, frame: bytes, at: int, now: int) -> None:
    assert nic.arp is not None
    try:
        packet = parse_arp(frame, at)
    except WireError:
        nic.stack.tally.drop(DropReason.ARP_MALFORMED)
        return
    nic.arp.arp_arrives(packet.op, packet.sha, packet.spa, packet.tha, packet.tpa, now)
    nic.settle_neighbours(now)


def ip_arrives(arrival: Arrival, at: int, now: int) -> None:
    """An IP packet of either family, as a TUN or `lo` has them."""
    packet, nic = arrival.packet, arrival.nic
    frame, known = packet.head, nic.known
    version = frame[at] >> 4 if len(frame) > at else 0
    is_plain = not (arrival.raw or arrival.group)
    if version == 4:
        if not is_plain or not (
            established.takes(nic, packet, at, now)
            or known.takes(packet, at, now)
            or known.echoes(packet, at, now)
        ):
            ipv4_arrives(arrival, at, now)
    elif version == 6:
        if not is_plain or not (
            established.takes6(nic, packet, at, now) or known.takes6(packet, at, now)
        ):
            ipv6_arrives(arrival, at, now)
    else:
        arrival.drop(DropReason.IP_BAD_VERSION)


def ipv4_arrives(arrival: Arrival, at: int, now: int) -> None:
    """RFC 791, RFC 1122 3.2.1: validate, find out whether it is for us, pass on."""
    frame = arrival.packet.head
    size = len(frame) - at
    if size < 20:
        arrival.drop(DropReason.IP_TRUNCATED)
        return
    vihl, tos, total, _ident, fragment, ttl, protocol, _csum, src, dst = _ipv4_fields(
        frame, at
    )
    ihl = (vihl & 0x0F) * 4
    if vihl >> 4 != 4 or ihl < 20 or total < ihl:
        arrival.drop(DropReason.IP_BAD_HEADER)
        return
    if total > size:
        arrival.drop(DropReason.IP_TRUNCATED)
        return
    # a sum of 0 modulo 0xFFFF is right (RFC 1071); the header is never all zero
    if int.from_bytes(frame[at : at + ihl], "big") % 0xFFFF:
        arrival.drop(DropReason.IP_BAD_CHECKSUM)
        return
    arrival.start, arrival.end = at, at + total
    arrival.src, arrival.dst, arrival.tos, arrival.ttl = src, dst, tos, ttl
    if not classify(arrival, now):
        return
    if ihl > 20 and not options4.arrive(arrival, ihl, now):
        return
    if fragment & 0x3FFF:
        whole = delivery.fragment_arrives(arrival, ihl, now)
        if whole is not None:
            arrival.packet, arrival.options = whole, b""  # as its first piece has them
            ipv4_arrives(arrival, 0, now)
    else:
        transport_arrives(arrival, protocol, at + ihl, now)
    if ihl > 20:
        arrival.options = b""


def ipv6_arrives(arrival: Arrival, at: int, now: int) -> None:
    """RFC 8200 3 and 4: validate, find out whether it is for us, walk its headers."""
    frame = arrival.packet.head
    if len(frame) - at < 40:
        arrival.drop(DropReason.IP_TRUNCATED)
        return
    first, length, protocol, ttl, src, dst = _ipv6_fields(frame, at)
    if first >> 28 != 6:
        arrival.drop(DropReason.IP_BAD_HEADER)
        return
    if at + 40 + length > len(frame):
        arrival.drop(DropReason.IP_TRUNCATED)
        return
    arrival.start, arrival.end = at, at + 40 + length
    if src[0] == 0xFE or dst[0] == 0xFE:
        src, dst = with_zone(arrival.nic, src), with_zone(arrival.nic, dst)
    arrival.src, arrival.dst, arrival.ttl = src, dst, ttl
    arrival.tos = first >> 20 & 0xFF
    if not classify(arrival, now):
        return
    if protocol not in EXTENSIONS:
        arrival.named_at = 6
        transport_arrives(arrival, protocol, at + 40, now)
        return
    try:
        chain = walk(frame, at, arrival.end)
        if arrival.was_fragmented and chain.fragment_at is not None:
            # cut twice: whoever puts that together goes as deep as the sender likes
            raise ParameterProblem.at(chain.fragment_at, ERRONEOUS_FIELD)
    except ParameterProblem as problem:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        kind, where = icmpv6.PARAMETER_PROBLEM, problem.pointer
        faults.report6(arrival, kind, problem.code, now, where, problem.multicast_too)
        return
    except WireError:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        return
    if chain.is_fragment:
        whole = delivery.fragment6_arrives(arrival, chain, now)
        if whole is not None:
            arrival.packet = whole
            arrival.was_fragmented = True
            ipv6_arrives(arrival, 0, now)
            arrival.was_fragmented = False
        return
    arrival.named_at = chain.named_at
    was_whole = not arrival.was_fragmented
    arrival.was_fragmented = not was_whole or chain.fragment_at is not None
    arrival.router_alert = chain.router_alert
    transport_arrives(arrival, chain.protocol, at + chain.start, now)
    arrival.router_alert = None
    arrival.was_fragmented = not was_whole


def classify(arrival: Arrival, now: int) -> bool:
    """Is the packet for us, from somebody who may have sent it?

    What is for somebody else goes to him from here, where we are a router. Sets
    `arrival.group` for broadcast and multicast. RFC 1122 3.2.1.3, 3.3.4.2.
    """
    nic, src, dst = arrival.nic, arrival.src, arrival.dst
    stack, known = nic.stack, nic.known
    if known.version != stack.routes.version:
        known.forget()
    elif src + dst in known.pairs and not arrival.group:
        return True
    if nic.is_loopback:
        if dst in stack.own or is_loopback(dst):
            return True
        arrival.drop(DropReason.NOT_FOR_US)
        return False
    # 0.0.0.0 is a host that does not know its address yet (RFC 1122 3.2.1.3 a): it may
    # broadcast, no more. Our own address from outside is spoofed or a loop.
    if (
        not (is_unicast(src) or (is_unspecified(src) and dst not in nic.local))
        or is_loopback(src)
        or (src in stack.own and not arrival.is_looped)
        or src in nic.broadcasts
    ):
        arrival.drop(DropReason.IP_BAD_SOURCE)
        return False
    if stack.checks_source and not forwarding.has_way_back(nic, src):
        arrival.drop(DropReason.REVERSE_PATH)
        return False
    if dst in nic.local:
        if arrival.group:
            # unicast IP in a link broadcast: RFC 1122 3.3.6 lets a host drop it
            arrival.drop(DropReason.NOT_FOR_US)
            return False
        known.note_pair(src + dst)
        return True
    if dst == BROADCAST4 or dst in nic.broadcasts:
        arrival.group = True
        return True
    if is_multicast(dst):
        arrival.group = True
        if groups.hears(nic, dst, src[:16]):
            return True
    elif dst in stack.own and (is_loopback(dst) or is_link_local(dst)):
        # RFC 1122 3.2.1.3 (g): 127/8 not from outside; link-local ones mean something
        # on their link alone (RFC 4007 6)
        pass
    elif (stack.is_weak and dst in stack.own and not arrival.group) or (
        stack.socket_table.transparent is not None and takes(arrival)
    ):
        return True
    elif stack.forwarding is not None and dst not in stack.own:
        # as one of several, never by a connection: RFC 4291 2.6
        arrival.group = forwarding.forward(arrival, now)
        return arrival.group
    arrival.drop(DropReason.NOT_FOR_US)
    return False


def transport_arrives(arrival: Arrival, protocol: int, at: int, now: int) -> None:
    is_taken = bool(arrival.raw) and raw.packet_arrives(arrival, protocol, at, now)
    if protocol == ipv4.PROTO_TCP:
        if arrival.group or not is_unicast(arrival.src):
            arrival.drop(DropReason.TCP_NOT_UNICAST)  # RFC 9293 MUST-57, MUST-63
        else:
            tcp_arrives(arrival, at, now)
    elif protocol == ipv4.PROTO_UDP:
        udp_arrives(arrival, at, now)
    elif protocol == ipv4.PROTO_ICMP and len(arrival.dst) == 4:
        delivery.icmp_arrives(arrival, at, now)
    elif protocol == ipv4.PROTO_ICMPV6 and len(arrival.dst) != 4:
        delivery.icmp6_arrives(arrival, at, now)
    elif protocol == ipv4.PROTO_IGMP and len(arrival.dst) == 4:
        groups.igmp_arrives(arrival, at, now)
    elif protocol == NO_NEXT_HEADER and len(arrival.dst) != 4:
        arrival.nic.stack.tally.count("ipv6.no_next_header")  # RFC 8200 4.7
    elif not is_taken:
        delivery.unknown_protocol(arrival, now)


def checksum_wrong(arrival: Arrival, at: int, protocol: int) -> bool:
    """Is the transport checksum wrong? Walks the payload once, if nobody vouches.

    Addresses lie right before the transport header but for options and IPv4's field
    order, so pseudo-header and segment are one slice where that holds.
    """
    if arrival.packet.csum != CSUM_NONE:
        return False
    frame, end = arrival.packet.head, arrival.end
    length = end - at
    size = 4 if len(arrival.dst) == 4 else 16
    if at - arrival.start == (20 if size == 4 else 40):
        data = frame[at - 2 * size : end]
    else:
        data = arrival.src[:size] + arrival.dst[:size] + frame[at:end]
    return (words(data) + protocol + length) % 0xFFFF != 0


def tcp_arrives(arrival: Arrival, at: int, now: int) -> None:
    """A segment: parse, verify, then to its connection or to `delivery`."""
    packet = arrival.packet
    frame, end = packet.head, arrival.end
    if end - at < 20:
        arrival.drop(DropReason.TCP_MALFORMED)
        return
    sport, dport, seq, ack, offset, flags, wnd, _csum, urgent = _tcp_fields(frame, at)
    data = at + (offset >> 4) * 4
    if data < at + 20 or data > end:
        arrival.drop(DropReason.TCP_MALFORMED)
        return
    if packet.csum == CSUM_NONE and checksum_wrong(arrival, at, 6):
        arrival.drop(DropReason.TCP_BAD_CHECKSUM)
        return
    size = end - data
    body: bytes | memoryview
    if size < COPY_BELOW or size * 2 < len(frame):
        body = frame[data:end]
    else:
        body = memoryview(frame)[data:end]
    options = frame[at + 20 : data] if data > at + 20 else b""
    cuts = -(-size // packet.gso_size) if packet.gso_size and size else 1
    stack = arrival.nic.stack
    key = arrival.src + arrival.dst + frame[at : at + 4]
    connection = stack.connection_table.get(key)
    if connection is not None:
        connection.segment_arrives(
            seq, ack, flags, wnd, urgent, options, body, now, cuts, arrival.tos & 3
        )
        if connection.done:
            upkeep.forget_connection(stack, connection)
        else:
            stack.deadlines.touched[connection.id] = connection
        return
    segment = Segment(sport, dport, seq, ack, flags, wnd, options, body)
    delivery.segment_without_connection(arrival, key, segment, now)


def udp_arrives(arrival: Arrival, at: int, now: int) -> None:
    """RFC 768, of a flow that is not known, or in a way that is not expected of it."""
    packet = arrival.packet
    frame, end = packet.head, arrival.end
    if end - at < 8:
        arrival.drop(DropReason.UDP_MALFORMED)
        return
    sport, dport, length, csum = _udp_fields(frame, at)
    if packet.gso_size:
        length = end - at
    if length < 8 or at + length > end:
        arrival.drop(DropReason.UDP_MALFORMED)
        return
    arrival.end = end = at + length
    # zero means "not computed" on IPv4 (RFC 768); IPv6 forbids it (RFC 8200 8.1)
    if (csum and checksum_wrong(arrival, at, 17)) or (
        not csum and len(arrival.dst) != 4
    ):
        arrival.drop(DropReason.UDP_BAD_CHECKSUM)
        return
    nic, src, dst, options = arrival.nic, arrival.src, arrival.dst, arrival.options
    ttl, tos, name = arrival.ttl, arrival.tos, nic.name
    wanted = delivery.sockets_for(arrival, sport, dport)
    if packet.gso_size:
        delivery.datagrams_arrive(arrival, at, sport, dport, wanted, now)
        return
    data = frame[at + 8 : end]
    for one in wanted:
        one.datagram_arrives(data, src, sport, dst, ttl, tos, name, now, options, dport)
    if not wanted:
        delivery.unwanted_datagram(arrival, now)
