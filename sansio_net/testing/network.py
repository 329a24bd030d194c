"""Any number of machines and the links between them, in virtual time.

>>> from sansio_net import Entropy
>>> from sansio_net.protocols.bridge import Bridge
>>> from sansio_net.stack import Stack, StackConfig
>>> hosts = [Stack(StackConfig(), Entropy.of(n).bytes(32)) for n in range(2)]
>>> network, bridge = Network(), Bridge(2)
>>> for n, host in enumerate(hosts):
...     nic = host.add_interface(addresses=[f"10.0.0.{n + 1}/24"])
...     _ = network.connect(nic, (bridge, n))
>>> hosts[1].udp_bind(("", 7)).id
1
>>> hosts[0].udp_bind(("", 0)).send_to(b"hello", ("10.0.0.2", 7))
>>> _ = network.run_until_idle()
>>> hosts[1].sockets()[0].receive().data
b'hello'
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from sansio_net.errors import StateError
from sansio_net.machine import earliest
from sansio_net.packet import Packet
from sansio_net.protocols.bridge import Bridge
from sansio_net.stack import Interface, Stack
from sansio_net.units import SECOND

from .clock import PATIENCE, VirtualTime
from .link import Link
from .show import show_frames
from .turns import MAX_BATCHES, ROOM, ROUNDS, App, Driven, Livelock

End: TypeAlias = Interface | Stack | tuple[Bridge, int]
"""Where a link may be plugged in: an interface, a stack with one, a bridge's port."""


class _Plug:
    """An end of a link, and what has just come out of it."""

    __slots__ = ("arrived", "end", "link", "number", "port")

    def __init__(self, link: Link, number: int, end: int, port: int) -> None:
        self.link = link
        self.number = number  # of the link
        self.end = end
        self.port = port  # of a bridge, or the index of an interface
        self.arrived: list[Packet] = []


class _Node(Protocol):
    """A machine with its plugs."""

    machine: Driven[Any]
    plugs: list[_Plug]

    def receive(self, now: int) -> None: ...
    def transmit(self, now: int, limit: int) -> list[tuple[_Plug | None, Packet]]: ...


class _StackNode:
    def __init__(self, stack: Stack) -> None:
        self.machine: Driven[Any] = stack
        self.stack = stack
        self.plugs: list[_Plug] = []

    def receive(self, now: int) -> None:
        for nic in self.stack.interfaces():
            for plug in self.plugs:
                if plug.port == nic.index and plug.arrived:
                    arrived, plug.arrived = plug.arrived, []
                    nic.receive(arrived, now)

    def transmit(self, now: int, limit: int) -> list[tuple[_Plug | None, Packet]]:
        """Of the first interface that has something."""
        by_port = {plug.port: plug for plug in self.plugs}
        for nic in self.stack.interfaces():
            if nic.is_loopback:
                continue  # the stack's own
            if packets := nic.transmit(now, limit):
                return [(by_port.get(nic.index), packet) for packet in packets]
        return []


class _BridgeNode:
    def __init__(self, bridge: Bridge) -> None:
        self.machine: Driven[Any] = bridge
        self.bridge = bridge
        self.plugs: list[_Plug] = []

    def receive(self, now: int) -> None:
        for plug in self.plugs:
            arrived, plug.arrived = plug.arrived, []
            self.bridge.receive([(plug.port, packet) for packet in arrived], now)

    def transmit(self, now: int, limit: int) -> list[tuple[_Plug | None, Packet]]:
        by_port = {plug.port: plug for plug in self.plugs}
        sent = self.bridge.transmit(now, limit)
        return [(by_port.get(port), packet) for port, packet in sent]


class Network(VirtualTime):
    """Stacks, bridges, and the links that `connect` lays between them.

    Turns are taken in the order in which machines came to be known. `apps` get the
    events of their machine and the time; without one, events are kept in `events` with
    the machine that they are of. The last `record` packets are kept for `show`.
    """

    def __init__(
        self, *, now: int = SECOND, record: int = 256, patience: int = PATIENCE
    ) -> None:
        super().__init__(now, patience)
        self.links: list[Link] = []
        self.events: list[tuple[Driven[Any], Any]] = []
        self.apps: dict[Driven[Any], App[Any]] = {}
        self._nodes: dict[Driven[Any], _Node] = {}
        self._ends: list[tuple[_Plug, _Plug]] = []
        self._sent: deque[tuple[int, int, int, Packet]] = deque(maxlen=record)

    def connect(self, a: End, b: End, link: Link | None = None) -> Link:
        """Lay a link; without one of your own, packets arrive at once.

        The order of calls decides who is served first where several are due. What
        leaves by an end that has no link is lost. Raises StateError for an end that has
        one already.
        """
        laid = Link() if link is None else link
        self._ends.append((self._plug(a, laid, 0), self._plug(b, laid, 1)))
        self.links.append(laid)
        return laid

    def next_timeout(self) -> int | None:
        parts = (*self._nodes, *self.links)
        return earliest(*(part.next_timeout() for part in parts))

    def show(self, link: Link) -> str:
        """The latest packets on one link as lines; its ends are a and b."""
        number = self.links.index(link)
        there = ((now, end, p) for now, n, end, p in self._sent if n == number)
        return show_frames(there, link.medium)

    @property
    def sent(self) -> Sequence[tuple[int, int, int, Packet]]:
        """The latest packets: ``(now, number of the link, end that sent, packet)``."""
        return tuple(self._sent)

    def _plug(self, end: End, link: Link, side: int) -> _Plug:
        node: _Node
        if isinstance(end, tuple):
            bridge, port = end
            node = self._nodes.setdefault(bridge, _BridgeNode(bridge))
        else:
            nic = end if isinstance(end, Interface) else end.interfaces()[-1]
            node, port = (
                self._nodes.setdefault(nic.stack, _StackNode(nic.stack)),
                nic.index,
            )
        if any(plug.port == port for plug in node.plugs):
            raise StateError("there is a link in it already")
        plug = _Plug(link, len(self.links), side, port)
        node.plugs.append(plug)
        return plug

    def _work(self) -> None:
        for link, plugs in zip(self.links, self._ends, strict=True):
            link.handle_timeout(self.now)
            for end, packet in link.transmit(self.now):
                plugs[end].arrived.append(packet)
        for node in self._nodes.values():
            due = node.machine.next_timeout()
            if any(plug.arrived for plug in node.plugs) or (
                due is not None and due <= self.now
            ):
                self._turn(node)

    def _turn(self, node: _Node) -> None:
        now, machine = self.now, node.machine
        node.receive(now)
        machine.handle_timeout(now)
        for _ in range(ROUNDS):
            events = machine.events()
            if not events:
                break
            app = self.apps.get(machine)
            if app is not None:
                app(events, now)
            else:
                self.events += ((machine, event) for event in events)
        for _ in range(MAX_BATCHES):
            batch = node.transmit(now, ROOM)
            if not batch:
                return
            for plug, packet in batch:
                if plug is not None:
                    self._sent.append((now, plug.number, plug.end, packet))
                    plug.link.receive([(plug.end, packet)], now)
        raise Livelock(f"a machine has no end of packets in one turn\n{machine!r}")

    def _state(self) -> str:
        dues = [part.next_timeout() for part in (*self._nodes, *self.links)]
        return f"due next: {dues}"
