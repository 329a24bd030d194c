"""What was found out of peers on the way in, so that it is found out once.

A pair of addresses that may speak to us, a flow of datagrams and its socket: nothing
here decides anything, it only remembers what `ingress.classify` and `SocketTable` said,
as the table of connections does for TCP. Routes, addresses and bindings change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.protocols.udp import UdpSocket

if TYPE_CHECKING:
    from .arrival import Arrival
    from .stack import Stack


class Known:
    """Of one interface. version: of the routes by which all of it was found.

    pairs: source + destination of unicast packets for us. flows: source, destination
    and ports, as they lie in an IP packet without options, of datagrams that one socket
    alone gets. At most `limit` of each; one more, and all are forgotten.
    """

    __slots__ = ("_limit", "_stack", "flows", "pairs", "version")

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._limit = stack.config.max_hops
        self.version = 0
        self.pairs: dict[bytes, None] = {}
        self.flows: dict[bytes, UdpSocket] = {}

    def socket_for(self, key: bytes) -> UdpSocket | None:
        """Whose flow it is; None: it has to be found out."""
        socket = self.flows.get(key)
        if (
            socket is None
            or socket.closed
            or self.version != self._stack.routes.version
        ):
            return None
        return socket

    def forget(self) -> None:
        self.pairs.clear()
        self.flows.clear()
        self.version = self._stack.routes.version

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
        self.flows[pair + sport.to_bytes(2, "big") + dport.to_bytes(2, "big")] = socket
