"""A connection behind a real descriptor: one end of a `socket.socketpair`.

The driver's thread carries bytes between the other end and the connection: as much as
each takes, so that who does not read at one end stops who writes at the other, and each
half is closed by itself.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from copy import copy
from typing import Any, Final

from sansio_net.adapters.streams import StreamEndpoint

from .driver import Driver

CHUNK: Final = 64 * 1024
"""Carried at a time, in either direction."""

OF_THE_CONNECTION: Final = (
    *(socket.IPPROTO_TCP, socket.IPPROTO_IP, socket.IPPROTO_IPV6),
)
"""Levels of options that a socketpair does not have."""


class Bridge:
    """Both halves of one connection. In the driver's thread, with its lock."""

    def __init__(
        self,
        driver: Driver,
        end: StreamEndpoint,
        near: socket.socket,
        done: Callable[[Bridge], None],
    ) -> None:
        near.setblocking(False)
        self.end = end
        self.error: OSError | None = None
        """What the connection was lost of."""
        self._driver = driver
        self._near = near
        self._done = done
        self._out = self._in = memoryview(b"")
        self._out_open = self._in_open = True
        self._closing = self._over = self._due = self._hung_up = False
        self._mask = -1
        end.on_readable = end.on_writable = self.due
        self.due()

    def due(self) -> None:
        """Something changed at the connection."""
        if not self._due:
            self._due = True
            self._driver.soon(self._pump)

    def finish(self) -> None:
        """The NIC closes: what lies in the descriptor still goes, then the end."""
        self._closing = True
        self.due()

    def _pump(self) -> None:
        self._due = False
        if self._over:
            return
        try:
            self._carry_out()
            self._carry_in()
        except OSError as error:
            self._lose(error)
            return
        if not self._out_open and (self._closing or not self._in_open):
            self._close(by_force=False)
            return
        self._watch()

    def _carry_out(self) -> None:
        """From the descriptor to the connection."""
        while self._out_open:
            if not self._out:
                data = self._read_near()
                if data is None:
                    return
                if not data:
                    self._out_open = False
                    self.end.shutdown(socket.SHUT_WR)
                    return
                self._out = memoryview(data)
            try:
                self._out = self._out[self.end.send(self._out) :]
            except BlockingIOError:
                return

    def _read_near(self) -> bytes | None:
        """None: nothing yet."""
        try:
            return self._near.recv(CHUNK)
        except BlockingIOError:
            return b"" if self._closing else None
        except OSError:
            return b""  # closed with text unread: what it had written is with us

    def _carry_in(self) -> None:
        """From the connection to the descriptor."""
        while self._in_open:
            if not self._in:
                try:
                    data = self.end.recv(CHUNK)
                except BlockingIOError:
                    return
                if not data:
                    self._in_open = False
                    self._near.shutdown(socket.SHUT_WR)
                    return
                self._in = memoryview(data)
            try:
                self._in = self._in[self._near.send(self._in) :]
            except BlockingIOError:
                return

    def _watch(self) -> None:
        """A full direction waits for the other end of it; a hang-up is always told."""
        mask = 0
        if self._out_open and not self._out:
            mask |= select.POLLIN
        if self._in:
            mask |= select.POLLOUT
        if self._hung_up and self._out:
            mask = -1  # told once is enough until the connection takes more
        if mask != self._mask:
            self._mask = mask
            fd = self._near.fileno()
            self._driver.unwatch(fd)
            if mask >= 0:
                self._driver.watch(fd, mask, self._ready)

    def _ready(self) -> None:
        poll = select.poll()
        poll.register(self._near, 0)
        self._hung_up = bool(poll.poll(0))
        if self._hung_up and not self._out_open:
            # closed, not half closed: nobody will read what comes
            self._close(by_force=bool(self._in))
        else:
            self._pump()

    def _lose(self, error: OSError) -> None:
        self.error = error
        self._close(by_force=True)

    def _close(self, by_force: bool) -> None:
        self._over = True
        self._driver.unwatch(self._near.fileno())
        self._near.close()
        self.end.shut(by_force)
        self._done(self)
        self._driver.changed.notify_all()


class BridgeSocket(socket.socket):
    """The program's end: a real socket, of the Unix family, with the connection's names
    and options. Where the connection is lost, it raises the connection's error after
    what came before it; whoever uses the descriptor itself sees the end of the stream.
    """

    _bridge: Bridge

    def getpeername(self) -> Any:
        return self._of_connection(lambda end: end.as_family(end.looks.getpeername()))

    def getsockname(self) -> Any:
        return self._of_connection(lambda end: end.as_family(end.looks.getsockname()))

    def _of_connection(self, ask: Callable[[StreamEndpoint], Any]) -> Any:
        with self._bridge._driver.lock:
            return ask(self._bridge.end)

    def setsockopt(self, level: int, optname: int, value: Any, *rest: Any) -> None:
        """The connection's options, and the descriptor's."""
        if level in OF_THE_CONNECTION:
            self._of_connection(lambda end: end.setsockopt(level, optname, value))
            return
        super().setsockopt(level, optname, value, *rest)

    def getsockopt(self, level: int, optname: int, *rest: int) -> Any:
        """The connection's options, and the descriptor's."""
        if level in OF_THE_CONNECTION:
            return self._of_connection(
                lambda end: end.getsockopt(level, optname, *rest)
            )
        return super().getsockopt(level, optname, *rest)

    def dup(self) -> BridgeSocket:
        made = super().dup()
        made._bridge = self._bridge
        return made

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        data = super().recv(bufsize, flags)
        if not data and bufsize:
            self._check()
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        size = super().recv_into(buffer, nbytes, flags)
        if not size and len(memoryview(buffer)):
            self._check()
        return size

    def _check(self) -> None:
        error = self._bridge.error
        if error is not None:
            raise copy(error)


def bridged(
    driver: Driver, end: StreamEndpoint, done: Callable[[Bridge], None]
) -> tuple[BridgeSocket, Bridge]:
    """With the lock held."""
    near, far = socket.socketpair()
    made = BridgeSocket(far.family, far.type, far.proto, fileno=far.detach())
    made._bridge = Bridge(driver, end, near, done)
    return made, made._bridge
