"""Forwarding: what came by one interface for somebody else leaves by another.

RFC 1812 5.2 and 5.3, RFC 8200 3, 4.3 and 5; RFC 3704 for the check of sources, RFC 2644
for directed broadcasts. In the order of RFC 1812 5.2.1: what may not be passed on,
options, the next hop, the TTL, the size, the neighbour, a redirect.

Not here: multicast forwarding, router advertisements of our own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.addresses import (
    is_link_local,
    is_loopback,
    is_unicast,
    is_unspecified,
)
from sansio_net.counters import DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import WireError
from sansio_net.packet import CSUM_NONE, Packet
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.protocols.icmp.limits import Limits
from sansio_net.wire import icmpv6
from sansio_net.wire.checksum import update
from sansio_net.wire.ipv4 import HEADER_SIZE
from sansio_net.wire.ipv6_extensions import (
    HOP_BY_HOP,
    ParameterProblem,
    check_hop_by_hop,
)
from sansio_net.wire.segment import cut, flatten

from . import advice, egress, faults, offload, options4
from .arrival import Arrival
from .fragments import DONT_FRAGMENT, fragment, with_options
from .hops import Hop, find_hop

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


class Forwarding:
    """What a router has besides its routes. redirects: how many may be sent."""

    __slots__ = ("redirects",)

    def __init__(self, options: IcmpOptions, entropy: Entropy) -> None:
        self.redirects = Limits(options, entropy)

    @classmethod
    def of(cls, stack: Stack) -> Forwarding | None:
        """None for a host."""
        if not stack.config.forward:
            return None
        return cls(stack.config.icmp, stack.entropy.child("forwarding"))


def has_way_back(nic: Interface, source: bytes) -> bool:
    """May `source` be behind `nic` (RFC 3704 2.2 and 2.4)?

    A host without an address, and a link-local one, are asked for no way.
    """
    if is_unspecified(source) or (len(source) != 4 and is_link_local(source)):
        return True
    stack = nic.stack
    if source in stack.own:
        return True  # looped back: `classify` has seen to the rest
    route = stack.routes.lookup(source)
    if route is None or stack.config.rp_filter == "loose":
        return route is not None
    return route.nic is nic or _is_as_good(route.metric, route.prefixlen, nic, source)


def _is_as_good(metric: int, prefixlen: int, nic: Interface, source: bytes) -> bool:
    """RFC 3704 2.3: of several best paths, each is feasible."""
    route = nic.stack.routes.lookup(source, nic)
    return route is not None and (route.prefixlen, route.metric) == (prefixlen, metric)


def forward(arrival: Arrival, now: int) -> bool:
    """A valid packet that is not for us: on its way, or dropped and counted.

    True: it is for us after all, as one of the routers of a subnet (RFC 4291 2.6.1).
    """
    stack, dst = arrival.nic.stack, arrival.dst
    if not _may_pass(arrival, now):
        return False
    hop = find_hop(stack, dst)
    if hop is None or hop.nic.is_loopback:
        arrival.drop(DropReason.NO_ROUTE)
        advice.no_route(arrival, now)
    elif hop.next_hop == dst and len(dst) != 4 and faults.is_anycast(hop.nic, dst):
        return True
    else:
        _pass_on(arrival, hop, now)
    return False


def _pass_on(arrival: Arrival, hop: Hop, now: int) -> None:
    stack, dst = arrival.nic.stack, arrival.dst
    if hop.to_all or (hop.to_subnet and len(dst) == 4):
        arrival.drop(DropReason.DIRECTED_BROADCAST)
        return
    options: bytes | None = b""
    ihl = (arrival.packet.head[arrival.start] & 15) * 4
    if len(dst) == 4 and ihl > HEADER_SIZE:
        options = options4.pass_on(arrival, ihl, hop, now)
        if options is None:
            return
    if arrival.ttl <= 1:
        arrival.drop(DropReason.TTL_EXCEEDED)
        advice.time_exceeded(arrival, now)
        return
    nic = hop.nic
    if not (nic.is_up and nic.has_carrier):
        arrival.drop(DropReason.LINK_DOWN)
        advice.host_unreachable(stack, arrival.nic, offload.original(arrival), now)
        return
    packet = _passed(arrival)
    if options:
        packet.head = with_options(packet.head, options)
    pieces = _fitting(arrival, hop, packet, now)
    if pieces:
        _leave(arrival, hop, pieces, now)


def _may_pass(arrival: Arrival, now: int) -> bool:
    src, dst = arrival.src, arrival.dst
    if arrival.group:
        # RFC 1812 5.3.4: it is another's, who gets it as well
        arrival.drop(DropReason.FORWARD_LINK_GROUP)
        return False
    # 5.3.7: the source was looked at already, but for a host without an address
    if not is_unicast(dst) or not is_unicast(src) or is_loopback(dst):
        arrival.drop(DropReason.FORWARD_ADDRESS)
        return False
    if (is_link_local(src) or is_link_local(dst)) and not _stays(arrival):
        arrival.drop(DropReason.FORWARD_SCOPE)
        if len(dst) != 4 and not is_link_local(dst):
            advice.complain6(arrival, icmpv6.UNREACHABLE, icmpv6.BEYOND_SCOPE, now)
        return False
    frame, start = arrival.packet.head, arrival.start
    if len(dst) == 16 and frame[start + 6] == HOP_BY_HOP:
        return _options_allow(arrival, now)
    return True


def _stays(arrival: Arrival) -> bool:
    """Does what a link-local address sends stay on its link (RFC 4291 2.5.6)?

    Where there is no way for it, that is what its sender has to know.
    """
    dst = arrival.dst
    if len(dst) == 4 or is_link_local(dst):
        return False
    hop = find_hop(arrival.nic.stack, dst)
    return hop is None or hop.nic is arrival.nic or faults.is_anycast(hop.nic, dst)


def _options_allow(arrival: Arrival, now: int) -> bool:
    """RFC 8200 4.3: hop-by-hop options are every router's."""
    try:
        check_hop_by_hop(arrival.packet.head, arrival.start, arrival.end)
    except ParameterProblem as problem:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        kind = icmpv6.PARAMETER_PROBLEM
        advice.complain6(arrival, kind, problem.code, now, problem.pointer)
        return False
    except WireError:
        arrival.drop(DropReason.IP_BAD_OPTIONS)
        return False
    return True


