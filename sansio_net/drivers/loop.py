"""The loop over one stack and any number of devices, and what a device is.

`turn` is everything but the waiting; an adapter inside somebody's event loop calls it
too. `Loop` adds the waiting, a thread-safe `wake`, timers and descriptors of the
application. Time is read once a turn.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from sansio_net.errors import DeviceGone, StateError
from sansio_net.machine import ASAP, earliest
from sansio_net.packet import Capabilities, Packet
from sansio_net.units import SECOND

from .busy import BusyPollSelector

ROUNDS: Final = 16
"""Rounds of events a turn: an app that always makes new ones cannot hold it up."""

HOT_TURNS: Final = 8
"""Turns without asking the selector while a device keeps giving frames."""

LINGER: Final = 16
"""Times that it asks again before it sleeps, where frames came: about 10 us, in which
who answers at once is heard, for what going to sleep and waking up would cost as well.
"""

Ev = TypeVar("Ev")
Clock: TypeAlias = Callable[[], int]
App: TypeAlias = Callable[[list[Ev], int], bool | None]
"""Gets the events and the time of the turn, calls verbs; True ends the loop."""


class Device(Protocol):
    """Where an interface's frames come from and go to. Never blocks.

    The loop calls `receive` when the descriptor is readable, when `readable` says so,
    and when `next_timeout` has come. Any method may raise DeviceGone.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    def fileno(self) -> int | None:
        """What to wait on; None (memory, replay): polled each turn."""

    def readable(self) -> bool:
        """There may be more to read; no need to ask the kernel first."""

    def receive(self, now: int) -> list[Packet]:
        """At most one batch; also the place where the device does what is due."""

    def room(self) -> int:
        """Packets it takes now; 0: blocked, or the link is down."""

    def send(self, packets: Sequence[Packet], now: int) -> None:
        """Takes all of them, at most `room`."""

    def next_timeout(self) -> int | None:
        """When `receive` wants to be called at the latest, as a machine's."""

    def link(self) -> bool | None:
        """The carrier, if it changed since last asked."""

    def close(self) -> None: ...


class Port(Protocol):
    """A stack's interface, as the loop sees it."""

    def receive(self, items: Sequence[Packet], now: int) -> None: ...
    def transmit(self, now: int, limit: int = 64) -> list[Packet]: ...
    def carrier(self, up: bool) -> None: ...


class Driven(Protocol[Ev]):
    """A stack, as the loop sees it."""

    def handle_timeout(self, now: int) -> None: ...
    def next_timeout(self) -> int | None: ...
    def events(self) -> list[Ev]: ...


PortT = TypeVar("PortT", bound=Port)
Gone: TypeAlias = Callable[[PortT, DeviceGone], None]


def arrivals(
    devices: dict[PortT, Device],
    ready: Sequence[PortT],
    now: int,
    gone: Gone[PortT] | None = None,
) -> list[tuple[PortT, list[Packet]]]:
    """What has come, by interface, in the order of `devices`.

    `ready` are those whose descriptors a selector found readable.
    """
    arrived = []
    for nic, device in list(devices.items()):
        try:
            if nic not in ready and not device.readable():
                due = device.next_timeout()
                if due is None or due > now:
                    continue
            packets = device.receive(now)
        except DeviceGone as error:
            _take_out(devices, nic, error, gone)
        else:
            if packets:
                arrived.append((nic, packets))
    return arrived


def turn(
    stack: Driven[Ev],
    devices: dict[PortT, Device],
    arrived: Iterable[tuple[PortT, Sequence[Packet]]],
    now: int,
    app: App[Ev],
    gone: Gone[PortT] | None = None,
) -> bool:
    """One turn at `now`: frames in, timers, events to the app, frames out.

    A device that went away is taken out of `devices` and its interface told; `gone`
    hears of it. True if the app wants to end.
    """
    for nic, device in list(devices.items()):
        try:
            up = device.link()
        except DeviceGone as error:
            _take_out(devices, nic, error, gone)
        else:
            if up is not None:
                nic.carrier(up)
    for nic, packets in arrived:
        nic.receive(packets, now)
    stack.handle_timeout(now)
    ends = False
    for _ in range(ROUNDS):
        events = stack.events()
        if not events:
            break
        if app(events, now):
            ends = True
    for nic, device in list(devices.items()):
        try:
            _send(nic, device, now)
        except DeviceGone as error:
            _take_out(devices, nic, error, gone)
    return ends


