"""Devices without a descriptor: ends of a link, and a link around a device.

A link is any machine whose items are ``(end, Packet)``: in, the end that sends; out,
the end that the packet reaches. A bridge is one of many ends. Each end may be used by a
thread of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias, runtime_checkable

from sansio_net.machine import ASAP, earliest
from sansio_net.packet import Capabilities, Packet
from sansio_net.wire.segment import flatten

from .loop import Device

LinkItem: TypeAlias = tuple[int, Packet]

BATCH: Final = 64
"""Packets in one `receive`, and the room that a memory device always has."""


class LinkMachine(Protocol):
    """The five methods of a link, whose events nobody needs."""

    def receive(self, items: Sequence[LinkItem], now: int) -> None: ...
    def handle_timeout(self, now: int) -> None: ...
    def next_timeout(self) -> int | None: ...
    def events(self) -> Sequence[object]: ...
    def transmit(self, now: int, limit: int = 64) -> list[LinkItem]: ...


@runtime_checkable
class Notifying(Protocol):
    """A device without a descriptor that says when to ask it again."""

    def notify(self, callback: Callable[[], None]) -> None:
        """Call `callback()` when `next_timeout` may have moved: never from within a
        call of the device itself, always from the thread that uses the other end.
        """


class _Wire:
    """A link and what it has delivered, by end; shared by the devices at its ends."""

    __slots__ = ("_lock", "_now", "due", "inboxes", "link", "wakers")

    def __init__(self, link: LinkMachine, n_ends: int) -> None:
        self.link = link
        self.wakers: list[Callable[[], None] | None] = [None] * n_ends
        self.inboxes: list[deque[Packet]] = [deque() for _ in range(n_ends)]
        self.due: int | None = None
        """What the ends know of the link's next deadline."""
        self._lock = threading.RLock()
        self._now = 0

    def _after(self, now: int) -> int:
        """Two threads read their clocks one after the other, and come in any order."""
        self._now = max(self._now, now)
        return self._now

    def advance(self, now: int, end: int) -> None:
        """Called from `end`; the others hear of what has reached them."""
        with self._lock:
            self._advance(self._after(now), end)

    def _advance(self, now: int, end: int) -> None:
        link = self.link
        link.handle_timeout(now)
        link.events()
        reached: dict[int, None] = {}
        while items := link.transmit(now, BATCH):
            for to, packet in items:
                self.inboxes[to].append(packet)
                reached[to] = None
            if len(items) < BATCH:
                break
        due = link.next_timeout()
        if due is not None and (self.due is None or due < self.due):
            reached = dict.fromkeys(range(len(self.wakers)))
        self.due = due
        for to in reached:
            waker = self.wakers[to]
            if waker is not None and to != end:
                waker()

    def put(
        self, end: int, packets: Sequence[Packet], now: int, capabilities: Capabilities
    ) -> None:
        items = []
        for packet in packets:
            for carried in as_received(packet, capabilities):
                items.append((end, carried))
        with self._lock:
            now = self._after(now)
            self.link.receive(items, now)
            self._advance(now, end)

    def take(self, end: int, now: int) -> list[Packet]:
        with self._lock:
            self._advance(self._after(now), end)
            inbox = self.inboxes[end]
            return [inbox.popleft() for _ in range(min(BATCH, len(inbox)))]

    def next_timeout(self, end: int) -> int | None:
        with self._lock:
            return ASAP if self.inboxes[end] else self.link.next_timeout()


def as_received(packet: Packet, capabilities: Capabilities) -> list[Packet]:
    """A sent packet as its receiver gets it: all head, at the start of the frame.

    Cut and completed unless the device does that by itself, which means for a wire in
    memory that nobody has to.
    """
    if packet.gso_size and len(packet) > capabilities.gso_max:
        return [Packet.received(frame) for frame in flatten(packet)]
    if packet.csum and not capabilities.checksum:
        return [Packet.received(frame) for frame in flatten(packet)]
    whole = packet.joined()
    whole.offset, whole.info = 0, None
    return [whole]


class MemoryDevice:
    """One end of a link in the same process; `memory_ports` makes all of them."""

    __slots__ = ("_closed", "_end", "_wire", "capabilities")

    def __init__(self, wire: _Wire, end: int, capabilities: Capabilities) -> None:
        self._wire = wire
        self._end = end
        self._closed = False
        self.capabilities = capabilities

    def fileno(self) -> None:
        return None

    def readable(self) -> bool:
        return self.next_timeout() is not None

    def receive(self, now: int) -> list[Packet]:
        return [] if self._closed else self._wire.take(self._end, now)

    def room(self) -> int:
        return 0 if self._closed else BATCH

    def send(self, packets: Sequence[Packet], now: int) -> None:
        self._wire.put(self._end, packets, now, self.capabilities)

    def next_timeout(self) -> int | None:
        return None if self._closed else self._wire.next_timeout(self._end)

    def link(self) -> bool | None:
        return None

    def notify(self, callback: Callable[[], None]) -> None:
        """Call `callback()` whenever another end has sent something."""
        self._wire.wakers[self._end] = callback

    def close(self) -> None:
        self._closed = True
        self._wire.wakers[self._end] = None


def memory_pair(
    link: LinkMachine, capabilities: Capabilities | None = None
) -> tuple[MemoryDevice, MemoryDevice]:
    """The devices at end 0 and end 1 of `link`."""
    one, other = memory_ports(link, 2, capabilities)
    return one, other


def memory_ports(
    link: LinkMachine, n: int, capabilities: Capabilities | None = None
) -> list[MemoryDevice]:
    """The devices at the `n` ends of `link`: ``memory_ports(Bridge(100), 100)``."""
    wire, shared = _Wire(link, n), capabilities or Capabilities()
    return [MemoryDevice(wire, end, shared) for end in range(n)]


class LinkedDevice:
    """A device with a link in front of it: loss and delay between a stack and a host.

    The stack is end 0 of the link, what the device leads to is end 1. The capabilities
    are the device's own, unless given.
    """

    __slots__ = ("_device", "_wire", "capabilities")

    def __init__(
        self,
        device: Device,
        link: LinkMachine,
        capabilities: Capabilities | None = None,
    ) -> None:
        self._device = device
        self._wire = _Wire(link, 2)
        self.capabilities = capabilities or device.capabilities

    def fileno(self) -> int | None:
        return self._device.fileno()

    def readable(self) -> bool:
        return self._device.readable() or bool(self._wire.inboxes[0])

    def receive(self, now: int) -> list[Packet]:
        self._wire.link.receive(
            [(1, packet) for packet in self._device.receive(now)], now
        )
        self._wire.advance(now, 0)
        self._pass_on(now)
        return self._wire.take(0, now)

    def _pass_on(self, now: int) -> None:
        """What has reached the device's end, as far as the device takes it."""
        outbox, device = self._wire.inboxes[1], self._device
        while outbox:
            n = min(device.room(), len(outbox))
            if not n:
                return
            device.send([outbox.popleft() for _ in range(n)], now)

    def room(self) -> int:
        return self._device.room()

    def send(self, packets: Sequence[Packet], now: int) -> None:
        self._wire.put(0, packets, now, self.capabilities)
        self._pass_on(now)

    def next_timeout(self) -> int | None:
        wire, device = self._wire, self._device
        waits = wire.inboxes[0] or (wire.inboxes[1] and device.room())
        return (
            ASAP if waits else earliest(wire.link.next_timeout(), device.next_timeout())
        )

    def link(self) -> bool | None:
        return self._device.link()

    def close(self) -> None:
        self._device.close()
