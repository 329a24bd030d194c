"""A stack and a device that do as they are told, and write down what was asked."""

from __future__ import annotations

from collections.abc import Sequence

from sansio_net.errors import DeviceGone
from sansio_net.packet import Capabilities, Packet


class FakeDevice:
    """Answers from lists, in order; an exception in a list is raised."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.capabilities = capabilities or Capabilities()
        self.arriving: list[list[Packet] | DeviceGone] = []
        self.rooms: list[int | DeviceGone] = []
        self.links: list[bool | DeviceGone | None] = []
        self.refuses: DeviceGone | None = None
        self.sent: list[Packet] = []
        self.closed = False

    def fileno(self) -> int | None:
        return 9

    def readable(self) -> bool:
        return bool(self.arriving)

    def receive(self, now: int) -> list[Packet]:
        packets = self.arriving.pop(0)
        if isinstance(packets, DeviceGone):
            raise packets
        return packets

    def room(self) -> int:
        room = self.rooms.pop(0)
        if isinstance(room, DeviceGone):
            raise room
        return room

    def send(self, packets: Sequence[Packet], now: int) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.sent += packets

    def next_timeout(self) -> int | None:
        return 77

    def link(self) -> bool | None:
        up = self.links.pop(0) if self.links else None
        if isinstance(up, DeviceGone):
            raise up
        return up

    def close(self) -> None:
        self.closed = True


class FakeNic:
    """Sends what lies in `queue`; every call goes into the stack's log."""

    def __init__(self, name: str, log: list[tuple[object, ...]]) -> None:
        self.name = name
        self.log = log
        self.queue: list[Packet] = []

    def receive(self, packets: Sequence[Packet], now: int) -> None:
        self.log.append((self.name, "receive", [p.join() for p in packets], now))

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        self.log.append((self.name, "transmit", now, limit))
        taken, self.queue = self.queue[:limit], self.queue[limit:]
        return taken

    def carrier(self, up: bool) -> None:
        self.log.append((self.name, "carrier", up))


class FakeStack:
    """Two interfaces, `a` and `b`; hands over `pending` events, then none."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.nics = [FakeNic("a", self.log), FakeNic("b", self.log)]
        self.pending: list[list[str]] = []
        self.due: list[int] = []

    def handle_timeout(self, now: int) -> None:
        self.log.append(("stack", "handle_timeout", now))
        self.due = [due for due in self.due if due > now]

    def next_timeout(self) -> int | None:
        return min(self.due, default=None)

    def events(self) -> list[str]:
        return self.pending.pop(0) if self.pending else []

    def app(self, events: list[str], now: int) -> None:
        self.log.append(("app", events, now))