def _send(nic: Port, device: Device, now: int) -> None:
    while True:
        # asked even when it is 0: that silences the interface's ASAP
        room = device.room()
        packets = nic.transmit(now, room)
        if packets:
            device.send(packets, now)
        if not room or len(packets) < room:
            return


def _take_out(
    devices: dict[PortT, Device],
    nic: PortT,
    error: DeviceGone,
    gone: Gone[PortT] | None,
) -> None:
    device = devices.pop(nic)
    device.close()
    nic.carrier(False)
    if gone is not None:
        gone(nic, error)


class Timer:
    """A call that the loop owes; `cancel` forgives it."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[int], None]) -> None:
        self.callback: Callable[[int], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop(Generic[PortT, Ev]):
    """Runs a stack on its devices until the app, `stop`, or the last device ends it.

    `clock` is called exactly once a turn, and before a read for which there is no turn
    since it found nothing; how long a wait may be is measured with the monotonic clock
    of its own, so that a clock may be wrapped or have another origin.
    `wait(until)` replaces sleeping where time is virtual. `busy_poll`: nanoseconds to
    spin after something came before sleeping (`BusyPollSelector`): half the latency,
    and a core that does nothing else meanwhile.

    All methods but `wake` and `stop` belong to the thread that runs the loop. Verbs
    called from the callbacks, or before `run`, need no wake-up.
    """

    def __init__(
        self,
        stack: Driven[Ev],
        devices: dict[PortT, Device],
        clock: Clock = time.monotonic_ns,
        *,
        wait: Callable[[int | None], None] | None = None,
        gone: Gone[PortT] | None = None,
        busy_poll: int = 0,
    ) -> None:
        self.stack = stack
        self.devices = dict(devices)
        self.clock = clock
        self.now = 0
        """The time of the latest turn."""
        self._virtual_wait = wait
        self._gone = gone
        self._stopping = False
        self._lost: DeviceGone | None = None
        self._hot_turns = 0
        self._lingers = False
        self._turn_began = time.monotonic_ns()
        self._timers: list[tuple[int, int, Timer]] = []
        self._sweep_size = 64
        self._serial = 0
        # poll, not epoll: it takes regular files too, and there are few descriptors
        kind = getattr(selectors, "PollSelector", selectors.SelectSelector)
        self._selector: selectors.BaseSelector = kind()
        if busy_poll:
            self._selector = BusyPollSelector(self._selector, busy_poll)
        self._waker, self._sleeper = socket.socketpair()
        self._waker.setblocking(False)
        self._sleeper.setblocking(False)
        self._selector.register(self._sleeper, selectors.EVENT_READ)
        self._filenos: dict[int, PortT] = {}
        self._watched: dict[int, tuple[int, Callable[[int], None]]] = {}
        for nic, device in self.devices.items():
            fd = device.fileno()
            if fd is not None:
                self._selector.register(fd, selectors.EVENT_READ)
                self._filenos[fd] = nic
        self._readers = [self.devices[nic] for nic in self._filenos.values()]

    def __enter__(self) -> Loop[PortT, Ev]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the loop's own descriptors; the devices are the caller's."""
        self._selector.close()
        self._waker.close()
        self._sleeper.close()

    def wake(self) -> None:
        """Make the loop turn now. From any thread, or a signal handler."""
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            pass  # full: it will wake; closed: there is nobody to wake

    def stop(self) -> None:
        """End `run` after the turn it is in. From any thread, or a signal handler."""
        self._stopping = True
        self.wake()

    def call_at(self, when: int, callback: Callable[[int], None]) -> Timer:
        """Call `callback(now)` before the first turn at or after `when`."""
        timer = Timer(callback)
        if len(self._timers) >= self._sweep_size:
            # who moves a far deadline again and again leaves many cancelled ones
            self._timers = [one for one in self._timers if one[2].callback is not None]
            heapq.heapify(self._timers)
            self._sweep_size = 2 * len(self._timers) + 64
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, timer))
        return timer

    def watch(
        self, fd: int, callback: Callable[[int], None], *, write: bool = False
    ) -> None:
        """Call `callback(now)` whenever `fd` is readable (or writable, or in error)."""
        if fd in self._filenos or fd in self._watched:
            raise StateError(f"descriptor {fd} is watched already")
        mask = selectors.EVENT_WRITE if write else selectors.EVENT_READ
        self._selector.register(fd, mask)
        self._watched[fd] = mask, callback

    def unwatch(self, fd: int) -> None:
        """Forget a watched descriptor; one that is not watched is fine."""
        if self._watched.pop(fd, None) is not None:
            self._selector.unregister(fd)

    def run(self, app: App[Ev]) -> None:
        """Turn until the app returns True or `stop` is called.

        Raises DeviceGone once no device is left that this loop was given; the app has
        seen the events of that by then.
        """
        had_devices = bool(self.devices)
        # a first turn at once: verbs may have been called before
        ready: list[PortT] = []
        awake: list[int] = []
        expects_more = False
        while True:
            now = self.now = self.clock()
            self._turn_began = time.monotonic_ns()
            self._call_due(awake, now)
            arrived = arrivals(self.devices, ready, now, self._lose)
            if not arrived and expects_more:
                expects_more = False
                until = self._until()
                if until is None or until > now:
                    ready, awake = self._wait(until)
                    continue
            if arrived:
                self._lingers = True
            ends = turn(self.stack, self.devices, arrived, now, app, self._lose)
            if ends or self._stopping:
                self._stopping = False
                return
            if had_devices and not self.devices:
                # one more turn, for the events that the loss of the last one made
                turn(self.stack, self.devices, (), now, app)
                raise self._lost or DeviceGone("no device left")
            expects_more = self._expects_more()
            if expects_more:
                # read again before asking anybody, even how long to wait
                ready, awake = [], []
            else:
                ready, awake = self._wait(self._until())

    def _expects_more(self) -> bool:
        """Does a device keep giving frames? Then it is read without asking the
        selector, for a while.
        """
        for device in self._readers:
            if device.readable():
                self._hot_turns += 1
                return self._hot_turns <= HOT_TURNS
        return False

    def _until(self) -> int | None:
        """When the next turn is due at the latest."""
        until = self.stack.next_timeout()
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
        if timers:
            until = earliest(until, timers[0][0])
        for device in self.devices.values():
            due = device.next_timeout()
            if due is not None:
                until = earliest(until, due)
        return until

    def _wait(self, until: int | None) -> tuple[list[PortT], list[int]]:
        """Sleep; the interfaces whose devices are readable, and other descriptors."""
        hot = self._hot_turns > HOT_TURNS
        self._hot_turns = 0
        if self._virtual_wait is not None:
            self._virtual_wait(until)
            timeout: float | None = 0
        elif hot or until == ASAP:
            timeout = 0
        else:
            timeout = self._timeout(until)
        ready: list[PortT] = []
        awake: list[int] = []
        for key, _ in self._select(timeout):
            if key.fd in self._filenos:
                ready.append(self._filenos[key.fd])
            elif key.fd in self._watched:
                awake.append(key.fd)
            else:
                self._swallow()
        return ready, awake

    def _select(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._lingers and timeout != 0:
            self._lingers = False
            for _ in range(LINGER):
                found = self._selector.select(0)
                if found:
                    return found
        return self._selector.select(timeout)

    def _timeout(self, until: int | None) -> float | None:
        """Seconds to sleep until a point on the clock's axis."""
        if until is None:
            return None
        spent = time.monotonic_ns() - self._turn_began
        return max(0, until - self.now - spent) / SECOND

    def _swallow(self) -> None:
        try:
            while len(self._sleeper.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def _call_due(self, awake: Sequence[int], now: int) -> None:
        for fd in awake:
            if fd in self._watched:  # an earlier callback may have let go of it
                self._watched[fd][1](now)
        # a timer made by a callback belongs to the next turn, even if it is due
        due: list[Timer] = []
        while self._timers and self._timers[0][0] <= now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            if timer.callback is not None:
                timer.callback(now)

    def _lose(self, nic: PortT, error: DeviceGone) -> None:
        for fd, owner in list(self._filenos.items()):
            if owner is nic:
                del self._filenos[fd]
                self._selector.unregister(fd)
        self._readers = [self.devices[one] for one in self._filenos.values()]
        self._lost = error
        if self._gone is not None:
            self._gone(nic, error)


def run(
    stack: Driven[Ev],
    devices: dict[PortT, Device],
    clock: Clock,
    app: App[Ev],
) -> None:
    """`Loop` for those who need neither `wake` nor timers: ends when the app says."""
    with Loop(stack, devices, clock) as loop:
        loop.run(app)
