"""One stack in a thread of its own: it turns under a lock and sleeps without it.

Whoever holds the lock may call the verbs of the stack; `wake` then makes the thread
turn. The thread runs nothing of the program's, and ends with `close`, when the device
goes away, and when the interpreter exits.
"""

from __future__ import annotations

import atexit
import functools
import math
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final

from sansio_net.adapters.owners import Owners
from sansio_net.drivers import Device, arrivals, turn
from sansio_net.drivers.memory import Notifying
from sansio_net.errors import ConnectionAborted, DeviceGone, SansioNetError
from sansio_net.machine import earliest
from sansio_net.stack import Interface, Stack
from sansio_net.units import MILLISECOND, SECOND

GRACE: Final = SECOND
"""How much later than the stack itself its end is given up."""


class Driver:
    """Drives a stack on its device from `start` until `close`."""

    def __init__(
        self,
        stack: Stack,
        nic: Interface,
        device: Device,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.stack = stack
        self.name = nic.name
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        """Told of what concerns the NIC as a whole."""
        self.owners = Owners(self.changed.notify_all)
        self.failure: BaseException | None = None
        """What the thread died of, if it did."""
        self.thread = threading.Thread(
            target=self._run, name=f"NIC {nic.name}", daemon=True
        )
        self._nic = nic
        self._devices: dict[Interface, Device] = {nic: device}
        self._device = device
        self._clock = clock
        self._in_turn = self._woken = self._over = self._done = False
        self._end: SansioNetError | None = None
        self._soon: deque[Callable[[], None]] = deque()
        self._watched: dict[int, Callable[[], None]] = {}
        self._poll = select.poll()
        self._waker, self._sleeper = socket.socketpair()
        self._waker.setblocking(False)
        self._sleeper.setblocking(False)
        self._poll.register(self._sleeper, select.POLLIN)

    def start(self) -> None:
        fd = self._device.fileno()
        if fd is not None:
            self._poll.register(fd, select.POLLIN)
        elif isinstance(self._device, Notifying):
            self._device.notify(self._nudge)
        _running().add(self)
        self.thread.start()

    # -- the home of endpoints: with the lock held

    def wake(self) -> None:
        """A verb was called: a turn is due."""
        if not self._in_turn:
            self._nudge()

    def check(self) -> None:
        if self._end is not None:
            raise ConnectionAborted(str(self._end))

    def _nudge(self) -> None:
        """From any thread, lock or no lock."""
        if not self._woken:
            self._woken = True
            try:
                self._waker.send(b"\0")
            except OSError:
                pass  # full: it will wake; closed: there is nobody to wake

    def soon(self, call: Callable[[], None]) -> None:
        """Call it in the thread, with the lock held. From any thread."""
        self._soon.append(call)
        self._nudge()

    def watch(self, fd: int, mask: int, call: Callable[[], None]) -> None:
        """Call it when `fd` is ready for `mask`, or hung up. In the thread alone."""
        self._watched[fd] = call
        self._poll.register(fd, mask)

    def unwatch(self, fd: int) -> None:
        if self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    # -- the thread

    def _run(self) -> None:
        ready: set[int] = set()
        try:
            while True:
                with self.lock:
                    self._in_turn = True
                    self._call(ready)
                    self._turn((self._nic,) if self._fileno() in ready else ())
                    self._in_turn = False
                    if self._over or not self._devices:
                        break
                    timeout = self._timeout()
                ready = {fd for fd, _ in self._poll.poll(timeout)}
        except BaseException as error:
            # a device or the stack is broken: nobody will turn any more
            self.failure = error
            with self.lock:
                self._lose_all(ConnectionAborted(f"the NIC failed: {error!r}"))
        finally:
            with self.lock:
                self._finish()

    def _fileno(self) -> int | None:
        return self._device.fileno() if self._devices else None

    def _call(self, ready: set[int]) -> None:
        if self._sleeper.fileno() in ready:
            try:
                while len(self._sleeper.recv(4096)) == 4096:
                    pass
            except BlockingIOError:
                pass
        # after that, or the byte of who nudges meanwhile were swallowed and all later
        # ones spared; before anything is looked at, so that nothing is overlooked
        self._woken = False
        for fd in ready:
            call = self._watched.get(fd)
            if call is not None:
                call()
        for _ in range(len(self._soon)):
            self._soon.popleft()()

    def _turn(self, ready: tuple[Interface, ...]) -> None:
        now = self._clock()
        arrived = arrivals(self._devices, ready, now, self._gone)
        app = self.owners.app
        turn(self.stack, self._devices, arrived, now, app, self._gone)

    def _timeout(self) -> int | None:
        """Milliseconds to sleep; None: until something happens."""
        device = self._device
        until = earliest(self.stack.next_timeout(), device.next_timeout())
        if self._soon or (device.fileno() is not None and device.readable()):
            return 0
        if until is None:
            return None
        return max(0, math.ceil((until - self._clock()) / MILLISECOND))

    def _gone(self, nic: Interface, error: DeviceGone) -> None:
        self._lose_all(ConnectionAborted(str(error)))

    def _lose_all(self, error: SansioNetError) -> None:
        if self._end is None:
            self._end = error
        self.owners.lose(error)

    def _finish(self) -> None:
        self._lose_all(ConnectionAborted("the NIC was closed"))
        self._call(set())  # bridges let go of their descriptors
        self._done = True
        for device in self._devices.values():
            device.close()
        self._devices.clear()
        self._waker.close()
        self._sleeper.close()
        self.changed.notify_all()

    # -- waiting for it, from other threads

    def settle(self, timeout: int) -> None:
        """Until the link was asked about every address (RFC 4862 5.4, RFC 5227)."""
        with self.lock:
            self._wait(
                lambda: all(address.usable for address in self._nic.addresses), timeout
            )

    def _wait(self, done: Callable[[], bool], timeout: int) -> None:
        """Until it is so, the thread has ended, or `timeout` ns have passed."""
        self.changed.wait_for(lambda: done() or self._done, timeout / SECOND)

    def close(self, timeout: int, finish: Callable[[], bool] | None = None) -> None:
        """Everything in good order, or by force after `timeout` ns; the thread is over
        then. finish: asked until it is true before anything is closed.
        """
        until = time.monotonic_ns() + timeout
        try:
            with self.lock:
                if self._end is None:
                    if finish is not None:
                        self._wait(finish, timeout)
                    self.owners.close()
                    left = max(0, until - time.monotonic_ns())
                    self.stack.close(left)
                    self._nudge()
                    self._wait(lambda: self.owners.stack_closed, left + GRACE)
        finally:
            self.abort()

    def abort(self) -> None:
        """At once: resets to all peers, an error to all who wait; the thread is over
        then.
        """
        with self.lock:
            self._lose_all(ConnectionAborted("the NIC was closed"))
            for connection in self.stack.connections():
                connection.abort()
            self._over = True
            self._nudge()
        if self.thread is not threading.current_thread():
            self.thread.join()


@functools.cache
def _running() -> weakref.WeakSet[Driver]:
    """Those whose thread must not outlive the interpreter."""
    drivers: weakref.WeakSet[Driver] = weakref.WeakSet()

    def end() -> None:
        for driver in list(drivers):
            if driver.thread.is_alive():
                driver.abort()

    # before the program's threads are waited for: those that wait on a socket hear of
    # it. Not public, but what concurrent.futures has relied on since Python 3.9.
    getattr(threading, "_register_atexit", atexit.register)(end)
    return drivers
