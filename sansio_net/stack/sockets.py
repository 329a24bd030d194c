"""Who listens where: listeners, datagram sockets, ports, and who gets what.

A specific address beats a wildcard, an interface-bound socket beats both; a closed one
gets nothing and is forgotten as soon as somebody passes by.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from hashlib import blake2s
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from sansio_net.addresses import (
    BROADCAST4,
    SocketAddress,
    is_loopback,
    is_multicast,
    is_unicast,
)
from sansio_net.errors import (
    AddressInUseError,
    AddressNotAvailableError,
    LimitError,
    Unreachable,
)
from sansio_net.packet import Medium
from sansio_net.protocols.icmp import EchoSocket
from sansio_net.protocols.multicast import Filter
from sansio_net.protocols.raw import FrameSocket, RawSocket
from sansio_net.protocols.tcp import Connection, Listener
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.udp import UdpSocket
from sansio_net.wire.ethernet import HEADER_SIZE
from sansio_net.wire.vlan import TAG_SIZE

from . import groups
from .hops import find_hop, is_broadcast, path_mtu, way_to
from .ports import ANY_PORT, EphemeralPorts
from .transparent import Transparent
from .upkeep import connection_key

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

Datagrams: TypeAlias = UdpSocket | EchoSocket | RawSocket | FrameSocket
"""What sends one packet at a time."""

Socket: TypeAlias = Listener | Datagrams

Sender: TypeAlias = Connection | Datagrams
"""What hangs in an interface's ready queue."""

Bound = TypeVar("Bound", Listener, UdpSocket)


class SocketRouter:
    """One socket's way to ask for routes (machine.Router).

    A look-up also moves the socket to the ready queue of the interface it names, so
    that a blocked interface holds up no datagram of another one.
    """

    __slots__ = ("_stack", "routes", "socket")

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.routes = stack.routes
        self.socket: UdpSocket | EchoSocket | RawSocket | None = None

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        stack, socket = self._stack, self.socket
        bound = None
        if nic is not None and (bound := stack.named(nic)) is None:
            raise Unreachable(f"no such interface: {nic}", errno.ENODEV)
        foreign = isinstance(socket, UdpSocket) and socket.transparent
        hop, chosen = way_to(stack, destination, source, bound, foreign)
        if socket is not None and not socket.queued:
            socket.ready = hop.nic.ready
        return chosen

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        stack = self._stack
        bound = stack.named(nic) if nic is not None else None
        hop = find_hop(stack, destination, bound)
        return destination == BROADCAST4 if hop is None else hop.to_all

    def path_mtu(self, destination: bytes, nic: str | None) -> int:
        stack = self._stack
        hop = find_hop(stack, destination, stack.named(nic) if nic else None)
        if hop is None:
            raise Unreachable(code=errno.ENETUNREACH)
        return path_mtu(stack, hop, destination)

    def mtu_to(self, destination: bytes, nic: str | None) -> int:
        stack = self._stack
        hop = find_hop(stack, destination, stack.named(nic))
        if hop is None:
            raise Unreachable(code=errno.ENETUNREACH)
        if self.socket is not None and not self.socket.queued:
            self.socket.ready = hop.nic.ready
        return hop.mtu

    def frame_sizes(self, nic: str) -> tuple[int, int]:
        found = self._stack.named(nic)
        if found is None:
            raise Unreachable(f"no such interface: {nic}", errno.ENODEV)
        if found.medium is Medium.IP:
            return 0, found.mtu
        return HEADER_SIZE, found.mtu + HEADER_SIZE + TAG_SIZE

    def interface_for(self, group: bytes, nic: str | None) -> str:
        return groups.interface_for(self._stack, group, nic).name

    def listen(
        self,
        owner: int,
        group: bytes,
        nic: str,
        exclude: bool,
        sources: Sequence[bytes],
    ) -> None:
        interface = self._stack.named(nic)
        if interface is not None:  # else it was removed, and its groups with it
            wanted = Filter(exclude, tuple(sorted(sources)))
            groups.listen(interface, owner, group, wanted)


def local_endpoint(
    stack: Stack,
    address: SocketAddress,
    nic: Interface | None,
    foreign: bool = False,
) -> tuple[bytes, int]:
    """Where a socket may be bound, on `nic` if given; `foreign`: also to an address
    that is not ours.

    Raises AddressNotAvailableError, ValueError.
    """
    name = nic.name if nic is not None else None
    laddr, lport = stack.endpoints.pack(address, name)
    if laddr and is_multicast(laddr):
        laddr = laddr[:16]  # the interface says where groups are heard
    if (
        any(laddr)
        and not (foreign and is_unicast(laddr))
        and laddr not in stack.own
        and not is_loopback(laddr)
        and not is_multicast(laddr)
        and not is_broadcast(stack, laddr)
    ):
        raise AddressNotAvailableError
    return laddr, lport


