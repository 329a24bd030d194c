"""A TCP connection as an asyncio transport.

The write buffer is what ``Connection.send`` did not take; SpaceFreed empties it. Who
pauses reading stops calling ``recv``, so that the window closes at the peer.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from asyncio import constants, transports
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sansio_net.adapters.sockets import StreamSocket
from sansio_net.errors import ConnectionAborted, SansioNetError
from sansio_net.stack import Closed, Connection, ConnectionLost, Event, SpaceFreed

from .driver import Driver

READ_SIZE: Final = 256 * 1024
"""The most that `data_received` gets at a time, as of asyncio's own transports."""

LOGGER: Final = logging.getLogger("sansio_net.adapters.asyncio")


class StreamTransport(transports._FlowControlMixin):
    """Made by `Nic.create_connection` and by a `Server`."""

    _start_tls_compatible = True
    _sendfile_compatible = constants._SendfileMode.FALLBACK

    if TYPE_CHECKING:  # what the base class has and typeshed does not know
        _loop: asyncio.AbstractEventLoop
        _extra: dict[str, Any]

        def _maybe_pause_protocol(self) -> None: ...
        def _maybe_resume_protocol(self) -> None: ...

    def __init__(
        self,
        driver: Driver,
        conn: Connection,
        protocol: asyncio.BaseProtocol,
        context: contextvars.Context,
        *,
        waiter: asyncio.Future[None] | None = None,
        on_lost: Callable[[], None] | None = None,
    ) -> None:
        """waiter: told after connection_made; on_lost: after connection_lost."""
        sock = StreamSocket(conn, driver.wake)
        names = {"sockname": sock.getsockname(), "peername": sock.getpeername()}
        super().__init__({"socket": sock, **names}, driver.loop)
        self._driver = driver
        self._conn = conn
        self._context = context
        self._on_lost = on_lost
        self._buffer: deque[bytes | memoryview] = deque()
        self._buffer_size = 0
        self._paused = True  # until connection_made has returned
        self._closing = False
        self._eof_read = self._eof_written = False
        self._lost_writes = 0  # above 0: connection_lost is under way
        self.set_protocol(protocol)
        driver.own(conn, self)
        call_soon = self._loop.call_soon
        call_soon(self._call_connection_made, context=context)
        if waiter is not None:
            call_soon(_wake_waiter, waiter, context=context)

    def __repr__(self) -> str:
        state = "closing" if self._closing else "open"
        return (
            f"<{type(self).__name__} {state} {self._extra['sockname']} ->"
            f" {self._extra['peername']} buffer={self._buffer_size}>"
        )

    # -- the protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol: Any = protocol
        self._is_buffered = isinstance(protocol, asyncio.BufferedProtocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def _call_connection_made(self) -> None:
        self._paused = False
        try:
            self._protocol.connection_made(self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, "protocol.connection_made() failed")
            return
        # what came until now was told to nobody
        self._loop.call_soon(self._read, context=self._context)

    # -- events

    def handle(self, event: Event) -> None:
        if isinstance(event, SpaceFreed):
            self._context.run(self._flush)
        elif isinstance(event, ConnectionLost):
            self._drop(event.error, reset=True)
        elif isinstance(event, Closed):
            # both ends have finished; else somebody aborted it under us
            if not self._eof_written:
                self._drop(ConnectionAborted(), reset=True)
        else:
            self._context.run(self._read)

    def lose(self, error: SansioNetError) -> None:
        self._drop(error, reset=True)

    # -- reading

    def is_reading(self) -> bool:
        return not self._closing and not self._paused

    def pause_reading(self) -> None:
        if not self._closing:
            self._paused = True

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            # not from within: a protocol need not be ready for its own callback
            self._loop.call_soon(self._read, context=self._context)

    def _read(self) -> None:
        """Hand over what is pending, then the end of the stream."""
        conn = self._conn
        while not (self._paused or self._closing or self._eof_read):
            try:
                if self._is_buffered and conn.pending:
                    self._fill_buffer()
                    continue
                data = conn.recv(READ_SIZE)
            except SansioNetError as error:
                self._force_close(error)
                return
            if data is None:
                break
            if data:
                self._call("data_received", data)
            else:
                self._eof_read = True
                if not self._call("eof_received"):
                    self.close()
        self._driver.wake()  # the window may have opened

    def _fill_buffer(self) -> None:
        buffer = self._call("get_buffer", -1)
        if self._closing:
            return
        if not buffer:
            empty = RuntimeError("get_buffer() returned an empty buffer")
            self._fatal_error(empty, "protocol.get_buffer() failed")
            return
        view = memoryview(buffer).cast("B")
        data = self._conn.recv(len(view)) or b""
        view[: len(data)] = data
        view.release()
        self._call("buffer_updated", len(data))

    def _call(self, name: str, *args: object) -> Any:
        try:
            return getattr(self._protocol, name)(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._fatal_error(error, f"Fatal error: protocol.{name}() call failed.")
            return None

    # -- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__}"
            )
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._lost_writes:
            if self._lost_writes >= constants.LOG_THRESHOLD_FOR_CONNLOST_WRITES:
                LOGGER.warning("write() to a connection that is lost")
            self._lost_writes += 1
            return
        if isinstance(data, memoryview):
            data = data.cast("B") if data.c_contiguous else bytes(data)
        if not data:
            return
        taken = 0
        if not self._buffer:
            taken = self._send(data)
            if taken in (-1, len(data)):
                return
        # the caller may change his own; bytes nobody can
        rest = memoryview(data if isinstance(data, bytes) else bytes(data))[taken:]
        self._buffer.append(rest)
        self._buffer_size += len(rest)
        self._maybe_pause_protocol()

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        """What the connection took; -1: it is lost."""
        try:
            taken = self._conn.send(data)
        except SansioNetError as error:
            self._force_close(self._conn.error or error)
            return -1
        self._driver.wake()
        return taken

    def _flush(self) -> None:
        buffer = self._buffer
        while buffer:
            data = buffer[0]
            taken = self._send(data)
            if taken < 0:
                return
            self._buffer_size -= taken
            if taken < len(data):
                buffer[0] = memoryview(data)[taken:]
                break
            buffer.popleft()
        self._maybe_resume_protocol()  # it may write again
        if not buffer:
            if self._closing:
                self._finish(None)
            elif self._eof_written:
                self._shutdown()

    def get_write_buffer_size(self) -> int:
        return self._buffer_size

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if self._closing or self._eof_written:
            return
        self._eof_written = True
        if not self._buffer:
            self._shutdown()

    def _shutdown(self) -> None:
        try:
            self._conn.shutdown()
        except SansioNetError as error:
            self._force_close(error)
        self._driver.wake()

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        super().set_write_buffer_limits(high, low)

    # -- the end

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What is written still goes; then FIN. The peer's is not waited for."""
        if self._closing:
            return
        self._closing = True
        if not self._buffer:
            self._finish(None)

    def abort(self) -> None:
        self._force_close(None)

    def reset(self) -> None:
        """RST, whatever is on its way."""
        self._drop(None, reset=True)

    def _finish(self, error: BaseException | None) -> None:
        if self._lost_writes:
            return
        self._lost_writes = 1
        self._conn.close()
        self._driver.wake()
        self._end(error)

    def _force_close(self, error: BaseException | None) -> None:
        """What the connection has taken still goes, as with asyncio's own, which some
        close no other way (anyio); RST tells the peer if more than that was written.
        Also asyncio.sslproto calls it.
        """
        self._drop(error, reset=bool(self._buffer))

    def _drop(self, error: BaseException | None, *, reset: bool) -> None:
        if self._lost_writes:
            return
        self._lost_writes = 1
        self._closing = True
        self._buffer.clear()
        self._buffer_size = 0
        if reset:
            self._conn.abort()
        else:
            self._conn.close()
        self._driver.wake()
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        self._driver.forget(self._conn)
        self._loop.call_soon(self._call_connection_lost, error, context=self._context)

    def _fatal_error(self, error: BaseException, message: str) -> None:
        if not isinstance(error, OSError):
            about = {"transport": self, "protocol": self._protocol}
            self._driver.guard(message, exception=error, **about)
        self._force_close(error)

    def _call_connection_lost(self, error: BaseException | None) -> None:
        protocol, on_lost = self._protocol, self._on_lost
        self._on_lost = None
        try:
            protocol.connection_lost(error)
        finally:
            self._protocol = None
            if on_lost is not None:
                on_lost()


def _wake_waiter(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
