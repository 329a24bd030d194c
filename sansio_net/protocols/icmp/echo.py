"""The ping socket: echo requests out, replies and errors in.

RFC 792, RFC 1122 3.2.2.6, RFC 4443 4; like Linux's `socket(AF_INET, SOCK_DGRAM,
IPPROTO_ICMP)` and its IPv6 twin in one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias

from sansio_net.addresses import (
    Endpoints,
    IpAddress,
    is_multicast,
    is_unspecified,
)
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    BroadcastError,
    ConnectionFailed,
    LimitError,
    MessageTooLongError,
    StateError,
)
from sansio_net.machine import Router, Sink
from sansio_net.packet import Packet, PacketInfo
from sansio_net.trace import Trace
from sansio_net.units import KIB
from sansio_net.wire import icmpv6
from sansio_net.wire.icmp import ECHO_REQUEST
from sansio_net.wire.icmp import HEADER_SIZE as ICMP_HEADER_SIZE
from sansio_net.wire.ipv4 import HEADER_SIZE, PROTO_ICMP

from .messages import icmp_header

MAX_DATA: Final = 0xFFFF - HEADER_SIZE - ICMP_HEADER_SIZE
QUEUE_BYTES: Final = 208 * KIB
"""Payload and `OVERHEAD` of what waits, either way; Linux's default for a socket."""
QUEUE_MESSAGES: Final = 256
OVERHEAD: Final = 512

_ARRIVED: Final = 1
_CLOSED: Final = 2


@dataclass(slots=True)
class EchoReplied:
    """An answer; `ttl` is what is left of its TTL."""

    echo: EchoSocket
    source: str
    sequence: int
    data: bytes
    ttl: int


@dataclass(slots=True)
class EchoFailed:
    """An error about request number `sequence`."""

    echo: EchoSocket
    destination: str
    sequence: int
    error: ConnectionFailed


EchoEvent: TypeAlias = EchoReplied | EchoFailed


class EchoSocket:
    """One ICMP identifier, in both families. Replies and errors are events, each of
    them one, in the order in which they came. Made by `Stack.echo_open`.
    """

    __slots__ = (
        "_arrived",
        "_arrived_bytes",
        "_counters",
        "_endpoints",
        "_router",
        "_sending",
        "_sending_bytes",
        "armed",
        "broadcast",
        "closed",
        "id",
        "identifier",
        "nic",
        "notified",
        "pending_kinds",
        "queued",
        "ready",
        "trace",
        "ttl",
    )

    protocol: Final = PROTO_ICMP

    def __init__(
        self,
        identifier: int,
        *,
        router: Router,
        nic: str | None = None,
        broadcast: bool = False,
        ttl: int = 64,
        id: int = 0,
        endpoints: Endpoints | None = None,
        ready: Sink[EchoSocket] | None = None,
        notified: Sink[EchoSocket] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.id = id
        self.identifier = identifier
        self.nic = nic
        self.broadcast = broadcast
        self.ttl = ttl
        self.closed = False
        self._router = router
        self._endpoints = endpoints if endpoints is not None else Endpoints()
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._sending: deque[Packet] = deque()
        self._sending_bytes = 0
        self._arrived: deque[EchoEvent] = deque()
        self._arrived_bytes = 0
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    def __repr__(self) -> str:
        return f"<EchoSocket {self.id} identifier {self.identifier}>"

    # -- verbs

    def send_to(
        self,
        address: IpAddress,
        sequence: int,
        data: bytes | bytearray | memoryview = b"",
        *,
        ttl: int | None = None,
    ) -> None:
        """Queue one echo request.

        Raises StateError, LimitError (send again after the next turn), Unreachable,
        BroadcastError, MessageTooLongError, ValueError.
        """
        if self.closed:
            raise StateError("the socket is closed")
        destination = self._endpoints.pack_ip(address, self.nic)
        if is_unspecified(destination):
            raise ValueError(f"not a destination: {address!r}")
        if not 0 <= sequence <= 0xFFFF:
            raise ValueError(f"sequence out of range: {sequence}")
        if ttl is not None and not 1 <= ttl <= 255:
            raise ValueError(f"ttl out of range: {ttl}")
        payload = data if isinstance(data, bytes) else bytes(data)
        if len(payload) > MAX_DATA:
            raise MessageTooLongError()
        if not self.broadcast and self._router.is_broadcast(destination, self.nic):
            raise BroadcastError()
        source = self._router.source_for(destination, b"", self.nic)
        size = ICMP_HEADER_SIZE + len(payload) + OVERHEAD
        if len(self._sending) >= QUEUE_MESSAGES or (
            self._sending and self._sending_bytes + size > QUEUE_BYTES
        ):
            raise LimitError("the socket's send queue is full")
        if ttl is None:
            ttl = 1 if is_multicast(destination) else self.ttl  # RFC 1112 6.1
        rest = self.identifier.to_bytes(2, "big") + sequence.to_bytes(2, "big")
        if len(destination) == 4:
            head = icmp_header(ECHO_REQUEST, 0, rest, payload)
        else:
            kind = icmpv6.ECHO_REQUEST
            head = icmpv6.build_icmpv6(kind, 0, rest, payload, source, destination)
            payload = b""  # it is in there
        info = PacketInfo(source, destination, 0, ttl)
        self._sending.append(Packet(head, (payload,) if payload else (), info=info))
        self._sending_bytes += size
        self._wake()

    def close(self) -> None:
        """No more replies; requests that were queued still leave."""
        if self.closed:
            return
        self.closed = True
        self._arrived.clear()
        self._arrived_bytes = 0
        self._notify(_CLOSED)
        self._wake()

    # -- inner doors

    def reply_arrives(
        self, source: bytes, sequence: int, data: bytes, ttl: int, now: int
    ) -> None:
        text = self._endpoints.format_ip(source)
        event = EchoReplied(self, text, sequence, data, ttl)
        self._keep(event, len(data))
        if self.trace is not None:
            self.trace.append((now, "echo-reply", self.id, source, sequence))

    def error_arrives(
        self, error: ConnectionFailed, destination: bytes, sequence: int | None
    ) -> None:
        """An error about a request of this socket; without its number it is dropped."""
        if sequence is None:
            self._counters.drop(DropReason.ICMP_NOT_CONCERNING)
            return
        text = self._endpoints.format_ip(destination)
        self._keep(EchoFailed(self, text, sequence, error), 0)

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next request, at its ICMP header."""
        if not self._sending:
            return None
        packet = self._sending.popleft()
        self._sending_bytes -= len(packet) + OVERHEAD
        return packet

    def drain(self, out: Sink[EchoEvent]) -> None:
        self.pending_kinds = 0
        for event in self._arrived:
            out.append(event)
        self._arrived.clear()
        self._arrived_bytes = 0

    def deadline(self) -> int | None:
        """A ping socket has no timers: when an answer is late, its user decides."""
        return None

    def handle_timeout(self, now: int) -> None:
        """Nothing is ever due."""

    # -- helpers

    def _keep(self, event: EchoEvent, data_size: int) -> None:
        if self.closed:
            return
        size = data_size + OVERHEAD
        if len(self._arrived) >= QUEUE_MESSAGES or (
            self._arrived and self._arrived_bytes + size > QUEUE_BYTES
        ):
            self._counters.drop(DropReason.ECHO_QUEUE_FULL)
            return
        self._arrived.append(event)
        self._arrived_bytes += size
        self._notify(_ARRIVED)

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    def _notify(self, kind: int) -> None:
        if not self.pending_kinds and self.notified is not None:
            self.notified.append(self)
        self.pending_kinds |= kind
