"""trio's public hooks: which network `trio.socket` means, by run and by context.

trio has one socket factory and one resolver a run. The first NIC of a run installs
ours, which ask the context; the last one puts back what was there.
"""

from __future__ import annotations

import contextvars
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

if TYPE_CHECKING:
    from .nic import Nic

CHOSEN: Final = contextvars.ContextVar["Nic | None"]("sansio_net_nic", default=None)
"""The NIC that a context uses; tasks inherit it."""

IP: Final = (socket.AF_INET, socket.AF_INET6)


class SocketFactory(trio.abc.SocketFactory):
    """For `trio.socket.set_custom_socket_factory`. Sockets of `nic`; where it is None,
    of the context's NIC, and otherwise those of the factory that was there before.
    """

    def __init__(
        self, nic: Nic | None = None, before: trio.abc.SocketFactory | None = None
    ) -> None:
        self._nic = nic
        self._before = before

    def socket(
        self,
        family: socket.AddressFamily | int = socket.AF_INET,
        type: socket.SocketKind | int = socket.SOCK_STREAM,
        proto: int = 0,
    ) -> trio.socket.SocketType:
        nic = self._nic or CHOSEN.get()
        if nic is not None and family in IP:
            return nic.socket(family, type, proto)
        if self._before is not None:
            return self._before.socket(family, type, proto)
        return trio.socket.from_stdlib_socket(socket.socket(family, type, proto))


class HostnameResolver(trio.abc.HostnameResolver):
    """For `trio.socket.set_custom_hostname_resolver`. As `SocketFactory`."""

    def __init__(
        self, nic: Nic | None = None, before: trio.abc.HostnameResolver | None = None
    ) -> None:
        self._nic = nic
        self._before = before

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        nic = self._nic or CHOSEN.get()
        kind = family, type, proto, flags
        if nic is not None:
            return await nic.getaddrinfo(host, port, *kind)
        if self._before is not None:
            return await self._before.getaddrinfo(host, port, *kind)
        return await trio.to_thread.run_sync(
            socket.getaddrinfo, host, port, *kind, abandon_on_cancel=True
        )

    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int
    ) -> tuple[str, str]:
        nic = self._nic or CHOSEN.get()
        if nic is not None:
            return await nic.getnameinfo(sockaddr, flags)
        if self._before is not None:
            return await self._before.getnameinfo(sockaddr, flags)
        return await trio.to_thread.run_sync(
            socket.getnameinfo, sockaddr, flags, abandon_on_cancel=True
        )


class _Installed:
    """How many NICs a run has, and what its hooks were before the first."""

    def __init__(self) -> None:
        self.n_nics = 0
        self.factory: trio.abc.SocketFactory | None = None
        self.resolver: trio.abc.HostnameResolver | None = None

    def enter(self) -> None:
        if not self.n_nics:
            # whoever was there is asked where no NIC is chosen
            factory, resolver = SocketFactory(), HostnameResolver()
            self.factory = trio.socket.set_custom_socket_factory(factory)
            self.resolver = trio.socket.set_custom_hostname_resolver(resolver)
            factory._before, resolver._before = self.factory, self.resolver
        self.n_nics += 1

    def leave(self) -> None:
        self.n_nics -= 1
        if not self.n_nics:
            trio.socket.set_custom_socket_factory(self.factory)
            trio.socket.set_custom_hostname_resolver(self.resolver)


INSTALLED: Final = trio.lowlevel.RunVar[_Installed]("sansio_net_hooks")


@contextmanager
def installed() -> Iterator[None]:
    """trio's hooks ask the context for its NIC meanwhile."""
    try:
        one = INSTALLED.get()
    except LookupError:
        one = _Installed()
        INSTALLED.set(one)
    one.enter()
    try:
        yield
    finally:
        one.leave()
