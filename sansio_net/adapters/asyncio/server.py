"""Listeners as an `asyncio.Server`, with the methods of Python 3.13's."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence

from sansio_net.adapters.sockets import ListeningSocket
from sansio_net.errors import SansioNetError
from sansio_net.stack import Accepted, Connection, Event, Listener

from .driver import Driver
from .stream import StreamTransport
from .tls import Tls


class Server(asyncio.AbstractServer):
    """Made by `Nic.create_server`. Connections outlive it; `wait_closed` waits for
    them, as since Python 3.12.
    """

    def __init__(
        self,
        driver: Driver,
        listeners: Sequence[tuple[Listener, int]],
        factory: Callable[[], asyncio.BaseProtocol],
        encryption: Tls | None,
    ) -> None:
        self._driver = driver
        self._loop = driver.loop
        self._factory = factory
        self._encryption = encryption
        # who connects is served as if by the one who made the server
        self._context = contextvars.copy_context()
        self._listeners: list[Listener] = [listener for listener, _ in listeners]
        self._sockets: tuple[ListeningSocket, ...] | None = tuple(
            ListeningSocket(*pair) for pair in listeners
        )
        self._transports: dict[Connection, StreamTransport] = {}
        self._serving = self._closed = False
        self._waiters: list[asyncio.Future[None]] | None = []
        self._close_too: list[Callable[[], None]] = []
        self._forever: asyncio.Future[None] | None = None
        for listener in self._listeners:
            listener.pause()
            driver.own(listener, self)

    def __repr__(self) -> str:
        return f"<Server sockets={self.sockets!r}>"

    # -- connections

    def handle(self, event: Event) -> None:
        if isinstance(event, Accepted):
            context = self._context.copy()
            context.run(self._accept, event.conn, context)

    def _accept(self, conn: Connection, context: contextvars.Context) -> None:
        encryption = self._encryption
        try:
            protocol = self._factory()
            if encryption is not None:
                protocol, _ = encryption.wrap(
                    self._loop, protocol, None, server_side=True
                )
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            conn.abort()
            self._driver.guard("the protocol factory of a server", exception=error)
            return
        transport = StreamTransport(
            *(self._driver, conn, protocol, context),
            on_lost=lambda: self._forget(conn),
        )
        self._transports[conn] = transport

    def _forget(self, conn: Connection) -> None:
        del self._transports[conn]
        self._wake_waiters()

    # -- asyncio.Server

    @property
    def sockets(self) -> tuple[ListeningSocket, ...]:
        return self._sockets or ()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        if self._closed:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        await asyncio.sleep(0)

    def _start_serving(self) -> None:
        self._serving = True
        for listener in self._listeners:
            listener.resume()

    async def serve_forever(self) -> None:
        if self._forever is not None:
            raise RuntimeError(
                f"server {self!r} is already being awaited on serve_forever()"
            )
        await self.start_serving()
        self._forever = self._loop.create_future()
        try:
            await self._forever
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._forever = None

    def close(self) -> None:
        if self._closed:
            return
        self._closed, self._serving = True, False
        for listener in self._listeners:
            listener.close()
            self._driver.forget(listener)
        self._driver.wake()  # resets to those in the backlog
        self._listeners = []
        self._sockets = None
        while self._close_too:
            self._close_too.pop()()
        if self._forever is not None and not self._forever.done():
            self._forever.cancel()
        self._wake_waiters()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call it as well when the listeners are closed."""
        self._close_too.append(callback)

    def lose(self, error: SansioNetError) -> None:
        self.close()

    def close_clients(self) -> None:
        """Close every connection of this server, in good order."""
        for transport in list(self._transports.values()):
            transport.close()

    def abort_clients(self) -> None:
        for transport in list(self._transports.values()):
            transport.abort()

    async def wait_closed(self) -> None:
        """Until it is closed and its connections are gone."""
        if self._waiters is None:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if self._waiters is not None:
                self._waiters.remove(waiter)

    def _wake_waiters(self) -> None:
        if self._closed and not self._transports and self._waiters is not None:
            waiters, self._waiters = self._waiters, None
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)
