"""A port that takes connections, with a bound on those not yet taken over.

RFC 9293 3.10.7.2; RFC 4987 for the bound on half-open connections.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from sansio_net.addresses import format_endpoint
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import StateError
from sansio_net.machine import (
    ASAP,
    Sink,
    earliest,
    restore_state,
    versioned_state,
)
from sansio_net.packet import Chunk, Packet
from sansio_net.trace import Trace
from sansio_net.wire.checksum import pseudo_base
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.tcp import ACK, RST, SYN
from sansio_net.wire.tcp_options import parse_tcp_options

from . import ecn, edge
from .connection import Connection
from .events import TcpEvent
from .isn import IsnGenerator
from .lifecycle import passive_open
from .options import TcpOptions
from .reset import reset_for

MAX_RESETS: Final = 64
"""Answers to strangers that wait to be sent, for a listener used alone."""


class Listener:
    """`backlog` bounds connections that are half open or whose `Accepted` waits.

    `segment_arrives` makes children; who called it demultiplexes to them from then on.
    The five methods do that for a listener that is used alone, until `Accepted`.
    """

    __slots__ = (
        "_alone",
        "_children",
        "_resets",
        "backlog",
        "closed",
        "counters",
        "id",
        "isn",
        "laddr",
        "lport",
        "nic",
        "notified",
        "options",
        "paused",
        "ready",
        "trace",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        laddr: bytes,
        lport: int,
        *,
        isn: IsnGenerator,
        backlog: int = 128,
        options: TcpOptions | None = None,
        id: int = 0,
        notified: Sink[Connection] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        if backlog < 1:
            raise StateError("a backlog holds at least one connection")
        self.laddr, self.lport = laddr, lport
        self.backlog = backlog
        self.options = TcpOptions() if options is None else options
        self.isn = isn
        self.id = id
        self.nic: str | None = None
        self.counters = counters
        self.trace = trace
        self.paused = False
        self.closed = False
        self.notified = notified
        # used alone: children with events, children with output
        self._alone: list[Connection] = []
        self.ready: deque[Connection] = deque()
        self._children: dict[tuple[bytes, bytes, int], Connection] = {}
        self._resets: list[Packet] = []

    # The five methods -----------------------------------------------------------------

    def receive(self, items: Sequence[Packet], now: int) -> None:
        """Segments to this port, with the addresses in `info`."""
        for packet in items:
            addresses = packet.info
            if addresses is None:
                self._drop(DropReason.TCP_MALFORMED)
                continue
            src, dst = addresses.src, addresses.dst
            pseudo = pseudo_base(src, dst, PROTO_TCP)
            segment = edge.open_packet(packet, pseudo, self.counters)
            if segment is None:
                continue
            header, body, _ = segment
            if header.destination_port != self.lport:
                self._drop(DropReason.TCP_NO_SOCKET)
                continue
            child = self._children.get((dst, src, header.source_port))
            if child is not None:
                child.receive((packet,), now)
                continue
            answer = self.segment_arrives(
                src,
                header.source_port,
                dst,
                header.seq,
                header.ack,
                header.flags,
                header.window,
                header.options,
                body,
                now,
            )
            if isinstance(answer, Packet):
                if len(self._resets) < MAX_RESETS:
                    self._resets.append(answer)
            elif answer is not None:
                answer.attach(self.ready, self._alone)

    def handle_timeout(self, now: int) -> None:
        for child in tuple(self._children.values()):
            child.handle_timeout(now)

    def next_timeout(self) -> int | None:
        if self._alone or self.ready or self._resets:
            return ASAP
        return earliest(*(child.deadline() for child in self._children.values()))

    def events(self) -> list[TcpEvent]:
        out: list[TcpEvent] = []
        notified = tuple(self._alone)
        self._alone.clear()
        for child in notified:
            taken = child.in_backlog
            child.drain(out)
            if taken:
                self._let_go(child)
        return out

    def _let_go(self, child: Connection) -> None:
        """From `Accepted` on the child stands alone."""
        if child.queued:
            self.ready.remove(child)
        child.attach(None, None)

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        packets = self._resets[:limit]
        del self._resets[:limit]
        while self.ready and len(packets) < limit:
            child = self.ready[0]
            room = limit - len(packets)
            got: list[Packet] = []
            while len(got) < room:
                packet = child.emit(now)
                if packet is None:
                    break
                got.append(edge.address(packet, child))
            packets += got
            if len(got) < room:
                child.queued = False
                self.ready.popleft()
        return packets

    # Local verbs ----------------------------------------------------------------------

    def pause(self) -> None:
        """New connections are ignored, as with a full backlog, until `resume`."""
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        """Aborts what is half open or not yet taken over; others live on."""
        self.closed = True
        children = tuple(self._children.values())
        self._children.clear()
        for child in children:
            child.in_backlog = False
            child.abort()
            child.pending_kinds = 0

    @property
    def local(self) -> tuple[str, int]:
        return format_endpoint(self.laddr, self.lport)

    @property
    def pending(self) -> int:
        """Connections that count against the backlog."""
        return len(self._children)

    # Inner doors ----------------------------------------------------------------------

    def segment_arrives(
        self,
        src: bytes,
        sport: int,
        dst: bytes,
        seq: int,
        ack: int,
        flags: int,
        wnd: int,
        options: bytes,
        body: Chunk,
        now: int,
        *,
        mtu: int = 1500,
        gso_max: int = 0,
        floor: int | None = None,
    ) -> Connection | Packet | None:
        """A segment for no connection (RFC 9293 3.10.7.2): a child, a RST, or nothing.

        The child waits to be put into tables, and by `attach` into queues. `floor`:
        its initial sequence number lies above (after TIME-WAIT).
        """
        # First, check for a RST
        if flags & RST:
            return None
        # Second, check for an ACK
        if flags & ACK or self.closed:
            self._drop(DropReason.TCP_NO_SOCKET)
            reset = partial(reset_for, laddr=dst, lport=self.lport)
            size = len(body)
            return reset(seq, ack, flags, size, raddr=src, rport=sport, options=options)
        # Third, check for a SYN
        if not flags & SYN:
            self._drop(DropReason.TCP_NO_SOCKET)
            return None
        if self.paused or len(self._children) >= self.backlog:
            self._drop(DropReason.TCP_BACKLOG_FULL)
            return None
        child = Connection(
            dst,
            self.lport,
            src,
            sport,
            isn=self.isn,
            options=self.options,
            mtu=mtu,
            gso_max=gso_max,
            notified=self.notified,
            counters=self.counters,
            trace=self.trace,
            listener=self,
        )
        # text on a SYN is not kept, nor acknowledged
        offer = parse_tcp_options(options)
        passive_open(child, seq, wnd, offer, now, floor)
        ecn.meet(child, flags)
        child.in_backlog = True
        self._children[(dst, src, sport)] = child
        return child

    def child_gone(self, conn: Connection) -> None:
        """The child was taken over or died: it no longer counts. Harmless twice."""
        if conn.in_backlog:
            conn.in_backlog = False
            self._children.pop((conn.laddr, conn.raddr, conn.rport), None)

    def _drop(self, reason: DropReason) -> None:
        if self.counters is not None:
            self.counters.drop(reason)
