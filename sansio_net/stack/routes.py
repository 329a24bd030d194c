"""The routing table: longest prefix match over packed addresses, any family.

See `prefixes` for the structure: a look-up costs one masked dict probe per prefix
length around the destination, whatever the number of routes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import format_ip, pack_ip, pack_network
from sansio_net.errors import LimitError, StateError

from .deadlines import Entry
from .gateways import Gateway, Gateways
from .prefixes import PrefixMap

if TYPE_CHECKING:
    from .interface import Interface

DEFAULT: Final = "default"
MIN_MTU: Final = {4: 68, 16: 1280}
"""By the size of an address (RFC 791 3.2, RFC 8200 5)."""


@dataclass(slots=True)
class Route:
    """Packets to `network`/`prefixlen` leave by `nic`, to `via` or directly (b"").

    source: the address they are sent from, if the sender names none; b"": by RFC 6724.
    """

    network: bytes
    prefixlen: int
    nic: Interface
    via: bytes = b""
    metric: int = 0
    mtu: int | None = None
    source: bytes = b""

    @property
    def gateway(self) -> Gateway:
        return self.nic.index, self.via

    def __str__(self) -> str:
        where = f"{format_ip(self.network)}/{self.prefixlen}"
        via = f" via {format_ip(self.via)}" if self.via else ""
        return f"{where if self.prefixlen else DEFAULT}{via} dev {self.nic.name}"


def _metric(route: Route) -> int:
    return route.metric


def parse_destination(text: str, via: bytes) -> tuple[bytes, int]:
    """``"10.0.0.0/8"``, ``"10.0.0.1"`` or ``"default"`` (the family of `via`).

    Raises ValueError.
    """
    if text != DEFAULT:
        return pack_network(text)
    return bytes(len(via) or 4), 0


class RouteTable:
    """Routes by destination. `version` moves with every change: caches compare it.

    Of several routes for one prefix the lowest metric wins, of equal ones the older.
    Passed over are those whose interface is down, those without carrier if another one
    has it, and those whose gateway is dead, also for a shorter prefix (RFC 4191 3.2).
    """

    __slots__ = ("_limit", "_maps", "armed", "gateways", "n_routes", "version")

    def __init__(self, limit: int = 1 << 20) -> None:
        self._maps: dict[int, PrefixMap[list[Route]]] = {
            size: PrefixMap(size) for size in (4, 16)
        }
        self._limit = limit
        self.gateways = Gateways()
        self.n_routes = 0
        self.version = 0
        self.armed: Entry | None = None

    def add(self, route: Route) -> None:
        """Raises LimitError when full, StateError for a route that is there already."""
        if self.n_routes >= self._limit:
            raise LimitError("the routing table is full")
        if self.find(route.network, route.prefixlen, route.nic, route.via) is not None:
            raise StateError(f"the route exists: {route}")
        self._insert(route)

    def connect(self, network: bytes, prefixlen: int, nic: Interface) -> None:
        """An address's subnet is on `nic`. Addresses have a bound of their own."""
        if self.find(network, prefixlen, nic, b"") is None:
            self._insert(Route(network, prefixlen, nic))

    def disconnect(self, network: bytes, prefixlen: int, nic: Interface) -> None:
        """It is no longer, if somebody did not say so before."""
        route = self.find(network, prefixlen, nic, b"")
        if route is not None:
            self.forget(route)

    def _insert(self, route: Route) -> None:
        prefixes = self._maps[len(route.network)]
        routes = prefixes.get(route.network, route.prefixlen)
        if routes is None:
            prefixes.put(route.network, route.prefixlen, [route])
        else:
            insort(routes, route, key=_metric)  # the older wins a tie
        self.gateways.hold(route)
        self.n_routes += 1
        self.version += 1

    def remove(
        self,
        network: bytes,
        prefixlen: int,
        nic: Interface | None = None,
        via: bytes | None = None,
    ) -> Route:
        """Forget one route; None means whichever. Raises StateError."""
        route = self.find(network, prefixlen, nic, via)
        if route is None:
            raise StateError(f"no such route: {format_ip(network)}/{prefixlen}")
        self.forget(route)
        return route

    def find(
        self, network: bytes, prefixlen: int, nic: Interface | None, via: bytes | None
    ) -> Route | None:
        """The best route to exactly this network; None means whichever."""
        for route in self._maps[len(network)].get(network, prefixlen) or ():
            if nic in (None, route.nic) and via in (None, route.via):
                return route
        return None

    def remove_interface(self, nic: Interface) -> None:
        for route in [route for route in self if route.nic is nic]:
            self.forget(route)

    def forget(self, route: Route) -> None:
        """Take out this very route."""
        prefixes = self._maps[len(route.network)]
        routes = prefixes.get(route.network, route.prefixlen)
        assert routes is not None
        left = [other for other in routes if other is not route]
        if left:
            routes[:] = left
        else:
            prefixes.drop(route.network, route.prefixlen)
        self.gateways.release(route)
        self.n_routes -= 1
        self.version += 1

    def lookup(self, destination: bytes, nic: Interface | None = None) -> Route | None:
        """The longest match, lowest metric; over `nic` alone when given.

        What was passed over for its dead gateway is asked again some time.
        """
        gateways = self.gateways
        avoided: list[Route] = []
        for routes in self._maps[len(destination)].matches(destination):
            unplugged = None
            for route in routes:
                if (nic is not None and route.nic is not nic) or not route.nic.is_up:
                    continue
                if gateways.dead and route.via and gateways.is_dead(route):
                    avoided.append(route)
                elif route.nic.has_carrier:
                    for other in avoided:
                        gateways.avoid(other)
                    return route
                elif unplugged is None:
                    unplugged = route
            if unplugged is not None:
                return unplugged
        return self._least_dead(avoided) if avoided else None

    def _least_dead(self, avoided: list[Route]) -> Route:
        """All are dead: the best one, in turn with its equals (RFC 4861 6.3.6)."""
        best = avoided[0]
        rank = list(self.gateways.dead)
        equals = [
            route
            for route in avoided
            if (route.prefixlen, route.metric) == (best.prefixlen, best.metric)
        ]
        taken = min(equals, key=lambda route: rank.index(route.gateway))
        for route in avoided:
            if route is not taken:
                self.gateways.avoid(route)
        return taken

    # -- gateways

    def gateway_failed(self, nic: Interface, ip: bytes, now: int) -> bool:
        """Nobody answered at `ip`; True: it is a gateway, other routes come first."""
        is_one = self.gateways.failed(nic, ip, now)
        self.version += is_one
        return is_one

    def gateway_answered(self, nic: Interface, ip: bytes) -> bool:
        """True: it was a dead one."""
        was_dead = self.gateways.answered(nic, ip)
        self.version += was_dead
        return was_dead

    def deadline(self) -> int | None:
        return self.gateways.deadline()

    def handle_timeout(self, now: int) -> None:
        if self.gateways.handle_timeout(now):
            self.version += 1  # whoever still has use for one looks again

    def __iter__(self) -> Iterator[Route]:
        """Every route, longest prefix first, in the order of their addition."""
        for prefixes in self._maps.values():
            for routes in prefixes.values():
                yield from routes


def make_route(
    destination: str,
    nic: Interface,
    via: str | bytes | None = None,
    metric: int = 0,
    mtu: int | None = None,
    source: str | None = None,
) -> Route:
    """A Route from text. Raises ValueError."""
    hop = pack_ip(via) if via else b""
    network, prefixlen = parse_destination(destination, hop)
    if hop and len(hop) != len(network):
        raise ValueError(f"{format_ip(hop)} is not of the family of {destination}")
    if mtu is not None and mtu < MIN_MTU[len(network)]:
        raise ValueError(f"no MTU of a route: {mtu}")
    sender = pack_ip(source) if source is not None else b""
    if sender and len(sender) != len(network):
        raise ValueError(f"{source} is not of the family of {destination}")
    return Route(network, prefixlen, nic, hop, metric, mtu, sender)
