"""Ways out: which interface, which next hop, which source address, which IPv4 id."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import (
    BROADCAST4,
    BROADCAST_MAC,
    ZONED_SIZE,
    is_link_local,
    is_loopback,
    is_multicast,
    is_unicast,
)
from sansio_net.errors import AddressNotAvailableError, Unreachable
from sansio_net.packet import Packet
from sansio_net.protocols.arp import ArpCache
from sansio_net.protocols.ndp import NeighbourDiscovery
from sansio_net.protocols.neighbours import Neighbour
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6

from .selection import source_for
from .zones import interface_of, with_zone

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

IDENT_BUCKETS: Final = 64

DEFAULT_HOP_LIMIT: Final = 64
"""Who asks for no other one gets the interface's, which routers may set."""

MIN_MTU6: Final = 1280  # RFC 8200 5

_TYPE4: Final = ETHERTYPE_IPV4.to_bytes(2, "big")
_TYPE6: Final = ETHERTYPE_IPV6.to_bytes(2, "big")


class Hop:
    """A cached way out: interface, next hop and how its link header is found.

    version: the routing table's when it was made; another version makes it stale.
    bound: the interface that was asked for, or None. mtu: the route's or interface's.
    proven: a source that may send this way to the hop's destination, by no other hop.
    to_all: it leads to every host of a subnet. to_subnet: to one's own name, which is
    no host's (RFC 1812 4.2.3.1). flow: for `FlowLabels.label`.
    header: the link header where no neighbour is needed (IP medium, groups), or None.
    cache: that knows the neighbour, where one is needed.
    """

    __slots__ = (
        "_destination",
        "_source",
        "bound",
        "cache",
        "destination",
        "flow",
        "header",
        "mtu",
        "neighbour",
        "next_hop",
        "nic",
        "proven",
        "to_all",
        "to_subnet",
        "version",
    )

    def __init__(self, nic: Interface, next_hop: bytes, version: int) -> None:
        self.nic = nic
        self.mtu = nic.mtu_for(next_hop)
        self.bound: Interface | None = None
        self.to_all = self.to_subnet = False
        self._destination = b""
        self._source: bytes | None = b""
        self.flow = 0
        self.proven = b""
        self.next_hop = next_hop
        self.version = version
        self.neighbour: Neighbour | None = None
        self.cache: ArpCache | NeighbourDiscovery | None = (
            nic.arp if len(next_hop) == 4 else nic.ndp
        )
        self.header: bytes | None = None if self.cache is not None else b""

    @property
    def source(self) -> bytes:
        """The address to send from where the sender names none; b"": there is none."""
        if self._source is None:
            # who passes packets on never asks
            nic = self.nic
            self._source = source_for(nic.stack, nic, self._destination, self.next_hop)
        return self._source

    @source.setter
    def source(self, source: bytes) -> None:
        self._source = source

    def choose_source(self, destination: bytes) -> None:
        """By RFC 6724, when somebody asks."""
        self._destination, self._source = destination, None

    def link_header(self, now: int) -> bytes | None:
        """None while the neighbour is not resolved; asking starts that."""
        if self.header is not None:
            return self.header
        neighbour = self.neighbour
        if neighbour is not None and neighbour.header is not None:
            return neighbour.header
        cache = self.cache
        assert cache is not None
        self.neighbour = neighbour = cache.lookup(self.next_hop, now)
        if neighbour.header is not None:
            return neighbour.header  # believed: nothing has to be done
        header = cache.use(neighbour, now)
        self.nic.settle_neighbours(now)
        return header


def find_hop(stack: Stack, dst: bytes, nic: Interface | None = None) -> Hop | None:
    """The way to `dst`, over `nic` alone when given; None without a route."""
    key = (dst, nic.index if nic is not None else 0)
    hop = stack.hops.get(key)
    version = stack.routes.version
    if hop is not None and hop.version == version:
        return hop
    hop = _new_hop(stack, dst, nic, version)
    if hop is not None:
        hop.bound = nic
        _keep(stack, key, hop)
    return hop


def _keep(stack: Stack, key: tuple[bytes, int], hop: Hop) -> None:
    if len(stack.hops) >= stack.config.max_hops:
        stack.hops.clear()
        stack.tally.count("hops_flushed")
    stack.hops[key] = hop


