"""UDP sockets: datagrams in and out, with the errors that concern them.

RFC 768; RFC 1122 4.1; RFC 8085 for what an application may expect.

A socket is no machine: `receive` is its verb. It belongs to a Stack, which finds it by
its port, calls the inner doors and takes its packets from `emit`. Datagrams and errors
keep their order. An error is told by a UdpError event; a connected socket's verbs also
raise a hard one once: `receive` in its place among the datagrams, `send` at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from sansio_net.addresses import (
    Endpoints,
    IpAddress,
    SocketAddress,
    is_unspecified,
)
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    ConnectionFailed,
    LimitError,
    MessageTooLongError,
    NotConnectedError,
    StateError,
)
from sansio_net.machine import Router, Sink
from sansio_net.packet import CSUM_PARTIAL, Chunk, Datagram, Packet
from sansio_net.trace import Trace
from sansio_net.wire.ipv4 import PROTO_UDP
from sansio_net.wire.ipv4_options import check_options
from sansio_net.wire.udp import CHECKSUM_OFFSET, HEADER_SIZE

from .build import check_octet, cut_size, cuts, kept
from .config import (
    OVERHEAD,
    SocketSpaceFreed,
    UdpError,
    UdpEvent,
    UdpOptions,
    UdpReceived,
)
from .failures import Endpoint, Failure, Failures
from .groups import Groups
from .ways import Way, Ways, find_way, put_header

_RECEIVED: Final = 1
_FAILED: Final = 2
_SPACE: Final = 4
_CLOSED: Final = 8


class UdpSocket:
    """One bound port; 0 is every port. `laddr` b"" is every address, with `transparent`
    also those that are not the stack's; `nic` names an interface or None.

    Made by `Stack.udp_bind`.
    """

    __slots__ = (
        "_counters",
        "_endpoints",
        "_failures",
        "_groups",
        "_n_accepted",
        "_n_taken",
        "_options",
        "_queue",
        "_queue_bytes",
        "_router",
        "_send_bytes",
        "_sending",
        "_space_wanted",
        "_ways",
        "armed",
        "broadcast",
        "closed",
        "gro",
        "id",
        "laddr",
        "lport",
        "multicast_loop",
        "multicast_ttl",
        "nic",
        "notified",
        "pending_kinds",
        "queued",
        "raddr",
        "ready",
        "reuse",
        "rport",
        "tos",
        "trace",
        "transparent",
        "ttl",
    )

    protocol: Final = PROTO_UDP

    def __init__(
        self,
        laddr: bytes,
        lport: int,
        *,
        router: Router,
        raddr: bytes | None = None,
        rport: int | None = None,
        nic: str | None = None,
        broadcast: bool = False,
        reuse: bool = False,
        transparent: bool = False,
        options: UdpOptions | None = None,
        id: int = 0,
        endpoints: Endpoints | None = None,
        ready: Sink[UdpSocket] | None = None,
        notified: Sink[UdpSocket] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        if raddr is not None and not (raddr and rport):
            raise StateError("a peer has an address and a port")
        self._options = options = options or UdpOptions()
        self.id = id
        self.laddr, self.lport = laddr, lport
        self.raddr, self.rport = raddr, rport
        self.nic = nic
        self.broadcast = broadcast
        self.reuse = reuse
        self.transparent = transparent
        self.ttl, self.tos, self.gro = options.ttl, options.tos, options.gro
        self.multicast_ttl = options.multicast_ttl
        self.multicast_loop = True
        self.closed = False
        self._router = router
        self._endpoints = endpoints if endpoints is not None else Endpoints()
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._queue: deque[Datagram] = deque()
        self._queue_bytes = 0
        self._failures = Failures(
            options.error_limit, raddr is not None, self._counters
        )
        self._groups: Groups | None = None
        self._n_accepted = self._n_taken = 0
        self._sending: deque[Packet] = deque()
        self._send_bytes = 0
        self._space_wanted = False
        self._ways = Ways(router.routes, options.ways, self._counters)
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.local} -> {self.peer}"
        return f"<UdpSocket {self.id} {state}>"

    @property
    def local(self) -> tuple[str, int]:
        return self._endpoints.format(self.laddr, self.lport)

    @property
    def peer(self) -> tuple[str, int] | None:
        if self.raddr is None or self.rport is None:
            return None
        return self._endpoints.format(self.raddr, self.rport)

    @property
    def count(self) -> int:
        """How many datagrams wait for `receive()`."""
        return len(self._queue)

    @property
    def pending(self) -> int:
        """What they pin, in bytes."""
        return self._queue_bytes

    # -- verbs

    def send_to(
        self,
        data: bytes | bytearray | memoryview,
        address: SocketAddress,
        *,
        source: SocketAddress | IpAddress | None = None,
        ttl: int | None = None,
        tos: int | None = None,
        options: bytes = b"",
        segment_size: int = 0,
    ) -> None:
        """Queue one datagram, or with `segment_size` as many as `data` gives of that
        many bytes each, the last maybe shorter (udp(7), UDP_SEGMENT); at most 64.

        `source` is the address it leaves from, as text or as the `destination` of the
        datagram that it answers; the stack chooses where it is None or a group. From
        a socket of every port, it has the port as well.
        `options` are IPv4's (RFC 1122 4.1.3.2); source routes are refused.
        Raises StateError, LimitError (then SocketSpaceFreed follows), Unreachable,
        AddressNotAvailableError, BroadcastError, MessageTooLongError, ValueError.
        """
        payload = data if isinstance(data, bytes) else kept(data)
        is_plain = source is None and ttl is None and tos is None and not options
        if is_plain and (way := self._ways.find(address)) is not None:
            self._send(payload, way, segment_size)
            return
        destination, port = self._endpoints.pack(address, self.nic)
        if is_unspecified(destination) or not port:
            raise ValueError(f"not a destination: {address!r}")
        if options:
            if len(destination) != 4:
                raise ValueError("IPv6 has no such options")
            options = check_options(options)
        self._check(self._n_accepted)
        to = self._router, self._endpoints, destination, port, len(payload)
        way = find_way(self, *to, source, ttl, tos, options)
        if is_plain:
            self._ways.remember(address, way)
        self._send(payload, way, segment_size)

    def send(
        self, data: bytes | bytearray | memoryview, *, segment_size: int = 0
    ) -> None:
        """Queue one datagram to the peer, or several. Raises as `send_to`, and
        NotConnectedError where there is no peer.
        """
        if self.raddr is None or self.rport is None:
            raise NotConnectedError()
        payload = data if isinstance(data, bytes) else kept(data)
        way = self._ways.find(None)
        if way is None:
            to = self._router, self._endpoints, self.raddr, self.rport
            self._check(self._n_accepted)
            way = find_way(self, *to, len(payload))
            self._ways.remember(None, way)
        self._send(payload, way, segment_size)

    def receive(self) -> Datagram | None:
        """The next datagram, or None. Raises the pending error of a connected socket
        once, and StateError when closed.
        """
        if self.closed or self._failures.raises:
            self._check(self._n_taken)
        if not self._queue:
            return None
        datagram = self._queue.popleft()
        self._queue_bytes -= len(datagram.data) + OVERHEAD
        self._n_taken += 1
        return datagram

    def set(
        self,
        *,
        broadcast: bool | None = None,
        ttl: int | None = None,
        multicast_ttl: int | None = None,
        multicast_loop: bool | None = None,
        tos: int | None = None,
        gro: bool | None = None,
    ) -> None:
        """Change options; None leaves one as it is. Raises ValueError.

        gro: take datagrams that came as one, as one, with their `segment_size` (udp(7),
        UDP_GRO).
        """
        check_octet("ttl", ttl, 1)
        check_octet("multicast_ttl", multicast_ttl, 0)
        check_octet("tos", tos, 0)
        self._ways.clear()  # they were found by what was said before
        self.broadcast = self.broadcast if broadcast is None else broadcast
        self.ttl = self.ttl if ttl is None else ttl
        self.tos = self.tos if tos is None else tos
        self.gro = self.gro if gro is None else gro
        if multicast_ttl is not None:
            self.multicast_ttl = multicast_ttl
        if multicast_loop is not None:
            self.multicast_loop = multicast_loop

    @property
    def groups(self) -> Groups:
        """The groups it has joined; their verbs. Raises StateError when closed."""
        self._check_open()
        if self._groups is None:
            self._groups = Groups(self.id, self._router, self.nic)
        return self._groups

    def join(
        self,
        group: IpAddress,
        *,
        nic: str | None = None,
        source: IpAddress | None = None,
    ) -> None:
        """See `Groups.join`."""
        self.groups.join(group, nic=nic, source=source)

    def leave(
        self,
        group: IpAddress,
        *,
        nic: str | None = None,
        source: IpAddress | None = None,
    ) -> None:
        """See `Groups.leave`."""
        self.groups.leave(group, nic=nic, source=source)

    def close(self) -> None:
        """No more datagrams in; what `send_to` took still leaves."""
        if self.closed:
            return
        self.closed = True
        if self._groups is not None:
            self._groups.leave_all()
        self._queue.clear()
        self._failures.clear()
        self._queue_bytes = 0
        self._space_wanted = False
        self._notify(_CLOSED)
        self._wake()

    # -- inner doors

    def wants(self, group: bytes, source: bytes, nic: str) -> bool:
        """Did it join this group on this interface, and admits it this source?"""
        return self._groups is not None and self._groups.admits(group, source, nic)

    def datagram_arrives(
        self,
        data: bytes | memoryview,
        src: bytes,
        sport: int,
        dst: bytes,
        ttl: int,
        tos: int,
        nic: str,
        now: int,
        ip_options: bytes = b"",
        dport: int = 0,
        segment_size: int = 0,
    ) -> bool:
        """False: not for this socket. dport: by default the socket's."""
        if self.closed or (
            self.raddr is not None and (src != self.raddr or sport != self.rport)
        ):
            return False
        datagram = Datagram(
            data if isinstance(data, bytes) else bytes(data),
            self._endpoints.format(src, sport),
            # RFC 1122 4.1.3.5: the address that was asked, to answer from
            self._endpoints.format(dst, dport or self.lport),
            nic,
            ttl,
            tos,
            ip_options,
            segment_size,
        )
        self.accept(datagram, now)
        return True

    def accept(self, datagram: Datagram, now: int) -> None:
        """One that is known to be for this socket, which is open."""
        queue, options = self._queue, self._options
        size = len(datagram.data) + OVERHEAD
        if len(queue) >= options.receive_datagrams or (
            queue and self._queue_bytes + size > options.receive_bytes
        ):
            self._counters.drop(DropReason.UDP_QUEUE_FULL, cuts(datagram))
            if self.trace is not None:
                self.trace.append((now, "udp-queue-full", self.id))
            return
        queue.append(datagram)
        self._queue_bytes += size
        self._n_accepted += 1
        if not self.pending_kinds & _RECEIVED:
            self._notify(_RECEIVED)

    def error_arrives(
        self, error: ConnectionFailed, peer: Endpoint, hard: bool = True
    ) -> None:
        """What became of a datagram to `peer` (RFC 1122 4.1.3.3: all are passed on).

        hard: no routing transient; a connected socket's verbs raise it.
        """
        if self.closed:
            return
        failure = Failure(error, peer, hard, self._n_accepted)
        if not self._failures.add(failure):
            return
        self._notify(_FAILED)

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next datagram, at its UDP header."""
        packet = self.take(now)
        return put_header(packet) if packet is not None else None

    def take(self, now: int) -> Packet | None:
        """The same without its header, for who makes all of them at once."""
        if not self._sending:
            return None
        packet = self._sending.popleft()
        size = HEADER_SIZE + (len(packet.body[0]) if packet.body else 0)
        self._send_bytes -= size + OVERHEAD
        if self._space_wanted and self._has_space():
            self._space_wanted = False
            self._notify(_SPACE)
        if self.trace is not None and packet.info is not None:
            self.trace.append((now, "udp-sent", self.id, packet.info.dst, size))
        return packet

    def drain(self, out: Sink[UdpEvent]) -> None:
        kinds, self.pending_kinds = self.pending_kinds, 0
        if self.closed:
            return
        received = (
            UdpReceived(self, len(self._queue))
            if kinds & _RECEIVED and self._queue
            else None
        )
        failure = self._failures.next_untold() if kinds & _FAILED else None
        if received is not None and (failure is None or failure.after > self._n_taken):
            out.append(received)
            received = None
        if failure is not None:
            peer = self._endpoints.format(*failure.peer)
            out.append(UdpError(self, failure.error, peer))
            if self._failures.told(failure):
                self._notify(_FAILED)
        if received is not None:
            out.append(received)
        if kinds & _SPACE:
            out.append(SocketSpaceFreed(self))

    def deadline(self) -> int | None:
        """A UDP socket has no timers."""
        return None

    def handle_timeout(self, now: int) -> None:
        """Nothing is ever due."""

    # -- helpers

    def _send(self, payload: Chunk, way: Way, segment_size: int) -> None:
        if self.closed or self._failures.raises:
            self._check(self._n_accepted)
        size = len(payload)
        if size > way.limit:
            raise MessageTooLongError()
        if segment_size:
            mtu = self._router.path_mtu(way.dst, self.nic) - len(way.options)
            segment_size = cut_size(segment_size, size, way.dst, mtu)
        size += HEADER_SIZE + OVERHEAD
        sending, options = self._sending, self._options
        if len(sending) >= options.send_datagrams or (
            sending and self._send_bytes + size > options.send_bytes
        ):
            self._space_wanted = True
            raise LimitError("the socket's send queue is full")
        body = (payload,) if len(payload) else ()
        kind = segment_size, CSUM_PARTIAL, 0, CHECKSUM_OFFSET
        sending.append(Packet(b"", body, 0, *kind, way))
        self._send_bytes += size
        if not self.queued:
            self.ready = way.ready
            self._wake()

    def _has_space(self) -> bool:
        """A third of the queue is free."""
        options = self._options
        return (
            len(self._sending) * 3 <= options.send_datagrams * 2
            and self._send_bytes * 3 <= options.send_bytes * 2
        )

    def _check(self, before: int) -> None:
        """Raise the first hard error before datagram `before`; StateError if closed."""
        self._check_open()
        error = self._failures.take_hard(before)
        if error is not None:
            raise error

    def _check_open(self) -> None:
        if self.closed:
            raise StateError("the socket is closed")

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    def _notify(self, kind: int) -> None:
        if not self.pending_kinds and self.notified is not None:
            self.notified.append(self)
        self.pending_kinds |= kind
