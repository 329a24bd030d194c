"""Sockets that a library made itself: tokens for what the NIC has in their place.

The kernel's socket is never connected; it stands for a connection or a listener of the
stack until a transport takes that over, and is closed then.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from sansio_net.errors import SansioNetError
from sansio_net.stack import Accepted, Connection, Event, Listener

from .driver import Driver
from .nic import Nic

BACKLOG: Final = 128


class AcceptQueue:
    """A listener whose connections somebody takes one by one."""

    def __init__(self, driver: Driver, listener: Listener) -> None:
        self._driver, self._listener = driver, listener
        self._waiting: deque[Connection] = deque()
        self._takers: deque[asyncio.Future[None]] = deque()
        self._error: SansioNetError | None = None
        driver.own(listener, self)

    def handle(self, event: Event) -> None:
        if isinstance(event, Accepted):
            self._waiting.append(event.conn)
            if len(self._waiting) >= BACKLOG:
                self._listener.pause()
            self._wake_one()

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(None)
                return

    async def take(self) -> Connection:
        """The next connection. Raises what ended the listener."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            taker: asyncio.Future[None] = self._driver.loop.create_future()
            self._takers.append(taker)
            try:
                await taker
            except BaseException:
                if not taker.cancelled():
                    self._wake_one()  # it was for somebody else then
                raise
        conn = self._waiting.popleft()
        self._listener.resume()
        return conn

    def close(self) -> None:
        self._listener.close()
        self._driver.forget(self._listener)
        for conn in self._waiting:
            conn.abort()
        self._waiting.clear()
        self._driver.wake()

    def lose(self, error: SansioNetError) -> None:
        self._error = error
        self.close()
        while self._takers:
            self._wake_one()


class Tokens:
    """What sockets of the kernel stand for. One that is dropped takes it along."""

    def __init__(self) -> None:
        self._connections: WeakKeyDictionary[socket.socket, Connection] = (
            WeakKeyDictionary()
        )
        self._queues: WeakKeyDictionary[socket.socket, AcceptQueue] = (
            WeakKeyDictionary()
        )

    def stands_for(self, token: socket.socket, conn: Connection, nic: Nic) -> None:
        self._connections[token] = conn

        def forgotten() -> None:
            if nic.driver.forget_unowned(conn):
                conn.abort()
                nic.wake()

        _when_dropped(token, nic, forgotten)

    def issue(self, conn: Connection, family: int, nic: Nic) -> socket.socket:
        """A new socket that stands for an accepted connection."""
        token = socket.socket(family, socket.SOCK_STREAM)
        token.setblocking(False)
        self.stands_for(token, conn, nic)
        return token

    def redeem(self, token: socket.socket) -> Connection | None:
        """The connection that it stood for; the token is closed. None: it is none."""
        conn = self._connections.pop(token, None)
        if conn is not None:
            token.close()
        return conn

    def queue(self, token: socket.socket, nic: Nic) -> AcceptQueue:
        """The listener that it stands for, from the first time it is asked for."""
        queue = self._queues.get(token)
        if queue is None:
            listener = nic.stack.tcp_listen(listening_place(token))
            queue = self._queues[token] = AcceptQueue(nic.driver, listener)
            _when_dropped(token, nic, queue.close)
        return queue


def listening_place(token: socket.socket) -> tuple[str, int]:
    """Only the port counts: the NIC's addresses are none that the kernel could bind."""
    host = "0.0.0.0" if token.family == socket.AF_INET else "::"
    return host, token.getsockname()[1]


def _when_dropped(token: socket.socket, nic: Nic, callback: Callable[[], None]) -> None:
    loop = nic.driver.loop

    def tell() -> None:
        # garbage may be collected in any thread, and after the loop's end
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback)

    weakref.finalize(token, tell).atexit = False