def fitness(
    bound: Listener | UdpSocket, dst: bytes, nic: Interface, foreign: bool = False
) -> int:
    """How well a binding fits a packet to `dst` on `nic`; -1 for not at all.

    foreign: `dst` is not ours.
    """
    if bound.closed or (bound.nic is not None and bound.nic != nic.name):
        return -1
    laddr, transparent = bound.laddr, bound.transparent
    if foreign and not transparent:
        return -1
    if laddr == dst:
        score = 4 if transparent else 5
    elif not laddr:
        score = 0 if transparent else 2
    elif (len(laddr) == 4) is (len(dst) == 4) and not any(laddr):
        score = 1 if transparent else 3
    else:
        return -1
    return score + (8 if bound.nic is not None else 0)


def binding(bound: Listener | UdpSocket) -> tuple[bytes, str | None, bool]:
    """What, with its port, no two of a kind share."""
    return bound.laddr, bound.nic, bound.transparent


class SocketTable:
    """The listeners and datagram sockets of one Stack."""

    __slots__ = (
        "_flow_key",
        "_identifiers",
        "_n_kept",
        "_ports",
        "_stack",
        "echoes",
        "listeners",
        "raw",
        "transparent",
        "udp",
    )

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.listeners: dict[int, list[Listener]] = {}
        self._n_kept = 0  # ports with listeners, when closed ones were last looked for
        self.udp: dict[int, list[UdpSocket]] = {}
        self.echoes: dict[int, EchoSocket] = {}
        self.raw: dict[int, list[RawSocket]] = {}  # by protocol; no list is empty
        self.transparent: Transparent | None = None  # until somebody is
        entropy = stack.entropy.child("ports")
        self._flow_key = entropy.bytes(32)
        self._ports = EphemeralPorts(*stack.config.ephemeral_ports, entropy)
        self._identifiers = stack.entropy.child("echo")

    def __len__(self) -> int:
        return (
            sum(map(len, self.listeners.values()))
            + sum(map(len, self.udp.values()))
            + len(self.echoes)
            + sum(map(len, self.raw.values()))
            + sum(len(nic.frame_sockets) for nic in self._stack.interfaces())
        )

    def check_room(self) -> None:
        limit = self._stack.config.max_sockets
        # closed ones are forgotten late: look again before refusing
        if len(self) >= limit and len(self.open_sockets()) >= limit:
            raise LimitError("the socket table is full")

    # -- who gets what

    def listener_for(
        self, dst: bytes, port: int, nic: Interface, foreign: bool = False
    ) -> Listener | None:
        """The one of this port that fits best, else the one of every port."""
        best, best_score = None, -1
        for where in (port, ANY_PORT) if port else ():
            for listener in self._open(self.listeners, where):
                score = fitness(listener, dst, nic, foreign)
                if score > best_score:
                    best, best_score = listener, score
            if best is not None:
                break
        return best

    def udp_for(
        self,
        src: bytes,
        sport: int,
        dst: bytes,
        dport: int,
        nic: Interface,
        group: bool = False,
        foreign: bool = False,
    ) -> list[UdpSocket]:
        """One socket for a unicast datagram, all that fit for a group's."""
        if not dport:
            return []
        found = self._udp_at(dport, src, sport, dst, nic, group, foreign)
        if not found and ANY_PORT in self.udp:
            found = self._udp_at(ANY_PORT, src, sport, dst, nic, group, foreign)
        if group or len(found) < 2:
            return found
        # several share the port: a flow stays with one of them
        flow = blake2s(
            src + dst + sport.to_bytes(2, "big"), key=self._flow_key, digest_size=8
        )
        return [found[int.from_bytes(flow.digest(), "big") % len(found)]]

    def _udp_at(
        self,
        port: int,
        src: bytes,
        sport: int,
        dst: bytes,
        nic: Interface,
        group: bool,
        foreign: bool,
    ) -> list[UdpSocket]:
        """Those bound to `port` that fit best; for a group all that fit."""
        found: list[UdpSocket] = []
        best = -1
        for socket in self._open(self.udp, port):
            asked = b"" if group and not socket.laddr else dst
            score = fitness(socket, asked, nic, foreign)
            if group and score < 0 and any(socket.laddr):
                # bound to a unicast address: broadcasts to its subnet are its as well
                score = fitness(socket, socket.laddr, nic)
                score = score if socket.laddr in nic.local else -1
            if score < 0 or (
                is_multicast(dst)
                and not groups.is_all_hosts(dst)
                and not socket.wants(dst, src[:16], nic.name)
            ):
                continue
            if socket.raddr is not None:
                if (socket.raddr, socket.rport) != (src, sport):
                    continue
                score += 16
            if group or score == best:
                found.append(socket)
            elif score > best:
                found = [socket]
            best = max(best, score)
        return found

    def _open(self, table: dict[int, list[Bound]], port: int) -> Iterable[Bound]:
        """The open sockets of a port; closed ones are forgotten on the way."""
        bound = table.get(port)
        if bound is None:
            return ()
        if any(one.closed for one in bound):
            bound[:] = [one for one in bound if not one.closed]
            if not bound:
                del table[port]
        return bound

    # -- binding

    def add_listener(self, listener: Listener) -> None:
        """Raises AddressInUseError for the same address, port and interface twice."""
        for other in self._open(self.listeners, listener.lport):
            if binding(other) == binding(listener):
                raise AddressInUseError()
        # closed ones on ports that nobody asks for: at most as many as are open, or 16
        if len(self.listeners) > 2 * self._n_kept + 16:
            for port in list(self.listeners):
                self._open(self.listeners, port)
            self._n_kept = len(self.listeners)
        self.listeners.setdefault(listener.lport, []).append(listener)
        if listener.transparent:
            self._note_transparent(listener)

    def add_udp(self, socket: UdpSocket) -> None:
        """Raises AddressInUseError unless every socket there says `reuse`."""
        for other in self._open(self.udp, socket.lport):
            same = binding(other) == binding(socket)
            peer = (other.raddr, other.rport) == (socket.raddr, socket.rport)
            if same and peer and not (other.reuse and socket.reuse):
                raise AddressInUseError()
        self.udp.setdefault(socket.lport, []).append(socket)
        for nic in self._stack.interfaces():
            nic.known.forget()  # it may be a better one for what others got
        if socket.transparent:
            self._note_transparent(socket)

    def _note_transparent(self, socket: Listener | UdpSocket) -> None:
        if self.transparent is None:
            self.transparent = Transparent(self._stack.config.max_sockets)
        self.transparent.add(socket)

    def forget(self, socket: Datagrams) -> None:
        if isinstance(socket, EchoSocket):
            self.echoes.pop(socket.identifier, None)
        elif isinstance(socket, UdpSocket):
            self._open(self.udp, socket.lport)
            if socket.transparent and self.transparent is not None:
                self.transparent.forget(socket)
        else:
            self._forget_raw()

    def _forget_raw(self) -> None:
        for protocol, sockets in list(self.raw.items()):
            sockets[:] = [one for one in sockets if not one.closed]
            if not sockets:
                del self.raw[protocol]
        for nic in self._stack.interfaces():
            frames = nic.frame_sockets
            frames[:] = [one for one in frames if not one.closed]

    def open_sockets(self) -> list[Socket]:
        """All that are open, listeners first, each kind in the order of its ports."""
        found: list[Socket] = []
        for port in list(self.listeners):
            found += self._open(self.listeners, port)
        for port in list(self.udp):
            found += self._open(self.udp, port)
        for identifier in [i for i, echo in self.echoes.items() if echo.closed]:
            del self.echoes[identifier]
        found += self.echoes.values()
        self._forget_raw()
        for sockets in self.raw.values():
            found += sockets
        for nic in self._stack.interfaces():
            found += nic.frame_sockets
        return found

    def close(self) -> None:
        """Close everything."""
        for socket in self.open_sockets():
            socket.close()

    # -- ports

    def udp_port(self) -> int:
        """A random port that no socket has."""
        return self._ports.random(lambda port: port not in self.udp)

    def listen_port(self) -> int:
        return self._ports.random(lambda port: port not in self.listeners)

    def connect_port(
        self, laddr: bytes, raddr: bytes, rport: int, options: TcpOptions
    ) -> int:
        """A port of no connection and no listener; of one in TIME-WAIT if need be."""
        stack = self._stack

        def fitness(port: int) -> int:
            key = connection_key(laddr, port, raddr, rport)
            if key in stack.connection_table or port in self.listeners:
                return 0
            record = stack.time_wait.get(key)
            return 2 if record is None else int(record.gives_way(options))

        return self._ports.towards(laddr, raddr, rport, fitness)

    def echo_identifier(self) -> int:
        """A free ICMP identifier. Raises AddressInUseError."""
        start = self._identifiers.below(0x10000)
        for step in range(0x10000):
            identifier = (start + step) & 0xFFFF
            if identifier not in self.echoes:
                return identifier
        raise AddressInUseError("no echo identifier is free")
