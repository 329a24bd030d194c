"""The routing table: longest prefix match over packed addresses, any family.

One dict per prefix length in use, longest first: a look-up costs one masked dict probe
per length present, whatever the number of routes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import format_ip, mask_ip, pack_ip, pack_network
from sansio_net.errors import LimitError, StateError

if TYPE_CHECKING:
    from .interface import Interface

DEFAULT: Final = "default"
MIN_MTU: Final = {4: 68, 16: 1280}
"""By the size of an address (RFC 791 3.2, RFC 8200 5)."""


@dataclass(slots=True)
class Route:
    """Packets to `network`/`prefixlen` leave by `nic`, to `via` or directly (b"")."""

    network: bytes
    prefixlen: int
    nic: Interface
    via: bytes = b""
    metric: int = 0
    mtu: int | None = None

    def __str__(self) -> str:
        where = f"{format_ip(self.network)}/{self.prefixlen}"
        via = f" via {format_ip(self.via)}" if self.via else ""
        return f"{where if self.prefixlen else DEFAULT}{via} dev {self.nic.name}"


def parse_destination(text: str, via: bytes) -> tuple[bytes, int]:
    """``"10.0.0.0/8"``, ``"10.0.0.1"`` or ``"default"`` (the family of `via`).

    Raises ValueError.
    """
    if text != DEFAULT:
        return pack_network(text)
    return bytes(len(via) or 4), 0


class RouteTable:
    """Routes by destination. `version` moves with every change: caches compare it."""

    __slots__ = ("_lengths", "_limit", "_tables", "n_routes", "version")

    def __init__(self, limit: int = 1 << 20) -> None:
        # (address size, prefix length) -> masked int -> routes, best metric first
        self._tables: dict[tuple[int, int], dict[int, list[Route]]] = {}
        self._lengths: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        self._limit = limit
        self.n_routes = 0
        self.version = 0

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
        size, prefixlen = len(route.network), route.prefixlen
        shift = size * 8 - prefixlen
        table = self._tables.get((size, prefixlen))
        if table is None:
            table = self._tables[size, prefixlen] = {}
            self._lengths[size].append((prefixlen, shift))
            self._lengths[size].sort(reverse=True)
        routes = table.setdefault(int.from_bytes(route.network, "big") >> shift, [])
        routes.append(route)
        routes.sort(key=lambda r: r.metric)  # stable: the older wins a tie
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
        for route in self._at(network, prefixlen):
            if nic in (None, route.nic) and via in (None, route.via):
                return route
        return None

    def remove_interface(self, nic: Interface) -> None:
        for route in [route for route in self if route.nic is nic]:
            self.forget(route)

    def _at(self, network: bytes, prefixlen: int) -> list[Route]:
        size = len(network)
        table = self._tables.get((size, prefixlen), {})
        masked = mask_ip(network, prefixlen)
        return table.get(int.from_bytes(masked, "big") >> (size * 8 - prefixlen), [])

    def forget(self, route: Route) -> None:
        """Take out this very route."""
        size, prefixlen = len(route.network), route.prefixlen
        table = self._tables[size, prefixlen]
        key = int.from_bytes(route.network, "big") >> (size * 8 - prefixlen)
        table[key] = [r for r in table[key] if r is not route]
        if not table[key]:
            del table[key]
        if not table:
            del self._tables[size, prefixlen]
            self._lengths[size].remove((prefixlen, size * 8 - prefixlen))
        self.n_routes -= 1
        self.version += 1

    def lookup(self, destination: bytes, nic: Interface | None = None) -> Route | None:
        """The longest match, lowest metric; over `nic` alone when given."""
        value, size = int.from_bytes(destination, "big"), len(destination)
        for prefixlen, shift in self._lengths[size]:
            for route in self._tables[size, prefixlen].get(value >> shift, ()):
                if (nic is None or route.nic is nic) and route.nic.is_up:
                    return route
        return None

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Every route, longest prefix first, in the order of their addition."""
        for size, lengths in self._lengths.items():
            for prefixlen, _ in lengths:
                for routes in self._tables[size, prefixlen].values():
                    yield from routes


def make_route(
    destination: str,
    nic: Interface,
    via: str | None = None,
    metric: int = 0,
    mtu: int | None = None,
) -> Route:
    """A Route from text. Raises ValueError."""
    hop = pack_ip(via) if via is not None else b""
    network, prefixlen = parse_destination(destination, hop)
    if hop and len(hop) != len(network):
        raise ValueError(f"{via} is not of the family of {destination}")
    if mtu is not None and mtu < MIN_MTU[len(network)]:
        raise ValueError(f"no MTU of a route: {mtu}")
    return Route(network, prefixlen, nic, hop, metric, mtu)
