"""One stack in a trio run: two system tasks that turn it, one when its device is
readable, one when a verb was called or a deadline has come.

They run no code of the application, cannot be cancelled by it, and are over before
`open_nic` is left.
"""

from __future__ import annotations

import contextvars
import math
from collections.abc import Awaitable, Callable
from functools import partial
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


class Slot:
    """Where one task waits to be woken."""

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> None:
        """Raises BusyResourceError where another one waits already."""
        if self._task is not None:
            raise trio.BusyResourceError("another task is using this socket")
        self._task = trio.lowlevel.current_task()

        def abort(raise_cancel: object) -> trio.lowlevel.Abort:
            self._task = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def wake(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)


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
        self._slot = Slot()
        self._rest = trio.CancelScope()
        self._due: int | None = None
        """When the resting task wakes by itself, at the latest."""
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
            self._slot.wake()

    def check(self) -> None:
        if self._end is not None:
            raise ConnectionAborted(str(self._end))

    def _tell(self) -> None:
        self._changed.set()

    # -- turns

    async def _run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                fd = self._device.fileno()
                if fd is not None:
                    nursery.start_soon(self._guard, partial(self._read, fd))
                await self._guard(self._tick)
                nursery.cancel_scope.cancel()
        finally:
            self._done.set()
            self._tell()

    async def _guard(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as error:
            # a device or the stack is broken: the program in the block has to end
            self.failure = error
            self._lose_all(ConnectionAborted(f"the NIC failed: {error!r}"))
            self.body.cancel()
            self.stop()

    async def _tick(self) -> None:
        """Turn when asked to, and when a deadline has come."""
        self._woken = True
        while not self._over and self._devices:
            if self._woken:
                self._turn()
            until = self._deadline()
            if self._woken or (until is not None and until <= self._now):
                self._woken = True
                await trio.lowlevel.checkpoint()
                continue
            self._due = until
            with trio.CancelScope(deadline=self._on_trio_s(until)) as self._rest:
                await self._slot.wait()
            if self._rest.cancelled_caught:
                self._woken = True
                # a float of seconds may be early by less than it can tell
                self._now = max(self._now, self._due or 0)

    async def _read(self, fd: int) -> None:
        """Turn when the device has something."""
        device, ready = self._device, (self._nic,)
        while not self._over and self._devices:
            await trio.lowlevel.wait_readable(fd)
            self._turn(ready)
            while self._devices and device.readable():
                await trio.lowlevel.checkpoint()
                self._turn(ready)
            until = self._deadline()
            if until is not None and until <= self._now:
                self.wake()
            elif until is not None and (self._due is None or until < self._due):
                # called early it does no harm, so it is never moved later
                self._due = until
                self._rest.deadline = self._on_trio_s(until)

    def _deadline(self) -> int | None:
        return earliest(self.stack.next_timeout(), self._device.next_timeout())

    def _on_trio_s(self, until: int | None) -> float:
        """A deadline by the clock of the run."""
        if until is None:
            return math.inf
        return trio.current_time() + max(0, until - self._clock()) / SECOND

    def stop(self) -> None:
        """No turn after this one."""
        self._over = True
        self._slot.wake()

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

    def _gone(self, nic: Interface, error: DeviceGone) -> None:
        self._lose_all(ConnectionAborted(str(error)))
        self.stop()

    def _lose_all(self, error: SansioNetError) -> None:
        self._end = error
        self.owners.lose(error)

    # -- waiting for it

    async def settle(self, timeout: int) -> None:
        """Until the link was asked about every address (RFC 4862 5.4, RFC 5227)."""
        await self._wait_until(
            lambda: all(address.usable for address in self._nic.addresses), timeout
        )

    async def _wait_until(self, done: Callable[[], bool], timeout: int) -> None:
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
            await self._wait_until(lambda: self.owners.stack_closed, timeout + GRACE)

    async def abort(self) -> None:
        """At once: resets to all peers, and an error to all who wait."""
        self._lose_all(ConnectionAborted("the NIC was closed"))
        for connection in self.stack.connections():
            connection.abort()
        if self._devices and not self._done.is_set():
            self._turn()  # their resets
        self.stop()
        with trio.CancelScope(shield=True):
            await self._done.wait()
        for device in self._devices.values():
            device.close()
        self._devices.clear()
