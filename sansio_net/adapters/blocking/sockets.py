"""A socket of the NIC as `socket.socket` is: it blocks, or times out.

Any number of threads may use it; a `close` in one wakes those that wait in others.
"""

from __future__ import annotations

import errno
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from threading import Condition
from types import TracebackType
from typing import Any, Final, TypeVar

from sansio_net.adapters.datagrams import DatagramEndpoint
from sansio_net.adapters.endpoint import Endpoint, refuse
from sansio_net.adapters.names import resolve
from sansio_net.adapters.streams import StreamEndpoint

from .driver import Driver

T = TypeVar("T")

Hosts = dict[str, Any]

NO_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
CHUNK: Final = 256 * 1024
"""Of a file, in `sendfile`."""


class Socket:
    """Made by `Nic.socket`, `Nic.create_connection`, `Nic.create_server`, `accept`.

    `fileno` is no descriptor of the process: -1 once it is closed, else a number that
    no process has. For code that needs a real one there is `Nic.bridge`.
    """

    def __init__(self, end: Endpoint, driver: Driver, hosts: Hosts) -> None:
        self._end = end
        self._driver = driver
        self._hosts = hosts
        self._timeout = socket.getdefaulttimeout()
        self._io_refs = 0
        self._closed = False
        self._changed = Condition(driver.lock)
        # of the condition, not of us: a socket that is dropped can be collected
        end.on_readable = end.on_writable = self._changed.notify_all

    def __del__(self) -> None:
        end = getattr(self, "_end", None)
        if end is not None and not end.closed and end.error is None:
            warnings.warn(f"unclosed {end}", ResourceWarning, source=self, stacklevel=2)
            # this thread may hold the lock already
            self._driver.soon(end.shut)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._end}>"

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._closed:
            self.close()

    # -- waiting

    def _do(self, attempt: Callable[[], T], timeout: float | None = -1) -> T:
        """Try until it does not block, for at most `timeout` seconds; -1: as set."""
        if timeout == -1:
            timeout = self._timeout
        until = None if timeout is None else time.monotonic() + timeout
        with self._driver.lock:
            while True:
                try:
                    return attempt()
                except BlockingIOError:
                    if timeout == 0:
                        raise
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("timed out")
                self._changed.wait(left)

    def _flags(self, flags: int) -> float | None:
        """The timeout of one call."""
        return 0 if flags & socket.MSG_DONTWAIT else self._timeout

    def settimeout(self, value: float | None) -> None:
        """Seconds; 0: never block, None: for as long as it takes."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        return self._timeout != 0

    @property
    def timeout(self) -> float | None:
        return self._timeout

    # -- what does not wait

    @property
    def family(self) -> socket.AddressFamily:
        return self._end.family

    @property
    def type(self) -> socket.SocketKind:
        return self._end.looks.type

    @property
    def proto(self) -> int:
        return self._end.looks.proto

    def fileno(self) -> int:
        return self._end.fileno()

    def detach(self) -> int:
        """There is no descriptor to be had."""
        refuse(errno.EOPNOTSUPP)

    def getsockname(self) -> Any:
        return self._do(self._end.getsockname)

    def getpeername(self) -> Any:
        return self._do(self._end.getpeername)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        """As docs/asyncio.md has it for `get_extra_info("socket")`."""
        return self._do(partial(self._end.getsockopt, level, optname, buflen))

    def setsockopt(
        self, level: int, optname: int, value: Any, optlen: int | None = None
    ) -> None:
        """As docs/asyncio.md has it for `get_extra_info("socket")`."""
        self._do(partial(self._end.setsockopt, level, optname, value, optlen))

    def bind(self, address: Any) -> None:
        end = self._both()
        self._do(lambda: end.bind(self._address(address, True)))

    def listen(self, backlog: int = 128) -> None:
        self._do(partial(self._stream().listen, backlog))

    def shutdown(self, how: int) -> None:
        self._do(partial(self._both().shutdown, how))

    def close(self) -> None:
        """What is queued still goes; threads that wait get OSError (EBADF). With files
        of `makefile` open, it is their last one's `close` that counts.
        """
        self._closed = True
        if self._io_refs <= 0:
            self._do(self._end.shut)

    def _decref_socketios(self) -> None:
        """A file of `makefile` was closed."""
        if self._io_refs > 0:
            self._io_refs -= 1
        if self._closed:
            self.close()

    def give_up(self) -> StreamEndpoint:
        """Its connection, for somebody else; the socket is closed without it."""
        end = self._stream()
        with self._driver.lock:
            end.check()
            closed = StreamEndpoint(self._driver, end.family)
            closed.shut()
            self._end, self._closed = closed, True
            self._changed.notify_all()
        return end

    def _address(self, address: Any, passive: bool = False) -> Any:
        kind = self.family, self.type
        return resolve(self._driver.stack, self._hosts, *kind, address, passive)

    def _stream(self) -> StreamEndpoint:
        if not isinstance(self._end, StreamEndpoint):
            refuse(errno.EOPNOTSUPP)
        return self._end

    def _both(self) -> StreamEndpoint | DatagramEndpoint:
        assert isinstance(self._end, StreamEndpoint | DatagramEndpoint)
        return self._end

    # -- what does

    def connect(self, address: Any) -> None:
        end = self._both()
        if isinstance(end, DatagramEndpoint):
            datagrams = end
            self._do(lambda: datagrams.connect(self._address(address)))
            return
        stream = end
        self._do(lambda: stream.begin_connect(self._address(address)))
        try:
            self._do(stream.finish_connect)
        except (TimeoutError, KeyboardInterrupt):
            if stream.error is None:
                self._do(partial(stream.shut, by_force=True))
            raise

    def connect_ex(self, address: Any) -> int:
        """As `connect`, but the error's number."""
        try:
            self.connect(address)
        except OSError as error:
            if error.errno is None:
                return errno.EAGAIN  # a timeout of ours
            return error.errno
        return 0

    def accept(self) -> tuple[Socket, Any]:
        child = self._do(self._stream().accept)
        made = Socket(child, self._driver, self._hosts)
        return made, child.as_family(child.looks.getpeername())

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        end, timeout = self._both(), self._flags(flags)
        data = self._do(lambda: end.recv(bufsize, flags), timeout)
        if flags & socket.MSG_WAITALL and isinstance(end, StreamEndpoint):
            while data and len(data) < bufsize:
                more = self._do(partial(end.recv, bufsize - len(data)), timeout)
                if not more:
                    break
                data += more
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        with memoryview(buffer).cast("B") as view:
            data = self.recv(nbytes or len(view), flags)
            view[: len(data)] = data
        return len(data)

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        end = self._end
        if isinstance(end, DatagramEndpoint):
            attempt = partial(end.recvfrom, bufsize, flags)
            return self._do(attempt, self._flags(flags))
        return self.recv(bufsize, flags), None

    def recvfrom_into(
        self, buffer: Any, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        with memoryview(buffer).cast("B") as view:
            data, address = self.recvfrom(nbytes or len(view), flags)
            view[: len(data)] = data
        return len(data), address

    def send(self, data: Any, flags: int = 0) -> int:
        return self._send(data, self._sending(flags))

    def _send(self, data: Any, timeout: float | None) -> int:
        end = self._both()
        with memoryview(data).cast("B") as view:
            return self._do(lambda: end.send(view), timeout)

    def _sending(self, flags: int) -> float | None:
        if flags & ~(NO_SIGNAL | socket.MSG_DONTWAIT):
            refuse(errno.EOPNOTSUPP)
        return self._flags(flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """All of it; the timeout is for all of it as well."""
        timeout = self._sending(flags)
        until = None if timeout is None else time.monotonic() + timeout
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                if timeout and until is not None:
                    timeout = max(1e-9, until - time.monotonic())
                sent += self._send(view[sent:], timeout)

    def sendto(self, data: Any, *args: Any) -> int:
        """``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        *flags, address = args
        timeout = self._sending(*flags) if flags else self._timeout
        end = self._end
        if not isinstance(end, DatagramEndpoint):
            return self._send(data, timeout)
        datagrams = end
        return self._do(
            lambda: datagrams.sendto(
                data, None if address is None else self._address(address)
            ),
            timeout,
        )

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[Any] = (),
        flags: int = 0,
        address: Any = None,
    ) -> int:
        """Without ancillary data."""
        if list(ancdata):
            refuse(errno.EOPNOTSUPP)
        return self.sendto(b"".join(buffers), flags, address)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """By reading the file."""
        if offset:
            file.seek(offset)
        total = 0
        while count is None or total < count:
            size = CHUNK if count is None else min(CHUNK, count - total)
            data = file.read(size)
            if not data:
                break
            self.sendall(data)
            total += len(data)
        if hasattr(file, "seek"):
            file.seek(offset + total, os.SEEK_SET)
        return total

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """As `socket.socket.makefile`, which it is: that asks for no descriptor."""
        make: Any = socket.socket.makefile
        text = {"encoding": encoding, "errors": errors, "newline": newline}
        return make(self, mode, buffering, **text)
