"""A NIC in the running trio program, by trio's own verbs.

``async with open_nic(...) as nic`` makes a stack on a link; inside ``with nic.use():``
everything that goes through `trio.socket`, in this task and those it starts, goes over
the NIC. The program's other sockets go on beside it.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from collections.abc import Sequence as Seq
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import trio

from sansio_net.adapters.datagrams import make_endpoint
from sansio_net.adapters.links import plug
from sansio_net.adapters.names import AddrInfo, lookup, nameinfo, resolve
from sansio_net.drivers import Device
from sansio_net.stack import Interface, StackConfig
from sansio_net.units import SECOND

from .driver import Driver, trio_clock
from .hooks import CHOSEN, installed
from .sockets import Socket

CLOSE_TIMEOUT: Final = 5 * SECOND
"""How long peers may take for what is queued and for their FINs, at the end."""

SETTLE_TIMEOUT: Final = 5 * SECOND
"""How long the link may take to say that our addresses are nobody else's."""

Handler = Callable[[trio.SocketStream], Awaitable[object]]
SslHandler = Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[object]]


class Nic:
    """What `open_nic` gives.

    hosts: addresses by name, lower case; may be changed at any time. stack, interface:
    what lies below; who calls their verbs calls `wake` as well.
    """

    def __init__(
        self,
        driver: Driver,
        interface: Interface,
        hosts: Mapping[str, Seq[str]] | None = None,
    ) -> None:
        self.driver = driver
        self.stack = driver.stack
        self.interface = interface
        self.hosts: dict[str, Seq[str]] = dict(hosts or {})

    def __repr__(self) -> str:
        return f"<Nic {self.interface}>"

    def wake(self) -> None:
        """A verb of the stack was called: let the driver act on it."""
        self.driver.wake()

    @contextmanager
    def use(self) -> Iterator[None]:
        """`trio.socket` means this NIC in this task and in those started from here."""
        token = CHOSEN.set(self)
        try:
            yield
        finally:
            CHOSEN.reset(token)

    # -- names

    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """As `trio.socket.getaddrinfo`: numbers and `hosts`. Raises socket.gaierror."""
        await trio.lowlevel.checkpoint()
        kind = family, type, proto, flags
        return lookup(self.stack, self.hosts, host, port, *kind)

    async def getnameinfo(self, sockaddr: Any, flags: int) -> tuple[str, str]:
        """As `trio.socket.getnameinfo`: by `hosts`, or the number again."""
        await trio.lowlevel.checkpoint()
        return nameinfo(self.hosts, sockaddr, flags)

    async def _resolve(self, family: int, type: int, address: Any, local: bool) -> Any:
        return resolve(self.stack, self.hosts, family, type, address, local)

    # -- sockets

    def socket(
        self,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
    ) -> Socket:
        """As `trio.socket.socket`: TCP and UDP over IPv4 and IPv6."""
        end = make_endpoint(self.driver, family, type, proto)
        return Socket(end, self.driver, self._resolve)

    async def open_tcp_stream(
        self, host: str | bytes, port: int, **kwds: Any
    ) -> trio.SocketStream:
        """`trio.open_tcp_stream` over the NIC."""
        with self.use():
            return await trio.open_tcp_stream(host, port, **kwds)

    async def open_ssl_over_tcp_stream(
        self, host: str | bytes, port: int, **kwds: Any
    ) -> trio.SSLStream[trio.SocketStream]:
        """`trio.open_ssl_over_tcp_stream` over the NIC."""
        with self.use():
            return await trio.open_ssl_over_tcp_stream(host, port, **kwds)

    async def open_tcp_listeners(
        self, port: int, **kwds: Any
    ) -> Seq[trio.SocketListener]:
        """`trio.open_tcp_listeners` over the NIC."""
        with self.use():
            return await trio.open_tcp_listeners(port, **kwds)

    async def serve_tcp(self, handler: Handler, port: int, **kwds: Any) -> None:
        """`trio.serve_tcp` over the NIC, which the handlers use as well."""
        with self.use():
            await trio.serve_tcp(handler, port, **kwds)

    async def serve_ssl_over_tcp(
        self, handler: SslHandler, port: int, ssl_context: ssl.SSLContext, **kwds: Any
    ) -> None:
        """`trio.serve_ssl_over_tcp` over the NIC, which the handlers use as well."""
        with self.use():
            await trio.serve_ssl_over_tcp(handler, port, ssl_context, **kwds)

    def listen_any(self, port: int = 0, *, backlog: int = 128) -> trio.SocketListener:
        """A listener on every address, our own and others', and on every port unless
        one is given; ``stream.socket.getsockname()`` is what the peer asked for.
        """
        made = self.socket(socket.AF_INET6)
        end = made._stream()
        end.bind(("::", port), transparent=True, any_port=not port)
        end.listen(backlog)
        return trio.SocketListener(made)


@asynccontextmanager
async def open_nic(
    link: str | Device,
    addresses: Seq[str] = (),
    *,
    gateway: str | Seq[str] = (),
    mac: str | bytes | None = None,
    mtu: int | None = None,
    slaac: bool = False,
    link_local: bool = False,
    host_address: str | None = None,
    hosts: Mapping[str, Seq[str]] | None = None,
    config: StackConfig | None = None,
    seed: bytes | None = None,
    clock: Callable[[], int] = trio_clock,
    close_timeout: int = CLOSE_TIMEOUT,
) -> AsyncIterator[Nic]:
    """A stack on `link`, driven by this trio run.

    link: ``"tap:tap0"``, ``"tun:tun0"``, ``"veth:eth1"``, or a device, which is closed
    in the end. addresses: ``"10.0.0.2/24"``. gateway: default routes. host_address: the
    other side's, of a TAP or TUN. hosts: addresses by name. seed: 32 bytes of the
    system's by default; clock: nanoseconds, by default the run's own clock. The block
    begins when the addresses are usable, IPv6's after duplicate detection: up to two
    seconds. Left in good order, it closes everything that is open, shielded from
    cancellation, for at most `close_timeout` ns; left by an exception or cancelled, it
    resets everything at once.

    Raises DeviceError, ValueError, Unreachable.
    """
    stack, interface, device = plug(
        *(link, addresses),
        gateway=gateway,
        mac=mac,
        mtu=mtu,
        slaac=slaac,
        link_local=link_local,
        host_address=host_address,
        config=config,
        seed=seed,
    )
    driver = Driver(stack, interface, device, clock)
    driver.start()
    with installed():
        try:
            with driver.body:
                await driver.settle(SETTLE_TIMEOUT)
                yield Nic(driver, interface, hosts)
            if driver.failure is None:
                await driver.close(close_timeout)
        finally:
            await driver.abort()
            if driver.failure is not None:
                raise driver.failure
