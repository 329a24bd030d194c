"""Sockets' names and options, and what looks like a socket and has no descriptor.

Options are the kernel's numbers, mapped to ours; one that we do not have is remembered
and read back, for programs set many that mean nothing here.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NoReturn

from sansio_net.errors import SansioNetError
from sansio_net.stack import Connection, Listener, TcpOptions, UdpSocket
from sansio_net.units import MILLISECOND, SECOND

from .tcp_info import tcp_info

Sockname = tuple[str, int] | tuple[str, int, int, int]

_Key = tuple[int, int]

TCP_INFO: Final = getattr(socket, "TCP_INFO", 11)

TCP_OPTIONS: Final[dict[_Key, tuple[str, int]]] = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): ("keepalive", 0),
    (socket.SOL_SOCKET, socket.SO_SNDBUF): ("send_buffer", 1),
    (socket.SOL_SOCKET, socket.SO_RCVBUF): ("receive_buffer", 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): ("nodelay", 0),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_CORK", 3)): ("cork", 0),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 4)): (
        "keepalive_idle",
        SECOND,
    ),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 5)): (
        "keepalive_interval",
        SECOND,
    ),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 6)): ("keepalive_probes", 1),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18)): (
        "user_timeout",
        MILLISECOND,
    ),
    (socket.IPPROTO_IP, socket.IP_TTL): ("ttl", 1),
    (socket.IPPROTO_IP, socket.IP_TOS): ("tos", 1),
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): ("ttl", 1),
    (socket.IPPROTO_IPV6, getattr(socket, "IPV6_TCLASS", 67)): ("tos", 1),
}
"""By level and number: our option's name, and its unit; 0: a switch."""

UDP_OPTIONS: Final[dict[_Key, tuple[str, int]]] = {
    (socket.SOL_SOCKET, socket.SO_BROADCAST): ("broadcast", 0),
    (socket.IPPROTO_IP, socket.IP_TTL): ("ttl", 1),
    (socket.IPPROTO_IP, socket.IP_TOS): ("tos", 1),
    (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL): ("multicast_ttl", 1),
    (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP): ("multicast_loop", 0),
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): ("ttl", 1),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS): ("multicast_ttl", 1),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP): ("multicast_loop", 0),
    (socket.IPPROTO_IPV6, getattr(socket, "IPV6_TCLASS", 67)): ("tos", 1),
}

MEMBERSHIP: Final[dict[_Key, tuple[int, str]]] = {
    (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP): (4, "join"),
    (socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP): (4, "leave"),
    (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP): (16, "join"),
    (socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP): (16, "leave"),
}
"""By level and number: the size of the group at the head of the value, and the verb.
The interface that follows it is the NIC's only one."""


FIXED: Final[dict[int, str]] = {
    socket.SO_TYPE: "type",
    getattr(socket, "SO_PROTOCOL", 38): "proto",
    getattr(socket, "SO_DOMAIN", 39): "family",
    socket.SO_ACCEPTCONN: "accepts",
    socket.SO_ERROR: "pending_error",
}
"""What can only be read, of SOL_SOCKET."""


def sockname(endpoint: tuple[str, int], family: int = 0) -> Sockname:
    """An endpoint as sockets have it: IPv6's are of four."""
    host, port = endpoint
    if not host:
        host = "0.0.0.0" if family == socket.AF_INET else "::"
    return (host, port, 0, 0) if ":" in host else (host, port)