def _new_hop(
    stack: Stack, dst: bytes, nic: Interface | None, version: int
) -> Hop | None:
    bare = dst[:16]
    if dst in stack.own or is_loopback(dst):
        hop = Hop(stack.lo, dst, version)
        hop.source = dst  # RFC 6724 5, rule 1
        return hop
    if len(dst) == ZONED_SIZE:
        link = interface_of(stack, dst)
        if link is None or nic not in (None, link):
            return None  # RFC 4007 9: nothing leaves its zone
        nic = link
    group_mac = _group_mac(stack, bare, nic)
    route = stack.routes.lookup(bare, nic)
    if stack.routes.gateways.dead:
        stack.deadlines.arm(stack.routes)
    is_local = len(dst) == 4 and is_link_local(dst)
    if route is None:
        if is_local and nic is None:
            nic = _first_link(stack)
        if nic is None or (group_mac is None and not is_local):
            return None
        hop = Hop(nic, bare, version)  # on the link: no route is needed
    elif is_local:
        hop = Hop(route.nic, dst, version)  # RFC 3927 2.6.2: never to a router
    else:
        via = stack.redirects.get(dst, b"") if route.via else b""
        if not via or (via != dst and not route.nic.reaches(via)):
            via = route.via
        hop = Hop(route.nic, via or bare, version)
        names_it = bare == route.network and route.prefixlen < len(bare) * 8 - 1
        hop.to_subnet = names_it and not via
        if route.mtu is not None:
            hop.mtu = min(route.mtu, hop.mtu)
    if group_mac is not None and hop.nic.arp is not None:
        hop.header = group_mac + hop.nic.mac + (_TYPE4 if len(dst) == 4 else _TYPE6)
    if len(dst) != 4:
        hop.flow = stack.flows.offset(bare)
    hop.to_all = group_mac is BROADCAST_MAC
    if route is not None and stack.own.get(route.source) is hop.nic:
        hop.source = route.source
    else:
        hop.choose_source(dst)
    return hop


def redirect(
    stack: Stack, nic: Interface, dst: bytes, gateway: bytes, source: bytes
) -> bool:
    """A gateway says that another one is nearer to `dst` (RFC 1122 3.2.2.2).

    False for one to be discarded: it must come from the gateway in use, over the
    interface in use, and name a neighbour on the same subnet. Network redirects count
    for the one host, as 3.3.1.2 (c) has it. IPv6 adds that the better hop is a router's
    link-local address, or the destination itself, which then is a neighbour (RFC 4861
    8.1, 8.3).
    """
    if stack.forwarding is not None:
        return False  # RFC 1812 5.2.7.2, RFC 4861 8.1: a router knows its own routes
    on_link = len(dst) == 16 and gateway == dst
    hop = find_hop(stack, dst)
    if (
        hop is None
        or hop.nic is not nic
        or hop.next_hop != source
        or source == dst
        or with_zone(nic, gateway) in stack.own
        or gateway in nic.broadcasts
        or (len(dst) == 16 and not on_link and not is_link_local(gateway))
        or not (on_link or nic.reaches(gateway))
    ):
        return False
    redirects = stack.redirects
    redirects.pop(dst, None)
    if len(redirects) >= stack.config.max_hops:
        del redirects[next(iter(redirects))]
        stack.tally.count("redirects_forgotten")
    redirects[dst] = gateway
    stack.routes.version += 1
    return True


def forget_gateway(stack: Stack, gateway: bytes) -> None:
    """It does not answer: what it was said to be nearer to goes the old way again."""
    dead = [dst for dst, via in stack.redirects.items() if via == gateway]
    for dst in dead:
        del stack.redirects[dst]
    if dead:
        stack.routes.version += 1


def _group_mac(stack: Stack, dst: bytes, nic: Interface | None) -> bytes | None:
    """The MAC of a broadcast or multicast destination (RFC 1112 6.4), else None."""
    if is_multicast(dst):
        if len(dst) == 16:
            return b"\x33\x33" + dst[12:]
        return b"\x01\x00\x5e" + bytes((dst[1] & 0x7F,)) + dst[2:]
    return BROADCAST_MAC if is_broadcast(stack, dst, nic) else None


