"""A TCP socket that never blocks: fresh, bound, listening, connecting or connected."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from copy import copy
from operator import index
from typing import Any

from sansio_net.errors import SansioNetError
from sansio_net.stack import (
    Accepted,
    Closed,
    Connected,
    Connection,
    ConnectionLost,
    Event,
    Listener,
    TcpOptions,
)

from .endpoint import Address, Endpoint, Home, as_os_error, refuse
from .names import destination
from .sockets import ListeningSocket, StreamSocket, UnconnectedSocket


class StreamEndpoint(Endpoint):
    """SOCK_STREAM."""

    def __init__(self, home: Home, family: int, conn: Connection | None = None) -> None:
        self._conn = conn
        self._listener: Listener | None = None
        self._listening = False
        self._accepted: deque[StreamEndpoint] = deque()
        self._peeked = b""
        self._no_reading = self.shut_write = False
        options = home.stack.config.tcp
        super().__init__(
            *(home, family),
            lambda: (
                UnconnectedSocket(family, options)
                if conn is None
                else StreamSocket(conn, home.wake)
            ),
        )
        if conn is not None:
            self.own(conn)

    # -- listening

    def bind(
        self, address: Address, *, transparent: bool = False, any_port: bool = False
    ) -> None:
        """Takes the port at once. On Linux it would refuse connects until `listen`;
        here it leaves them without an answer.
        """
        self.check()
        looks = self.looks
        if not isinstance(looks, UnconnectedSocket) or self._conn is not None:
            refuse(errno.EINVAL)
        host, port = self.plain(address)
        if host == "::" and not self.is_set(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            host = ""  # both families
        self.home.check()
        with as_os_error():
            listener = self.home.stack.tcp_listen(
                (host, port),
                options=looks.options,
                transparent=transparent,
                any_port=any_port,
            )
        listener.pause()
        self._listener = listener
        listening = ListeningSocket(listener, self.family)
        listening.accepts = False
        self.replace_looks(listening)
        self.own(listener)

    def listen(self, backlog: int = 128) -> None:
        self.check()
        if self._conn is not None:
            refuse(errno.EINVAL)
        if self._listener is None:
            self.bind(("::" if self.family == socket.AF_INET6 else "0.0.0.0", 0))
        listener = self._listener
        assert listener is not None
        listener.backlog = max(1, backlog)
        self._listening = self.looks.accepts = True
        self._take_more()

    def _take_more(self) -> None:
        listener = self._listener
        if listener is None or not self._listening:
            return
        # as many wait here as may wait in the stack
        if len(self._accepted) < listener.backlog:
            listener.resume()
        else:
            listener.pause()

    def accept(self) -> StreamEndpoint:
        """Raises BlockingIOError, and OSError unless it listens."""
        self.check()
        if not self._listening:
            refuse(errno.EINVAL)
        if not self._accepted:
            raise BlockingIOError(errno.EAGAIN, "nobody has connected")
        child = self._accepted.popleft()
        self._take_more()
        return child

    # -- connecting

    def begin_connect(self, address: Address) -> None:
        """`finish_connect` will say how it went; `on_writable` is called then."""
        self.check()
        if self._conn is not None:
            refuse(errno.EISCONN if self._conn.established else errno.EALREADY)
        if self._listening:
            refuse(errno.EISCONN)
        peer, local = destination(self.plain(address)), None
        self.home.check()
        looks = self.looks
        options: TcpOptions
        if self._listener is not None:  # bound
            local, options = self._listener.local, self._listener.options
            self._drop_listener()
            self.replace_looks(UnconnectedSocket(self.family, options))
        else:
            assert isinstance(looks, UnconnectedSocket)
            options = looks.options
        with as_os_error():
            conn = self.home.stack.tcp_connect(peer, local=local, options=options)
        self._conn = conn
        self.replace_looks(StreamSocket(conn, self.home.wake))
        self.own(conn)

    def finish_connect(self) -> None:
        """Raises BlockingIOError while it is under way, and its error; the socket can
        be tried with another address then.
        """
        self.check()
        conn = self._connection()
        error = conn.error
        if error is not None:
            self._conn = None
            self.disown(conn)
            looks = UnconnectedSocket(self.family, conn.options)
            self.replace_looks(looks)
            raise copy(error)
        if not conn.established:
            raise BlockingIOError(errno.EINPROGRESS, "the connect is under way")

    # -- talking

    def _connection(self) -> Connection:
        self.check()
        if self._conn is None:
            refuse(errno.ENOTCONN)
        return self._conn

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """Raises BlockingIOError; b"" is the end."""
        conn = self._connection()
        if flags & ~(socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_WAITALL):
            refuse(errno.EOPNOTSUPP)
        if self._no_reading or index(limit) == 0:
            return b""
        if limit < 0:
            raise ValueError("negative buffersize in recv")
        if self._peeked or flags & socket.MSG_PEEK:
            return self._peek(conn, limit, bool(flags & socket.MSG_PEEK))
        return self._read(conn, limit)

    def _read(self, conn: Connection, limit: int) -> bytes:
        with as_os_error():
            data = conn.recv(limit)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")
        if conn.queued:  # the window opens
            self.home.wake()
        return data

    def _peek(self, conn: Connection, limit: int, keep: bool) -> bytes:
        if not self._peeked:
            self._peeked = self._read(conn, limit)
        elif len(self._peeked) < limit and conn.pending:
            self._peeked += self._read(conn, limit - len(self._peeked))
        data = self._peeked[:limit]
        if not keep:
            self._peeked = self._peeked[limit:]
        return data

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """What was taken, at least a byte of any. Raises BlockingIOError."""
        conn = self._connection()
        if self.shut_write:
            refuse(errno.EPIPE)
        with as_os_error():
            taken = conn.send(data)
        if conn.queued:
            self.home.wake()
        if not taken and len(data):
            raise BlockingIOError(errno.EAGAIN, "the send buffer is full")
        return taken

    @property
    def readable(self) -> bool:
        """`recv` or `accept` would not block."""
        conn = self._conn
        if self.closed or self.error is not None or self._no_reading:
            return True
        if conn is None:
            return bool(self._accepted)
        if self._peeked or conn.pending:
            return True
        try:
            return conn.recv(1) is not None  # the end, or nothing
        except SansioNetError:
            return True

    def check_writable(self) -> None:
        """Raises BlockingIOError while `send` would; any other error is `send`'s."""
        conn = self._connection()
        if conn.error is not None or self.shut_write:
            return
        if not conn.sender.space:
            conn.send(b"\0")  # takes nothing, and asks to be told
        if conn.sender.short_send:
            raise BlockingIOError(errno.EAGAIN, "the send buffer is full")

    def check_readable(self) -> None:
        """Raises BlockingIOError while `recv` would."""
        if not self.readable:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")

    def shutdown(self, how: int) -> None:
        self.check()
        if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
            refuse(errno.EINVAL)
        if self._listening and how != socket.SHUT_WR:
            # as on Linux: who waits in accept hears of it
            self._listening = False
            self._drop_listener()
            self.tell()
            return
        conn = self._connection()
        if not conn.established:
            refuse(errno.ENOTCONN)
        if how != socket.SHUT_WR:
            self._no_reading = True
        if how != socket.SHUT_RD and not self.shut_write:
            with as_os_error():
                conn.shutdown()
            self.shut_write = True
            self.home.wake()
        self.tell()

    # -- owner

    def handle(self, event: Event) -> None:
        if isinstance(event, Accepted):
            child = StreamEndpoint(self.home, self.family, event.conn)
            self._accepted.append(child)
            self._take_more()
            self.on_readable()
        elif isinstance(event, Connected):
            self.on_writable()
        elif isinstance(event, Closed | ConnectionLost):
            # what it left is read off the connection
            self.tell()
        else:
            super().handle(event)

    def _drop_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
            self.disown(listener)
        for child in self._accepted:
            child.shut(by_force=True)
        self._accepted.clear()

    def let_go(self, by_force: bool) -> None:
        conn, self._peeked = self._conn, b""
        self._drop_listener()
        if conn is not None:
            if by_force or self._lingers_for_nothing():
                conn.abort()
            else:
                conn.close()
            self.disown(conn)

    def _lingers_for_nothing(self) -> bool:
        """SO_LINGER with no time: RST at once."""
        value: Any = self.looks.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        return len(value) == 8 and struct.unpack("ii", value) == (1, 0)
