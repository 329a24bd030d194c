"""The small services that `up` offers, on TCP and UDP: echo, discard, chargen.

RFC 862, RFC 863, RFC 864. Back-pressure is real: a connection that cannot take an
answer is not read from, so its peer's window closes, and nothing is lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError, SansioNetError
from sansio_net.packet import Datagram
from sansio_net.protocols.tcp import Connection
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import (
    Accepted,
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    SocketSpaceFreed,
    SpaceFreed,
    Stack,
    UdpReceived,
)

CHUNK: Final = 65536
LINE_SIZE: Final = 72
MAX_CHARGEN_DATAGRAM: Final = 512

ANSWERING_PORTS: Final = frozenset(range(1, 1024))
"""What asks from here may be a service that answers anything, even an error: two of
them would talk for ever (CVE-2024-2169). So has inetd it.
"""


class Conversation(Protocol):
    """One connection to a service. Both methods say whether it goes on."""

    def readable(self) -> bool:
        """There is something to read: data, or the end."""

    def writable(self) -> bool:
        """There is room, at the start or again after a send that was cut short."""


class Echo:
    """RFC 862: back what came; no more is read than could be sent."""

    __slots__ = ("_conn", "_held")

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._held: memoryview | None = None

    def readable(self) -> bool:
        while self._held is None:
            data = self._conn.recv(CHUNK)
            if data is None:
                break
            if not data:
                self._conn.close()
                return False
            self._send(memoryview(data))
        return True

    def writable(self) -> bool:
        held, self._held = self._held, None
        if held is not None:
            self._send(held)
        return self.readable()

    def _send(self, data: memoryview) -> None:
        taken = self._conn.send(data)
        if taken < len(data):
            self._held = data[taken:]


class Discard:
    """RFC 863: read and forget."""

    __slots__ = ("_conn",)

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def readable(self) -> bool:
        return read_away(self._conn)

    def writable(self) -> bool:
        """Nothing is ever sent."""
        return True


class Chargen:
    """RFC 864: characters as fast as the peer takes them, until it ends."""

    __slots__ = ("_conn", "_pattern", "_rest")

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._pattern = chargen_block()
        self._rest = memoryview(self._pattern)

    def readable(self) -> bool:
        return read_away(self._conn)  # RFC 864: input is thrown away

    def writable(self) -> bool:
        while True:
            taken = self._conn.send(self._rest)
            self._rest = self._rest[taken:]
            if self._rest:
                return True
            self._rest = memoryview(self._pattern)


def read_away(conn: Connection) -> bool:
    """Read and forget; at the end, close. False: that was the end."""
    while data := conn.recv(CHUNK):
        pass
    if data is None:
        return True
    conn.close()
    return False


def chargen_lines() -> Iterator[bytes]:
    """The 95 printing characters, 72 a line, each line one further on."""
    printing = bytes(range(0x20, 0x7F))
    ring = printing + printing
    for start in range(len(printing)):
        yield ring[start : start + LINE_SIZE] + b"\r\n"


def chargen_block() -> bytes:
    """One whole round of lines."""
    return b"".join(chargen_lines())


class Answering(ABC):
    """A datagram service. While an answer does not fit, nothing more is read."""

    __slots__ = ("_held", "_silent_to", "_sock")

    def __init__(self, sock: UdpSocket, silent_to: frozenset[int]) -> None:
        self._sock = sock
        self._silent_to = silent_to
        self._held: tuple[bytes, Datagram] | None = None

    @abstractmethod
    def answer(self, datagram: Datagram) -> bytes | None:
        """What to say to it; None for nothing."""

    def readable(self) -> None:
        while self._held is None and (datagram := self._sock.receive()) is not None:
            if datagram.source[1] not in self._silent_to:
                data = self.answer(datagram)
                if data is not None:
                    self._send(data, datagram)

    def writable(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._send(*held)
        self.readable()

    def _send(self, data: bytes, asked: Datagram) -> None:
        try:
            self._sock.send_to(data, asked.source, source=asked.destination)
        except LimitError:
            self._held = data, asked
        except SansioNetError:
            pass  # no way back to who asked: a datagram may be lost


class EchoDatagrams(Answering):
    """RFC 862."""

    __slots__ = ()

    def answer(self, datagram: Datagram) -> bytes:
        return datagram.data


class DiscardDatagrams(Answering):
    """RFC 863."""

    __slots__ = ()

    def answer(self, datagram: Datagram) -> None:
        return None


class ChargenDatagrams(Answering):
    """RFC 864: 0 to 512 characters for each datagram."""

    __slots__ = ("_entropy", "_pattern")

    def __init__(
        self, sock: UdpSocket, silent_to: frozenset[int], entropy: Entropy
    ) -> None:
        super().__init__(sock, silent_to)
        self._entropy = entropy
        self._pattern = chargen_block()

    def answer(self, datagram: Datagram) -> bytes:
        return self._pattern[: self._entropy.below(MAX_CHARGEN_DATAGRAM + 1)]


KINDS: Final[dict[str, Callable[[Connection], Conversation]]] = {
    "echo": Echo,
    "discard": Discard,
    "chargen": Chargen,
}


class Services:
    """All services of a stack, as a function of its events."""

    __slots__ = ("_conversations", "_datagrams", "_kinds", "_stack", "entropy")

    def __init__(self, stack: Stack, entropy: Entropy) -> None:
        self._stack = stack
        self.entropy = entropy
        self._kinds: dict[int, Callable[[Connection], Conversation]] = {}
        self._conversations: dict[int, Conversation] = {}
        self._datagrams: dict[int, Answering] = {}

    def open(self, ports: Sequence[tuple[str, int]]) -> None:
        """Offer (kind, port) each, on every address. Raises AddressInUseError."""
        silent_to = ANSWERING_PORTS | {port for _, port in ports}
        for kind, port in ports:
            listener = self._stack.tcp_listen(("", port))
            self._kinds[listener.id] = KINDS[kind]
            sock = self._stack.udp_bind(("", port))
            service: Answering
            if kind == "chargen":
                child = self.entropy.child(f"chargen.{port}")
                service = ChargenDatagrams(sock, silent_to, child)
            else:
                made = EchoDatagrams if kind == "echo" else DiscardDatagrams
                service = made(sock, silent_to)
            self._datagrams[sock.id] = service

    def __call__(self, events: Sequence[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Accepted):
                conn = event.conn
                self._conversations[conn.id] = self._kinds[event.listener.id](conn)
                self._serve(conn, is_readable=False)
            elif isinstance(event, DataReceived | EofReceived):
                self._serve(event.conn, is_readable=True)
            elif isinstance(event, SpaceFreed):
                self._serve(event.conn, is_readable=False)
            elif isinstance(event, Closed | ConnectionLost):
                self._conversations.pop(event.conn.id, None)
            elif isinstance(event, UdpReceived):
                self._datagrams[event.sock.id].readable()
            elif isinstance(event, SocketSpaceFreed):
                self._datagrams[event.sock.id].writable()

    def _serve(self, conn: Connection, *, is_readable: bool) -> None:
        # data and its end come in one batch: the end may have been read already
        conversation = self._conversations.get(conn.id)
        if conversation is None:
            return
        goes_on = conversation.readable() if is_readable else conversation.writable()
        if not goes_on:
            del self._conversations[conn.id]