def is_broadcast(stack: Stack, dst: bytes, nic: Interface | None = None) -> bool:
    """Is it the limited broadcast address or a subnet's of ours (on `nic`)?"""
    return dst == BROADCAST4 or any(
        dst in one.broadcasts for one in ((nic,) if nic else stack.interfaces())
    )


def way_to(
    stack: Stack,
    destination: bytes,
    source: bytes,
    nic: Interface | None,
    foreign: bool = False,
) -> tuple[Hop, bytes]:
    """The hop to `destination` and the address to send from; `source` b"" is any.

    foreign: it may be an address that is not ours.

    Raises Unreachable, AddressNotAvailableError.
    """
    hop = find_hop(stack, destination, nic)
    if hop is not None and hop.proven and hop.proven == (source or hop.source):
        return hop, hop.proven
    if source and any(source in one.broadcasts for one in stack.interfaces()):
        source = b""  # the answer to a broadcast comes from an address of ours
    if hop is None:
        raise Unreachable(code=errno.ENETUNREACH)
    if any(source):
        if not may_send(stack, hop, source, foreign):
            raise AddressNotAvailableError
        return on_link(stack, hop, destination, source), source
    if not hop.source:
        raise Unreachable(f"{hop.nic.name} has no address", errno.ENETUNREACH)
    return on_link(stack, hop, destination, hop.source), hop.source


def on_link(stack: Stack, hop: Hop, dst: bytes, source: bytes) -> Hop:
    """The same way, but to no router from an IPv4 link-local address: whoever it is for
    is asked by ARP (RFC 3927 2.6.2).
    """
    if (
        len(source) != 4
        or hop.next_hop == dst
        or hop.header is not None
        or not is_link_local(source)
    ):
        return hop
    key = (dst, -hop.nic.index)
    direct = stack.hops.get(key)
    if direct is None or direct.version != hop.version:
        direct = Hop(hop.nic, dst, hop.version)
        direct.bound, direct.source = hop.bound, hop.source
        _keep(stack, key, direct)
    return direct


def prove(stack: Stack, hop: Hop, source: bytes) -> None:
    """`may_send` and `on_link` need not be asked again, as long as the hop is fresh."""
    if not any(source in one.broadcasts for one in stack.interfaces()):
        hop.proven = source


def _first_link(stack: Stack) -> Interface | None:
    """The first interface that may reach link-local addresses."""
    for nic in stack.interfaces():
        if nic.arp is not None and nic.is_up and any(len(ip) == 4 for ip in nic.local):
            return nic
    return None


def may_send(stack: Stack, hop: Hop, source: bytes, foreign: bool = False) -> bool:
    """Is it ours? A loopback address never leaves the host (RFC 1122 3.2.1.3 g).

    foreign: it need not be ours, but one host's, to somebody else.
    """
    if is_loopback(source):
        return hop.nic.is_loopback
    owner = stack.own.get(source)
    if owner is None:
        away = len(source) == ZONED_SIZE and source[16:] != hop.nic.zone
        return foreign and is_unicast(source) and not (hop.nic.is_loopback or away)
    if len(source) == ZONED_SIZE and owner is not hop.nic:
        return hop.nic.is_loopback  # RFC 4007 9
    return True


def path_mtu(stack: Stack, hop: Hop, dst: bytes) -> int:
    """The longest packet to `dst` that needs no fragments, as far as is known.

    RFC 8201 4: never below IPv6's minimum.
    """
    if len(dst) == 4:
        return hop.mtu
    narrow = stack.datagram_paths.mtu(dst)
    return max(narrow, MIN_MTU6) if 0 < narrow < hop.mtu else hop.mtu


def next_ident(stack: Stack, dst: bytes, packet: Packet, size: int) -> int:
    """The IPv4 identification of a packet to `dst`, one for each cut (RFC 6864 4).

    Counters by destination, each from a random start: distinct within a destination
    for 65536 packets, and none tells how much others are sent.
    """
    idents = stack.idents
    bucket = dst[-1] % IDENT_BUCKETS
    ident = idents[bucket]
    n = -(-size // packet.gso_size) if packet.gso_size else 1
    idents[bucket] = (ident + n) & 0xFFFF
    return ident
