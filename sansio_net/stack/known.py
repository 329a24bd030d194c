"""What was found out of peers, so that it is found out once.

On the way in a pair of addresses that may speak to us, with the hop by which echoes go
back, and a flow of datagrams with its socket; on the way out the hop of a socket's
datagrams to an address, in their `Way`.
Nothing here decides anything, it only remembers what `ingress.classify`, `SocketTable`
and `egress.send` said, as the table of connections does for TCP. Routes, addresses and
bindings change it.

A datagram that is in every way as those before it takes one step, in or out; for all
others nothing is said, and `ingress` or `egress` finds out what is to be said of them.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from sansio_net.addresses import is_multicast
from sansio_net.packet import CSUM_NONE, Datagram, Packet
from sansio_net.protocols.icmp.messages import reply_checksum
from sansio_net.protocols.udp import UdpSocket
from sansio_net.protocols.udp.ways import Way
from sansio_net.wire import icmp, ipv4

from .hops import (
    DEFAULT_HOP_LIMIT,
    IDENT_BUCKETS,
    MIN_MTU6,
    Hop,
    find_hop,
    next_ident,
)

if TYPE_CHECKING:
    from .arrival import Arrival
    from .interface import Interface
    from .stack import Stack


_HEADERS4: Final = Struct("!BBH2xHBB14xHH").unpack_from
"""IPv4 without options and UDP: version, tos, total length, fragment, ttl, protocol;
length, checksum."""
_HEADERS6: Final = Struct("!IHBB36xHH").unpack_from
"""IPv6 and UDP: version and traffic class, payload length, next header, hop limit;
length, checksum."""

_HEADERS_ECHO: Final = Struct("!BBH2xHxB10xBBH4s").unpack_from
"""IPv4 without options and ICMP: version, tos, total length, fragment, protocol; type,
code, checksum, the rest."""

_pack4: Final = Struct("!HHHHBBH8sHHHH").pack
"""The same two on the way out: version and tos, total length, id, fragment, ttl,
protocol, checksum, addresses; ports, length, checksum."""
_pack6: Final = Struct("!IHBB32sHHHH").pack
_pack_echo: Final = Struct("!HHHHBBH8sBBH4s").pack


class Flow(NamedTuple):
    """Who gets its datagrams, and the addresses that they have on them."""

    socket: UdpSocket
    source: tuple[str, int]
    destination: tuple[str, int]


class Known:
    """Of one interface. version: of the routes by which all of it was found.

    pairs: source + destination of unicast packets for us, and the hop by which echo
    replies leave, once one has left. flows: source, destination
    and ports, as they lie in an IP packet without options, of datagrams that one socket
    alone gets. At most `limit` of each; one more, and all are forgotten.
    """

    __slots__ = ("_limit", "_name", "_routes", "_stack", "flows", "pairs", "version")

    def __init__(self, stack: Stack, name: str) -> None:
        self._stack = stack
        self._routes = stack.routes
        self._name = name
        self._limit = stack.config.max_hops
        self.version = 0
        self.pairs: dict[bytes, Hop | None] = {}
        self.flows: dict[bytes, Flow] = {}

    def takes(self, packet: Packet, at: int, now: int) -> bool:
        """A packet at its IPv4 header, sent to us alone; True: it got where it should.

        RFC 791, RFC 768 (a checksum of 0 is none).
        """
        frame = packet.head
        flow = self.flows.get(frame[at + 12 : at + 24])
        if flow is None or len(frame) < at + 28:
            return False
        fields = _HEADERS4(frame, at)
        vihl, tos, total, fragment, ttl, protocol, length, check = fields
        end = at + total
        if (
            vihl != 0x45
            or protocol != 17
            or fragment & 0x3FFF
            or length < 8
            or total != length + 20
            or end > len(frame)
            or int.from_bytes(frame[at : at + 20], "big") % 0xFFFF
            or packet.gso_size
            or flow.socket.closed
            or self.version != self._routes.version
        ):
            return False
        if check and packet.csum == CSUM_NONE:
            n = int.from_bytes(frame[at + 12 : end], "big") % 0xFFFF
            if ((n << 8 if length & 1 else n) + 17 + length) % 0xFFFF:
                return False
        data = frame[at + 28 : end]
        to, source, destination = flow
        to.accept(Datagram(data, source, destination, self._name, ttl, tos), now)
        return True

    def takes6(self, packet: Packet, at: int, now: int) -> bool:
        """The same at an IPv6 header. RFC 8200 3, 8.1 (there is a checksum)."""
        frame = packet.head
        flow = self.flows.get(frame[at + 8 : at + 44])
        if flow is None or len(frame) < at + 48:
            return False
        first, size, protocol, ttl, length, check = _HEADERS6(frame, at)
        end = at + 40 + size
        if (
            first >> 28 != 6
            or protocol != 17
            or length < 8
            or size != length
            or end > len(frame)
            or not check
            or packet.gso_size
            or flow.socket.closed
            or self.version != self._routes.version
        ):
            return False
        if packet.csum == CSUM_NONE:
            n = int.from_bytes(frame[at + 8 : end], "big") % 0xFFFF
            if ((n << 8 if length & 1 else n) + 17 + length) % 0xFFFF:
                return False
        data, tos = frame[at + 48 : end], first >> 20 & 0xFF
        to, source, destination = flow
        to.accept(Datagram(data, source, destination, self._name, ttl, tos), now)
        return True

    def echoes(self, packet: Packet, at: int, now: int) -> bool:
        """An ICMP packet at its IPv4 header, sent to us alone; True: it was an echo
        request, and was answered if it may be. RFC 792, RFC 1122 3.2.2.6.
        """
        frame, stack = packet.head, self._stack
        pair = frame[at + 12 : at + 20]
        if pair not in self.pairs or len(frame) < at + 28:
            return False
        fields = _HEADERS_ECHO(frame, at)
        vihl, tos, total, fragment, protocol, kind, code, check, rest = fields
        end = at + total
        if (
            vihl != 0x45
            or protocol != 1
            or kind != icmp.ECHO_REQUEST
            or fragment & 0x3FFF
            or not 28 <= total <= len(frame) - at
            or int.from_bytes(frame[at : at + 20], "big") % 0xFFFF
            or self.version != self._routes.version
        ):
            return False
        n = int.from_bytes(frame[at + 20 : end], "big")
        if (n << 8 if total & 1 else n) % 0xFFFF:
            return False  # or the device vouches for a sum that is not there
        hop = self.pairs[pair] or self._way_back(pair)
        header = hop.link_header(now) if hop is not None else None
        if hop is None or header is None or total > hop.mtu:
            return False
        outbox = hop.nic.outbox
        if len(outbox) >= stack.config.output_queue:
            return False
        if stack.trace is not None:
            stack.trace.append((now, "icmp", self._name, pair[:4], kind, code))
        if not stack.icmp.may_answer(pair[:4], False, now):
            return True
        reply_check = reply_checksum(code, check)
        if not reply_check and not (code or any(frame[at + 24 : end])):
            reply_check = 0xFFFF  # of what is all zero
        reply = Packet(b"", (frame[at + 28 : end],) if total > 28 else ())
        ident = next_ident(stack, pair[:4], reply, total)
        first, ttl = 0x4500 | tos & 0xFC, stack.config.icmp.ttl
        n = first + total + ident + (ttl << 8 | 1) + int.from_bytes(pair, "big")
        ip_check = 0xFFFF ^ (n % 65535 or 65535)
        ip = first, total, ident, 0, ttl, 1, ip_check, pair[4:] + pair[:4]
        reply.head = header + _pack_echo(*ip, 0, code, reply_check, rest)
        reply.offset, reply.csum_start = len(header), len(header) + 20
        outbox.append(reply)
        stack.tally.count("icmp.echo_replies_sent")
        return True

    def _way_back(self, pair: bytes) -> Hop | None:
        """That of replies, as `egress.send` has found and proved it."""
        hop = find_hop(self._stack, pair[:4])
        if (
            hop is None
            or hop.to_all
            or hop.proven != pair[4:]
            or hop.nic.known is not self  # up, for packets come from there
        ):
            return None
        self.pairs[pair] = hop
        return hop

    def forget(self) -> None:
        self.pairs.clear()
        self.flows.clear()
        self.version = self._routes.version

    def note_pair(self, pair: bytes) -> None:
        if len(self.pairs) >= self._limit:
            self.pairs.clear()
        self.pairs[pair] = None

    def note_flow(
        self, arrival: Arrival, sport: int, dport: int, socket: UdpSocket
    ) -> None:
        """`socket` got a datagram as the only one that it was for."""
        pair = arrival.src + arrival.dst
        if (
            socket.reuse  # perhaps one of several that share what comes
            or pair not in self.pairs
            or len(pair) not in (8, 32)  # a zone is not on the wire
        ):
            return
        if len(self.flows) >= self._limit:
            self.flows.clear()
        key = pair + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
        format = self._stack.endpoints.format
        source, destination = format(arrival.src, sport), format(arrival.dst, dport)
        self.flows[key] = Flow(socket, source, destination)


def leaves(nic: Interface, packet: Packet, socket: UdpSocket) -> bool:
    """A datagram of `socket` that has no headers yet: put all of them on at once, where
    others went before it, to a neighbour who is known, and no fragments are needed.
    False: nothing was done, `egress` finds out what is to be.

    RFC 791 3.1, RFC 8200 3, RFC 768.
    """
    way: Way = packet.info  # type: ignore[assignment]
    hop: Hop | None = way.hop
    if hop is None or hop.version != nic.stack.routes.version:
        hop = way.hop = _hop_of(nic.stack, way, socket)
        if hop is None:
            return False
    neighbour = hop.neighbour
    header = neighbour.header if neighbour is not None else hop.header
    if header is None or hop.nic is not nic or packet.gso_size:
        return False
    length = 8 + (len(packet.body[0]) if packet.body else 0)
    # neither sum is ever 0: no address of ours is all zero
    check = (way.base + length) % 65535 or 65535
    ttl = way.ttl
    if len(way.dst) == 4:
        total = 20 + length
        if total > hop.mtu:
            return False
        idents, bucket = nic.stack.idents, way.dst[3] % IDENT_BUCKETS
        ident = idents[bucket]  # as `next_ident`
        idents[bucket] = (ident + 1) & 0xFFFF
        first = 0x4500 | way.tos
        # addresses and protocol are summed up in the pseudo-header
        n = way.base + first + total + ident + (ttl << 8)
        ip_check = 0xFFFF ^ (n % 65535 or 65535)
        ip = first, total, ident, 0, ttl, 17, ip_check, way.ends
        packet.head = header + _pack4(*ip, way.sport, way.dport, length, check)
        packet.csum_start = len(header) + 20
    else:
        if 40 + length > MIN_MTU6:
            return False
        hops = nic.hop_limit if ttl == DEFAULT_HOP_LIMIT else ttl
        ip6 = 6 << 28 | way.tos << 20 | way.label, length, 17, hops, way.ends
        packet.head = header + _pack6(*ip6, way.sport, way.dport, length, check)
        packet.csum_start = len(header) + 40
    packet.offset = len(header)
    return True


def _hop_of(stack: Stack, way: Way, socket: UdpSocket) -> Hop | None:
    """The way out that `egress.send` has found and proved, if all goes as usual."""
    nic = stack.named(socket.nic)
    if way.options or is_multicast(way.dst) or (nic is None and socket.nic is not None):
        return None
    hop = find_hop(stack, way.dst, nic)
    if hop is None or hop.to_all or not way.src or way.src != hop.proven:
        return None
    if len(way.dst) != 4:
        ports = way.sport << 16 | way.dport
        way.label = stack.flows.label(hop.flow, ipv4.PROTO_UDP, ports)
    return hop
