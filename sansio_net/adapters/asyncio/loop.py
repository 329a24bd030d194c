"""A loop whose network is a NIC: programs of other people run on it as they are.

`NetworkLoop` is asyncio's selector loop, with the kernel's descriptors as ever; but
connections, listeners, datagram endpoints and names go over its `nic`.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_address, ip_network
from typing import Any, Final, TypeVar

from sansio_net.adapters.names import family_of
from sansio_net.adapters.sockets import sockname
from sansio_net.drivers import BusyPollSelector

from . import tls
from .nic import Nic
from .tls import Tls
from .tokens import Tokens, listening_place

T = TypeVar("T")

Route = str | Sequence[str] | Callable[[str], bool]

INTERNET: Final = (socket.AF_INET, socket.AF_INET6)


def predicate(route: Route) -> Callable[[str], bool]:
    """Is an address the NIC's? ``"all"``, prefixes, or a function of its text."""
    if callable(route):
        return route
    if route == "all":
        return lambda address: True
    networks = [ip_network(text) for text in route]

    def is_ours(address: str) -> bool:
        ip = ip_address(address.partition("%")[0])
        return any(ip in network for network in networks)

    return is_ours


class NetworkLoop(asyncio.SelectorEventLoop):
    """`use` gives it a NIC; until then and without one it is asyncio's own.

    busy_poll: nanoseconds to spin after something came before sleeping, by
    `BusyPollSelector`: half the latency, and a core that does nothing else meanwhile.
    """

    def __init__(
        self, selector: selectors.BaseSelector | None = None, *, busy_poll: int = 0
    ) -> None:
        if busy_poll:
            selector = selector or selectors.DefaultSelector()
            selector = BusyPollSelector(selector, busy_poll)
        super().__init__(selector)
        self._nic: Nic | None = None
        self._takes_all, self._is_ours = True, predicate("all")
        self._tokens = Tokens()

    def use(self, nic: Nic | None, route: Route = "all") -> None:
        """The network from now on. route: the addresses that are reached by it; the
        rest, and names that are not in ``nic.hosts``, stay the kernel's.
        """
        self._nic, self._is_ours = nic, predicate(route)
        self._takes_all = route == "all"

    def _nic_for(self, host: Any) -> Nic | None:
        """The NIC, if it reaches that host, by number or name; None for the kernel."""
        nic = self._nic
        if nic is None or self._takes_all:
            return nic
        if isinstance(host, bytes):
            host = host.decode()
        if not host:
            return nic
        if not isinstance(host, str):  # several, of a server
            return nic if all(self._nic_for(one) for one in host) else None
        if family_of(host) is not None:
            return nic if self._is_ours(host) else None
        return nic if host.rstrip(".").lower() in nic.hosts else None

    # -- names

    async def getaddrinfo(self, host: Any, port: Any, **kind: Any) -> Any:
        nic = self._nic_for(host)
        if nic is None:
            return await super().getaddrinfo(host, port, **kind)
        return await nic.getaddrinfo(host, port, **kind)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        """Numbers: nobody is asked for names."""
        if self._nic_for(sockaddr[0]) is None:
            return await super().getnameinfo(sockaddr, flags)
        return sockaddr[0], str(sockaddr[1])

    # -- connections and listeners

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **kwds: Any
    ) -> Any:
        sock = kwds.get("sock")
        if sock is not None:
            conn = self._tokens.redeem(sock)
            if conn is not None and self._nic is not None:
                kwds.setdefault("server_hostname", host or None)
                return await self._attach(conn, protocol_factory, kwds, False)
        elif (nic := self._nic_for(host)) is not None:
            kwds.pop("sock", None)
            return await nic.create_connection(protocol_factory, host, port, **kwds)
        return await super().create_connection(protocol_factory, host, port, **kwds)

    async def connect_accepted_socket(
        self, protocol_factory: Any, sock: socket.socket, **kwds: Any
    ) -> Any:
        conn = self._tokens.redeem(sock)
        if conn is not None and self._nic is not None:
            return await self._attach(conn, protocol_factory, kwds, True)
        return await super().connect_accepted_socket(protocol_factory, sock, **kwds)

    async def _attach(
        self, conn: Any, protocol_factory: Any, kwds: dict[str, Any], server_side: bool
    ) -> Any:
        assert self._nic is not None
        context = tls.context_of(kwds.get("ssl"))
        encryption = None
        if context is not None:
            timeouts = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
            encryption = Tls(context, *map(kwds.get, timeouts))
        name = kwds.get("server_hostname") if encryption is not None else None
        return await self._nic.attach(
            *(conn, protocol_factory, encryption, name), server_side=server_side
        )

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **kwds: Any
    ) -> Any:
        sock = kwds.get("sock")
        if sock is not None:
            if self._nic is not None and sock.family in INTERNET:
                kwds.pop("sock")
                host, port = listening_place(sock)
                sock.close()
                return await self._nic.create_server(
                    protocol_factory, host, port, **kwds
                )
        elif (nic := self._nic_for(host)) is not None:
            kwds.pop("sock", None)
            if kwds.get("reuse_port"):
                kwds["reuse_port"] = None  # programs set it for workers of their own
            return await nic.create_server(protocol_factory, host, port, **kwds)
        return await super().create_server(protocol_factory, host, port, **kwds)

    # -- datagrams

    async def create_datagram_endpoint(
        self,
        protocol_factory: Any,
        local_addr: Any = None,
        remote_addr: Any = None,
        **kwds: Any,
    ) -> Any:
        sock = kwds.get("sock")
        family = kwds.get("family", 0)
        if sock is not None:
            if self._nic is not None and sock.family in INTERNET:
                port = sock.getsockname()[1]
                six = sock.family == socket.AF_INET6
                sock.close()
                # an IPv6 socket of the kernel's speaks to both families
                udp = self._nic.stack.udp_bind(("" if six else "0.0.0.0", port))
                return await self._nic.attach_datagrams(
                    udp, sock.family, protocol_factory
                )
        elif family in (0, *INTERNET) and not isinstance(local_addr, str):
            place = remote_addr or local_addr or (None,)
            nic = self._nic_for(place[0])
            if nic is not None:
                kwds.pop("sock", None)
                return await nic.create_datagram_endpoint(
                    protocol_factory, local_addr, remote_addr, **kwds
                )
        return await super().create_datagram_endpoint(
            protocol_factory, local_addr, remote_addr, **kwds
        )

    # -- sockets as tokens

    async def sock_connect(self, sock: Any, address: Any) -> None:
        if (
            sock.family not in INTERNET
            or sock.type != socket.SOCK_STREAM
            or (nic := self._nic_for(address[0])) is None
        ):
            return await super().sock_connect(sock, address)
        if family_of(address[0]) is None:
            infos = await nic.getaddrinfo(*address[:2], family=sock.family)
            address = infos[0][4]
        self._tokens.stands_for(sock, await nic.open_stream(address), nic)
        return None

    async def sock_accept(self, sock: socket.socket) -> Any:
        nic = self._nic
        if nic is None or sock.family not in INTERNET:
            return await super().sock_accept(sock)
        conn = await self._tokens.queue(sock, nic).take()
        token = self._tokens.issue(conn, sock.family, nic)
        return token, sockname(conn.peer)


def run(
    main: Coroutine[Any, Any, T],
    *,
    nic: AbstractAsyncContextManager[Nic],
    route: Route = "all",
    debug: bool | None = None,
    busy_poll: int = 0,
) -> T:
    """As `asyncio.run`, with the network of ``nic=open_nic(...)``. route: as `use`.
    busy_poll: as `NetworkLoop`.
    """

    async def on_the_nic() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, NetworkLoop)
        try:
            async with nic as opened:
                loop.use(opened, route)
                return await main
        finally:
            loop.use(None)
            main.close()

    def factory() -> NetworkLoop:
        return NetworkLoop(busy_poll=busy_poll)

    with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
        return runner.run(on_the_nic())
