"""Two stacks on a link, in virtual time: an hour of TCP in milliseconds.

Time jumps to whatever is due next. Nothing here waits, and nothing reads a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

from sansio_net.machine import earliest
from sansio_net.packet import Packet
from sansio_net.trace import Trace
from sansio_net.units import SECOND

from .clock import PATIENCE, VirtualTime
from .link import Link
from .show import show_frames
from .turns import App, Driven, Port, take_turn

Ev = TypeVar("Ev")


class Station(Driven[Ev], Port[Packet, Packet], Protocol[Ev]):
    """A machine with one way in and out: a Stack with one interface, an ArpCache."""


PacketPort: TypeAlias = Port[Packet, Packet]


class Pair(VirtualTime, Generic[Ev]):
    """Two machines, `a` (end 0) and `b` (end 1), and the link between them.

    `link` may be any Link; without one packets arrive at once. An app gets the events
    of its stack and the time, as in `drivers.run`; without apps the events are kept in
    ``events[0]`` and ``events[1]``. A stack with several interfaces comes with the one
    that is plugged in: ``nics=(nic_a, nic_b)``. The last `record` packets are kept for
    `show`, which gives them as tcpdump would.
    """

    def __init__(
        self,
        a: Station[Ev],
        b: Station[Ev],
        link: Link | None = None,
        *,
        app_a: App[Ev] | None = None,
        app_b: App[Ev] | None = None,
        nics: tuple[PacketPort, PacketPort] | None = None,
        now: int = SECOND,
        record: int = 256,
        patience: int = PATIENCE,
    ) -> None:
        super().__init__(now, patience)
        self.a = a
        self.b = b
        self.link = Link() if link is None else link
        self.events: tuple[list[Ev], list[Ev]] = ([], [])
        self._ports = nics or (a, b)
        self._apps = (app_a or self._keep_a, app_b or self._keep_b)
        self._sent: deque[tuple[int, int, Packet]] = deque(maxlen=record)

    def _work(self) -> None:
        arrived: tuple[list[Packet], list[Packet]] = ([], [])
        self.link.handle_timeout(self.now)
        for end, packet in self.link.transmit(self.now):
            arrived[end].append(packet)
        for end in (0, 1):
            if arrived[end] or self._is_due(end):
                self._turn(end, arrived[end])

    def next_timeout(self) -> int | None:
        """When something happens next."""
        return earliest(
            self.a.next_timeout(), self.b.next_timeout(), self.link.next_timeout()
        )

    @property
    def sent(self) -> list[tuple[int, int, Packet]]:
        """The latest packets as the ends gave them: ``(now, end, packet)``."""
        return list(self._sent)

    def show(self, traces: Sequence[Trace | None] = ()) -> str:
        """The latest packets as lines, with entries of the ends' traces between."""
        return show_frames(self._sent, self.link.medium, traces)

    def _machine(self, end: int) -> Station[Ev]:
        return self.b if end else self.a

    def _is_due(self, end: int) -> bool:
        due = self._machine(end).next_timeout()
        return due is not None and due <= self.now

    def _turn(self, end: int, arrived: list[Packet]) -> None:
        now = self.now
        sent = take_turn(
            self._machine(end), self._ports[end], arrived, now, self._apps[end]
        )
        self._sent += ((now, end, packet) for packet in sent)
        self.link.receive([(end, packet) for packet in sent], now)

    def _keep_a(self, events: list[Ev], now: int) -> None:
        self.events[0].extend(events)

    def _keep_b(self, events: list[Ev], now: int) -> None:
        self.events[1].extend(events)

    def _state(self) -> str:
        due = (self.a.next_timeout(), self.b.next_timeout(), self.link.next_timeout())
        return f"due next: a {due[0]}, b {due[1]}, link {due[2]}\n{self.show()}"