def _passed(arrival: Arrival) -> Packet:
    """The packet at its IP header, its TTL one less."""
    packet = arrival.packet
    frame, start, end = packet.head, arrival.start, arrival.end
    if len(arrival.dst) == 4:
        # RFC 1812 5.3.1; RFC 1624: the header is not summed again
        old = arrival.ttl << 8 | frame[start + 9]
        check = int.from_bytes(frame[start + 10 : start + 12], "big")
        changed = (old - 0x100) << 16 | update(check, old, old - 0x100)
        top = frame[start : start + 8] + changed.to_bytes(4, "big")
    else:
        top = frame[start : start + 7] + bytes((arrival.ttl - 1,))
    if packet.csum and (passed := offload.parted(packet, top, start, end)) is not None:
        return passed
    data = top + frame[start + len(top) : end]
    if not packet.csum and not packet.gso_size:
        return Packet(data)
    passed = offload.replaced(packet, data)
    passed.csum_start -= start
    return passed


def _fitting(arrival: Arrival, hop: Hop, packet: Packet, now: int) -> list[Packet]:
    """The packet as the next link carries it: whole, cut, in fragments, or not."""
    size, n = len(packet), 1
    if packet.csum != CSUM_NONE or packet.gso_size:
        try:
            offload.settle(packet)
            if packet.gso_size:
                size, n = offload.cuts(packet)
                if size > hop.mtu and arrival.nic.capabilities.gso_guess:
                    # nobody has chosen that size: its sender may know the path long ago
                    packet.gso_size = max(packet.gso_size - size + hop.mtu, 1)
                    size, n = offload.cuts(packet)
        except WireError:
            arrival.drop(DropReason.DEVICE_METADATA)
            return []
    stack = arrival.nic.stack
    if n > stack.config.output_queue:
        arrival.drop(DropReason.OUTPUT_QUEUE_FULL)  # it never could get through
        return []
    if size > hop.mtu:
        pieces = _too_big(arrival, hop, packet.joined(), n, now)
        if not pieces:
            return []
    elif packet.gso_size and not offload.takes(
        hop.nic, len(packet), packet.csum_offset
    ):
        try:
            pieces = cut(packet)
        except WireError:
            arrival.drop(DropReason.DEVICE_METADATA)
            return []
    else:
        pieces = [packet]
    if len(arrival.dst) == 4:
        stack.tally.count("ipv4.forwarded", n)
    else:
        stack.tally.count("ipv6.forwarded", n)
    return pieces


def _too_big(
    arrival: Arrival, hop: Hop, packet: Packet, n: int, now: int
) -> list[Packet]:
    """In fragments, where they are allowed; else the source is told (RFC 1191 4)."""
    data, stack = packet.head, arrival.nic.stack
    word = int.from_bytes(data[6:8], "big")
    if len(arrival.dst) == 16 or word & DONT_FRAGMENT:
        arrival.drop(DropReason.PACKET_TOO_BIG)
        advice.too_big(arrival, packet, hop.mtu, now)
        return []
    top = (data[0] & 15) * 4
    if (word & 0x1FFF) * 8 + len(data) - top > 0xFFFF:
        arrival.drop(DropReason.FRAGMENT_MALFORMED)  # a ping of death
        return []
    try:
        pieces = flatten(packet)  # checksums cannot wait for fragments
    except WireError:
        arrival.drop(DropReason.DEVICE_METADATA)
        return []
    stack.tally.count("fragmented", n)
    return [
        Packet(one)
        for piece in pieces
        for one in (
            fragment(piece[:top], piece[top:], hop.mtu)
            if len(piece) > hop.mtu
            else (piece,)
        )
    ]


def _leave(arrival: Arrival, hop: Hop, pieces: list[Packet], now: int) -> None:
    """To its neighbour, and where that is nearer to the sender, say so."""
    nic, stack = hop.nic, arrival.nic.stack
    header = hop.link_header(now)
    free = stack.config.output_queue - len(nic.outbox)
    if header is not None and len(pieces) > free:
        # what belongs together goes together or not at all
        arrival.drop(DropReason.OUTPUT_QUEUE_FULL)
        return
    if stack.trace is not None:
        size = sum(map(len, pieces))
        came, src, dst = arrival.nic.name, arrival.src, arrival.dst
        stack.trace.append((now, "forward", came, nic.name, src, dst, size))
    for piece in pieces:
        egress.leave(hop, header, piece, now)
    if header is None:
        nic.settle_neighbours(now)
    if nic is arrival.nic and nic.mac:
        advice.redirect(arrival, hop, now)
