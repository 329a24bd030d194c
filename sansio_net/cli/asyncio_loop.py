"""A command's stack in an asyncio loop: for what comes with libraries of asyncio's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Final

from sansio_net.adapters.asyncio import NetworkLoop, Nic
from sansio_net.adapters.asyncio.driver import Driver
from sansio_net.adapters.asyncio.opening import resolver_of
from sansio_net.drivers import Timer
from sansio_net.stack import Event, Interface, StackConfig
from sansio_net.units import SECOND

from .session import Cancellable, Driving, Opened, Session, busy_poll_of

if TYPE_CHECKING:
    from argparse import Namespace

    from sansio_net.errors import DeviceGone

SETTLE_TIMEOUT: Final = 5 * SECOND
"""How long a link may take to say that our addresses are nobody else's."""

Beside = Callable[[], AbstractAsyncContextManager[object]]
"""What runs on the NIC by asyncio's own means, from its beginning to its end."""


def make_loop(args: Namespace) -> NetworkLoop:
    """That spins where a link asks for it."""
    return NetworkLoop(busy_poll=busy_poll_of(args))


def make_driver(
    opened: Opened,
    loop: asyncio.AbstractEventLoop,
    others: Callable[[list[Event], int], object],
    gone: Callable[[Interface, DeviceGone], None] | None = None,
) -> Driver:
    return Driver(
        *(opened.stack, opened.devices, loop, time.monotonic_ns),
        turn_clock=opened.clock,
        others=others,
        gone=gone,
    )


@asynccontextmanager
async def network(
    args: Namespace,
    hosts: Mapping[str, Sequence[str]],
    others: Callable[[list[Event], int], object],
    close_timeout: int,
) -> AsyncIterator[Nic]:
    """The links of a command line are the network of the running NetworkLoop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NetworkLoop)
    opened = Opened(args)
    try:
        driver = make_driver(opened, loop, others)
        driver.start()
        try:
            for link in opened.links:
                await driver.settle(link.nic, SETTLE_TIMEOUT)
            nic = Nic(driver, opened.links[0].nic, hosts)
            if args.dns:
                nic.resolver = resolver_of(nic, args.dns)
            loop.use(nic)
            yield nic
        finally:
            loop.use(None)
            await driver.close(close_timeout)
    finally:
        opened.close()


class AsyncioLoop:
    """What `drivers.Loop` is to a session, by asyncio: with servers beside the program
    whose connections are asyncio's.
    """

    def __init__(self, args: Namespace, opened: Opened, beside: Beside) -> None:
        self._beside = beside
        self._runner = asyncio.Runner(loop_factory=lambda: make_loop(args))
        loop = self._runner.get_loop()
        assert isinstance(loop, NetworkLoop)
        self._loop = loop
        self._driver = make_driver(opened, loop, self._hear, self._gone)
        self._loop.use(Nic(self._driver, opened.links[0].nic))
        self._app: Callable[[list[Event], int], object] | None = None
        self._over = asyncio.Event()
        self._close_timeout = 0
        self._devices = len(opened.devices)
        self._lost: DeviceGone | None = None
        self._task: asyncio.Task[None] | None = None
        self._early: list[tuple[int, Timer]] | None = []

    # -- as drivers.Loop

    @property
    def now(self) -> int:
        """No turn's, but not before the latest one's."""
        return time.monotonic_ns()

    def watch(
        self, fd: int, callback: Callable[[int], None], *, write: bool = False
    ) -> None:
        add = self._loop.add_writer if write else self._loop.add_reader
        add(fd, self._call, callback)

    def unwatch(self, fd: int) -> None:
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)

    def call_at(self, when: int, callback: Callable[[int], None]) -> Cancellable:
        if self._early is not None:
            timer = Timer(callback)
            self._early.append((when, timer))
            return timer
        delay = max(0, when - time.monotonic_ns()) / SECOND
        return self._loop.call_later(delay, self._call, callback)

    def run(self, app: Callable[[list[Event], int], bool | None]) -> None:
        self._app = app
        try:
            self._runner.run(self._main())
        except asyncio.CancelledError:
            pass
        if self._lost is not None:
            raise self._lost

    def stop(self) -> None:
        """At once, whatever is open."""
        self._close_timeout = 0
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        self._runner.close()

    # -- its own

    def end(self, timeout: int) -> None:
        """End `run` once everything is closed, by force after `timeout` ns."""
        self._close_timeout = timeout
        self._over.set()

    async def _main(self) -> None:
        self._task = asyncio.current_task()
        try:
            async with self._beside():
                self._driver.start()
                self._begin()
                await self._over.wait()
        finally:
            await self._driver.close(self._close_timeout)

    def _begin(self) -> None:
        """What was asked for before the first turn comes with it or after it."""
        early, self._early = self._early or [], None
        for when, timer in early:
            if timer.callback is not None:
                self.call_at(when, timer.callback)

    def _call(self, callback: Callable[[int], None]) -> None:
        callback(self.now)
        self._driver.wake()  # verbs may have been called

    def _hear(self, events: list[Event], now: int) -> None:
        assert self._app is not None
        self._app(events, now)

    def _gone(self, nic: Interface, error: DeviceGone) -> None:
        self._devices -= 1
        if not self._devices:
            self._lost = error
            self._over.set()


class AsyncioSession(Session):
    """A session with something of asyncio's beside its program."""

    def __init__(
        self, beside: Beside, args: Namespace, config: StackConfig | None = None
    ) -> None:
        self._beside = beside
        super().__init__(args, config)

    def make_loop(self, opened: Opened) -> Driving:
        self._asyncio = AsyncioLoop(self.args, opened, self._beside)
        return self._asyncio

    def end(self, timeout: int) -> None:
        self._asyncio.end(timeout)
