"""Gateways that do not answer: passed over, and asked again from time to time.

RFC 1122 3.3.1.4 and 3.3.1.5; RFC 4861 6.3.6 with RFC 4191 3.2 and 3.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from sansio_net.protocols.neighbours import NeighbourState
from sansio_net.units import MINUTE

if TYPE_CHECKING:
    from .interface import Interface
    from .routes import Route

Gateway: TypeAlias = tuple[int, bytes]
"""The index of its interface, and its address."""

PROBE_INTERVAL: Final = 1 * MINUTE
"""RFC 4191 3.5: no more than one probe per minute per router."""

_SILENT: Final = (NeighbourState.INCOMPLETE, NeighbourState.FAILED)


class Gateways:
    """Those that routes name, and which of them are dead.

    True as an answer: another route may be the best one now.
    """

    __slots__ = ("_avoided", "_uses", "dead")

    def __init__(self) -> None:
        self._uses: dict[Gateway, int] = {}  # by how many routes
        # when it may be asked again; who is dead longest comes first
        self.dead: dict[Gateway, int] = {}
        self._avoided: dict[Gateway, Interface] = {}  # by traffic, since last asked

    def hold(self, route: Route) -> None:
        if route.via:
            gateway = route.gateway
            self._uses[gateway] = self._uses.get(gateway, 0) + 1

    def release(self, route: Route) -> None:
        if not route.via:
            return
        gateway = route.gateway
        self._uses[gateway] -= 1
        if not self._uses[gateway]:
            del self._uses[gateway]
            self.dead.pop(gateway, None)
            self._avoided.pop(gateway, None)

    def failed(self, nic: Interface, ip: bytes, now: int) -> bool:
        """Nobody answered at `ip`."""
        gateway = nic.index, ip
        if gateway not in self._uses:
            return False
        # RFC 4861 6.3.6 (2): all others come first now
        again = self.dead.pop(gateway, now + PROBE_INTERVAL)
        self.dead[gateway] = again
        return True

    def answered(self, nic: Interface, ip: bytes) -> bool:
        gateway = nic.index, ip
        self._avoided.pop(gateway, None)
        return self.dead.pop(gateway, None) is not None

    def is_dead(self, route: Route) -> bool:
        gateway = route.gateway
        if gateway not in self.dead:
            return False
        cache = route.nic.arp if len(route.via) == 4 else route.nic.ndp
        state = cache.state_of(route.via) if cache is not None else None
        if state is None or state in _SILENT:
            return True
        self.answered(route.nic, route.via)  # it was heard of meanwhile
        return False

    def avoid(self, route: Route) -> None:
        """It would have been taken: find out whether it is back."""
        self._avoided[route.gateway] = route.nic

    # -- time

    def deadline(self) -> int | None:
        return min((self.dead[gateway] for gateway in self._avoided), default=None)

    def handle_timeout(self, now: int) -> bool:
        """RFC 4191 3.5: one solicitation, and only where there is use for it."""
        due = [gateway for gateway in self._avoided if self.dead[gateway] <= now]
        for gateway in due:
            nic = self._avoided.pop(gateway)
            self.dead[gateway] = now + PROBE_INTERVAL
            cache = nic.arp if len(gateway[1]) == 4 else nic.ndp
            if cache is not None:
                cache.probe(gateway[1], now)
                nic.settle_neighbours(now)
        return bool(due)
