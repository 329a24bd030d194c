"""A UDP socket that never blocks."""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import Any, Final

from sansio_net.addresses import SocketAddress
from sansio_net.errors import ConnectionFailed, LimitError
from sansio_net.packet import Datagram
from sansio_net.stack import UdpSocket

from .endpoint import Address, Endpoint, Home, as_os_error, refuse
from .names import destination
from .sockets import MEMBERSHIP, DatagramSocket, UnboundSocket
from .streams import StreamEndpoint

REUSE: Final = (socket.SO_REUSEADDR, getattr(socket, "SO_REUSEPORT", 15))

JOINS: Final = {
    level: number for (level, number), (_, verb) in MEMBERSHIP.items() if verb == "join"
}


class DatagramEndpoint(Endpoint):
    """SOCK_DGRAM. What is set before there is a socket of the stack is set then."""

    def __init__(self, home: Home, family: int) -> None:
        self._udp: UdpSocket | None = None
        self._early: dict[tuple[int, int], Any] = {}
        self._joined: dict[tuple[int, bytes], None] = {}
        self._kept: deque[Datagram] = deque()  # peeked at, or from before `connect`
        self._failure: ConnectionFailed | None = None  # seen by `readable`
        self._no_reading = self.shut_write = False
        super().__init__(home, family, lambda: UnboundSocket(family))

    def setsockopt(
        self, level: int, optname: int, value: Any, optlen: int | None = None
    ) -> None:
        super().setsockopt(level, optname, value, optlen)
        membership = MEMBERSHIP.get((level, optname))
        if membership is None:
            self._early[level, optname] = value
        elif membership[1] == "join":
            self._joined[level, bytes(value)] = None
        else:
            self._joined.pop((level, bytes(value)), None)

    def _open(self, local: SocketAddress, peer: SocketAddress | None) -> None:
        self.home.check()
        reuse = any(self.is_set(socket.SOL_SOCKET, option) for option in REUSE)
        with as_os_error():
            udp = self.home.stack.udp_bind(local, peer=peer, reuse=reuse)
        looks = DatagramSocket(udp, self.family, self.home.name, self.home.wake)
        for (level, optname), value in self._early.items():
            looks.setsockopt(level, optname, value)
        for level, value in self._joined:
            optname = JOINS[level]
            looks.setsockopt(level, optname, value)
        self._udp = udp
        self.looks = looks
        self.own(udp)

    def _socket(self) -> UdpSocket:
        self.check()
        if self._udp is None:
            self._open(self._wildcard(), None)
        assert self._udp is not None
        return self._udp

    def _wildcard(self) -> tuple[str, int]:
        if self.family != socket.AF_INET6:
            return "0.0.0.0", 0
        return self._both("::"), 0

    def _both(self, host: str) -> str:
        v6only = self.is_set(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        return "" if host == "::" and not v6only else host

    def bind(self, address: Address) -> None:
        self.check()
        host, port = self.plain(address)
        if self._udp is not None:
            refuse(errno.EINVAL)
        self._open((self._both(host), port), None)

    def connect(self, address: Address) -> None:
        """Datagrams go there and come from there alone; those that are here stay."""
        self.check()
        peer = destination(self.plain(address))
        local = self._wildcard()
        udp = self._udp
        if udp is not None:
            local = udp.local
            self._drain(udp)
            udp.close()
            self.disown(udp)
            self._udp = None
        self._open(local, peer)

    def _drain(self, udp: UdpSocket) -> None:
        while udp.count:
            try:
                datagram = udp.receive()
            except ConnectionFailed:
                continue  # of the peer that was
            if datagram is not None:
                self._kept.append(datagram)

    def recvfrom(self, limit: int, flags: int = 0) -> tuple[bytes, Any]:
        """Raises BlockingIOError. What is longer than `limit` is cut."""
        udp = self._socket()
        if flags & ~(socket.MSG_PEEK | socket.MSG_DONTWAIT):
            refuse(errno.EOPNOTSUPP)
        if limit < 0:
            raise ValueError("negative buffersize in recvfrom")
        if self._no_reading:
            return b"", None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        datagram = self._kept.popleft() if self._kept else udp.receive()
        if datagram is None:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")
        if flags & socket.MSG_PEEK:
            self._kept.appendleft(datagram)
        return bytes(datagram.data[:limit]), self.as_family(datagram.source)

    def recv(self, limit: int, flags: int = 0) -> bytes:
        return self.recvfrom(limit, flags)[0]

    def sendto(
        self, data: bytes | bytearray | memoryview, address: Address | None
    ) -> int:
        """Raises BlockingIOError while there is no room."""
        udp = self._socket()
        data = bytes(data)
        if self.shut_write:
            refuse(errno.EPIPE)
        if address is None and udp.peer is None:
            refuse(errno.EDESTADDRREQ)
        try:
            with as_os_error():
                if address is None:
                    udp.send(data)
                else:
                    udp.send_to(data, destination(self.plain(address)))
        except OSError as error:
            if isinstance(error.__cause__, LimitError):
                raise BlockingIOError(errno.EAGAIN, "no room") from None
            raise
        self.home.wake()
        return len(data)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return self.sendto(data, None)

    @property
    def readable(self) -> bool:
        """`recv` would not block."""
        if self.closed or self.error is not None or self._kept or self._no_reading:
            return True
        if self._udp is None or self._failure is not None:
            return self._failure is not None
        try:
            datagram = self._udp.receive()
        except ConnectionFailed as error:
            self._failure = error
            return True
        if datagram is not None:
            self._kept.append(datagram)
        return datagram is not None

    def check_readable(self) -> None:
        """Raises BlockingIOError while `recv` would."""
        if not self.readable:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")

    def check_writable(self) -> None:
        """There is room, or `sendto` will say that there is none."""
        self.check()

    def shutdown(self, how: int) -> None:
        self.check()
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            refuse(errno.EINVAL)
        if self._udp is None or self._udp.peer is None:
            refuse(errno.ENOTCONN)
        self._no_reading = self._no_reading or how != socket.SHUT_WR
        self.shut_write = self.shut_write or how != socket.SHUT_RD
        self.tell()

    def let_go(self, by_force: bool) -> None:
        self._kept.clear()
        udp, self._udp = self._udp, None
        if udp is not None:
            udp.close()
            self.disown(udp)


def make_endpoint(
    home: Home, family: int, type: int, proto: int
) -> StreamEndpoint | DatagramEndpoint:
    """As `socket.socket` takes them. Raises OSError for what a NIC has not."""
    home.check()
    if family not in (socket.AF_INET, socket.AF_INET6):
        refuse(errno.EAFNOSUPPORT)
    kind = type & 0xF  # Linux has its SOCK_NONBLOCK and SOCK_CLOEXEC above
    if kind == socket.SOCK_STREAM and proto in (0, socket.IPPROTO_TCP):
        return StreamEndpoint(home, family)
    if kind != socket.SOCK_DGRAM or proto not in (0, socket.IPPROTO_UDP):
        refuse(errno.EPROTONOSUPPORT)
    return DatagramEndpoint(home, family)
