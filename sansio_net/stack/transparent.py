"""Any-address sockets: what is sent to others is taken as if it were for us.

What VPN clients and proxies ask of a stack, as Linux does with IP_TRANSPARENT and local
routes. RFC 1122 3.2.1.3 has a host discard such packets: who opens a transparent socket
decides otherwise, for the interfaces that it listens on. Nobody is told by ARP or
neighbour discovery that these addresses are here: they have to be routed to us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sansio_net.addresses import is_loopback, is_unicast
from sansio_net.errors import WireError
from sansio_net.protocols.tcp import Listener
from sansio_net.protocols.udp import UdpSocket
from sansio_net.wire import icmp, icmpv6, ipv4
from sansio_net.wire.icmp import Quoted, parse_quoted

from . import upkeep
from .hops import is_broadcast
from .zones import with_zone

if TYPE_CHECKING:
    from .arrival import Arrival
    from .interface import Interface
    from .stack import Stack

Bound: TypeAlias = Listener | UdpSocket


class Transparent:
    """The transparent sockets by interface and address; closed ones leave late.

    limit: of open ones, kept by who adds them.
    """

    __slots__ = ("_bound", "_limit", "_n")

    def __init__(self, limit: int) -> None:
        self._bound: dict[tuple[str | None, bytes], dict[int, Bound]] = {}
        self._limit = limit
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, socket: Bound) -> None:
        if self._n >= self._limit:
            for one in [one for kin in self._bound.values() for one in kin.values()]:
                if one.closed:
                    self.forget(one)
        self._bound.setdefault((socket.nic, socket.laddr), {})[socket.id] = socket
        self._n += 1

    def forget(self, socket: Bound) -> None:
        """Harmless twice."""
        key = socket.nic, socket.laddr
        kin = self._bound.get(key, {})
        if kin.pop(socket.id, None) is not None:
            self._n -= 1
            if not kin:
                del self._bound[key]

    def covers(self, nic: Interface, address: bytes) -> bool:
        """Does an open socket take the address, on some port, on this interface?"""
        for name in (None, nic.name):
            for laddr in (b"", bytes(4 if len(address) == 4 else 16), address):
                kin = self._bound.get((name, laddr))
                while kin:
                    socket = next(iter(kin.values()))
                    if not socket.closed:
                        return True
                    self.forget(socket)
        return False


def is_foreign(arrival: Arrival) -> bool:
    """Was it taken although it is not for an address of ours here?"""
    nic, dst = arrival.nic, arrival.dst
    stack = nic.stack
    return (
        stack.socket_table.transparent is not None
        and not arrival.group
        and not nic.is_loopback
        and dst not in nic.local
        and not (stack.is_weak and dst in stack.own)
    )


def speaks_as(stack: Stack, address: bytes) -> bool:
    """May packets from it be of our making?"""
    return address in stack.own or (
        stack.socket_table.transparent is not None
        and len(address) > 0
        and is_unicast(address)
        and not is_loopback(address)
    )


def takes(arrival: Arrival) -> bool:
    """Is a packet that is for nobody here taken?

    A host takes all that is sent to an address on which somebody listens, and answers
    for it as for its own: with resets, ICMP errors, echo replies. A router takes only
    what a socket or connection wants, and passes on the rest; of fragments no port is
    known, so it passes on those as well.
    """
    nic, dst = arrival.nic, arrival.dst
    stack = nic.stack
    table = stack.socket_table.transparent
    assert table is not None
    if (
        arrival.group
        or not is_unicast(dst)
        or is_loopback(dst)
        or is_broadcast(stack, dst)
    ):
        return False
    if stack.forwarding is None and table.covers(nic, dst):
        return True
    return _is_wanted(arrival)


def _is_wanted(arrival: Arrival) -> bool:
    """Does this very packet concern a socket, or a connection that outlived it?"""
    frame, start, end = arrival.packet.head, arrival.start, arrival.end
    if len(arrival.dst) == 4:
        if int.from_bytes(frame[start + 6 : start + 8], "big") & 0x3FFF:
            return False  # a fragment
        protocol, at = frame[start + 9], start + (frame[start] & 15) * 4
    else:
        protocol, at = frame[start + 6], start + 40
    if end - at < 8:
        return False
    if protocol == ipv4.PROTO_TCP:
        return _tcp_wants(arrival, frame[at : at + 4])
    if protocol == ipv4.PROTO_UDP:
        src, dst, nic = arrival.src, arrival.dst, arrival.nic
        sport = int.from_bytes(frame[at : at + 2], "big")
        dport = int.from_bytes(frame[at + 2 : at + 4], "big")
        table = nic.stack.socket_table
        return bool(table.udp_for(src, sport, dst, dport, nic, foreign=True))
    if protocol == ipv4.PROTO_ICMP and len(arrival.dst) == 4:
        is_error = frame[at] in icmp.ERRORS
    else:
        is_error = protocol == ipv4.PROTO_ICMPV6 and frame[at] < icmpv6.ECHO_REQUEST
    if not is_error:
        return False
    try:
        return _quotes_us(arrival, parse_quoted(frame[at + 8 : end]))
    except WireError:
        return False


def _tcp_wants(arrival: Arrival, ports: bytes) -> bool:
    stack, dst = arrival.nic.stack, arrival.dst
    key = arrival.src + dst + ports
    dport = int.from_bytes(ports[2:], "big")
    return (
        key in stack.connection_table
        or key in stack.time_wait
        or stack.socket_table.listener_for(dst, dport, arrival.nic, True) is not None
    )


def _quotes_us(arrival: Arrival, quoted: Quoted) -> bool:
    """Is it an error about what we sent in the name of its destination?"""
    nic = arrival.nic
    stack, peer = nic.stack, with_zone(nic, quoted.destination)
    pport = quoted.destination_port
    source, port = with_zone(nic, quoted.source), quoted.source_port
    if source != arrival.dst or port is None:
        return False
    if quoted.protocol == ipv4.PROTO_TCP:
        key = upkeep.connection_key(source, port, peer, pport)
        return key in stack.connection_table
    if quoted.protocol == ipv4.PROTO_UDP:
        table = stack.socket_table
        return bool(table.udp_for(peer, pport, source, port, nic, foreign=True))
    return False
