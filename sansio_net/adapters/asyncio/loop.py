"""A loop whose network is a NIC: programs of other people run on it as they are.

`NetworkLoop` is asyncio's selector loop, with the kernel's descriptors as ever; but
connections, listeners, datagram endpoints and names go over its `nic`.
"""

from __future__ import annotations

import asyncio
import errno
import selectors
import socket
import ssl
from asyncio import base_events, exceptions
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from ipaddress import ip_address, ip_network
from typing import Any, Final, TypeVar

from sansio_net.adapters.names import family_of
from sansio_net.drivers import BusyPollSelector

from . import tls
from .ends import AcceptQueue, DatagramEnd, StreamEnd, os_error
from .nic import Nic
from .stream import READ_SIZE
from .tls import Tls
from .tokens import Tokens, bound_place

T = TypeVar("T")

Route = str | Sequence[str] | Callable[[str], bool]

INTERNET: Final = (socket.AF_INET, socket.AF_INET6)

_NIC: Final[ContextVar[Nic | None]] = ContextVar("sansio_net.nic", default=None)


@contextmanager
def using(nic: Nic) -> Iterator[Nic]:
    """What is done within, and by tasks and servers that begin within, is done on this
    NIC, whichever the loop's own is: many hosts share a `NetworkLoop`.
    """
    token = _NIC.set(nic)
    try:
        yield nic
    finally:
        _NIC.reset(token)


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
        self._own_nic: Nic | None = None
        self._takes_all, self._is_ours = True, predicate("all")
        self._tokens = Tokens()

    def use(self, nic: Nic | None, route: Route = "all") -> None:
        """The network from now on, but for what is `using` another. route: the
        addresses that are reached by it; the rest, and names that are not in
        ``nic.hosts``, stay the kernel's.
        """
        self._own_nic, self._is_ours = nic, predicate(route)
        self._takes_all = route == "all"

    @property
    def nic(self) -> Nic | None:
        """That of the current context, or else the loop's own."""
        return _NIC.get() or self._own_nic

    def _nic_for(self, host: Any) -> Nic | None:
        """The NIC, if it reaches that host, by number or name; None for the kernel."""
        nic = self.nic
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
            end = self._tokens.redeem(sock, StreamEnd)
            if end is not None:
                kwds.setdefault("server_hostname", host or None)
                return await self._attach(sock, end, protocol_factory, kwds, False)
        elif (nic := self._nic_for(host)) is not None:
            kwds.pop("sock", None)
            return await nic.create_connection(protocol_factory, host, port, **kwds)
        return await super().create_connection(protocol_factory, host, port, **kwds)

    async def connect_accepted_socket(
        self, protocol_factory: Any, sock: socket.socket, **kwds: Any
    ) -> Any:
        end = self._tokens.redeem(sock, StreamEnd)
        if end is not None:
            return await self._attach(sock, end, protocol_factory, kwds, True)
        return await super().connect_accepted_socket(protocol_factory, sock, **kwds)

    async def _attach(
        self,
        token: socket.socket,
        end: StreamEnd,
        protocol_factory: Any,
        kwds: dict[str, Any],
        server_side: bool,
    ) -> Any:
        context = tls.context_of(kwds.get("ssl"))
        encryption = None
        if context is not None:
            timeouts = ("ssl_handshake_timeout", "ssl_shutdown_timeout")
            encryption = Tls(context, *map(kwds.get, timeouts))
        name = kwds.get("server_hostname") if encryption is not None else None
        return await end.nic.attach(
            *(end.conn, protocol_factory, encryption, name),
            server_side=server_side,
            on_lost=token.close,
        )

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **kwds: Any
    ) -> Any:
        sock = kwds.get("sock")
        if sock is not None:
            if (nic := self.nic) is not None and sock.family in INTERNET:
                kwds.pop("sock")
                if (queue := self._tokens.redeem(sock, AcceptQueue)) is not None:
                    queue.discard()
                place = bound_place(sock)
                server = await nic.create_server(protocol_factory, *place, **kwds)
                server.on_close(sock.close)
                return server
        elif (nic := self._nic_for(host)) is not None:
            kwds.pop("sock", None)
            reuse_port = kwds.pop("reuse_port", None)
            server = await nic.create_server(protocol_factory, host, port, **kwds)
            if reuse_port:  # remembered: it is for workers that a NIC does not have
                for looks in server.sockets:
                    looks.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            return server
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
            if (nic := self.nic) is not None and sock.family in INTERNET:
                end = self._tokens.datagrams(sock, nic)
                self._tokens.redeem(sock, DatagramEnd)
                return await end.nic.attach_datagrams(
                    end.udp, sock.family, protocol_factory, sock.close
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
            or sock.type not in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            or (nic := self._nic_for(address[0])) is None
        ):
            return await super().sock_connect(sock, address)
        self._check_token(sock)
        if self._tokens.find(sock, StreamEnd) is not None:
            raise os_error(errno.EISCONN)
        if family_of(address[0]) is None:
            kind = {"family": sock.family, "type": sock.type}
            address = (await nic.getaddrinfo(*address[:2], **kind))[0][4]
        if sock.type == socket.SOCK_DGRAM:
            self._tokens.datagrams(sock, nic, address)
        else:
            port = sock.getsockname()[1]
            local = bound_place(sock) if port else None
            conn = await nic.open_stream(address, local)
            self._tokens.stands_for(sock, StreamEnd(nic, conn))
        return None

    async def sock_accept(self, sock: socket.socket) -> Any:
        queue = self._tokens.find(sock, AcceptQueue)
        if queue is None:
            if (nic := self.nic) is None or sock.family not in INTERNET:
                return await super().sock_accept(sock)
            self._check_token(sock)
            queue = self._tokens.listening(sock, nic)
        conn, peer = await queue.take()
        return self._tokens.issue(conn, sock.family, queue.nic), peer

    async def sock_recv(self, sock: Any, n: int) -> bytes:
        end = self._tokens.find(sock, StreamEnd)
        if end is not None:
            self._check_token(sock)
            return await end.receive(n)
        if (udp := self._tokens.find(sock, DatagramEnd)) is not None:
            return (await udp.receive_from(n))[0]
        return await super().sock_recv(sock, n)

    async def sock_recv_into(self, sock: Any, buf: Any) -> int:
        end = self._tokens.find(sock, StreamEnd)
        if end is not None:
            self._check_token(sock)
            return await end.receive_into(buf)
        if (udp := self._tokens.find(sock, DatagramEnd)) is not None:
            return _put(buf, (await udp.receive_from(memoryview(buf).nbytes))[0])
        return await super().sock_recv_into(sock, buf)

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        end = self._tokens.find(sock, StreamEnd)
        if end is not None:
            self._check_token(sock)
            return await end.send_all(data)
        if (udp := self._tokens.find(sock, DatagramEnd)) is not None:
            return await udp.deliver(data, None)
        return await super().sock_sendall(sock, data)

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> Any:
        end = self._datagrams(sock)
        if end is None:
            return await super().sock_recvfrom(sock, bufsize)
        return await end.receive_from(bufsize)

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> Any:
        end = self._datagrams(sock)
        if end is None:
            return await super().sock_recvfrom_into(sock, buf, nbytes)
        data, source = await end.receive_from(nbytes or memoryview(buf).nbytes)
        return _put(buf, data), source

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> Any:
        end = None
        if self._nic_for(address[0]) is not None:
            end = self._datagrams(sock)
        if end is None:
            return await super().sock_sendto(sock, data, address)
        if family_of(address[0]) is None:
            kind = {"family": sock.family, "type": sock.type}
            address = (await end.nic.getaddrinfo(*address[:2], **kind))[0][4]
        await end.deliver(data, address)
        return memoryview(data).nbytes

    async def sock_sendfile(
        self,
        sock: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Of a token by reading, which is what asyncio falls back to."""
        if self._tokens.find(sock, StreamEnd) is None:
            return await super().sock_sendfile(
                sock, file, offset, count, fallback=fallback
            )
        self._check_token(sock)
        base: Any = self
        base._check_sendfile_params(sock, file, offset, count)
        if not fallback:
            text = "a socket of a NIC cannot send a file by itself"
            raise exceptions.SendfileNotAvailableError(text)
        sent: int = await base._sock_sendfile_fallback(sock, file, offset, count)
        return sent

    async def _sendfile_fallback(
        self, transp: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """What `sendfile` does with transports that read the file, TLS's as well.
        asyncio's own reads 16 KB at a time, and sends a tenth as fast.
        """
        if offset:
            file.seek(offset)
        sent = 0
        private: Any = base_events
        draining = private._SendfileFallbackProtocol(transp)
        try:
            while not count or sent < count:
                size = min(READ_SIZE, count - sent) if count else READ_SIZE
                data = await self.run_in_executor(None, file.read, size)
                if not data:
                    break
                await draining.drain()
                transp.write(data)
                sent += len(data)
        finally:
            if sent and hasattr(file, "seek"):
                file.seek(offset + sent)
            await draining.restore()
            if transp._protocol_paused:
                # its own protocol was not told, and will be told of the end of it
                transp.get_protocol().pause_writing()
        return sent

    def _datagrams(self, sock: Any) -> DatagramEnd | None:
        """What a UDP socket stands for, from the first time it is used."""
        if sock.family not in INTERNET or sock.type != socket.SOCK_DGRAM:
            return None
        self._check_token(sock)
        nic = self.nic
        if nic is None:
            return self._tokens.find(sock, DatagramEnd)
        return self._tokens.datagrams(sock, nic)

    def _check_token(self, sock: Any) -> None:
        """As asyncio's own do."""
        if isinstance(sock, ssl.SSLSocket):
            raise TypeError("Socket cannot be of type SSLSocket")
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")


def _put(buffer: Any, data: bytes) -> int:
    with memoryview(buffer) as whole, whole.cast("B") as view:
        view[: len(data)] = data
    return len(data)


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
