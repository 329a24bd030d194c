"""Sockets that a library made itself: tokens for what the NIC has in their place.

The kernel's socket is never connected; it stands for a connection, a listener or a UDP
socket of the stack, and its own verbs act on that. A transport may take it over, as
from a socket of the kernel's, and closes the token in its own end.
"""

from __future__ import annotations

import errno
import socket
import weakref
from typing import Any, ClassVar, Final, TypeVar
from weakref import WeakKeyDictionary

from sansio_net.adapters.names import destination
from sansio_net.adapters.sockets import Sockname
from sansio_net.stack import Connection

from .ends import AcceptQueue, DatagramEnd, End, StreamEnd, os_error
from .nic import Nic

E = TypeVar("E", bound=End)

INHERITED: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.SOL_SOCKET, socket.SO_BROADCAST),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 4)),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 5)),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 6)),
    (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18)),
    (socket.IPPROTO_IP, socket.IP_TOS),
)
"""What was set on the kernel's socket before it became a token counts."""


class Token(socket.socket):
    """A kernel's socket once it stands for something: its class is changed to this."""

    __slots__ = ()
    _ends: ClassVar[WeakKeyDictionary[socket.socket, End]]

    def _end(self) -> End | None:
        return self._ends.get(self)

    def _the(self, kind: type[E]) -> E:
        end = self._ends.get(self)
        if not isinstance(end, kind):
            raise os_error(errno.EBADF if end is None else errno.EOPNOTSUPP)
        return end

    def getsockname(self) -> Any:
        end = self._end()
        return super().getsockname() if end is None else end.looks.getsockname()

    def getpeername(self) -> Any:
        return self._the(End).looks.getpeername()

    def getsockopt(self, level: int, optname: int, buflen: int = 0) -> Any:
        return self._the(End).looks.getsockopt(level, optname, buflen)

    def setsockopt(self, *args: Any) -> None:
        self._the(End).looks.setsockopt(*args)

    def send(self, data: Any, flags: int = 0) -> int:
        _no_flags(flags)
        with memoryview(data) as view:
            taken = self._the(StreamEnd).send(view.cast("B"))
            if not taken and view.nbytes:
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return taken

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        _no_flags(flags)
        return _now(self._the(StreamEnd).recv(bufsize))

    def sendto(self, data: Any, *rest: Any) -> int:
        _no_flags(*rest[:-1])
        _now(self._the(DatagramEnd).send_to(data, rest[-1]))
        return memoryview(data).nbytes

    def recvfrom(self, bufsize: int, flags: int = 0) -> tuple[bytes, Any]:
        _no_flags(flags)
        return _now(self._the(DatagramEnd).recv_from(bufsize))

    def shutdown(self, how: int) -> None:
        self._the(StreamEnd).shutdown(how)

    def _real_close(self, *args: Any) -> None:
        end = self._ends.pop(self, None)
        if end is not None:
            end.close()
        super()._real_close(*args)  # type: ignore[misc]


def _no_flags(*flags: int) -> None:
    if any(flags):
        raise os_error(errno.EOPNOTSUPP)


T = TypeVar("T")


def _now(result: T | None) -> T:
    if result is None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    return result


class Tokens:
    """What sockets of the kernel stand for. One that is dropped takes it along."""

    def __init__(self) -> None:
        self._ends: WeakKeyDictionary[socket.socket, End] = WeakKeyDictionary()
        self._class = type("Token", (Token,), {"__slots__": (), "_ends": self._ends})

    def find(self, token: Any, kind: type[E]) -> E | None:
        """What it stands for, if it is that kind of thing."""
        try:
            end = self._ends.get(token)
        except TypeError:  # not one that can be referred to weakly: somebody's mock
            return None
        return end if isinstance(end, kind) else None

    def stands_for(self, token: socket.socket, end: E) -> E:
        if type(token) is socket.socket:
            _inherit(token, end)
            token.__class__ = self._class
        self._ends[token] = end
        _when_dropped(token, end)
        return end

    def issue(self, conn: Connection, family: int, nic: Nic) -> socket.socket:
        """A new socket that stands for an accepted connection."""
        token = socket.socket(family, socket.SOCK_STREAM)
        token.setblocking(False)
        self.stands_for(token, StreamEnd(nic, conn))
        return token

    def redeem(self, token: Any, kind: type[E]) -> E | None:
        """What it stands for, to be somebody else's from now on; the token only looks
        like it. None: it is nothing of that kind. Raises RuntimeError the second time.
        """
        end = self.find(token, kind)
        if end is not None:
            if end.released:
                raise RuntimeError(f"{token!r} is used by a transport")
            end.release()
        return end

    def listening(self, token: socket.socket, nic: Nic) -> AcceptQueue:
        """The listener that it stands for, from the first time it is asked for."""
        queue = self.find(token, AcceptQueue)
        if queue is None:
            listener = nic.stack.tcp_listen(bound_place(token))
            queue = AcceptQueue(nic, listener, token.family)
            self.stands_for(token, queue)
        return queue

    def datagrams(
        self, token: socket.socket, nic: Nic, peer: Sockname | None = None
    ) -> DatagramEnd:
        """The UDP socket that it stands for, likewise; connected if `peer` is given."""
        end = self.find(token, DatagramEnd)
        if end is not None and peer is not None:
            self._ends.pop(token)
            end.close()  # as connect again does; what had arrived is gone
            end = None
        if end is None:
            place = bound_place(token, both=peer is None)
            udp = nic.stack.udp_bind(place, peer=peer and destination(peer))
            end = DatagramEnd(nic, udp, token.family)
            self.stands_for(token, end)
        return end


def bound_place(token: socket.socket, both: bool = False) -> tuple[str, int]:
    """Only the port counts: the NIC's addresses are none that the kernel could bind.
    both: an IPv6 socket of the kernel's speaks to both families.
    """
    port: int = token.getsockname()[1]
    if token.family == socket.AF_INET:
        return "0.0.0.0", port
    return "" if both else "::", port


def _inherit(token: socket.socket, end: End) -> None:
    for level, name in INHERITED:
        try:
            value = token.getsockopt(level, name)
        except OSError:  # another protocol's
            continue
        if value and value != end.looks.getsockopt(level, name):
            end.looks.setsockopt(level, name, value)


def _when_dropped(token: socket.socket, end: End) -> None:
    loop = end.nic.driver.loop

    def tell() -> None:
        # garbage may be collected in any thread, and after the loop's end
        if not loop.is_closed():
            loop.call_soon_threadsafe(end.close)

    weakref.finalize(token, tell).atexit = False
