"""One stack in a trio run: a system task that turns and rests.

It runs no code of the application, cannot be cancelled by it, and is over before
`open_nic` is left.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Callable
from typing import Final

import trio

from sansio_net.adapters.owners import Owners
from sansio_net.drivers import Device, arrivals, turn
from sansio_net.drivers.memory import Notifying
from sansio_net.errors import ConnectionAborted, DeviceGone, SansioNetError
from sansio_net.machine import earliest
from sansio_net.stack import Interface, Stack
from sansio_net.units import SECOND

GRACE: Final = SECOND
"""How much later than the stack itself its end is given up."""


def trio_clock() -> int:
    """The run's own clock, which a test may have replaced, in nanoseconds."""
    return int(trio.current_time() * SECOND)


class Driver:
    """Drives a stack on its device from `start` until `abort`."""

    def __init__(
        self,
        stack: Stack,
        nic: Interface,
        device: Device,
        clock: Callable[[], int],
    ) -> None:
        self.stack = stack
        self.name = nic.name
        self.owners = Owners(self._tell)
        self.token = trio.lowlevel.current_trio_token()
        self.body = trio.CancelScope()
        """What is cancelled if the driver itself fails."""
        self.failure: BaseException | None = None
        self._nic = nic
        self._devices: dict[Interface, Device] = {nic: device}
        self._device = device
        self._clock = clock
        self._now = 0
        self._in_turn = self._woken = self._over = False
        self._end: SansioNetError | None = None
        self._rest: trio.CancelScope | None = None
        self._changed = trio.Event()
        self._done = trio.Event()

    def start(self) -> None:
        if isinstance(self._device, Notifying):
            self._device.notify(self.wake)
        trio.lowlevel.spawn_system_task(
            self._run, name=f"<NIC {self.name}>", context=contextvars.Context()
        )

    # -- the home of endpoints

    def wake(self) -> None:
        """A verb was called, or the device has something: a turn is due."""
        if not self._in_turn:
            self._woken = True
            if self._rest is not None:
                self._rest.cancel()

    def check(self) -> None:
        if self._end is not None:
            raise ConnectionAborted(str(self._end))

    def _tell(self) -> None:
        self._changed.set()

    # -- turns

    async def _run(self) -> None:
        try:
            ready: tuple[Interface, ...] = ()
            while not self._over and self._devices:
                self._turn(ready)
                ready = await self._wait()
        except Exception as error:
            # a device or the stack is broken: the program in the block has to end
            self.failure = error
            self._lose_all(ConnectionAborted(f"the NIC failed: {error!r}"))
            self.body.cancel()
        finally:
            self._done.set()
            self._tell()

    def _turn(self, ready: tuple[Interface, ...] = ()) -> None:
        now = self._now = max(self._now, self._clock())
        self._woken = False
        self._in_turn = True
        try:
            arrived = arrivals(self._devices, ready, now, self._gone)
            app = self.owners.app
            turn(self.stack, self._devices, arrived, now, app, self._gone)
        finally:
            self._in_turn = False

    async def _wait(self) -> tuple[Interface, ...]:
        """Until something is to be done; the interface if its device is readable."""
        device, now = self._device, self._now
        fd = device.fileno() if self._devices else None
        until = earliest(self.stack.next_timeout(), device.next_timeout())
        hot = fd is not None and device.readable()
        if hot or self._woken or (until is not None and until <= now):
            await trio.lowlevel.checkpoint()
            return (self._nic,) if hot else ()
        left = math.inf if until is None else max(0, until - self._clock()) / SECOND
        with trio.move_on_after(left) as self._rest:
            if fd is None:
                await trio.sleep_forever()
            else:
                await trio.lowlevel.wait_readable(fd)
                return (self._nic,)
        self._rest = None
        if until is not None and not self._woken:
            # a float of seconds may be early by less than it can tell
            self._now = max(now, until)
        return ()

    def _gone(self, nic: Interface, error: DeviceGone) -> None:
        self._lose_all(ConnectionAborted(str(error)))

    def _lose_all(self, error: SansioNetError) -> None:
        self._end = error
        self.owners.lose(error)

    # -- waiting for it

    async def settle(self, timeout: int) -> None:
        """Until the link was asked about every address (RFC 4862 5.4, RFC 5227)."""
        await self._until(
            lambda: all(address.usable for address in self._nic.addresses), timeout
        )

    async def _until(self, done: Callable[[], bool], timeout: int) -> None:
        """Until it is so, the driver has ended, or `timeout` ns have passed."""
        with trio.move_on_after(timeout / SECOND):
            while not (done() or self._done.is_set()):
                self._changed = trio.Event()
                await self._changed.wait()

    # -- the end

    async def close(self, timeout: int) -> None:
        """Everything in good order, as far as it gets in `timeout` ns; then `abort`."""
        with trio.CancelScope(shield=True):
            self.owners.close()
            self.stack.close(timeout)
            self.wake()
            await self._until(lambda: self.owners.stack_closed, timeout + GRACE)

    async def abort(self) -> None:
        """At once: resets to all peers, and an error to all who wait."""
        self._lose_all(ConnectionAborted("the NIC was closed"))
        for connection in self.stack.connections():
            connection.abort()
        if self._devices and not self._done.is_set():
            self._turn()  # their resets
        self._over = True
        if self._rest is not None:
            self._rest.cancel()
        with trio.CancelScope(shield=True):
            await self._done.wait()
        for device in self._devices.values():
            device.close()
        self._devices.clear()
