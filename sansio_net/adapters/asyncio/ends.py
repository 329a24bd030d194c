"""What a socket that is a token stands for: ends that are read and written by await.

`loop.sock_recv` and its like, and the verbs of the token itself, act on them.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sansio_net.adapters.names import destination
from sansio_net.adapters.sockets import (
    DatagramSocket,
    ListeningSocket,
    Sockname,
    StreamSocket,
    VirtualSocket,
    sockname,
)
from sansio_net.errors import LimitError, SansioNetError, StateError
from sansio_net.stack import (
    Accepted,
    Connection,
    Event,
    Listener,
    SocketSpaceFreed,
    SpaceFreed,
    UdpSocket,
)

from .datagram import as_family
from .nic import Nic

T = TypeVar("T")

BACKLOG: Final = 128
"""Connections that wait for `sock_accept`, as Linux's SOMAXCONN once was."""


class Waiters:
    """Tasks that wait for something to change; each looks for itself if it did."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []

    async def wait(self) -> None:
        future: asyncio.Future[None] = self._loop.create_future()
        self._futures.append(future)
        try:
            await future
        finally:
            self._futures.remove(future)

    def wake(self) -> None:
        for future in self._futures:
            if not future.done():
                future.set_result(None)


class End:
    """One of the NIC's sockets, and those who wait for it."""

    looks: VirtualSocket

    def __init__(self, nic: Nic, source: Connection | Listener | UdpSocket) -> None:
        self.nic = nic
        self._source = source
        self._readers = Waiters(nic.driver.loop)
        self._writers = Waiters(nic.driver.loop)
        self._error: SansioNetError | None = None
        self.released = False
        nic.driver.own(source, self)

    def handle(self, event: Event) -> None:
        if isinstance(event, SpaceFreed | SocketSpaceFreed):
            self._writers.wake()
        else:
            self._wake_all()

    def _wake_all(self) -> None:
        self._readers.wake()
        self._writers.wake()

    async def _until(self, waiters: Waiters, attempt: Callable[[], T | None]) -> T:
        while (result := attempt()) is None:
            await waiters.wait()
        return result

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.released:
            raise os_error(errno.EBADF)

    def release(self) -> None:
        """It is somebody else's from now on."""
        self.released = True
        self.nic.driver.forget(self._source)
        self._wake_all()

    def close(self) -> None:
        """In good order; who waits gets EBADF."""
        if not self.released:
            self.release()
            self._close()
            self.nic.wake()

    def lose(self, error: SansioNetError) -> None:
        self._error = error
        if not self.released:
            self.release()
            self._lose()
            self.nic.wake()

    def _close(self) -> None:
        self._source.close()

    def _lose(self) -> None:
        self._source.close()


class StreamEnd(End):
    """A connection, until a transport takes it over."""

    def __init__(self, nic: Nic, conn: Connection) -> None:
        super().__init__(nic, conn)
        self.conn = conn
        self.looks = StreamSocket(conn, nic.wake)

    def recv(self, n: int) -> bytes | None:
        """None: nothing yet; b"": the end, or nothing was asked for."""
        self._check()
        if n <= 0:
            return b""
        try:
            data = self.conn.recv(n)
        except StateError as error:
            raise os_error(errno.ENOTCONN) from error
        self.nic.wake()  # the window may have opened
        return data

    def send(self, data: memoryview) -> int:
        """How much it took."""
        self._check()
        try:
            taken = self.conn.send(data)
        except StateError as error:
            raise os_error(errno.EPIPE) from error
        self.nic.wake()
        return taken

    async def receive(self, n: int) -> bytes:
        return await self._until(self._readers, lambda: self.recv(n))

    async def receive_into(self, buffer: Any) -> int:
        with memoryview(buffer) as whole, whole.cast("B") as view:
            data = await self.receive(len(view))
            view[: len(data)] = data
        return len(data)

    async def send_all(self, data: Any) -> None:
        with memoryview(data) as whole:
            view = whole.cast("B")
            while view:
                view = view[self.send(view) :]
                if view:
                    await self._writers.wait()

    def shutdown(self, how: int) -> None:
        self._check()
        if how != socket.SHUT_RD:
            self.conn.shutdown()
            self.nic.wake()

    def _lose(self) -> None:
        self.conn.abort()


class DatagramEnd(End):
    """A UDP socket, until a transport takes it over."""

    def __init__(self, nic: Nic, udp: UdpSocket, family: int) -> None:
        super().__init__(nic, udp)
        self.udp = udp
        self.family = family
        self.looks = DatagramSocket(udp, family, nic.driver.name, nic.wake)

    def recv_from(self, n: int) -> tuple[bytes, Sockname] | None:
        """What does not fit is cut off, as ever."""
        self._check()
        datagram = self.udp.receive()
        if datagram is None:
            return None
        return datagram.data[:n], as_family(datagram.source, self.family)

    def send_to(self, data: Any, address: Any | None) -> bool | None:
        """To the peer where no address is given. None: there is no room."""
        self._check()
        try:
            if address is None:
                self.udp.send(data)
            else:
                self.udp.send_to(data, destination(address))
        except LimitError:
            return None
        self.nic.wake()
        return True

    async def receive_from(self, n: int) -> tuple[bytes, Sockname]:
        return await self._until(self._readers, lambda: self.recv_from(n))

    async def deliver(self, data: Any, address: Any | None) -> None:
        await self._until(self._writers, lambda: self.send_to(data, address))


class AcceptQueue(End):
    """A listener whose connections somebody takes one by one."""

    def __init__(self, nic: Nic, listener: Listener, family: int) -> None:
        super().__init__(nic, listener)
        self._listener = listener
        self._waiting: deque[Connection] = deque()
        self.looks = ListeningSocket(listener, family)

    def handle(self, event: Event) -> None:
        if isinstance(event, Accepted):
            self._waiting.append(event.conn)
            if len(self._waiting) >= BACKLOG:
                self._listener.pause()
        super().handle(event)

    def accept(self) -> Connection | None:
        self._check()
        if not self._waiting:
            return None
        conn = self._waiting.popleft()
        self._listener.resume()
        return conn

    async def take(self) -> tuple[Connection, Sockname]:
        """The next connection and its peer. Raises what ended the listener."""
        conn = await self._until(self._readers, self.accept)
        return conn, sockname(conn.peer)

    def discard(self) -> None:
        """The listener and who waits."""
        self._listener.close()
        for conn in self._waiting:
            conn.abort()
        self._waiting.clear()

    _close = _lose = discard


def os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))
