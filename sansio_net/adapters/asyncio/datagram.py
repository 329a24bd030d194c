"""A UDP socket as an asyncio datagram transport.

What the socket does not take waits here, and `pause_writing` says so above the limit.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
from asyncio import transports
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sansio_net.adapters.names import MAPPED, destination
from sansio_net.adapters.sockets import DatagramSocket, Sockname, sockname
from sansio_net.errors import ConnectionFailed, LimitError, SansioNetError
from sansio_net.stack import Event, SocketSpaceFreed, UdpSocket

from .driver import Driver


class DatagramTransport(transports._FlowControlMixin, transports.DatagramTransport):
    """Made by `Nic.create_datagram_endpoint`."""

    if TYPE_CHECKING:  # what the base class has and typeshed does not know
        _loop: asyncio.AbstractEventLoop
        _extra: dict[str, Any]

        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    def __init__(
        self,
        driver: Driver,
        udp: UdpSocket,
        family: int,
        protocol: asyncio.BaseProtocol,
        context: contextvars.Context,
        waiter: asyncio.Future[None],
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """waiter: told after connection_made; on_lost: after connection_lost."""
        looks = DatagramSocket(udp, family, driver.name, driver.wake)
        extra: dict[str, Any] = {"socket": looks, "sockname": looks.getsockname()}
        extra["peername"] = sockname(udp.peer) if udp.peer is not None else None
        super().__init__(extra, driver.loop)
        self._driver = driver
        self._udp = udp
        self._context = context
        self._protocol: Any = protocol
        self._on_lost = on_lost
        self._peer: Sockname | None = extra["peername"]
        self._family = family
        self._buffer: deque[tuple[bytes, Any]] = deque()
        self._buffer_size = 0
        self._closing = self._lost = False
        driver.own(udp, self)
        self._loop.call_soon(self._begin, waiter, context=context)

    def __repr__(self) -> str:
        state = "closing" if self._closing else "open"
        return f"<DatagramTransport {state} {self._extra['sockname']} -> {self._peer}>"

    def _begin(self, waiter: asyncio.Future[None]) -> None:
        if not self._lost:
            self._call("connection_made", self)
            self._receive()
        if not waiter.done():
            waiter.set_result(None)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    # -- events

    def handle(self, event: Event) -> None:
        self._context.run(
            self._flush if isinstance(event, SocketSpaceFreed) else self._receive
        )

    def lose(self, error: SansioNetError) -> None:
        self._force_close(error)

    def _receive(self) -> None:
        while not self._closing:
            try:
                datagram = self._udp.receive()
            except ConnectionFailed as error:
                # in its place among the datagrams, of a connected socket alone
                self._call("error_received", error)
                continue
            if datagram is None:
                return
            source = as_family(datagram.source, self._family)
            self._call("datagram_received", datagram.data, source)

    def _call(self, name: str, *args: object) -> None:
        try:
            getattr(self._protocol, name)(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, f"Fatal error: protocol.{name}() call failed.")

    # -- sending

    def sendto(
        self, data: bytes | bytearray | memoryview, addr: Any | None = None
    ) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data argument must be bytes-like object, not {type(data).__name__}"
            )
        if self._peer is not None:
            if addr is not None and tuple(addr)[:2] != self._peer[:2]:
                raise ValueError(f"Invalid address: must be None or {self._peer}")
            addr = None
        elif addr is None:
            raise ValueError("an address is needed where there is no peer")
        if self._closing:
            return
        data = bytes(data)
        if self._buffer or not self._send(data, addr):
            self._buffer.append((data, addr))
            self._buffer_size += len(data)
            self._maybe_pause_protocol()

    def _send(self, data: bytes, address: Any) -> bool:
        """False: there is no room, and an event will tell when there is."""
        try:
            if address is None:
                self._udp.send(data)
            else:
                self._udp.send_to(data, destination(address))
        except LimitError:
            return False
        except OSError as error:
            self._call("error_received", error)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            message = "Fatal write error on datagram transport"
            self._fatal_error(error, message)
        self._driver.wake()
        return True

    def _flush(self) -> None:
        buffer = self._buffer
        while buffer and self._send(*buffer[0]):
            if buffer:  # a callback may have aborted us
                self._buffer_size -= len(buffer.popleft()[0])
        self._maybe_resume_protocol()
        if self._closing and not buffer:
            self._finish(None)

    def get_write_buffer_size(self) -> int:
        return self._buffer_size

    # -- the end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was given to `sendto` still goes."""
        if self._closing:
            return
        self._closing = True
        if not self._buffer:
            self._finish(None)

    def abort(self) -> None:
        self._force_close(None)

    def _force_close(self, error: BaseException | None) -> None:
        self._buffer.clear()
        self._buffer_size = 0
        self._closing = True
        self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._udp.close()
        self._driver.wake()
        self._driver.forget(self._udp)
        self._loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            about = {"transport": self, "protocol": self._protocol}
            self._driver.guard(message, exception=error, **about)
        self._force_close(error)

    def _call_connection_lost(self, error: BaseException | None) -> None:
        protocol, self._protocol = self._protocol, None
        on_lost, self._on_lost = self._on_lost, None
        try:
            protocol.connection_lost(error)
        finally:
            if on_lost is not None:
                on_lost()


def as_family(endpoint: tuple[str, int], family: int) -> Sockname:
    """An endpoint as a socket of that family has it: an IPv6 one speaks to both."""
    host, port = endpoint
    if family == socket.AF_INET6 and ":" not in host:
        return (MAPPED + host, port, 0, 0)
    return sockname(endpoint)
