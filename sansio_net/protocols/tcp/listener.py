"""A port that takes connections, with bounds on those half open and not yet accepted.

RFC 9293 3.10.7.2; RFC 4987 3.6 for what happens when the half-open table is full.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from sansio_net.addresses import format_endpoint
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import StateError
from sansio_net.machine import (
    ASAP,
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

from . import cookies, ecn, edge, fastopen
from .connection import Connection
from .events import TcpEvent
from .fastopen import FastOpenQueue
from .handshake import Negotiated
from .isn import IsnGenerator
from .lifecycle import passive_open
from .options import TcpOptions
from .reset import reset_for

_Key: TypeAlias = tuple[bytes, int, bytes, int]

MAX_ANSWERS: Final = 64
"""Answers to strangers that wait to be sent, for a listener used alone."""


class Listener:
    """Port 0 is every port: whoever hands segments in says which was asked for.

    `backlog` bounds established connections whose `Accepted` waits, as in Linux;
    ``options.max_half_open`` those whose handshake is under way.

    `segment_arrives` makes children; who called it demultiplexes to them from then on.
    The five methods do that for a listener that is used alone, until `Accepted`.
    """

    __slots__ = (
        "_agreed",
        "_alone",
        "_answers",
        "_half_open",
        "_waiting",
        "backlog",
        "closed",
        "cookies",
        "counters",
        "fast_open",
        "id",
        "isn",
        "laddr",
        "lport",
        "nic",
        "options",
        "paused",
        "ready",
        "trace",
        "transparent",
        "zone",
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
        self.transparent = False  # takes addresses that are not ours: the Stack's word
        self.zone: str | None = None  # the name of a link-local address's
        self.counters = counters
        self.trace = trace
        self.paused = False
        self.closed = False
        self._agreed: Negotiated | None = None  # by the last peer
        self._half_open: dict[_Key, Connection] = {}
        self._waiting: dict[_Key, Connection] = {}  # established, not yet accepted
        self.cookies = cookies.SynCookies(isn.key(b"syn cookies"))
        self.fast_open: FastOpenQueue | None = None
        if self.options.fast_open:
            self.fast_open = FastOpenQueue(isn, self.options.max_fast_open)
        # used alone: children with events, children with output
        self._alone: list[Connection] = []
        self.ready: deque[Connection] = deque()
        self._answers: list[Packet] = []

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
            dport = header.destination_port
            if self.lport not in (0, dport):
                self._drop(DropReason.TCP_NO_SOCKET)
                continue
            key = (dst, dport, src, header.source_port)
            child = self._half_open.get(key) or self._waiting.get(key)
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
                dport=dport,
            )
            if isinstance(answer, Packet):
                if len(self._answers) < MAX_ANSWERS:
                    self._answers.append(answer)
            elif answer is not None:
                answer.attach(self.ready, self._alone)

    def handle_timeout(self, now: int) -> None:
        for child in self._children():
            child.handle_timeout(now)

    def next_timeout(self) -> int | None:
        if self._alone or self.ready or self._answers:
            return ASAP
        return earliest(*(child.deadline() for child in self._children()))

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
        packets = self._answers[:limit]
        del self._answers[:limit]
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
        """New connections are ignored, as with a full backlog, until `resume`; those
        half open stay so.
        """
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        """Aborts what is half open or not yet taken over; others live on."""
        self.closed = True
        children = self._children()
        self._half_open.clear()
        self._waiting.clear()
        for child in children:
            child.in_backlog = False
            child.abort()
            child.pending_kinds = 0

    @property
    def local(self) -> tuple[str, int]:
        return format_endpoint(self.laddr, self.lport, zone=self.zone)

    @property
    def pending(self) -> int:
        """Connections that count against the backlog."""
        return len(self._waiting)

    @property
    def half_open(self) -> int:
        """Connections whose handshake is under way."""
        return len(self._half_open)

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
        dport: int = 0,
    ) -> Connection | Packet | None:
        """A segment for no connection (RFC 9293 3.10.7.2): a child, an answer, nothing.

        The child waits to be put into tables, and by `attach` into queues. `floor`: its
        first number lies above (after TIME-WAIT). `dport`: by default the listener's.
        """
        place = dst, dport or self.lport, src, sport
        # First, check for a RST
        if flags & RST:
            return None
        # Second, check for an ACK: of nothing, unless it brings a cookie back
        if flags & ACK or self.closed:
            mss = cookies.comes_back(self, place, seq, ack, flags, now)
            if mss is None:
                self._drop(DropReason.TCP_NO_SOCKET)
                return self._reset(place, seq, ack, flags, len(body), options)
            if not self.has_room:
                # nothing is kept: the peer's next segment brings the cookie again
                self._drop(DropReason.TCP_BACKLOG_FULL)
                return None
            child = self._child(place, mtu, gso_max)
            cookies.remember(child, mss, seq, ack, wnd, options, now)
            child.segment_arrives(seq, ack, flags, wnd, 0, options, body, now)
            return child
        # Third, check for a SYN
        if (reason := self._refuses(place, flags)) is not None:
            self._drop(reason)
            return None
        peer = parse_tcp_options(options)
        full = self.half_open >= self.options.max_half_open
        if cookies.answer(self.options.syn_cookies, full, floor):
            return cookies.syn_ack(self, place, seq, flags, peer, mtu, now)
        if full:
            self._drop(DropReason.TCP_HALF_OPEN_FULL)
            return None
        child = self._child(place, mtu, gso_max)
        passive_open(child, seq, wnd, peer, now, floor)
        ecn.meet(child, flags)
        if self.fast_open is not None:
            fastopen.accept(self.fast_open, child, peer, body, now)
        # else text on a SYN is not kept, nor acknowledged
        return child

    @property
    def has_room(self) -> bool:
        """Room for one more that waits to be accepted; paused, there is none."""
        return not self.paused and len(self._waiting) < self.backlog

    def has_room_for(self, conn: Connection) -> bool:
        """May this child's handshake be completed?"""
        return conn.fast_open is not None or not conn.in_backlog or self.has_room

    def agreed(self, terms: Negotiated) -> Negotiated:
        """The same terms, and the same object if the peer before had them."""
        if self._agreed is None or self._agreed != terms:
            self._agreed = terms
        return self._agreed

    def child_stands(self, conn: Connection) -> None:
        """The child's handshake is complete: from one queue to the other."""
        key = (conn.laddr, conn.lport, conn.raddr, conn.rport)
        if self._half_open.pop(key, None) is not None:
            self._waiting[key] = conn

    def child_gone(self, conn: Connection) -> None:
        """The child was taken over or died: it no longer counts. Harmless twice."""
        if conn.in_backlog:
            conn.in_backlog = False
            key = (conn.laddr, conn.lport, conn.raddr, conn.rport)
            self._half_open.pop(key, None)
            self._waiting.pop(key, None)

    # Children -------------------------------------------------------------------------

    def _refuses(self, place: _Key, flags: int) -> DropReason | None:
        """Why there is no answer, if so."""
        if not flags & SYN:
            return DropReason.TCP_NO_SOCKET
        if place[:2] == place[2:]:
            return DropReason.TCP_LAND
        if not self.has_room:
            return DropReason.TCP_BACKLOG_FULL
        return None

    def _child(self, key: _Key, mtu: int, gso_max: int) -> Connection:
        child = Connection(
            *key,
            isn=self.isn,
            options=self.options,
            mtu=mtu,
            gso_max=gso_max,
            counters=self.counters,
            trace=self.trace,
            listener=self,
        )
        child.in_backlog = True
        self._half_open[key] = child
        return child

    def _reset(
        self, place: _Key, seq: int, ack: int, flags: int, size: int, options: bytes
    ) -> Packet | None:
        laddr, lport, raddr, rport = place
        return reset_for(
            *(seq, ack, flags, size),
            laddr=laddr,
            lport=lport,
            raddr=raddr,
            rport=rport,
            options=options,
        )

    def _children(self) -> tuple[Connection, ...]:
        return (*self._half_open.values(), *self._waiting.values())

    def _drop(self, reason: DropReason) -> None:
        if self.counters is not None:
            self.counters.drop(reason)
