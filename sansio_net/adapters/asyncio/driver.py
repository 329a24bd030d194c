"""One stack in an asyncio loop: descriptors, the timer, and who hears which event.

The loop's own scheduling is all there is: a readable device is a turn, verbs called
between turns owe one coalesced turn, and the stack's deadline is one timer.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any, Final, Protocol

from sansio_net.drivers import Device, arrivals, turn
from sansio_net.drivers.memory import Notifying
from sansio_net.errors import ConnectionAborted, DeviceGone, SansioNetError
from sansio_net.machine import earliest
from sansio_net.stack import (
    Accepted,
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Closed,
    Connected,
    Connection,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    Interface,
    Listener,
    SocketSpaceFreed,
    SpaceFreed,
    Stack,
    StackClosed,
    UdpError,
    UdpReceived,
    UdpSocket,
)
from sansio_net.units import SECOND

Source = Connection | Listener | UdpSocket

OF_CONNECTIONS: Final = (
    *(DataReceived, SpaceFreed, EofReceived),
    *(Connected, Closed, ConnectionLost),
)
OF_ADDRESSES: Final = (AddressAdded, AddressRemoved, AddressConflict)
OF_SOCKETS: Final = (UdpReceived, UdpError, SocketSpaceFreed)

GRACE: Final = SECOND
"""How much later than the stack itself its end is given up."""


class Owner(Protocol):
    """Who hears of a connection, a listener or a socket."""

    def handle(self, event: Event) -> None:
        """An event of what it owns, within a turn: verbs may be called."""

    def close(self) -> None:
        """In good order; what is queued still goes."""

    def lose(self, error: SansioNetError) -> None:
        """At once: whoever waits hears of the error."""


class Driver:
    """Drives a stack on its devices from `start` until `close`.

    All of it belongs to the thread of the loop. turn_clock: called exactly once a turn,
    as a recording wants it. others: hears the events of what has no owner, within the
    turn. gone: hears of a device that went away.
    """

    def __init__(
        self,
        stack: Stack,
        devices: dict[Interface, Device],
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], int],
        *,
        turn_clock: Callable[[], int] | None = None,
        others: Callable[[list[Event], int], object] | None = None,
        gone: Callable[[Interface, DeviceGone], None] | None = None,
    ) -> None:
        self.stack = stack
        self.loop = loop
        self.closing = False
        self.name = next(iter(devices)).name
        """Of the first interface: where groups are joined."""
        self._devices = dict(devices)
        self._clock = clock
        self._turn_clock = turn_clock or clock
        self._others, self._on_gone = others, gone
        # turns belong to nobody's task
        self._context = contextvars.Context()
        self._owners: dict[Source, Owner] = {}
        self._filenos: dict[Interface, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._soon: asyncio.Handle | None = None
        self._in_turn = self._over = False
        self._stack_closed = False
        self._awaited: asyncio.Future[None] | None = None

    def start(self) -> None:
        for nic, device in self._devices.items():
            fd = device.fileno()
            if fd is not None:
                self._filenos[nic] = fd
                add_reader = self.loop.add_reader
                self._context.run(add_reader, fd, self._turn, (nic,))
            elif isinstance(device, Notifying):
                device.notify(self.wake)
        self.wake()

    # -- owners

    def own(self, source: Source, owner: Owner) -> None:
        """Events of `source` go to `owner` from now on."""
        self._owners[source] = owner

    def forget(self, source: Source) -> None:
        self._owners.pop(source, None)
        self._tell()

    @property
    def owners(self) -> list[Owner]:
        return list(self._owners.values())

    # -- turns

    def wake(self) -> None:
        """A verb was called, or a device has something: a turn is due."""
        if self._soon is None and not (self._in_turn or self._over):
            self._soon = self.loop.call_soon(self._turn, context=self._context)

    def _turn(self, ready: tuple[Interface, ...] = ()) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._in_turn = True
        now = self._turn_clock()
        try:
            arrived = arrivals(self._devices, ready, now, self._gone)
            turn(self.stack, self._devices, arrived, now, self._app, self._gone)
        finally:
            self._in_turn = False
        self._arm(now)

    def _arm(self, now: int) -> None:
        devices = self._devices
        until = earliest(
            self.stack.next_timeout(),
            *(device.next_timeout() for device in devices.values()),
        )
        if any(devices[nic].readable() for nic in self._filenos):
            until = now
        if until is None:
            return
        if until <= now:
            self.wake()
        elif self._timer is None or until < self._timer_at:
            # called early it does no harm, so it is never moved later
            if self._timer is not None:
                self._timer.cancel()
            delay = max(0, until - self._clock()) / SECOND
            self._timer_at = until
            self._timer = self.loop.call_at(
                self.loop.time() + delay, self._due, context=self._context
            )

    def _due(self) -> None:
        self._timer = None
        self._turn()

    def _gone(self, nic: Interface, error: DeviceGone) -> None:
        fd = self._filenos.pop(nic, None)
        if fd is not None:
            self.loop.remove_reader(fd)
        if not self._devices:
            for owner in self.owners:
                owner.lose(ConnectionAborted(str(error)))
            self._tell()
        if self._on_gone is not None:
            self._on_gone(nic, error)

    # -- events

    def _app(self, events: list[Event], now: int) -> None:
        owners = self._owners
        unowned: list[Event] = []
        for event in events:
            owner: Owner | None = None
            if isinstance(event, OF_CONNECTIONS):
                owner = owners.get(event.conn)
            elif isinstance(event, OF_SOCKETS):
                owner = owners.get(event.sock)
            elif isinstance(event, Accepted):
                owner = owners.get(event.listener)
                if owner is None and self._others is None:
                    event.conn.abort()
            elif isinstance(event, OF_ADDRESSES):
                self._tell()
            elif isinstance(event, StackClosed):
                self._stack_closed = True
                self._tell()
            if owner is not None:
                owner.handle(event)
            elif self._others is not None:
                unowned.append(event)
        if unowned and self._others is not None:
            self._others(unowned, now)

    def guard(self, what: str, **about: Any) -> None:
        """Tell the loop of an exception in somebody's callback."""
        self.loop.call_exception_handler({"message": what, **about})

    async def settle(self, nic: Interface, timeout: int) -> None:
        """Until the link was asked about every address (RFC 4862 5.4, RFC 5227)."""

        def settled() -> bool:
            return all(address.usable for address in nic.addresses)

        await self._wait(settled, self._clock() + timeout)

    # -- the end

    async def close(self, timeout: int) -> None:
        """Everything in good order, or by force after `timeout` ns."""
        if self.closing:
            return
        self.closing = True
        end = self._clock() + timeout
        try:
            for owner in self.owners:
                owner.close()
            await self._wait(lambda: not self._owners, end)
            self.stack.close(max(0, end - self._clock()) if self._devices else 0)
            self.wake()
            await self._wait(lambda: self._stack_closed, end + GRACE)
        finally:
            self.abort()

    async def _wait(self, done: Callable[[], bool], until: int) -> None:
        """Until it is so, no device is left, or `until` has come."""
        while not done() and self._devices:
            left = until - self._clock()
            if left <= 0:
                return
            self._awaited = self.loop.create_future()
            try:
                await asyncio.wait_for(self._awaited, left / SECOND)
            except TimeoutError:
                return
            finally:
                self._awaited = None

    def _tell(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def abort(self) -> None:
        """Now, and without a loop that runs."""
        if self._over:
            return
        for owner in self.owners:
            owner.lose(ConnectionAborted("the NIC was closed"))
        for connection in self.stack.connections():
            connection.abort()
        if self._devices:
            self._turn()  # their resets
        self._over = True
        for fd in self._filenos.values():
            self.loop.remove_reader(fd)
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._timer = self._soon = None
        for device in self._devices.values():
            device.close()
        self._devices.clear()
        self._filenos.clear()
