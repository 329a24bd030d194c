"""A socket of the NIC as trio's own are: `trio.socket.SocketType`."""

from __future__ import annotations

import errno
import socket
import warnings
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import trio

from sansio_net.adapters.datagrams import DatagramEndpoint
from sansio_net.adapters.endpoint import Endpoint, refuse
from sansio_net.adapters.streams import StreamEndpoint

from .driver import Driver, Slot

T = TypeVar("T")

Resolve = Callable[[int, int, Any, bool], Awaitable[Any]]
"""Of a family, a type, an address, whether it is for bind: the address in numbers."""


class Socket(trio.socket.SocketType):
    """Made by `Nic.socket`, and by `trio.socket.socket` where the NIC is in use.

    `fileno` is no descriptor of the process: -1 once it is closed, else a number that
    no process has.
    """

    def __init__(self, end: Endpoint, driver: Driver, resolve: Resolve) -> None:
        super().__init__()
        self._end = end
        self._driver = driver
        self._resolve = resolve
        self._reading, self._writing = Slot(), Slot()
        # of the slots, not of us: a socket that is dropped can be collected
        end.on_readable = self._reading.wake
        end.on_writable = self._writing.wake

    def __del__(self) -> None:
        end = getattr(self, "_end", None)
        if end is not None and not end.closed and end.error is None:
            warnings.warn(f"unclosed {end}", ResourceWarning, source=self, stacklevel=2)
            try:
                # whichever thread this is
                self._driver.token.run_sync_soon(end.shut)
            except trio.RunFinishedError:
                pass

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
        self.close()

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

    @property
    def did_shutdown_SHUT_WR(self) -> bool:
        return self._both().shut_write

    def fileno(self) -> int:
        return self._end.fileno()

    def detach(self) -> int:
        """There is no descriptor to be had."""
        refuse(errno.EOPNOTSUPP)

    def dup(self) -> trio.socket.SocketType:
        """There is no descriptor to be had."""
        refuse(errno.EOPNOTSUPP)

    def get_inheritable(self) -> bool:
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        if inheritable:
            refuse(errno.EOPNOTSUPP)

    def getsockname(self) -> Any:
        return self._end.getsockname()

    def getpeername(self) -> Any:
        return self._end.getpeername()

    def getsockopt(self, level: int, optname: int, buflen: int | None = None) -> Any:
        """As docs/asyncio.md has it for `get_extra_info("socket")`."""
        return self._end.getsockopt(level, optname, buflen or 0)

    def setsockopt(
        self, level: int, optname: int, value: Any, optlen: int | None = None
    ) -> None:
        """As docs/asyncio.md has it for `get_extra_info("socket")`."""
        self._end.setsockopt(level, optname, value, optlen)

    def listen(self, backlog: int = 128) -> None:
        self._stream().listen(backlog)

    def shutdown(self, flag: int) -> None:
        self._both().shutdown(flag)

    def close(self) -> None:
        """What is queued still goes; tasks that wait get ClosedResourceError."""
        self._end.shut()

    def is_readable(self) -> bool:
        return self._both().readable

    @property
    def _sock(self) -> Endpoint:
        """What anyio reads its extra attributes off."""
        return self._end

    def _stream(self) -> StreamEndpoint:
        if not isinstance(self._end, StreamEndpoint):
            refuse(errno.EOPNOTSUPP)
        return self._end

    def _both(self) -> StreamEndpoint | DatagramEndpoint:
        assert isinstance(self._end, StreamEndpoint | DatagramEndpoint)
        return self._end

    # -- what does

    async def _when(self, slot: Slot, attempt: Callable[[], T]) -> T:
        """Try until it does not block. A checkpoint in any case."""
        await trio.lowlevel.checkpoint_if_cancelled()
        try:
            result = attempt()
        except BlockingIOError:
            pass
        except BaseException:
            await trio.lowlevel.cancel_shielded_checkpoint()
            raise
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return result
        while True:
            await slot.wait()
            if self._end.closed:
                raise trio.ClosedResourceError("another task closed this socket")
            try:
                return attempt()
            except BlockingIOError:
                continue

    async def _address(self, address: Any, local: bool) -> Any:
        return await self._resolve(self.family, self.type, address, local)

    async def bind(self, address: Any) -> None:
        """Names are looked up by the NIC."""
        address = await self._address(address, True)
        await trio.lowlevel.checkpoint()
        self._both().bind(address)

    async def connect(self, address: Any) -> None:
        """Names are looked up by the NIC. Cancelled, it resets the connection and
        closes the socket, as trio does.
        """
        address = await self._address(address, False)
        await trio.lowlevel.checkpoint()
        if isinstance(self._end, DatagramEndpoint):
            self._end.connect(address)
            return
        end = self._stream()
        end.begin_connect(address)
        try:
            await self._when(self._writing, end.finish_connect)
        except (trio.Cancelled, KeyboardInterrupt):
            end.shut(by_force=True)
            raise

    async def accept(self) -> tuple[trio.socket.SocketType, Any]:
        child = await self._when(self._reading, self._stream().accept)
        made = Socket(child, self._driver, self._resolve)
        return made, made._peername()

    def _peername(self) -> Any:
        return self._end.as_family(self._end.looks.getpeername())

    async def recv(self, buflen: int, flags: int = 0, /) -> bytes:
        end = self._both()
        return await self._when(self._reading, lambda: end.recv(buflen, flags))

    async def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        with memoryview(buffer).cast("B") as view:
            data = await self.recv(nbytes or len(view), flags)
            view[: len(data)] = data
        return len(data)

    async def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        end = self._end
        if isinstance(end, DatagramEndpoint):
            attempt = partial(end.recvfrom, bufsize, flags)
            return await self._when(self._reading, attempt)
        return await self.recv(bufsize, flags), None

    async def recvfrom_into(
        self, buffer: Any, nbytes: int = 0, flags: int = 0
    ) -> tuple[int, Any]:
        with memoryview(buffer).cast("B") as view:
            data, address = await self.recvfrom(nbytes or len(view), flags)
            view[: len(data)] = data
        return len(data), address

    async def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, object]:
        """There is no ancillary data."""
        data, address = await self.recvfrom(bufsize, flags)
        return data, [], 0, address

    async def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, object]:
        """There is no ancillary data."""
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data, address = await self.recvfrom(sum(map(len, views)), flags)
        rest = memoryview(data)
        for view in views:
            part, rest = rest[: len(view)], rest[len(view) :]
            view[: len(part)] = part
        return len(data), [], 0, address

    async def send(self, bytes: Any, flags: int = 0, /) -> int:
        _check_flags(flags)
        end = self._both()
        with memoryview(bytes).cast("B") as view:
            return await self._when(self._writing, lambda: end.send(view))

    async def sendto(self, *args: Any) -> int:
        """``sendto(data, address)`` or ``sendto(data, flags, address)``."""
        data, *flags, address = args
        _check_flags(*flags)
        end = self._end
        if not isinstance(end, DatagramEndpoint):
            return await self.send(data)
        if address is not None:
            address = await self._address(address, False)
        attempt = partial(end.sendto, data, address)
        return await self._when(self._writing, attempt)

    async def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[tuple[int, int, Any]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        """Without ancillary data."""
        if list(ancdata):
            refuse(errno.EOPNOTSUPP)
        return await self.sendto(b"".join(buffers), flags, address)

    async def wait_readable(self) -> None:
        """Until `recv` or `accept` would not wait."""
        await self._when(self._reading, self._both().check_readable)

    async def wait_writable(self) -> None:
        """Until `send` would not wait."""
        await self._when(self._writing, self._both().check_writable)


def _check_flags(flags: int = 0) -> None:
    """Of sending: that no signal is wanted is what is so."""
    if flags & ~(getattr(socket, "MSG_NOSIGNAL", 0) | socket.MSG_DONTWAIT):
        refuse(errno.EOPNOTSUPP)
