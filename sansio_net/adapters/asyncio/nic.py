"""A NIC in an asyncio loop, with the loop's own verbs, under their signatures."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import ssl as ssl_module
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from sansio_net.adapters import names
from sansio_net.adapters.names import AddrInfo, destination
from sansio_net.addresses import SocketAddress
from sansio_net.errors import LimitError
from sansio_net.stack import (
    Connection,
    Interface,
    Listener,
    Stack,
    UdpSocket,
)

from . import connecting, tls
from .datagram import DatagramTransport
from .driver import Driver
from .server import Server
from .stream import StreamTransport
from .tls import Tls

P = TypeVar("P", bound=asyncio.BaseProtocol)
D = TypeVar("D", bound=asyncio.DatagramProtocol)

Host = str | bytes | None
Port = str | bytes | int | None
ClientConnected = Callable[
    [asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None
]

STREAM_LIMIT: Final = 64 * 1024
"""Of a StreamReader's buffer, as asyncio's."""


class Resolver(Protocol):
    """Asks for names."""

    async def addresses(self, name: str, family: int) -> tuple[list[str], str]:
        """Those of a name, and the name that has them; family 0: of both. Raises
        socket.gaierror.
        """


class Nic:
    """What `open_nic` gives.

    hosts: addresses by name, lower case; may be changed at any time. resolver: who is
    asked for other names, or None. stack, interface: what lies below; who calls their
    verbs calls `wake` as well.
    """

    def __init__(
        self,
        driver: Driver,
        interface: Interface,
        hosts: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.driver = driver
        self.stack = driver.stack
        self.interface = interface
        self.hosts: dict[str, Sequence[str]] = dict(hosts or {})
        self.resolver: Resolver | None = None
        # as asyncio does to its own connections
        self._options = replace(self.stack.config.tcp, nodelay=True)

    def __repr__(self) -> str:
        return f"<Nic {self.interface}>"

    def wake(self) -> None:
        """A verb of the stack was called: let the loop act on it."""
        self.driver.wake()

    # -- names

    async def getaddrinfo(
        self,
        host: Host,
        port: Port,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddrInfo]:
        """As `loop.getaddrinfo`: numbers, `hosts`, then `resolver`. Raises gaierror."""
        return await self._lookup(host, port, family, type, proto, flags)

    async def _lookup(
        self, host: Host, port: Port, family: int, type: int, proto: int, flags: int
    ) -> list[AddrInfo]:
        port = names.port_of(port)
        found, canonical = names.known(host, flags, self.hosts), ""
        name = host.decode() if isinstance(host, bytes) else host or ""
        if found is None:
            if self.resolver is None or flags & socket.AI_NUMERICHOST:
                raise names.unknown()
            found, canonical = await self.resolver.addresses(name, family)
        if flags & socket.AI_CANONNAME:
            canonical = canonical or name
        else:
            canonical = ""
        kind = family, type, proto, flags
        return names.infos(self.stack, found, port, *kind, canonical)

    # -- streams

    async def open_connection(
        self,
        host: Host = None,
        port: Port = None,
        *,
        limit: int = STREAM_LIMIT,
        **kwds: Any,
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As `asyncio.open_connection`; `kwds` are those of `create_connection`."""
        loop = self.driver.loop
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await self.create_connection(
            lambda: protocol, host, port, **kwds
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def start_server(
        self,
        client_connected_cb: ClientConnected,
        host: Host | Sequence[str] = None,
        port: Port = None,
        *,
        limit: int = STREAM_LIMIT,
        **kwds: Any,
    ) -> Server:
        """As `asyncio.start_server`; `kwds` are those of `create_server`."""
        loop = self.driver.loop

        def factory() -> asyncio.StreamReaderProtocol:
            reader = asyncio.StreamReader(limit=limit, loop=loop)
            return asyncio.StreamReaderProtocol(reader, client_connected_cb, loop=loop)

        return await self.create_server(factory, host, port, **kwds)

    async def listen_any(
        self,
        client_connected_cb: ClientConnected,
        port: Port = None,
        *,
        limit: int = STREAM_LIMIT,
        **kwds: Any,
    ) -> Server:
        """As `start_server`, on every address, our own and others', and on every port
        unless one is given. "sockname" is what the peer asked for.
        """
        kwds.setdefault("transparent", True)
        every_port = port is None or port == 0
        kwds.setdefault("any_port", every_port)
        server = self.start_server(client_connected_cb, "", port, limit=limit, **kwds)
        return await server

    async def create_connection(
        self,
        protocol_factory: Callable[[], P],
        host: Host = None,
        port: Port = None,
        *,
        ssl: ssl_module.SSLContext | bool | None = None,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        local_addr: tuple[str, int] | None = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        happy_eyeballs_delay: float | None = None,
        interleave: int | None = None,
        all_errors: bool = False,
    ) -> tuple[asyncio.Transport, P]:
        """As `loop.create_connection`, without `sock`."""
        context = tls.context_of(ssl)
        encryption = None
        if context is not None:
            if server_hostname is None:
                if not host:
                    raise ValueError("You must set server_hostname when using ssl")
                server_hostname = host.decode() if isinstance(host, bytes) else host
            timeouts = ssl_handshake_timeout, ssl_shutdown_timeout
            encryption = Tls(context, *timeouts)
        elif server_hostname is not None:
            raise ValueError("server_hostname is only meaningful with ssl")
        else:
            _check_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout)
        if host is None and port is None:
            raise ValueError("host and port was not specified")
        kind = family, socket.SOCK_STREAM, proto, flags
        infos = await self._lookup(host, port, *kind)
        locals_ = None
        if local_addr is not None:
            locals_ = await self._lookup(*local_addr, *kind)
        if happy_eyeballs_delay is not None and interleave is None:
            interleave = 1
        if interleave:
            infos = connecting.interleaved(infos, interleave - 1)
        self._check_open()
        conn = await connecting.connect(
            *(self.driver, infos, locals_, happy_eyeballs_delay),
            *(self._options, all_errors),
        )
        return await self.attach(conn, protocol_factory, encryption, server_hostname)

    async def attach(
        self,
        conn: Connection,
        protocol_factory: Callable[[], P],
        encryption: Tls | None = None,
        server_hostname: str | None = None,
        server_side: bool = False,
        on_lost: Callable[[], None] | None = None,
    ) -> tuple[asyncio.Transport, P]:
        """The transport of a connection of the stack that nobody has yet, once its
        handshakes are over; it is aborted if that fails. on_lost: called in the end.
        """
        loop = self.driver.loop
        waiter = loop.create_future()
        stream: StreamTransport | None = None
        try:
            protocol = protocol_factory()
            context = contextvars.copy_context()
            place = self.driver, conn
            transport: asyncio.Transport
            if encryption is None:
                stream = StreamTransport(
                    *(*place, protocol, context), waiter=waiter, on_lost=on_lost
                )
                transport = stream
            else:
                lower, transport = encryption.wrap(
                    *(loop, protocol, waiter),
                    server_side=server_side,
                    server_hostname=server_hostname,
                )
                stream = StreamTransport(*place, lower, context, on_lost=on_lost)
            await waiter
        except BaseException:
            # nobody has it who could wait for the peer
            if stream is not None:
                stream.reset()
            else:
                self.driver.forget(conn)
                conn.abort()
                self.wake()
                if on_lost is not None:
                    on_lost()
            raise
        return transport, protocol

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Host | Sequence[str] = None,
        port: Port = None,
        *,
        family: int = socket.AF_UNSPEC,
        flags: int = socket.AI_PASSIVE,
        backlog: int = 100,
        ssl: ssl_module.SSLContext | None = None,
        reuse_address: bool | None = None,
        reuse_port: bool | None = None,
        keep_alive: bool | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        start_serving: bool = True,
        transparent: bool = False,
        any_port: bool = False,
    ) -> Server:
        """As `loop.create_server`, without `sock`.

        Addresses can be used again at once, whatever `reuse_address` says. With port 0
        all addresses get the same one. transparent, any_port: as `Stack.tcp_listen`.
        """
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        if reuse_port:
            raise ValueError("reuse_port not supported by a NIC")
        encryption = None
        if ssl is not None:
            encryption = Tls(ssl, ssl_handshake_timeout, ssl_shutdown_timeout)
        else:
            _check_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout)
        self._check_open()
        given = [host] if host is None or isinstance(host, str | bytes) else [*host]
        found: dict[AddrInfo, None] = {}
        for name in given:
            infos = await self._lookup(name, port, family, socket.SOCK_STREAM, 0, flags)
            found |= dict.fromkeys(infos)
        listeners = _listen(
            *(self.stack, list(found)),
            backlog=backlog,
            options=replace(self._options, keepalive=bool(keep_alive)),
            transparent=transparent,
            any_port=any_port,
        )
        server = Server(self.driver, listeners, protocol_factory, encryption)
        if start_serving:
            await server.start_serving()
        return server

    async def start_tls(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl_module.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """As `loop.start_tls`, which does as well under asyncio's own loops."""
        return await tls.start_tls(
            *(transport, protocol),
            Tls(sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout),
            server_side=server_side,
            server_hostname=server_hostname,
        )

    # -- datagrams

    async def create_datagram_endpoint(
        self,
        protocol_factory: Callable[[], D],
        local_addr: tuple[str, int] | None = None,
        remote_addr: tuple[str, int] | None = None,
        *,
        family: int = 0,
        proto: int = 0,
        flags: int = 0,
        reuse_port: bool | None = None,
        allow_broadcast: bool | None = None,
    ) -> tuple[asyncio.DatagramTransport, D]:
        """As `loop.create_datagram_endpoint`, without `sock`."""
        if local_addr is None and remote_addr is None and not family:
            raise ValueError("unexpected address family")
        self._check_open()
        kind = socket.SOCK_DGRAM, proto, flags
        peer: SocketAddress | None = None
        if remote_addr is not None:
            info = (await self._lookup(*remote_addr, family, *kind))[0]
            family, peer = info[0], destination(info[4])
        local: SocketAddress = ("::" if family == socket.AF_INET6 else "0.0.0.0", 0)
        if local_addr is not None:
            passive = flags | socket.AI_PASSIVE
            info = (await self._lookup(*local_addr, family, *kind[:2], passive))[0]
            family, local = info[0], info[4]
        sock = self.stack.udp_bind(
            local, peer=peer, broadcast=bool(allow_broadcast), reuse=bool(reuse_port)
        )
        return await self.attach_datagrams(sock, family, protocol_factory)

    async def attach_datagrams(
        self,
        sock: UdpSocket,
        family: int,
        protocol_factory: Callable[[], D],
        on_lost: Callable[[], None] | None = None,
    ) -> tuple[asyncio.DatagramTransport, D]:
        """The transport of a socket of the stack that nobody has yet. family: that of
        the addresses; IPv6 for one of both is ``::ffff:10.0.0.1``, as on Linux.
        on_lost: called in the end.
        """
        waiter = self.driver.loop.create_future()
        try:
            protocol = protocol_factory()
            transport = DatagramTransport(
                *(self.driver, sock, family, protocol),
                *(contextvars.copy_context(), waiter, on_lost),
            )
        except BaseException:
            sock.close()
            if on_lost is not None:
                on_lost()
            raise
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def open_stream(
        self, address: SocketAddress, local: SocketAddress | None = None
    ) -> Connection:
        """A connection that `attach` gives a transport. Raises OSError."""
        self._check_open()
        return await connecting.dial(self.driver, address, local, self._options)

    def _check_open(self) -> None:
        if self.driver.closing:
            raise RuntimeError("the NIC is closed")


def _check_timeouts(*timeouts: float | None) -> None:
    if any(timeout is not None for timeout in timeouts):
        raise ValueError("an SSL timeout is only meaningful with ssl")


def _listen(
    stack: Stack, found: Sequence[AddrInfo], *, any_port: bool, **options: Any
) -> list[tuple[Listener, int]]:
    """A listener for each address, or none at all and an OSError."""
    listeners: list[tuple[Listener, int]] = []
    try:
        for family, _, _, _, place in found:
            if not place[1] and listeners and not any_port:
                place = place[0], listeners[0][0].lport
            listener = stack.tcp_listen(place, any_port=any_port, **options)
            listeners.append((listener, family))
    except BaseException as error:
        for listener, _ in listeners:
            listener.close()
        if isinstance(error, LimitError):
            raise OSError(str(error)) from error
        raise
    return listeners
