"""Raw sockets of the IP layer: packets of one protocol, out and in.

RFC 791 and RFC 8200 carry them; Linux's raw(7) and RFC 3542 3 say how they behave. A
copy goes to each socket that fits, and the stack still does with the packet what it
always does.

A socket is no machine: `receive` is its verb. It belongs to a Stack, which finds it by
its protocol, calls the inner doors and takes its packets from `emit`.
"""

from __future__ import annotations

from collections import deque
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol

from sansio_net.addresses import (
    ZONED_SIZE,
    Endpoints,
    IpAddress,
    SocketAddress,
    is_multicast,
    is_unspecified,
)
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    AddressNotAvailableError,
    BroadcastError,
    ConnectionFailed,
    LimitError,
    MessageTooLongError,
    NotConnectedError,
    StateError,
)
from sansio_net.machine import Router, Sink
from sansio_net.packet import Datagram, Packet, PacketInfo
from sansio_net.trace import Trace
from sansio_net.wire import ipv4, ipv6
from sansio_net.wire.checksum import checksum, pseudo_sum

from .config import (
    OVERHEAD,
    RawError,
    RawEvent,
    RawOptions,
    RawReceived,
    RawSpaceFreed,
)
from .queue import BoundedQueue

PROTO_RAW: Final = 255
"""Linux's IPPROTO_RAW: packets with their header, of any protocol, are sent."""

MAX_DATA: Final = {4: 0xFFFF - ipv4.HEADER_SIZE, 16: 0xFFFF, ZONED_SIZE: 0xFFFF}
"""By the size of an address: IPv4 counts its header in the length, IPv6 does not."""

ICMPV6_CHECKSUM: Final = 2
"""RFC 3542 3.1: computed and verified always, at this place."""

_RECEIVED: Final = 1
_FAILED: Final = 2
_SPACE: Final = 4
_CLOSED: Final = 8


class RawRouter(Router, Protocol):
    """What a raw socket asks of the stack."""

    def mtu_to(self, destination: bytes, nic: str | None) -> int:
        """The largest packet that leaves in one piece. Raises Unreachable."""


