"""The Stack: the only place where protocols meet.

Any number per process, several interfaces each. The five methods of the contract, the
verbs a program calls, and the inner doors through which the way in (`ingress`,
`delivery`) and the way out (`egress`) reach the tables. docs/contract.md has the laws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from sansio_net.addresses import (
    Endpoints,
    IpAddress,
    SocketAddress,
)
from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.errors import StateError, Unreachable
from sansio_net.machine import ASAP, earliest, restore_state, versioned_state
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.protocols.icmp import EchoSocket, Icmp, Icmp6
from sansio_net.protocols.raw import FrameSocket, RawSocket
from sansio_net.protocols.reassembly import Reassembler
from sansio_net.protocols.tcp import Connection, IsnGenerator, Listener, TimeWaitTable
from sansio_net.protocols.tcp.fastopen import CookieCache
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.tcp.orphans import Orphans
from sansio_net.protocols.tcp.reset import ResetLimit
from sansio_net.protocols.udp import UdpSocket
from sansio_net.trace import Trace

from . import (
    faults,
    frames,
    opening,
    plugging,
    raw,
    routing,
    upkeep,
)
from .closing import Closing
from .config import StackConfig
from .deadlines import Deadlines
from .events import Event, Report, Reports, StackClosed
from .flows import FlowLabels
from .forwarding import Forwarding
from .hops import IDENT_BUCKETS, Hop
from .interface import Interface, InterfaceAddress
from .paths import PathTable
from .routes import RouteTable, make_route, parse_destination
from .selection import PolicyTable
from .sockets import Socket, SocketRouter, SocketTable
from .zones import StackZones

D = TypeVar("D", bound=IpAddress | SocketAddress)

LO_BATCH: Final = 64  # packets that handle_timeout delivers from lo


class Stack:
    """A TCP/IP host as a machine.

    config: the options. seed: at least 16 bytes, the only randomness; the same seed and
    the same calls give the same bytes. trace: None, or a list that all parts append to.

    With exactly one interface besides `lo`, `receive` and `transmit` are that
    interface's and the Stack is a Machine; with more they raise StateError.
    """

    __slots__ = (
        "_closing",
        "_last_id",
        "checks_source",
        "config",
        "connection_table",
        "datagram_paths",
        "deadlines",
        "endpoints",
        "entropy",
        "fast_open",
        "flows",
        "forwarding",
        "hops",
        "icmp",
        "icmp6",
        "ident6",
        "idents",
        "is_weak",
        "isn",
        "lo",
        "nics",
        "notified",
        "orphans",
        "own",
        "paths",
        "policy",
        "reassembler",
        "redirects",
        "reports",
        "resets",
        "routes",
        "socket_table",
        "stable_secret",
        "tally",
        "time_wait",
        "trace",
        "zones",
    )

    def __init__(
        self,
        config: StackConfig | None = None,
        seed: bytes = b"",
        *,
        trace: Trace | None = None,
    ) -> None:
        self.config = config = config if config is not None else StackConfig()
        self.entropy = entropy = Entropy(seed)
        self.trace = trace
        self.tally = Counters()
        self.deadlines = Deadlines()
        self.routes = RouteTable(config.max_routes)
        self.flows = FlowLabels(config.flow_labels, entropy.child("flows"))
        self.policy = PolicyTable(config.address_policy)
        self.hops: dict[tuple[bytes, int], Hop] = {}
        self.redirects: dict[bytes, bytes] = {}  # destination -> gateway, by ICMP
        age = config.tcp.pmtu_age
        self.paths = PathTable(config.max_hops, age, self.tally)
        self.datagram_paths = PathTable(config.max_hops, age, self.tally)
        self.own: dict[bytes, Interface] = {}  # our usable addresses
        self.connection_table: dict[bytes, Connection] = {}
        self.notified: list[Any] = []  # each Sender that has events
        self.reports = Reports()
        self.zones = StackZones(self)
        self.endpoints = Endpoints(zones=self.zones)
        self.isn = IsnGenerator(entropy.child("isn"))
        self.icmp = Icmp(config.icmp, entropy.child("icmp"), self.tally, trace)
        self.icmp6 = Icmp6(
            *(config.icmp, entropy.child("icmp6"), SocketRouter(self)),
            *(self.tally, trace),
        )
        self.stable_secret = config.stable_secret or entropy.child("stable").bytes(32)
        self.reassembler = Reassembler(
            config.reassembly, counters=self.tally, trace=trace
        )
        self.fast_open = CookieCache(config.max_fast_open_servers, self.tally)
        self.orphans = Orphans(config.max_orphans)
        self.resets = ResetLimit(config.resets_per_second, entropy.child("resets"))
        self.time_wait = TimeWaitTable(config.max_time_wait, counters=self.tally)
        self.socket_table = SocketTable(self)
        self.idents = [
            int.from_bytes(entropy.child(f"ipid.{n}").bytes(2), "big")
            for n in range(IDENT_BUCKETS)
        ]
        self.is_weak = config.weak_host or config.forward
        self.checks_source = config.rp_filter != "off"
        self.forwarding = Forwarding.of(self)
        self.ident6 = entropy.child("ipid6")  # RFC 7739 5.3: at random
        self._last_id = 0
        self._closing = Closing()
        self.nics: dict[str, Interface] = {}
        self.lo = self._add_lo()

    def _add_lo(self) -> Interface:
        capabilities = Capabilities(
            mtu=65535, medium=Medium.IP, checksum=True, gso_max=65535, uso=True
        )
        lo = Interface(self, 1, "lo", b"", 65535, capabilities, is_loopback=True)
        self.nics["lo"] = lo
        for address in ("127.0.0.1/8", "::1/128"):
            lo.add_address(address)
        return lo

    def __repr__(self) -> str:
        return f"<Stack {list(self.nics.values())[1:]}>"

    __getstate__ = versioned_state
    __setstate__ = restore_state

    # -- the five methods

    def receive(self, items: Sequence[Packet | bytes], now: int) -> None:
        self._only().receive(items, now)

    def handle_timeout(self, now: int) -> None:
        """Do what is due; deliver at most 64 packets that lie on `lo`."""
        lo = self.lo
        if lo.ready or lo.outbox or lo.reporting:
            lo.receive(lo.transmit(now, LO_BATCH), now)
        for part in self.deadlines.due(now):
            part.handle_timeout(now)
            if isinstance(part, Connection):
                upkeep.note_path(self, part, now)
                upkeep.settle_connection(self, part)
            else:
                self.deadlines.arm(part)
            if part is self.reassembler:
                faults.report_reassembly(self, now)
        for nic in self.nics.values():
            nic.tend(now)
        if self._closing.phase:
            self._closing.handle_timeout(self, now)

    def next_timeout(self) -> int | None:
        closing = self._closing
        if self.notified or self.reports.waiting:
            return ASAP
        if closing.phase and closing.is_due(self):
            return ASAP
        for nic in self.nics.values():
            if nic.wants():
                return ASAP
        due = self.deadlines.earliest()
        return due if closing.at is None else earliest(due, closing.at)

    def events(self) -> list[Event]:
        out: list[Event] = self.reports.take() if self.reports.waiting else []
        if self.notified:
            batch = self.notified[:]
            self.notified.clear()  # the list is shared with the parts
            for part in batch:
                part.drain(out)
                if isinstance(part, Connection) and part.done:
                    upkeep.forget_connection(self, part)
        if self._closing.phase and self._closing.report(self):
            out.append(StackClosed(self))
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        return self._only().transmit(now, limit)

    def _only(self) -> Interface:
        if len(self.nics) != 2:
            raise StateError("ask the interface: the Stack has not exactly one")
        _lo, nic = self.nics.values()
        return nic

    # -- verbs: interfaces, addresses, routes

    def add_interface(
        self,
        name: str | None = None,
        mac: str | bytes | None = None,
        addresses: Sequence[InterfaceAddress] = (),
        mtu: int | None = None,
        capabilities: Capabilities | None = None,
        probe: bool = False,
        dad: bool = True,
        slaac: bool = False,
        link_local: bool = False,
        vlan: int | tuple[int, ...] = (),
    ) -> Interface:
        """A new interface, up; "eth0", "eth1", ... by default.

        mac: by default locally administered and from the entropy. mtu: the device's
        by default, less stacked tags. probe: IPv4 addresses are used after RFC 5227's
        probes. dad: IPv6 addresses after duplicate address detection (RFC 4862 5.4).
        slaac: routers give addresses and routes (RFC 4862). link_local: while it has no
        other IPv4 address, one of 169.254/16 (RFC 3927). vlan: of 802.1Q, or several,
        outermost first, whose frames alone are its own. Raises StateError for a name
        that is taken, ValueError.
        """
        self._check_open()
        vlans = (vlan,) if isinstance(vlan, int) else vlan
        link = mac, mtu, capabilities, vlans
        return plugging.plug(
            self, name, *link, addresses, probe, dad, slaac, link_local
        )

    def remove_interface(self, nic: Interface) -> None:
        """Its connections are lost; its addresses and routes go with it."""
        plugging.unplug(self, nic)

    def interface(self, name: str) -> Interface:
        """Raises StateError for a name that nobody has."""
        nic = self.nics.get(name)
        if nic is None:
            raise StateError(f"no such interface: {name}")
        return nic

    def interfaces(self) -> list[Interface]:
        """All of them, `lo` first, in the order of their creation."""
        return list(self.nics.values())

    def add_route(
        self,
        destination: str,
        *,
        via: str | None = None,
        nic: Interface | None = None,
        metric: int = 0,
        mtu: int | None = None,
        source: str | None = None,
    ) -> None:
        """``("default", via="10.0.0.1")``; the interface is the one that reaches `via`,
        or the one that its zone names: ``via="fe80::1%eth0"``.

        mtu: of packets that go this way, where it is less than the interface's.
        source: the address they leave from where the sender names none.

        Raises ValueError, Unreachable where `via` is on no subnet of ours.
        """
        hop, nic = routing.gateway(self, via, nic)
        if nic is None:
            raise Unreachable(f"no interface reaches {via or destination}")
        self.routes.add(make_route(destination, nic, hop, metric, mtu, source))

    def remove_route(
        self, destination: str, *, via: str | None = None, nic: Interface | None = None
    ) -> None:
        """Raises StateError for a route that is not there."""
        hop, nic = routing.gateway(self, via, nic, guess=False)
        network, prefixlen = parse_destination(destination, hop)
        self.routes.remove(network, prefixlen, nic, hop or None)

    def sort_destinations(self, destinations: Sequence[D]) -> list[D]:
        """Addresses of one host, as a name service gave them, in the order in which to
        try them (RFC 6724 6). Raises ValueError.
        """
        return opening.sort_destinations(self, destinations)

    # -- verbs: connections and sockets

    def tcp_listen(
        self,
        address: SocketAddress,
        *,
        backlog: int = 128,
        nic: Interface | None = None,
        options: TcpOptions | None = None,
        transparent: bool = False,
        any_port: bool = False,
    ) -> Listener:
        """Host "" is every address of both families; port 0 takes an ephemeral one.

        transparent: addresses that are not ours as well; any_port, with port 0: every
        port. The connection's local address is what its peer asked for.

        Raises AddressInUseError, AddressNotAvailableError, LimitError.
        """
        self._check_open()
        kind = transparent, any_port
        return opening.listen(self, address, backlog, nic, options, *kind)

    def tcp_connect(
        self,
        address: SocketAddress,
        *,
        local: SocketAddress | None = None,
        nic: Interface | None = None,
        options: TcpOptions | None = None,
    ) -> Connection:
        """Start a connection; Connected or ConnectionLost follows.

        Raises Unreachable without a route, AddressInUseError, LimitError.
        """
        self._check_open()
        return opening.connect(self, address, local, nic, options)

    def udp_bind(
        self,
        address: SocketAddress,
        *,
        peer: SocketAddress | None = None,
        nic: Interface | None = None,
        broadcast: bool = False,
        reuse: bool = False,
        transparent: bool = False,
        any_port: bool = False,
    ) -> UdpSocket:
        """A datagram socket, connected if `peer` is given; else as `tcp_listen`.

        Raises AddressInUseError, AddressNotAvailableError, LimitError, Unreachable.
        """
        self._check_open()
        kind = broadcast, reuse, transparent, any_port
        return opening.bind(self, address, peer, nic, *kind)

    def echo_open(self, nic: Interface | None = None) -> EchoSocket:
        """A ping socket; its identifier is its own among the stack's."""
        self._check_open()
        return opening.ping(self, nic)

    def raw_open(
        self,
        protocol: int,
        *,
        local: str = "",
        peer: IpAddress | None = None,
        nic: Interface | None = None,
        include_header: bool = False,
        checksum: int | None = None,
        broadcast: bool = False,
    ) -> RawSocket:
        """Packets of one IP protocol, out and in; the stack still does its part.

        local: "" is every address of both families, "0.0.0.0" and "::" every one of
        theirs. peer: only with that host; its errors are told. include_header: packets
        have their IP header, both ways. checksum: where the payload has one over itself
        and the pseudo-header, filled in and verified (RFC 3542 3.1); ICMPv6's always.

        Raises AddressNotAvailableError, LimitError, Unreachable, ValueError.
        """
        self._check_open()
        options = include_header, checksum, broadcast
        return raw.open_socket(self, protocol, local, peer, nic, *options)

    def frame_open(
        self,
        nic: Interface,
        ethertype: int | None = None,
        *,
        outgoing: bool = False,
        flatten: bool = True,
    ) -> FrameSocket:
        """Whole frames of an interface, in as they come and out as they are.

        ethertype: those alone; None is all. outgoing: also what the stack sends.
        flatten: super-segments cut and checksums complete; False: as they are, with
        their metadata. Raises LimitError, ValueError.
        """
        self._check_open()
        return frames.open_socket(self, nic, ethertype, outgoing, flatten)

    def close(self, timeout: int) -> None:
        """FIN everywhere, RST for what is left after `timeout` ns, then StackClosed."""
        self.orphans.limit = self.config.max_connections
        self._closing.ask(timeout)
        self.socket_table.close()
        for connection in list(self.connection_table.values()):
            connection.close()

    # -- verbs: looking

    def connections(self) -> list[Connection]:
        """The live connections, half-open ones too; TIME-WAIT is not among them."""
        return list(self.connection_table.values())

    def connection(self, id: int) -> Connection:
        """The connection of that id, also in a copy. Raises StateError."""
        for connection in self.connection_table.values():
            if connection.id == id:
                return connection
        raise StateError(f"no connection {id}")

    def sockets(self) -> list[Socket]:
        """The open listeners and sockets."""
        return self.socket_table.open_sockets()

    def socket(self, id: int) -> Socket:
        """The listener or socket of that id, also in a copy. Raises StateError."""
        for socket in self.sockets():
            if socket.id == id:
                return socket
        raise StateError(f"no socket {id}")

    def counters(self) -> dict[str, int]:
        """Everything counted, by name; an interface's own as ``eth0.rx_packets``."""
        named = self.tally.as_dict()
        for nic in self.nics.values():
            for name in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes"):
                named[f"{nic.name}.{name}"] = getattr(nic, name)
        return named

    # -- what the inner doors need

    def named(self, nic: str | None) -> Interface | None:
        """The interface a socket is bound to; None for any."""
        return self.nics.get(nic) if nic is not None else None

    def name_of(self, nic: Interface | None) -> str | None:
        """The inverse of `named`. Raises StateError for one that is not ours."""
        if nic is not None and self.nics.get(nic.name) is not nic:
            raise StateError(f"{nic.name} is not an interface of this stack")
        return nic.name if nic is not None else None

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def report(self, event: Report) -> None:
        """Queue an event of the Stack's own."""
        self.reports.add(event)

    def _check_open(self) -> None:
        if self._closing.phase:
            raise StateError("the stack is closed")