class VirtualSocket:
    """What all of them have; the class of a connection's and of a datagram socket's
    knows the options."""

    type: socket.SocketKind = socket.SOCK_STREAM
    proto: int = socket.IPPROTO_TCP
    accepts = False
    pending_error = 0
    _options: dict[_Key, tuple[str, int]] = TCP_OPTIONS

    def __init__(self, local: Sockname, peer: Sockname | None) -> None:
        self._local, self._peer = local, peer
        self._stored: dict[_Key, int | bytes | None] = {}
        self.family = socket.AF_INET6 if len(local) == 4 else socket.AF_INET

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._local} -> {self._peer}>"

    def fileno(self) -> int:
        """-1: there is none."""
        return -1

    def getsockname(self) -> Sockname:
        return self._local

    def getpeername(self) -> Sockname:
        if self._peer is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return self._peer

    def getblocking(self) -> bool:
        return False

    def setblocking(self, flag: bool) -> None:
        if flag:
            raise ValueError("a socket of a NIC cannot block")

    def gettimeout(self) -> float | None:
        return 0.0

    def settimeout(self, value: float | None) -> None:
        self.setblocking(value != 0)

    def setsockopt(
        self,
        level: int,
        optname: int,
        value: int | bytes | None,
        optlen: int | None = None,
    ) -> None:
        """As a socket's. Raises OSError for a value that is out of bounds."""
        known = self._options.get((level, optname))
        if known is None:
            if level == socket.SOL_SOCKET and optname in FIXED:
                raise OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))
            self._stored[level, optname] = value
            return
        name, unit = known
        number = value if isinstance(value, int) else _number(value)
        try:
            self._set(name, number * unit if unit else bool(number))
        except (SansioNetError, ValueError) as error:
            raise OSError(errno.EINVAL, str(error)) from None

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        if level == socket.SOL_SOCKET and optname in FIXED:
            return _sized(int(getattr(self, FIXED[optname])), buflen)
        known = self._options.get((level, optname))
        if known is None:
            stored = self._stored.get((level, optname), 0)
            return stored if isinstance(stored, bytes) else _sized(stored or 0, buflen)
        name, unit = known
        value = self._get(name) or 0
        return _sized(value // (unit or 1), buflen)

    def remember(self, other: VirtualSocket) -> None:
        """The options of `other` that mean nothing here."""
        self._stored.update(other._stored)

    def _set(self, name: str, value: int | bool) -> None:
        _refuse()

    def _get(self, name: str) -> int | None:
        _refuse()


def _refuse() -> NoReturn:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


def _may_be_none(name: str) -> bool:
    return name in ("user_timeout", "send_buffer", "receive_buffer")


def _number(value: bytes | bytearray | memoryview | None) -> int:
    return int.from_bytes(bytes(value or b"")[:4], sys.byteorder)


def _sized(value: int, buflen: int) -> int | bytes:
    return struct.pack("i", value)[:buflen] if buflen else int(value)


class StreamSocket(VirtualSocket):
    """A connection's."""

    def __init__(self, conn: Connection, wake: Callable[[], None]) -> None:
        super().__init__(sockname(conn.local), sockname(conn.peer))
        self._conn, self._wake = conn, wake

    @property
    def pending_error(self) -> int:  # type: ignore[override]
        """errno of what ended it."""
        error = self._conn.error
        return (error.errno or 0) if isinstance(error, OSError) else 0

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        if (level, optname) == (socket.IPPROTO_TCP, TCP_INFO):
            packed = tcp_info(self._conn)
            return packed[:buflen] if buflen else _number(packed)
        return super().getsockopt(level, optname, buflen)

    def _set(self, name: str, value: int | bool) -> None:
        # 0 takes a user timeout away, as on Linux
        self._conn.set(**{name: value or (None if _may_be_none(name) else value)})
        self._wake()

    def _get(self, name: str) -> int | None:
        conn = self._conn
        if name == "send_buffer":
            return conn.sender.limit
        if name == "receive_buffer":
            return conn.receiver.limit
        value: int | None = getattr(conn.options, name)
        return value


def _wildcard(family: int) -> Sockname:
    return ("::", 0, 0, 0) if family == socket.AF_INET6 else ("0.0.0.0", 0)


class UnconnectedSocket(VirtualSocket):
    """Of what will listen or connect with these options."""

    def __init__(self, family: int, options: TcpOptions) -> None:
        super().__init__(_wildcard(family), None)
        self.options = options

    def _set(self, name: str, value: int | bool) -> None:
        changes: dict[str, Any] = {name: value or (None if _may_be_none(name) else 0)}
        self.options = replace(self.options, **changes)

    def _get(self, name: str) -> int | None:
        value: int | None = getattr(self.options, name)
        return value


class ListeningSocket(VirtualSocket):
    """A listener's."""

    accepts = True

    def __init__(self, listener: Listener, family: int) -> None:
        super().__init__(sockname(listener.local, family), None)
        self._listener = listener

    def _set(self, name: str, value: int | bool) -> None:
        # of those it accepts from now on, as on Linux
        options = self._listener.options
        changes: dict[str, Any] = {name: value or (None if _may_be_none(name) else 0)}
        self._listener.options = replace(options, **changes)

    def _get(self, name: str) -> int | None:
        value: int | None = getattr(self._listener.options, name)
        return value


class UnboundSocket(VirtualSocket):
    """Of what will be a datagram socket: it remembers."""

    type = socket.SOCK_DGRAM
    proto = socket.IPPROTO_UDP
    _options: dict[_Key, tuple[str, int]] = {}  # noqa: RUF012

    def __init__(self, family: int) -> None:
        super().__init__(_wildcard(family), None)


class DatagramSocket(VirtualSocket):
    """A UDP socket's."""

    type = socket.SOCK_DGRAM
    proto = socket.IPPROTO_UDP
    _options = UDP_OPTIONS

    def __init__(
        self, sock: UdpSocket, family: int, nic: str, wake: Callable[[], None]
    ) -> None:
        peer = sockname(sock.peer) if sock.peer is not None else None
        super().__init__(sockname(sock.local, family), peer)
        self._sock, self._nic, self._wake = sock, nic, wake

    def setsockopt(
        self,
        level: int,
        optname: int,
        value: int | bytes | None,
        optlen: int | None = None,
    ) -> None:
        """As a socket's; groups are joined and left on the NIC."""
        membership = MEMBERSHIP.get((level, optname))
        if membership is None:
            super().setsockopt(level, optname, value, optlen)
            return
        size, verb = membership
        if isinstance(value, int) or value is None or len(value) < size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        group = bytes(value[:size])
        try:
            (self._sock.join if verb == "join" else self._sock.leave)(
                group, nic=self._nic
            )
        except (SansioNetError, ValueError) as error:
            raise OSError(errno.EINVAL, str(error)) from None
        self._wake()

    def _set(self, name: str, value: int | bool) -> None:
        changes: dict[str, Any] = {name: value}
        self._sock.set(**changes)

    def _get(self, name: str) -> int | None:
        value: int | None = getattr(self._sock, name)
        return value