class RawSocket:
    """Packets of one IP protocol. Made by `Stack.raw_open`, which has the options.

    `laddr` b"" is every address of both families, all zeros every one of its family;
    `nic` names an interface or is None.
    """

    __slots__ = (
        "_checksum",
        "_counters",
        "_endpoints",
        "_errors",
        "_max_errors",
        "_received",
        "_router",
        "_sending",
        "_space_wanted",
        "armed",
        "broadcast",
        "closed",
        "icmp_filter",
        "id",
        "include_header",
        "laddr",
        "multicast_loop",
        "multicast_ttl",
        "nic",
        "notified",
        "pending_kinds",
        "protocol",
        "queued",
        "raddr",
        "ready",
        "tos",
        "trace",
        "ttl",
    )

    def __init__(
        self,
        protocol: int,
        laddr: bytes = b"",
        *,
        router: RawRouter,
        raddr: bytes | None = None,
        nic: str | None = None,
        include_header: bool = False,
        checksum: int | None = None,
        broadcast: bool = False,
        options: RawOptions | None = None,
        id: int = 0,
        endpoints: Endpoints | None = None,
        ready: Sink[RawSocket] | None = None,
        notified: Sink[RawSocket] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        if not 0 <= protocol <= 255:
            raise ValueError(f"a protocol is 0 to 255, not {protocol}")
        if checksum is not None and (checksum < 0 or checksum & 1):
            # RFC 3542 3.1: a positive even offset
            raise ValueError(f"a checksum's offset is even, not {checksum}")
        if protocol == ipv4.PROTO_ICMPV6:
            if checksum not in (None, ICMPV6_CHECKSUM):
                raise ValueError("ICMPv6 has its checksum at 2")
            checksum = ICMPV6_CHECKSUM
        options = options or RawOptions()
        self.protocol = protocol
        self.id = id
        self.laddr, self.raddr = laddr, raddr
        self.nic = nic
        self.include_header = include_header or protocol == PROTO_RAW
        self.broadcast = broadcast
        self.icmp_filter = 0
        self.ttl, self.tos = options.ttl, options.tos
        self.multicast_ttl = options.multicast_ttl
        self.multicast_loop = True
        self.closed = False
        self._checksum = checksum
        self._router = router
        self._endpoints = endpoints if endpoints is not None else Endpoints()
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._received: BoundedQueue[Datagram] = BoundedQueue(
            options.receive_datagrams, options.receive_bytes
        )
        self._sending: BoundedQueue[Packet] = BoundedQueue(
            options.send_datagrams, options.send_bytes
        )
        self._errors: deque[tuple[ConnectionFailed, bytes]] = deque()
        self._max_errors = options.error_limit
        self._space_wanted = False
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{self.local} -> {self.peer}"
        return f"<RawSocket {self.id} protocol {self.protocol} {state}>"

    @property
    def local(self) -> str:
        """The address it is bound to; "" for any."""
        return self._endpoints.format_ip(self.laddr) if self.laddr else ""

    @property
    def peer(self) -> str | None:
        raddr = self.raddr
        return self._endpoints.format_ip(raddr) if raddr is not None else None

    @property
    def count(self) -> int:
        """How many datagrams wait for `receive()`."""
        return len(self._received)

    @property
    def pending(self) -> int:
        """What they pin, in bytes."""
        return self._received.size

    # -- verbs

    def send_to(
        self,
        data: bytes | bytearray | memoryview,
        address: SocketAddress | IpAddress,
        *,
        source: SocketAddress | IpAddress | None = None,
        ttl: int | None = None,
        tos: int | None = None,
    ) -> None:
        """Queue one packet: `data` is what follows the IP header.

        `address` is a host, or the `source` of a datagram. With `include_header`,
        `data` begins with the IP header and `address` says where it is routed. Of
        IPv4's, total length and checksum are always filled in, source and
        identification where they are 0 (raw(7)); an IPv6 header goes as it is. Such a
        packet is never fragmented; `source`, `ttl` and `tos` are in its header.

        Raises StateError, LimitError (then RawSpaceFreed follows), Unreachable,
        AddressNotAvailableError, BroadcastError, MessageTooLongError, ValueError.
        """
        self._check_open()
        destination = self._packed(address)
        if not destination or is_unspecified(destination):
            raise ValueError(f"not a destination: {address!r}")
        self._send(data, destination, source, ttl, tos)

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Queue one packet to the peer. Raises as `send_to`, and NotConnectedError
        where there is none.
        """
        self._check_open()
        if self.raddr is None:
            raise NotConnectedError()
        self._send(data, self.raddr, None, None, None)

    def receive(self) -> Datagram | None:
        """The next datagram, or None; ports are 0. Raises StateError when closed.

        Its data is what follows the IP header and IPv6's extension headers; with
        `include_header` the whole packet, reassembled.
        """
        self._check_open()
        return self._received.take()

    def set(
        self,
        *,
        broadcast: bool | None = None,
        icmp_filter: int | None = None,
        ttl: int | None = None,
        multicast_ttl: int | None = None,
        multicast_loop: bool | None = None,
        tos: int | None = None,
    ) -> None:
        """Change options; None leaves one as it is. Raises ValueError.

        icmp_filter: bit n set, and ICMP messages of type n are not received (Linux's
        ICMP_FILTER, RFC 3542 3.2). Types above 31 of IPv4's always are.
        """
        for name, value, least in (
            ("ttl", ttl, 1),
            ("multicast_ttl", multicast_ttl, 0),
            ("tos", tos, 0),
        ):
            if value is not None and not least <= value <= 255:
                raise ValueError(f"{name} out of range: {value}")
        if icmp_filter is not None:
            if not 0 <= icmp_filter < 1 << 256:
                raise ValueError("a filter has 256 bits")
            self.icmp_filter = icmp_filter
        self.broadcast = self.broadcast if broadcast is None else broadcast
        self.ttl = self.ttl if ttl is None else ttl
        self.tos = self.tos if tos is None else tos
        if multicast_ttl is not None:
            self.multicast_ttl = multicast_ttl
        if multicast_loop is not None:
            self.multicast_loop = multicast_loop

    def close(self) -> None:
        """No more datagrams in; what `send_to` took still leaves."""
        if self.closed:
            return
        self.closed = True
        self._received.clear()
        self._errors.clear()
        self._space_wanted = False
        self._notify(_CLOSED)
        self._wake()

    # -- inner doors

    def concerns(self, src: bytes, dst: bytes, nic: str) -> bool:
        """Is a packet between these, that came by `nic`, for this socket?"""
        if self.closed or (self.nic is not None and self.nic != nic):
            return False
        if self.raddr is not None and src != self.raddr:
            return False
        laddr = self.laddr
        if not laddr or laddr == dst:
            return True
        return not any(laddr) and (len(laddr) == 4) is (len(dst) == 4)

    def packet_arrives(
        self,
        packet: bytes,
        at: int,
        src: bytes,
        dst: bytes,
        ttl: int,
        tos: int,
        nic: str,
        verified: bool,
        now: int,
    ) -> None:
        """A whole IP packet, whose payload starts `at`; of its protocol, and for it.

        verified: a device vouches for the checksum.
        """
        data = packet[at:]
        if self.icmp_filter and data and self._is_filtered(data[0], len(dst)):
            return
        if (
            self._checksum is not None
            and not verified
            and not self._is_right(data, src, dst)
        ):
            self._counters.drop(DropReason.RAW_BAD_CHECKSUM)
            return
        if self.include_header:
            data = packet
        size = len(data) + OVERHEAD
        if not self._received.has_room(size):
            self._counters.drop(DropReason.RAW_QUEUE_FULL)
            if self.trace is not None:
                self.trace.append((now, "raw-queue-full", self.id))
            return
        endpoints = self._endpoints
        source, destination = endpoints.format(src, 0), endpoints.format(dst, 0)
        self._received.put(Datagram(data, source, destination, nic, ttl, tos), size)
        self._notify(_RECEIVED)

    def error_arrives(self, error: ConnectionFailed, source: bytes = b"") -> None:
        """What became of a packet to the peer; without one nobody is told (raw(7)).

        source: who says so; b"" for this host.
        """
        if self.closed or self.raddr is None:
            return
        if len(self._errors) >= self._max_errors:
            self._counters.count("raw.errors_dropped")
            return
        self._errors.append((error, source))
        self._notify(_FAILED)

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next packet: after its IP header, or with it if `include_header`."""
        packet = self._sending.take()
        if packet is None:
            return None
        if self._space_wanted and self._sending.is_relaxed():
            self._space_wanted = False
            self._notify(_SPACE)
        if self.trace is not None and packet.info is not None:
            self.trace.append((now, "raw-sent", self.id, packet.info.dst, len(packet)))
        return packet

    def drain(self, out: Sink[RawEvent]) -> None:
        kinds, self.pending_kinds = self.pending_kinds, 0
        if self.closed:
            return
        if kinds & _RECEIVED and self._received:
            out.append(RawReceived(self, len(self._received)))
        if kinds & _FAILED and self._errors:
            error, source = self._errors.popleft()
            named = self._endpoints.format_ip(source) if source else ""
            out.append(RawError(self, error, self.peer or "", named))
            if self._errors:
                self._notify(_FAILED)
        if kinds & _SPACE:
            out.append(RawSpaceFreed(self))

    def deadline(self) -> int | None:
        """A raw socket has no timers."""
        return None

    def handle_timeout(self, now: int) -> None:
        """Nothing is ever due."""

    # -- helpers

    def _send(
        self,
        data: bytes | bytearray | memoryview,
        destination: bytes,
        source: SocketAddress | IpAddress | None,
        ttl: int | None,
        tos: int | None,
    ) -> None:
        payload = data if isinstance(data, bytes) else bytes(data)
        if ttl is not None and not 1 <= ttl <= 255:
            raise ValueError(f"ttl out of range: {ttl}")
        if tos is not None and not 0 <= tos <= 255:
            raise ValueError(f"tos out of range: {tos}")
        if not self.broadcast and self._router.is_broadcast(destination, self.nic):
            raise BroadcastError()
        if self.include_header:
            self._check_whole(payload, destination)
            src = b""
        else:
            if len(payload) > MAX_DATA[len(destination)]:
                raise MessageTooLongError()
            src = self._source(source, destination)
            payload = self._summed(payload, src, destination)
        size = len(payload) + OVERHEAD
        if not self._sending.has_room(size):
            self._space_wanted = True
            raise LimitError("the socket's send queue is full")
        if ttl is None:
            ttl = self.multicast_ttl if is_multicast(destination) else self.ttl
        info = PacketInfo(src, destination, self.tos if tos is None else tos, ttl)
        self._sending.put(Packet(payload, info=info), size)
        self._wake()

    def _check_whole(self, packet: bytes, destination: bytes) -> None:
        """As Linux's raw_send_hdrinc and rawv6_send_hdrinc; and of its own family."""
        if len(packet) > self._router.mtu_to(destination, self.nic):
            raise MessageTooLongError()
        if len(destination) == 4:
            least = max(ipv4.HEADER_SIZE, (packet[0] & 15) * 4 if packet else 0)
        else:
            least = ipv6.HEADER_SIZE
        if len(packet) < least or packet[0] >> 4 != (4 if len(destination) == 4 else 6):
            raise ValueError("no IP header of the destination's family")

    def _source(
        self, source: SocketAddress | IpAddress | None, destination: bytes
    ) -> bytes:
        packed = (self._packed(source) if source is not None else b"") or self.laddr
        if is_unspecified(packed) or is_multicast(packed):
            packed = b""
        if packed and (len(packed) == 4) is not (len(destination) == 4):
            raise AddressNotAvailableError()
        return self._router.source_for(destination, packed, self.nic)

    def _summed(self, payload: bytes, src: bytes, dst: bytes) -> bytes:
        """With its checksum, where the socket fills one in (RFC 3542 3.1)."""
        at = self._checksum
        if at is None:
            return payload
        if len(payload) < at + 2:
            raise ValueError(f"{len(payload)} bytes have no checksum at {at}")
        head, tail = payload[:at], payload[at + 2 :]
        pseudo = pseudo_sum(src, dst, self.protocol, len(payload))
        field = checksum(head + b"\0\0" + tail, pseudo)
        if not field and self.protocol == ipv4.PROTO_UDP:
            field = 0xFFFF  # RFC 768: 0 would say that there is none
        return head + field.to_bytes(2, "big") + tail

    def _is_right(self, data: bytes, src: bytes, dst: bytes) -> bool:
        at = self._checksum
        if at is None or len(data) < at + 2:
            return False
        return not checksum(data, pseudo_sum(src, dst, self.protocol, len(data)))

    def _is_filtered(self, kind: int, size: int) -> bool:
        """Linux's icmp_filter knows 32 types, icmpv6_filter all."""
        if self.protocol == ipv4.PROTO_ICMP:
            return size == 4 and kind < 32 and bool(self.icmp_filter >> kind & 1)
        return self.protocol == ipv4.PROTO_ICMPV6 and bool(self.icmp_filter >> kind & 1)

    def _packed(self, address: SocketAddress | IpAddress) -> bytes:
        if isinstance(address, str | bytes | IPv4Address | IPv6Address):
            return self._endpoints.pack_ip(address, self.nic)
        return self._endpoints.pack(address, self.nic)[0]

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
