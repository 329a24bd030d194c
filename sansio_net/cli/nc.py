"""`sansio-net nc`: standard input and output on a connection, as netcat has it."""

from __future__ import annotations

import select
import signal
import sys
from abc import ABC, abstractmethod
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.errors import LimitError, SansioNetError
from sansio_net.protocols.tcp import Connection, Listener
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    SocketSpaceFreed,
    SpaceFreed,
    UdpError,
    UdpReceived,
)

from .errors import FAILED, INTERRUPTED, OK, TERMINATED, UsageError
from .links import add_link_options, check_link_options
from .ping import parse_seconds
from .session import Session
from .streams import Input, Output
from .target import Readiness, bare_ip
from .up import parse_port

if TYPE_CHECKING:
    from argparse import _SubParsersAction

NAME: Final = "nc"
DATAGRAM_SIZE: Final = 16384
"""At most so many bytes of one read go into one datagram."""
SAMPLES: Final = 8
"""While sent data waits to leave, so often within -w it is looked at."""


def add_parser(commands: _SubParsersAction[ArgumentParser]) -> None:
    parser = commands.add_parser(
        NAME,
        help="connect standard input and output to a peer",
        usage="sansio-net nc [link options] [-u] [-w SECONDS] HOST PORT\n"
        "       sansio-net nc [link options] -l [-u] [-w SECONDS] PORT",
    )
    parser.set_defaults(command=command)
    add_link_options(parser)
    add = parser.add_argument
    add("-l", dest="listen", action="store_true", help="wait for a peer")
    add("-u", dest="udp", action="store_true", help="UDP instead of TCP")
    add(
        "-w",
        dest="wait",
        type=parse_seconds,
        metavar="SECONDS",
        help="end after so long without a byte either way",
    )
    add("target", nargs="+", metavar="[HOST] PORT")


def command(args: Namespace) -> int:
    check_link_options(args)
    expected = 1 if args.listen else 2
    if len(args.target) != expected:
        raise UsageError("nc takes HOST PORT, or -l PORT")
    host = "" if args.listen else args.target[0]
    try:
        port = parse_port(args.target[-1])
        if host:
            bare_ip(host)  # the stack knows zones
    except ArgumentTypeError as error:
        raise UsageError(str(error)) from None
    except ValueError:
        say(f"{host}: not an IP address, and names are not looked up")
        return FAILED
    session = Session(args)
    try:
        kind = Datagrams if args.udp else Stream
        return session.run(kind(session, host, port))
    except SansioNetError as error:
        session.close()
        say(str(getattr(error, "strerror", None) or error))
        return FAILED


def say(text: str) -> None:
    print(f"nc: {text}", file=sys.stderr, flush=True)


