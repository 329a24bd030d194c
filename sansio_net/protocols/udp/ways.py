"""How datagrams to an address leave: decided once, and remembered for the next ones.

RFC 1122 4.1.3.5, 4.1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sansio_net.addresses import (
    ZONED_SIZE,
    Endpoints,
    IpAddress,
    SocketAddress,
    is_multicast,
)
from sansio_net.counters import Counters
from sansio_net.errors import (
    AddressNotAvailableError,
    BroadcastError,
    MessageTooLongError,
)
from sansio_net.machine import Router, Versioned
from sansio_net.packet import Packet, PacketInfo
from sansio_net.wire.checksum import pseudo_base
from sansio_net.wire.ipv4 import PROTO_UDP
from sansio_net.wire.udp import HEADER, HEADER_SIZE

from .build import MAX_PAYLOAD, check_octet
from .origin import origin

if TYPE_CHECKING:
    from .endpoint import UdpSocket


@dataclass(slots=True, eq=False, repr=False)
class Way(PacketInfo):
    """What all datagrams of a socket to one address have in common; their `info`.

    base: the sum of their pseudo-header but for the length. ends: its addresses, as
    they lie on the wire. limit: their longest payload, bytes. version: of the routes by
    which it was decided. ready: where the socket hangs itself up. hop, label: what the
    stack found out of the rest.
    """

    sport: int = 0
    dport: int = 0
    base: int = 0
    ends: bytes = b""
    limit: int = 0
    version: int = 0
    ready: Any = None
    hop: Any = None
    label: int = 0


class Ways:
    """Those of one socket, by what `send_to` is given; None: of its peer.

    At most `limit`; one more, and all are forgotten.
    """

    __slots__ = ("_counters", "_known", "_limit", "_routes")

    def __init__(self, routes: Versioned, limit: int, counters: Counters) -> None:
        self._routes = routes
        self._limit = limit
        self._counters = counters
        self._known: dict[SocketAddress | None, Way] = {}

    def find(self, address: SocketAddress | None) -> Way | None:
        """One by which datagrams still leave."""
        try:
            way = self._known.get(address)
        except TypeError:
            return None  # no address: who packs it says so
        if way is None or way.version != self._routes.version:
            return None
        return way

    def remember(self, address: SocketAddress | None, way: Way) -> None:
        if way.ready is None or len(way.dst) == ZONED_SIZE:
            return  # which queue, or which zone, may be another one next time
        if not isinstance(address, tuple | None):
            return  # what is in a list may be another address next time
        if len(self._known) >= self._limit:
            self._known.clear()
            self._counters.count("udp.ways_flushed")
        self._known[address] = way

    def clear(self) -> None:
        self._known.clear()


def put_header(packet: Packet) -> Packet:
    """Make the UDP header of one that has a `Way` and none yet."""
    way = packet.info
    assert isinstance(way, Way)
    length = HEADER_SIZE + sum(map(len, packet.body))
    # the sum is never 0: no pseudo-header is all zero
    check = (way.base + length) % 65535 or 65535
    packet.head = HEADER.pack(way.sport, way.dport, length, check)
    return packet


def find_way(
    socket: UdpSocket,
    router: Router,
    endpoints: Endpoints,
    destination: bytes,
    dport: int,
    size: int,
    asked: SocketAddress | IpAddress | None = None,
    ttl: int | None = None,
    tos: int | None = None,
    ip_options: bytes = b"",
) -> Way:
    """The way of a datagram of `size` bytes. Raises as `UdpSocket.send_to`."""
    check_octet("ttl", ttl, 1)
    check_octet("tos", tos, 0)
    limit = MAX_PAYLOAD[len(destination)] - len(ip_options)
    if size > limit:
        raise MessageTooLongError()
    source, sport = origin(socket, endpoints, asked)
    if source and (len(source) == 4) is not (len(destination) == 4):
        raise AddressNotAvailableError()
    if not socket.broadcast and router.is_broadcast(destination, socket.nic):
        raise BroadcastError()
    version = router.routes.version
    source = router.source_for(destination, source, socket.nic)
    if ttl is None:
        ttl = socket.multicast_ttl if is_multicast(destination) else socket.ttl
    tos = socket.tos if tos is None else tos
    ready = None if socket.queued else socket.ready  # as the router has just set it
    base = pseudo_base(source, destination, PROTO_UDP)
    return Way(
        *(source, destination, tos, ttl, None, None, ip_options, sport, dport, base),
        *(source[:16] + destination[:16], limit, version, ready),
    )
