"""What trio's and the blocking sockets have in common: all but the waiting.

An endpoint is a socket that never blocks: what cannot be done yet raises
BlockingIOError, and `on_readable` or `on_writable` is called when it is worth another
try. Names are looked up elsewhere; addresses are numbers here.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, NoReturn, Protocol

from sansio_net.errors import ConnectionAborted, LimitError, SansioNetError
from sansio_net.stack import (
    Event,
    SocketSpaceFreed,
    SpaceFreed,
    Stack,
)

from .names import MAPPED, mapped
from .owners import Owners, Source
from .sockets import Sockname, VirtualSocket, sockname

Address = tuple[Any, ...]

NO_DESCRIPTOR: Final = 2**31 - 1
"""What `fileno` gives where -1 would mean "closed": no process has that one."""


class Home(Protocol):
    """The driver of the stack that an endpoint is on."""

    stack: Stack
    owners: Owners
    name: str
    """Of the interface: where groups are joined."""

    def wake(self) -> None:
        """A verb was called: a turn is due."""

    def check(self) -> None:
        """Raises OSError when no turn will come any more."""


class Endpoint:
    """A socket that never blocks; `StreamEndpoint`, `DatagramEndpoint`."""

    looks: VirtualSocket
    """Its names and options."""

    def __init__(
        self, home: Home, family: int, looks: Callable[[], VirtualSocket]
    ) -> None:
        self.home = home
        self.family = socket.AddressFamily(family)
        self.closed = False
        self.on_readable: Callable[[], None] = _nothing
        self.on_writable: Callable[[], None] = _nothing
        self.error: SansioNetError | None = None
        """Why it ended without our doing."""
        self.looks = looks()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.looks.getsockname()}"
        return f"<{type(self).__name__} {state}>"

    def fileno(self) -> int:
        return -1 if self.closed else NO_DESCRIPTOR

    def getsockname(self) -> Sockname:
        self.check()
        return self.as_family(self.looks.getsockname())

    def getpeername(self) -> Sockname:
        self.check()
        return self.as_family(self.looks.getpeername())

    def as_family(self, endpoint: tuple[Any, ...]) -> Sockname:
        """An endpoint as a socket of this family names it."""
        host, port = endpoint[:2]
        if self.family == socket.AF_INET6:
            return mapped(host), port, 0, 0
        return sockname((host, port))

    def plain(self, address: Address) -> tuple[str, int]:
        """An address that the stack knows. Raises OSError."""
        if not isinstance(address, tuple) or len(address) < 2:
            raise TypeError("address should be a (host, port) tuple")
        host, port = address[:2]
        if not 0 <= port <= 65535:
            raise OverflowError("port must be 0-65535.")
        if host.startswith(MAPPED) and "." in host:
            host = host[len(MAPPED) :]
        elif (":" in host) != (self.family == socket.AF_INET6):
            refuse(errno.EAFNOSUPPORT)
        return host, port

    def check(self) -> None:
        """Raises OSError if there is nothing more to be done with it."""
        if self.closed:
            refuse(errno.EBADF)
        if self.error is not None:
            raise copy(self.error)

    def setsockopt(
        self,
        level: int,
        optname: int,
        value: Any,
        optlen: int | None = None,
    ) -> None:
        self.check()
        self.looks.setsockopt(level, optname, value, optlen)

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        self.check()
        return self.looks.getsockopt(level, optname, buflen)

    def is_set(self, level: int, optname: int) -> bool:
        """Of a switch."""
        return bool(self.looks.getsockopt(level, optname))

    def replace_looks(self, looks: VirtualSocket) -> None:
        looks.remember(self.looks)
        self.looks = looks

    # -- owner

    def handle(self, event: Event) -> None:
        if isinstance(event, SpaceFreed | SocketSpaceFreed):
            self.on_writable()
        else:
            self.on_readable()

    def close(self) -> None:
        """The NIC closes: what is queued still goes, nothing more can be done."""
        self._end(ConnectionAborted("the NIC was closed"), by_force=False)

    def lose(self, error: SansioNetError) -> None:
        self._end(error, by_force=True)

    def _end(self, error: SansioNetError, by_force: bool) -> None:
        if not self.closed:
            self.error = error
            self.let_go(by_force)
            self.tell()

    def let_go(self, by_force: bool) -> None:
        """Of what it has in the stack."""
        raise NotImplementedError

    def tell(self) -> None:
        self.on_readable()
        self.on_writable()

    def shut(self, by_force: bool = False) -> None:
        """As a socket's `close`; whoever waits is told."""
        if not self.closed:
            self.closed = True
            self.let_go(by_force)
            self.tell()

    def own(self, source: Source) -> None:
        self.home.owners.own(source, self)
        self.home.wake()

    def disown(self, source: Source) -> None:
        self.home.owners.forget(source)
        self.home.wake()


def _nothing() -> None:
    """Nobody waits."""


def refuse(code: int) -> NoReturn:
    raise OSError(code, os.strerror(code))


@contextmanager
def as_os_error() -> Iterator[None]:
    """What a stack's verb raises, as sockets raise it."""
    try:
        yield
    except OSError:
        raise
    except LimitError as error:
        raise OSError(errno.ENOBUFS, str(error)) from error
    except (SansioNetError, ValueError) as error:
        raise OSError(errno.EINVAL, str(error)) from error