class Idle:
    """-w: ends the session when nothing came or went for so long."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wait: int | None = session.args.wait
        self._since = 0
        self._unsent = 0
        self.is_connected = False
        self.what = ""

    def touch(self, now: int) -> None:
        self._since = now

    def watch(self, now: int, unsent: int = 0) -> None:
        """Look again when it may be over; earlier where sent data waits to leave,
        because the peer taking it is no event.
        """
        if self._wait is None or self._session.finishing:
            return
        if unsent != self._unsent:
            self._unsent = unsent
            self._since = now
        if now - self._since >= self._wait:
            self._over()

    def next_look(self, now: int) -> int | None:
        if self._wait is None:
            return None
        end = self._since + self._wait
        return min(end, now + self._wait // SAMPLES) if self._unsent else end

    def _over(self) -> None:
        if not self.is_connected:
            say(f"{self.what}: Connection timed out")
        self._session.finish(OK if self.is_connected else FAILED)


class Peer(ABC):
    """What both kinds share: the streams, -w, and signals.

    host: "" for whoever comes. With one, `_open` is called once our addresses of its
    family can be used.
    """

    def __init__(self, session: Session, host: str) -> None:
        self.session = session
        self.idle = Idle(session)
        self._ready: Readiness | None = None
        if host:
            self._ready = Readiness(session, len(bare_ip(host)), self._ready_to_open)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        if self._ready is not None:
            self._ready(events, now)

    def _ready_to_open(self, now: int) -> None:
        self._ready = None
        try:
            self._open()
        except SansioNetError as error:
            self._no_way(error)

    @abstractmethod
    def _open(self) -> None:
        """Raises SansioNetError."""

    @abstractmethod
    def _no_way(self, error: SansioNetError) -> None:
        """What `_open` raised."""

    def start(self, session: Session) -> None:
        session.loop.call_at(0, self._begin)

    def _begin(self, now: int) -> None:
        self.idle.touch(now)
        self._look(now)

    def _look(self, now: int) -> None:
        self.idle.watch(now, self.unsent())
        when = self.idle.next_look(now)
        if when is not None and not self.session.finishing:
            self.session.loop.call_at(when, self._look)

    def unsent(self) -> int:
        return 0

    def stopped(self, number: int) -> int:
        return INTERRUPTED if number == signal.SIGINT else TERMINATED


class Stream(Peer):
    """One TCP connection, made or waited for.

    Ends when both sides have: standard input by a half-close, the peer by its FIN.
    A listening one ends with its peer when there is nothing more to send.
    """

    def __init__(self, session: Session, host: str, port: int) -> None:
        super().__init__(session, host)
        self._to = host, port
        self._conn: Connection | None = None
        self._listener: Listener | None = None
        self._held: memoryview | None = None
        self._peer_ended = False
        self._closed = False
        self._status = OK
        self.idle.what = f"connect to {host} port {port} (tcp) failed"
        if not host:
            self.idle.what = f"nobody connected to port {port} (tcp)"
            self._listener = session.stack.tcp_listen(("", port), backlog=1)
        self._input = Input(session.loop, 0, self._typed)
        self._output = Output(session.loop, 1, self._read, self._written, self._broken)

    def unsent(self) -> int:
        return self._conn.unsent if self._conn is not None else 0

    def _open(self) -> None:
        self._conn = self.session.stack.tcp_connect(self._to)

    def _no_way(self, error: SansioNetError) -> None:
        self._lost(error)
        self._maybe_over()

    def __call__(self, events: Sequence[Event], now: int) -> None:
        super().__call__(events, now)
        for event in events:
            if isinstance(event, Accepted):
                self._accepted(event.conn)
            elif getattr(event, "conn", None) is not self._conn:
                continue
            elif isinstance(event, Connected):
                self._opened(now)
            elif isinstance(event, DataReceived):
                self.idle.touch(now)
                self._output.wake()
            elif isinstance(event, EofReceived):
                self.idle.touch(now)
                self._peer_ended = True
                self._output.wake()
            elif isinstance(event, SpaceFreed):
                self.idle.touch(now)
                self._send_held()
            elif isinstance(event, ConnectionLost):
                self._lost(event.error)
            elif isinstance(event, Closed):
                self._closed = True
                self._output.wake()

    def _accepted(self, conn: Connection) -> None:
        if self._conn is not None:
            conn.abort()  # one peer only
            return
        self._conn = conn
        if self._listener is not None:
            self._listener.close()
        self._opened(self.session.loop.now)

    def _opened(self, now: int) -> None:
        self.idle.is_connected = True
        self.idle.touch(now)
        self._input.resume()

    def _lost(self, error: SansioNetError) -> None:
        words = getattr(error, "strerror", None) or error
        say(f"{self.idle.what}: {words}" if not self.idle.is_connected else str(words))
        self._status = FAILED
        self._closed = True
        self._input.pause()
        self._output.wake()  # what had arrived is still written

    def _typed(self, data: bytes, now: int) -> None:
        if self.session.finishing or self._closed or self._conn is None:
            self._input.pause()
        elif not data:
            self._end_input()
        else:
            self.idle.touch(now)
            self._held = memoryview(data)
            self._send_held()

    def _end_input(self) -> None:
        self._shutdown()
        self._maybe_over()

    def _shutdown(self) -> None:
        if self._conn is not None:
            try:
                self._conn.shutdown()
            except SansioNetError:
                pass  # it failed; its event is on the way

    def _send_held(self) -> None:
        conn, held = self._conn, self._held
        if conn is None or held is None:
            return
        try:
            taken = conn.send(held)
        except SansioNetError:
            self._input.pause()  # its event is on the way
            return
        if taken < len(held):
            self._held = held[taken:]
            self._input.pause()
        else:
            self._held = None
            self._input.resume()

    def _read(self, limit: int) -> bytes:
        if self._conn is None or self.session.finishing:
            return b""
        try:
            return self._conn.recv(limit) or b""
        except SansioNetError:
            return b""

    def _written(self, now: int) -> None:
        self.idle.touch(now)
        self._maybe_over()

    def _broken(self) -> None:
        if self._conn is not None:
            self._conn.abort()  # what nobody reads must not look delivered
        self.session.finish(FAILED)

    def _maybe_over(self) -> None:
        if not self._output.is_idle or self.session.finishing:
            return
        if self._closed:
            self._input.pause()
            self.session.finish(self._status)
        elif self._peer_ended and self._listener is not None and self._is_drained():
            # as netcat's listener does: the peer is gone, nothing waits for it
            self._input.pause()
            self._input.ended = True
            self._shutdown()

    def _is_drained(self) -> bool:
        if self._input.ended or self._held is not None:
            return False
        return not select.select([0], [], [], 0)[0]


class Datagrams(Peer):
    """A connected UDP socket, or one whose peer is the first that writes.

    Each read is one datagram. Only -w or a signal ends it.
    """

    def __init__(self, session: Session, host: str, port: int) -> None:
        super().__init__(session, host)
        self._peer: tuple[str, int] | None = (host, port) if host else None
        self._waiting: deque[bytes] = deque()
        self._held: bytes | None = None
        self._sock: UdpSocket | None = None
        if not host:
            self._sock = session.stack.udp_bind(("", port))
        self.idle.is_connected = True
        self._input = Input(session.loop, 0, self._typed, DATAGRAM_SIZE)
        self._output = Output(session.loop, 1, self._read, self._written, self._broken)

    def _open(self) -> None:
        self._sock = self.session.stack.udp_bind(("", 0), peer=self._peer)
        self._input.resume()

    def _no_way(self, error: SansioNetError) -> None:
        self._failed(error)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        super().__call__(events, now)
        for event in events:
            if isinstance(event, UdpReceived):
                self.idle.touch(now)
                self._output.wake()
            elif isinstance(event, SocketSpaceFreed):
                held, self._held = self._held, None
                if held is not None:
                    self._send(held)
            elif isinstance(event, UdpError):
                self._failed(event.error)

    def _typed(self, data: bytes, now: int) -> None:
        if data and not self.session.finishing:
            self.idle.touch(now)
            self._send(data)

    def _send(self, data: bytes) -> None:
        assert self._peer is not None
        assert self._sock is not None
        try:
            self._sock.send_to(data, self._peer)
        except LimitError:
            self._held = data
            self._input.pause()
        except SansioNetError as error:
            self._failed(error)
        else:
            self._input.resume()

    def _failed(self, error: SansioNetError) -> None:
        say(str(getattr(error, "strerror", None) or error))
        self._input.pause()
        self.session.finish(FAILED)

    def _read(self, limit: int) -> bytes:
        """The next datagram, in pieces that the output takes."""
        while self._sock and not self._waiting and not self.session.finishing:
            try:
                datagram = self._sock.receive()
            except SansioNetError:
                return b""
            if datagram is None:
                return b""
            if self._peer is None:
                self._peer = datagram.source
                self._input.resume()
            if datagram.source[:2] == self._peer[:2]:
                for at in range(0, len(datagram.data), limit):
                    self._waiting.append(datagram.data[at : at + limit])
        return self._waiting.popleft() if self._waiting else b""

    def _written(self, now: int) -> None:
        """Writing is no sign of life: what counts is the last datagram."""

    def _broken(self) -> None:
        self.session.finish(FAILED)
