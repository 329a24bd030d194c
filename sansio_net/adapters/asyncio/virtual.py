"""A `NetworkLoop` whose time jumps to whatever is due next: hours in moments.

    clock = VirtualClock()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(main())          # open_nic(..., clock=clock) within

Everything belongs to one thread and to devices in memory: descriptors, threads and
subprocesses go on in the time of the world, and are refused.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import selectors
from collections.abc import Callable
from typing import Any, Final, NoReturn

from sansio_net.units import SECOND

from .loop import NetworkLoop


class VirtualClock:
    """What time it is: ``clock()``, in nanoseconds; a `VirtualLoop` moves it on."""

    __slots__ = ("now",)

    def __init__(self, now: int = SECOND) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


class _Selector(selectors.BaseSelector):
    """Waits by moving the clock. Of descriptors it has the loop's own one alone."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._below = selectors.DefaultSelector()
        self.sealed = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        if self.sealed:
            _refuse("descriptors")
        return self._below.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> Any:
        return self._below.unregister(fileobj)

    def get_map(self) -> Any:
        return self._below.get_map()

    def select(self, timeout: float | None = None) -> Any:
        if ready := self._below.select(0):
            return ready  # a signal's handler wants to run
        if timeout is None:
            raise RuntimeError("every task waits for something that never comes")
        self._clock.now += round(timeout * SECOND)
        return []

    def close(self) -> None:
        self._below.close()


class _Timer(asyncio.TimerHandle):
    """Of two that are due at once, the one that was asked for first is first."""

    __slots__ = ("serial",)

    def __init__(self, serial: int, *args: Any, **kwds: Any) -> None:
        super().__init__(*args, **kwds)
        self.serial = serial

    def __lt__(self, other: asyncio.TimerHandle) -> bool:
        if self.when() == other.when() and isinstance(other, _Timer):
            return self.serial < other.serial
        return super().__lt__(other)


class VirtualLoop(NetworkLoop):
    """`open_nic` on it takes the same clock. The same program does the same things in
    the same order, at the same times.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock: Final = clock if clock is not None else VirtualClock()
        selector = _Selector(self.clock)
        self._serials = itertools.count()
        super().__init__(selector)
        selector.sealed = True

    def time(self) -> float:
        return self.clock.now / SECOND

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        base: Any = self  # typeshed knows nothing of what it has inside
        base._check_closed()
        timer: Any = _Timer(next(self._serials), when, callback, args, self, context)
        heapq.heappush(base._scheduled, timer)
        timer._scheduled = True
        handle: asyncio.TimerHandle = timer
        return handle

    def run_in_executor(self, *about: Any) -> Any:  # type: ignore[override]
        _refuse("threads")

    def _make_socket_transport(self, *about: Any, **kwds: Any) -> NoReturn:
        _refuse("descriptors")

    _make_datagram_transport = _make_ssl_transport = _make_socket_transport
    _make_read_pipe_transport = _make_write_pipe_transport = _make_socket_transport

    async def _make_subprocess_transport(self, *about: Any, **kwds: Any) -> NoReturn:
        _refuse("subprocesses")


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(f"a loop in virtual time has no {what}")
