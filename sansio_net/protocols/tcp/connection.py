"""One TCP connection as a machine: segments and the time in, segments and events out.

RFC 9293, with 5681, 5961, 6298, 6528, 6582, 7323 and the receiving half of 2018.

`Connection` holds the state, the parts and the order of steps; the parts own their
variables and never know it. What arrives is `arrival.py` (and `fastpath.py`), what
leaves is `output.py`, what a timer does is `timeouts.py`: functions of a connection,
for which its attributes are public within this folder.

Verbs take no time: they change intent, and the next `transmit(now)` acts. Two
connections talk like this; a `Stack` does the same through the inner doors
`segment_arrives`, `emit`, `drain`, `deadline` and `handle_timeout`:

>>> from sansio_net.entropy import Entropy
>>> from sansio_net.protocols.tcp import Connection, IsnGenerator, Listener
>>> isn = IsnGenerator(Entropy.of(1))
>>> a, b = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
>>> listener, client = Listener(b, 80, isn=isn), Connection(a, 4000, b, 80, isn=isn)
>>> client.connect()
>>> for now in range(1, 4):
...     listener.receive(client.transmit(now), now)
...     client.receive(listener.transmit(now), now)
>>> [type(event).__name__ for event in client.events() + listener.events()]
['Connected', 'Accepted']

Deliberately not here: urgent text is received in line and never sent (RFC 6093);
security compartments; the half of SACK that sends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from sansio_net.addresses import format_endpoint, zone_of
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import NotConnectedError, SansioNetError, StateError
from sansio_net.machine import ASAP, Nic, Sink, earliest, restore_state, versioned_state
from sansio_net.packet import Chunk, Packet
from sansio_net.trace import Trace, TraceValue
from sansio_net.wire.checksum import pseudo_base
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.tcp_options import SegmentOptions

from . import (
    arming,
    arrival,
    edge,
    fastpath,
    lifecycle,
    mtu,
    network,
    output,
    timeouts,
    tuning,
)
from . import events as _events
from .challenge import ChallengeLimit
from .congestion import controller
from .ecn import Ecn
from .events import TcpEvent
from .fastopen import FastOpen
from .handshake import Negotiated
from .info import TcpInfo, gather
from .isn import IsnGenerator
from .options import TcpOptions
from .orphans import Orphans
from .pacer import Pacer
from .path import PathMtu
from .recovery import Recovery
from .rtt import RttEstimator
from .states import OWES_BARE_RST, OWES_SYN, TRANSITIONS, State
from .tally import Tally
from .time_wait import TimeWaitRecord
from .timers import Timers

if TYPE_CHECKING:
    from .listener import Listener

CLOSED, SYN_SENT, ESTABLISHED = State.CLOSED, State.SYN_SENT, State.ESTABLISHED


class Connection:
    """Made by `Stack.tcp_connect`, by a `Listener`, or alone."""

    __slots__ = (
        "agreed",
        "armed",
        "bare_rst_seq",
        "busy_time",
        "challenges",
        "clock",
        "closed",
        "congestion",
        "counters",
        "data_segs_in",
        "data_segs_out",
        "done",
        "ecn",
        "ecn_known",
        "ect",
        "error",
        "established",
        "fast_open",
        "forward_progress",
        "fragments",
        "gso_payload",
        "heard_at",
        "hop",
        "id",
        "in_backlog",
        "isn",
        "isn_floor",
        "keepalives",
        "laddr",
        "last_sent_at",
        "link_mtu",
        "listener",
        "lport",
        "mtu",
        "nic",
        "notified",
        "options",
        "orphans",
        "owed",
        "pacer",
        "path",
        "peer_offer",
        "pending_kinds",
        "probing",
        "pseudo",
        "queued",
        "raddr",
        "ready",
        "receiver",
        "recovery",
        "retransmits",
        "rport",
        "rtt",
        "segs_in",
        "segs_out",
        "sender",
        "soft_error",
        "stalled_una",
        "state",
        "suspicious",
        "tally",
        "text_at",
        "time_wait",
        "timers",
        "trace",
        "ts_offset",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        laddr: bytes,
        lport: int,
        raddr: bytes,
        rport: int,
        *,
        isn: IsnGenerator,
        options: TcpOptions | None = None,
        id: int = 0,
        mtu: int = 1500,
        gso_max: int = 0,
        ready: Sink[Connection] | None = None,
        notified: Sink[Connection] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
        listener: Listener | None = None,
    ) -> None:
        options = TcpOptions() if options is None else options
        self.id = id
        self.laddr, self.lport, self.raddr, self.rport = laddr, lport, raddr, rport
        self.state = CLOSED
        self.options = options
        self.isn = isn
        self.listener = listener
        self.counters = counters
        self.trace = trace
        self.pseudo = pseudo_base(laddr, raddr, PROTO_TCP)
        # parts
        self.sender = tuning.sender(options)
        self.receiver = tuning.receiver(options)
        self.rtt = RttEstimator(options.initial_rto, options.min_rto, options.max_rto)
        self.recovery = Recovery()
        self.pacer: Pacer | None = None
        self.congestion = controller(options.congestion)
        self.timers = Timers()
        self.agreed: Negotiated | None = None
        self.ecn: Ecn | None = None
        self.ect = 0  # the ECN bits of the packet that `emit` gave last
        self.peer_offer: SegmentOptions | None = None
        self.mtu = self.link_mtu = mtu  # the path's, as far as known; the first link's
        self.path: PathMtu | None = None
        self.fragments = False  # routers may cut: no DF
        self.gso_payload = 0  # text in the largest packet; 0: one segment
        self._begin()
        self.path_changed(mtu, gso_max)
        # None when alone: the flags say it all
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0

    def _begin(self) -> None:
        """Nothing has happened yet."""
        # what is owed to the peer beside text and ACKs
        self.owed = 0
        self.bare_rst_seq = 0
        # where it stands
        self.closed = False  # close() or abort() was called
        self.done = False  # CLOSED or TIME-WAIT: nothing but a last packet may come
        self.established = False  # now or once
        self.in_backlog = False
        self.error: SansioNetError | None = None
        self.soft_error: SansioNetError | None = None
        self.time_wait: TimeWaitRecord | None = None
        self.retransmits = 0  # time-outs in a row
        self.keepalives = 0  # unanswered
        self.probing = False  # a window probe is in flight
        self.ts_offset = 0
        self.clock = 0  # the last `now`, for the trace of verbs
        self.last_sent_at = 0
        self.heard_at = 0
        # what `info` tells and nothing else asks
        self.segs_in = self.segs_out = self.data_segs_in = self.data_segs_out = 0
        self.busy_time = 0  # ns that text waited; below zero: it does (`tally.py`)
        self.ecn_known = 0  # codepoints up to this one tell nothing (any more)
        self.tally: Tally | None = None
        self.text_at = 0  # when text last arrived
        self.isn_floor: int | None = None
        self.challenges: ChallengeLimit | None = None
        self.orphans: Orphans | None = None
        self.fast_open: FastOpen | None = None
        self.stalled_una = 0
        # what the Stack reads and clears, and what it keeps here
        self.forward_progress = False
        self.suspicious = False
        self.hop: Any = None
        self.nic: Nic | None = None
        self.armed: list[Any] | None = None

    # The five methods -----------------------------------------------------------------

    def receive(self, items: Sequence[Packet], now: int) -> None:
        """Segments from the peer, as packets at their TCP header."""
        for packet in items:
            edge.deliver(self, packet, now)

    def handle_timeout(self, now: int) -> None:
        timeouts.handle_timeout(self, now)

    def next_timeout(self) -> int | None:
        if self.queued or self.pending_kinds:
            return ASAP
        # alone there is no table for the record
        record = self.time_wait if self.state is State.TIME_WAIT else None
        return earliest(self.deadline(), record.expires_at if record else None)

    def events(self) -> list[TcpEvent]:
        out: list[TcpEvent] = []
        self.drain(out)
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        packets: list[Packet] = []
        while len(packets) < limit:
            packet = self.emit(now)
            if packet is None:
                self.queued = False
                break
            packets.append(edge.address(packet, self))
        return packets

    # Local verbs ----------------------------------------------------------------------

    def connect(self) -> None:
        """Active open. `Connected` or `ConnectionLost` will say how it went."""
        if self.state is not CLOSED or self.done:
            raise StateError("a connection is opened once")
        self.enter(SYN_SENT)
        self.owed |= OWES_SYN
        self.wake()

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Queue data; returns how many bytes were taken.

        Fewer than given: the buffer is full, and one `SpaceFreed` will follow.
        """
        if self.error is not None:
            raise copy(self.error)
        if self.state is CLOSED or self.sender.fin or self.closed:
            raise StateError("the connection does not send (any more)")
        taken = self.sender.write(data)
        if taken:
            self.wake()
        return taken

    @property
    def unsent(self) -> int:
        """Bytes taken by `send` that have not left yet."""
        return self.sender.unsent

    def recv(self, limit: int) -> bytes | None:
        """At most `limit` bytes; b"" at the end of the stream, None: nothing yet."""
        if limit < 1:
            raise StateError("recv needs a positive limit")
        if not self.receiver.pending:
            return edge.nothing_to_read(self)
        data = self.receiver.read(limit)
        self.window_may_open()
        return data

    def recv_chunks(self) -> list[memoryview]:
        """Everything pending, as it lies in memory; [] when that is nothing."""
        if not self.receiver.pending:
            edge.nothing_to_read(self)
            return []
        chunks = self.receiver.read_chunks()
        self.window_may_open()
        return [memoryview(chunk) for chunk in chunks]

    def window_may_open(self) -> None:
        if self.receiver.opened() and not self.done and not self.receiver.fin_reached:
            self.owe_ack()

    @property
    def pending(self) -> int:
        """Bytes that `recv` would give now."""
        return self.receiver.pending

    @property
    def urgent(self) -> int:
        """Bytes to be read up to the end of the peer's urgent text (MUST-33)."""
        return self.receiver.urgent

    def shutdown(self) -> None:
        """FIN after what is queued; reading goes on."""
        if self.sender.fin:
            return
        if self.error is not None:
            raise copy(self.error)
        if self.state is CLOSED or self.closed:
            raise NotConnectedError
        lifecycle.finish_sending(self)

    def close(self) -> None:
        """No more send and recv. FIN after what is queued, or RST if text is unread."""
        if not self.closed:
            lifecycle.close(self)

    def abort(self) -> None:
        """RST, and `Closed` as the only event still to come."""
        lifecycle.abort(self)

    def set(self, **changes: int | bool | str | None) -> None:
        """Change options, of this connection only: ``conn.set(nodelay=True)``.

        Raises StateError for those that were agreed with the peer, do not exist, or
        get a value out of bounds.
        """
        tuning.set_options(self, changes)

    @property
    def local(self) -> tuple[str, int]:
        return format_endpoint(self.laddr, self.lport, zone=self._zone())

    @property
    def peer(self) -> tuple[str, int]:
        return format_endpoint(self.raddr, self.rport, zone=self._zone())

    def _zone(self) -> str | None:
        nic = self.nic
        return nic.name if nic and nic.index == zone_of(self.laddr) else None

    def info(self) -> TcpInfo:
        return gather(self)

    # Inner doors ----------------------------------------------------------------------

    def segment_arrives(
        self,
        seq: int,
        ack: int,
        flags: int,
        wnd: int,
        urgent: int,
        options: bytes,
        body: Chunk,
        now: int,
        cuts: int = 1,
        ecn: int = 0,
    ) -> None:
        """A segment for this connection; numbers as they stand on the wire.

        `ecn`: the two bits of the IP header.
        """
        self.clock = now
        self.segs_in += cuts
        if body:
            self.data_segs_in += cuts
            self.text_at = now
        if (
            self.state is not ESTABLISHED
            or ecn > self.ecn_known
            or not fastpath.predicted(
                self, seq, ack, flags, wnd, options, body, now, cuts
            )
        ):
            arrival.segment_arrives(
                self, seq, ack, flags, wnd, urgent, options, body, now, cuts, ecn
            )

    def deadline(self) -> int | None:
        """When `handle_timeout` is due. None: it is idle, and small from now on."""
        due = self.timers.earliest()
        if due is None:
            self.recovery.rest()
            self.sender.rest(self.receiver.rcv_nxt)
        return due

    def blocked(self, now: int) -> None:
        """What `emit` would give cannot leave: time-outs count all the same."""
        arming.blocked(self, now)

    def attach(
        self, ready: Sink[Connection] | None, notified: Sink[Connection] | None
    ) -> None:
        """Move to another ready queue and list, with what is pending."""
        self.ready, self.notified = ready, notified
        if self.queued and ready is not None:
            ready.append(self)
        if self.pending_kinds and notified is not None:
            notified.append(self)

    emit = output.emit
    rests = output.rests
    drain = _events.drain
    path_changed = mtu.path_changed
    path_mtu = mtu.path_mtu
    unreachable = network.unreachable
    icmp_error = network.icmp_error
    finish = lifecycle.finish

    # Steps that the files around this one share ---------------------------------------

    def enter(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} -> {state}"
        if self.trace is not None:
            self.note(self.clock, "tcp.state", self.state.value, state.value)
        self.state = state

    def wake(self) -> None:
        """There may be something to send."""
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    def notify(self, kind: int) -> None:
        """There is an event; `kind` is a bit of `events`."""
        if not self.pending_kinds and self.notified is not None:
            self.notified.append(self)
        self.pending_kinds |= kind

    def owe_ack(self) -> None:
        """An ACK leaves at the next `emit`."""
        self.receiver.ack_now = True
        self.wake()

    def answer_reset(self, seq: int) -> None:
        """<SEQ=SEG.ACK><CTL=RST>"""
        self.bare_rst_seq = seq
        self.owed |= OWES_BARE_RST
        self.wake()

    def drop(self, reason: DropReason) -> None:
        if self.counters is not None:
            self.counters.drop(reason)

    def note(self, now: int, kind: str, *values: TraceValue) -> None:
        if self.trace is not None:
            self.trace.append((now, kind, self.id, *values))
