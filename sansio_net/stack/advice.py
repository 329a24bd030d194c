"""What a router says of packets that it cannot pass on, or that take a detour.

RFC 1812 4.3 and 5.2.7, RFC 4443 3, RFC 4861 8.2; all within the limits of the stack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.addresses import is_link_local
from sansio_net.packet import Packet, PacketInfo
from sansio_net.wire import icmp, icmpv6, ipv4, ndp

from . import egress, faults, offload
from .arrival import Arrival
from .hops import Hop
from .zones import with_zone

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

NDP_HOPS: Final = 255
"""RFC 4861 8.1: a redirect comes from the link itself."""


def no_route(arrival: Arrival, now: int) -> None:
    """RFC 1812 5.2.7.1, RFC 4443 3.1."""
    _complain(
        arrival,
        (icmp.UNREACHABLE, icmp.NET_UNREACHABLE),
        (icmpv6.UNREACHABLE, icmpv6.NO_ROUTE),
        now,
    )


def time_exceeded(arrival: Arrival, now: int) -> None:
    """RFC 1812 5.3.1, RFC 4443 3.3."""
    _complain(
        arrival,
        (icmp.TIME_EXCEEDED, icmp.TTL_EXCEEDED),
        (icmpv6.TIME_EXCEEDED, icmpv6.HOP_LIMIT_EXCEEDED),
        now,
    )


def too_big(arrival: Arrival, packet: Packet, mtu: int, now: int) -> None:
    """RFC 1191 4, RFC 4443 3.2. One error for a super-segment, about its first cut."""
    original = offload.first_on_wire(packet)
    stack, nic = arrival.nic.stack, arrival.nic
    if len(arrival.dst) == 4:
        kind, code = icmp.UNREACHABLE, icmp.FRAGMENTATION_NEEDED
        _say(stack, nic, kind, code, original, mtu, now)
    else:
        _say(stack, nic, icmpv6.PACKET_TOO_BIG, 0, original, mtu, now)


def bad_option(arrival: Arrival, pointer: int, now: int) -> None:
    """RFC 1812 4.3.3.5. The pointer is the first byte of the rest (RFC 792)."""
    nic, original = arrival.nic, offload.original(arrival)
    _say(nic.stack, nic, icmp.PARAMETER_PROBLEM, 0, original, pointer << 24, now)


def complain6(
    arrival: Arrival, kind: int, code: int, now: int, pointer: int = 0
) -> None:
    """An ICMPv6 error about a packet that goes no further."""
    nic = arrival.nic
    _say(nic.stack, nic, kind, code, offload.original(arrival), pointer, now)


def host_unreachable(stack: Stack, nic: Interface, original: bytes, now: int) -> None:
    """Its last link is down, or the neighbour did not answer (RFC 4861 7.2.2)."""
    if original[0] >> 4 == 4:
        kind, code = icmp.UNREACHABLE, icmp.HOST_UNREACHABLE
    else:
        kind, code = icmpv6.UNREACHABLE, icmpv6.ADDRESS_UNREACHABLE
    _say(stack, nic, kind, code, original, 0, now)


def _complain(
    arrival: Arrival, four: tuple[int, int], six: tuple[int, int], now: int
) -> None:
    kind, code = four if len(arrival.dst) == 4 else six
    nic = arrival.nic
    _say(nic.stack, nic, kind, code, offload.original(arrival), 0, now)


def _say(
    stack: Stack,
    nic: Interface,
    kind: int,
    code: int,
    original: bytes,
    value: int,
    now: int,
) -> None:
    """value: the MTU or pointer, in the last bytes of the header's rest.

    It leaves from an address of the interface that it leaves by; one that has none
    borrows (RFC 1812 4.3.2.4, RFC 4443 2.2): that is how addresses are chosen.
    """
    rest = value.to_bytes(4, "big")
    if original[0] >> 4 == 4:
        stack.icmp.report(kind, code, original, rest, b"", False, now)
    else:
        if faults.is_anycast(nic, original[8:24]):
            return  # RFC 4443 2.4 (e.6)
        to = with_zone(nic, original[8:24])
        stack.icmp6.report(kind, code, original, rest, b"", False, now, to=to)
    faults.pump_icmp(stack, now)


def redirect(arrival: Arrival, hop: Hop, now: int) -> None:
    """The packet leaves by where it came from: its sender could do that by itself."""
    nic, src, target = arrival.nic, arrival.src, hop.next_hop
    stack = nic.stack
    if not stack.config.send_redirects or stack.forwarding is None:
        return
    if len(src) == 4:
        # RFC 1812 5.2.7.2: on one subnet with the next hop; no source route comes here
        sources = (
            one.ip
            for one in nic.addresses
            if one.usable and one.covers(src) and one.covers(target)
        )
    else:
        # RFC 4861 8.2: a neighbour; its better router by the link-local address
        if not (is_link_local(src) or nic.reaches(src)):
            return
        if not (target == arrival.dst or is_link_local(target)):
            return
        if faults.is_anycast(nic, src):
            return  # one of several
        sources = (
            one.known_as
            for one in nic.addresses
            if one.usable and len(one.ip) == 16 and is_link_local(one.ip)
        )
    source = next(sources, b"")
    if not source or not stack.forwarding.redirects.allow_error(src, now):
        return
    stack.tally.count("redirects_sent")
    if stack.trace is not None:
        stack.trace.append((now, "redirect", src, arrival.dst, target))
    info = PacketInfo(source, src, ttl=64 if len(src) == 4 else NDP_HOPS)
    if len(src) == 4:
        quoted = offload.original(arrival)[: 576 - ipv4.HEADER_SIZE - icmp.HEADER_SIZE]
        message = icmp.build_icmp(icmp.REDIRECT, icmp.REDIRECT_HOST, target, quoted)
        info.tos, protocol = 0xC0, ipv4.PROTO_ICMP  # RFC 1812 4.3.2.5
    else:
        neighbour = hop.neighbour
        mac = neighbour.mac if neighbour is not None else None
        found = ndp.Redirect(target, arrival.dst, mac, offload.original(arrival))
        message = ndp.build_redirect(found, source, src)
        protocol = ipv4.PROTO_ICMPV6
    egress.send(stack, Packet(message, info=info), protocol, now, nic)
