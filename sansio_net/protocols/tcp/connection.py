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

from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import format_endpoint
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import (
    ConnectionAborted,
    NotConnectedError,
    SansioNetError,
    StateError,
)
from sansio_net.machine import ASAP, earliest
from sansio_net.packet import Chunk, Packet
from sansio_net.trace import Trace, TraceValue
from sansio_net.wire.checksum import pseudo_base
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.tcp_options import SegmentOptions

from . import arrival, edge, fastpath, output, timeouts
from .congestion import controller
from .events import (
    ACCEPTED,
    CONNECTED,
    DATA,
    EOF,
    LOST,
    SPACE,
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    SpaceFreed,
    TcpEvent,
)
from .events import (
    CLOSED as CLOSED_EVENT,
)
from .handshake import Negotiated, agree, effective_mss, headers_size, our_mss
from .info import TcpInfo
from .isn import IsnGenerator
from .options import TcpOptions
from .output import OWES_BARE_RST, OWES_RST, OWES_SYN
from .receiver import Receiver
from .recovery import Recovery
from .rtt import RttEstimator
from .sender import Sender
from .seq import MASK, unwrap
from .states import TRANSITIONS, State
from .time_wait import TimeWaitRecord
from .timers import Timers

if TYPE_CHECKING:
    from .listener import Listener

CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED = (
    State.CLOSED,
    State.LISTEN,
    State.SYN_SENT,
    State.SYN_RECEIVED,
    State.ESTABLISHED,
)
FIN_WAIT_1, CLOSE_WAIT, LAST_ACK, TIME_WAIT = (
    State.FIN_WAIT_1,
    State.CLOSE_WAIT,
    State.LAST_ACK,
    State.TIME_WAIT,
)
UNSYNCHRONIZED: Final = (CLOSED, LISTEN, SYN_SENT, TIME_WAIT)


class Connection:
    """Made by `Stack.tcp_connect`, by a `Listener`, or alone."""

    __slots__ = (
        "_challenges",
        "_challenges_since",
        "_isn_floor",
        "agreed",
        "armed",
        "bare_rst_seq",
        "clock",
        "closed",
        "congestion",
        "counters",
        "done",
        "error",
        "established",
        "forward_progress",
        "gso_payload",
        "heard_at",
        "hop",
        "id",
        "in_backlog",
        "isn",
        "keepalives",
        "laddr",
        "last_sent_at",
        "listener",
        "lport",
        "mtu",
        "nic",
        "notified",
        "options",
        "owed",
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
        "sender",
        "soft_error",
        "state",
        "suspicious",
        "time_wait",
        "timers",
        "total_retransmits",
        "trace",
        "ts_offset",
    )

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
        ready: deque[Connection] | None = None,
        notified: list[Connection] | None = None,
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
        self.sender = Sender(options.send_buffer)
        self.receiver = Receiver(
            options.receive_buffer, options.reorder_segments, options.quick_acks
        )
        self.rtt = RttEstimator(options.initial_rto, options.min_rto, options.max_rto)
        self.recovery = Recovery()
        self.congestion = controller(options.congestion)
        self.timers = Timers()
        self.agreed: Negotiated | None = None
        self.peer_offer: SegmentOptions | None = None
        self.path_changed(mtu, gso_max)
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
        self.total_retransmits = 0
        self.ts_offset = 0
        self.clock = 0  # the last `now`, for the trace of verbs
        self.last_sent_at = 0
        self.heard_at = 0
        self._challenges = 0
        self._challenges_since = 0
        self._isn_floor: int | None = None
        # what the Stack reads and clears, and what it keeps here
        self.forward_progress = False
        self.suspicious = False
        self.hop: object | None = None
        self.nic: object | None = None
        self.armed: list[object] | None = None
        # the ready queue and the list of those with events
        self.queued = False
        self.ready: deque[Connection] = deque() if ready is None else ready
        self.notified: list[Connection] = [] if notified is None else notified
        self.pending_kinds = 0

    # The five methods -----------------------------------------------------------------

    def receive(self, items: Sequence[Packet], now: int) -> None:
        """Segments from the peer, as packets at their TCP header."""
        for packet in items:
            segment = edge.open_packet(packet, self.pseudo, self.counters)
            if segment is None:
                continue
            header, body, cuts = segment
            if (header.source_port, header.destination_port) != (
                self.rport,
                self.lport,
            ):
                self.drop(DropReason.TCP_NO_SOCKET)
                continue
            self.segment_arrives(
                header.seq,
                header.ack,
                header.flags,
                header.window,
                header.urgent,
                header.options,
                body,
                now,
                cuts,
            )

    def handle_timeout(self, now: int) -> None:
        timeouts.handle_timeout(self, now)

    def next_timeout(self) -> int | None:
        if self.queued or self.pending_kinds:
            return ASAP
        record = self.time_wait
        alone = record.expires_at if self.state is TIME_WAIT and record else None
        return earliest(self.deadline(), alone)

    def events(self) -> list[TcpEvent]:
        out: list[TcpEvent] = []
        self.drain(out)
        self.notified.clear()
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        packets: list[Packet] = []
        while len(packets) < limit:
            packet = self.emit(now)
            if packet is None:
                self.queued = False
                self.ready.clear()
                break
            edge.address(packet, self)
            packets.append(packet)
        return packets

    # Local verbs ----------------------------------------------------------------------

    def connect(self) -> None:
        """Active open. `Connected` or `ConnectionLost` will say how it went."""
        if self.state is not CLOSED or self.done:
            raise StateError("a connection is opened once")
        self._enter(SYN_SENT)
        self.owed |= OWES_SYN
        self._wake()

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
            self._wake()
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
            return self._nothing_to_read()
        data = self.receiver.read(limit)
        self._window_may_open()
        return data

    def recv_chunks(self) -> list[Chunk]:
        """Everything pending, as it lies in memory; [] when that is nothing."""
        if not self.receiver.pending:
            self._nothing_to_read()
            return []
        chunks = self.receiver.read_chunks()
        self._window_may_open()
        return chunks

    def _nothing_to_read(self) -> bytes | None:
        if self.closed:
            raise StateError("the connection is closed")
        if self.receiver.fin_reached:
            return b""
        if self.error is not None:
            raise copy(self.error)
        if self.state is CLOSED and self.done:
            return b""
        return None

    def _window_may_open(self) -> None:
        if not self.done and self.receiver.opened():
            self.receiver.ack_now = True
            self._wake()

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
        self._finish_sending()

    def close(self) -> None:
        """No more send and recv. FIN after what is queued, or RST if text is unread."""
        if self.closed:
            return
        self.closed = True
        receiver = self.receiver
        # RFC 2525 2.17: who closes without reading everything must say so
        unread = receiver.pending or receiver.reorder is not None
        receiver.discard()
        self.pending_kinds &= ~(DATA | EOF | SPACE)
        if self.done:
            return
        if self.state in UNSYNCHRONIZED or unread:
            self.reset(None)
        elif self.sender.fin:
            self._wake()  # FIN-WAIT-2 has an end from now on
        else:
            self._finish_sending()

    def abort(self) -> None:
        """RST, and `Closed` as the only event still to come."""
        self.closed = True
        self.receiver.discard()
        if not self.done:
            self.reset(None)
        if self.pending_kinds:
            self.pending_kinds = CLOSED_EVENT

    def _finish_sending(self) -> None:
        self.sender.fin = True
        if self.state is ESTABLISHED:
            self._enter(FIN_WAIT_1)
        elif self.state is CLOSE_WAIT:
            self._enter(LAST_ACK)
        self._wake()

    def set(self, **changes: int | bool | None) -> None:
        """Change options, of this connection only: ``conn.set(nodelay=True)``."""
        try:
            options = replace(self.options, **changes)  # type: ignore[arg-type]
        except TypeError as error:
            raise StateError(str(error)) from None
        self.options = options
        self.sender.limit = options.send_buffer
        self.receiver.limit = options.receive_buffer
        if not self.done:
            self._wake()

    @property
    def local(self) -> tuple[str, int]:
        return format_endpoint(self.laddr, self.lport)

    @property
    def peer(self) -> tuple[str, int]:
        return format_endpoint(self.raddr, self.rport)

    def info(self) -> TcpInfo:
        return edge.info(self)

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
    ) -> None:
        """A segment for this connection; numbers as they stand on the wire."""
        self.clock = now
        if self.state is not ESTABLISHED or not fastpath.predicted(
            self, seq, ack, flags, wnd, options, body, now, cuts
        ):
            arrival.segment_arrives(
                self, seq, ack, flags, wnd, urgent, options, body, now, cuts
            )

    def emit(self, now: int) -> Packet | None:
        """The next packet, at its TCP header and with `info` None; or None."""
        return output.emit(self, now)

    def drain(self, out: list[TcpEvent]) -> None:
        """Append the pending events in their order."""
        kinds = self.pending_kinds
        self.pending_kinds = 0
        if kinds & ACCEPTED and self.listener is not None:
            self.listener.child_gone(self)
            out.append(Accepted(self.listener, self))
        if kinds & CONNECTED:
            out.append(Connected(self))
        if kinds & DATA and (self.pending or self.urgent):
            out.append(DataReceived(self, self.pending))
        if kinds & EOF:
            out.append(EofReceived(self))
        if kinds & SPACE:
            out.append(SpaceFreed(self, self.sender.space))
        if kinds & LOST:
            assert self.error is not None
            out.append(ConnectionLost(self, self.error))
        elif kinds & CLOSED_EVENT:
            out.append(Closed(self))

    def deadline(self) -> int | None:
        """When `handle_timeout` is due."""
        return self.timers.earliest()

    def blocked(self, now: int) -> None:
        """What `emit` would give cannot leave: time-outs count all the same."""
        output.blocked(self, now)

    def attach(self, ready: deque[Connection], notified: list[Connection]) -> None:
        """Move to another ready queue and list, with what is pending."""
        self.ready, self.notified = ready, notified
        if self.queued:
            ready.append(self)
        if self.pending_kinds:
            notified.append(self)

    def path_changed(self, mtu: int, gso_max: int) -> None:
        """Another route or path MTU. What is in flight and now too big goes again."""
        self.mtu = mtu
        # the frame header and the longest options have room beside the payload
        frame = min(gso_max, 0xFFFF + 14)
        self.gso_payload = frame - 14 - headers_size(self.laddr) - 40 if gso_max else 0
        if self.agreed is None:
            return
        mss = effective_mss(self.agreed, self.laddr, mtu, self.options)
        smaller = mss < self.sender.mss
        self.sender.mss = mss
        self.congestion.set_mss(mss)
        if smaller and self.sender.in_flight and not self.done and self.established:
            # RFC 1191 6.4: no sign of congestion, so cwnd stays
            self.recovery.lose(self.sender.snd_una, self.sender.snd_nxt)
            self._wake()

    def unreachable(self, error: SansioNetError, now: int) -> None:
        """No route or neighbour. An attempt to connect fails; others may recover."""
        self.clock = now
        if self.state is SYN_SENT:
            self.finish(error)
        else:
            self.soft_error = error

    def icmp_error(self, error: SansioNetError, hard: bool, seq: int, now: int) -> None:
        """An ICMP error that quotes a segment of ours with this sequence number."""
        self.clock = now
        sender = self.sender
        # RFC 5927 4.1: only about what is in flight
        if self.done or not sender.snd_una <= unwrap(seq, sender.snd_una) < (
            sender.snd_nxt
        ):
            self.drop(DropReason.ICMP_NOT_CONCERNING)
        elif hard and self.state in (SYN_SENT, SYN_RECEIVED):
            # RFC 5927 5.2, RFC 1122 4.2.3.9: synchronized connections live on
            self.finish(error)
        else:
            self.soft_error = error

    # Steps that the files around this one share ---------------------------------------

    def passive_open(
        self, irs: int, wnd: int, offer: SegmentOptions, now: int, floor: int | None
    ) -> None:
        """A listener got the peer's SYN (RFC 9293 3.10.7.2, third)."""
        self.clock = now
        self._isn_floor = floor
        self._enter(LISTEN)
        self.meet(irs, wnd, offer, now)
        self._enter(SYN_RECEIVED)
        self.owed |= OWES_SYN
        self._wake()

    def meet(self, irs: int, wnd: int, offer: SegmentOptions, now: int) -> None:
        """The peer's SYN is here: agree on options, number its text."""
        agreed = self.agreed = agree(self.options, offer, self.raddr)
        self.peer_offer = offer
        receiver, sender = self.receiver, self.sender
        receiver.start(irs, our_mss(self.laddr, self.mtu, self.options))
        receiver.wscale = agreed.rcv_wscale
        sender.wscale = agreed.snd_wscale
        sender.mss = effective_mss(agreed, self.laddr, self.mtu, self.options)
        # RFC 7323 2.2: the window of a SYN is never scaled
        sender.snd_wnd = sender.max_snd_wnd = wnd
        sender.snd_wl1 = irs
        if agreed.timestamps and offer.ts_val is not None:
            receiver.ts_recent = offer.ts_val
            receiver.ts_recent_at = now

    def choose_iss(self, now: int) -> None:
        """Our first SYN leaves now."""
        place = self.laddr, self.lport, self.raddr, self.rport
        iss = self.isn.isn(*place, now)
        floor = self._isn_floor
        if floor is not None and (iss - floor) & MASK >= 1 << 31:
            # RFC 9293 3.6.1: above all that the last incarnation used; the distance
            # is Linux's
            iss = (floor + 0x10001) & MASK
        self.ts_offset = self.isn.ts_offset(*place)
        self.sender.start(iss)
        self.recovery.start(iss)

    def establish(self, now: int) -> None:
        """The three-way handshake is complete."""
        mss = self.sender.mss
        segments = self.options.initial_window
        # RFC 6928 2 with 10 segments; RFC 5681 3.1: one if a SYN was lost
        window = min(segments * mss, max(2 * mss, segments * 1460))
        if self.retransmits:
            self.rtt.syn_was_lost()
            window = mss
        self.congestion.start(mss, window)
        self.retransmits = 0
        self.soft_error = None
        self.peer_offer = None
        self.established = True
        self.last_sent_at = self.heard_at = now
        self.timers.stop_all()
        self._enter(ESTABLISHED)
        self.notify(CONNECTED if self.listener is None else ACCEPTED)
        if self.sender.fin:
            self._enter(FIN_WAIT_1)
        self._wake()

    def enter_time_wait(self, now: int) -> None:
        """Both ends have finished. What remains is a record, and one ACK to send."""
        duration = self.options.time_wait
        receiver = self.receiver
        stamps = self.agreed is not None and self.agreed.timestamps
        self.time_wait = TimeWaitRecord(
            self.laddr,
            self.lport,
            self.raddr,
            self.rport,
            self.sender.snd_nxt & MASK,
            receiver.rcv_nxt & MASK,
            min(receiver.limit >> receiver.wscale, 0xFFFF),
            receiver.ts_recent if stamps else None,
            self.ts_offset,
            duration,
            now + duration,
        )
        self._enter(TIME_WAIT)
        self._release()
        self.notify(CLOSED_EVENT)

    def finish(self, error: SansioNetError | None) -> None:
        """Enter CLOSED: the connection failed, or ended in some other way."""
        self._enter(CLOSED)
        self._release()
        self.receiver.ack_now = False
        self.receiver.duplicates = 0
        if self.in_backlog and not self.established:
            # RFC 9293 3.10.7.4, second: the user need not be informed
            self.pending_kinds = 0
        elif error is not None:
            self.error = error
            self.notify(LOST)
        else:
            self.notify(CLOSED_EVENT)
        if self.in_backlog and not self.pending_kinds and self.listener is not None:
            self.listener.child_gone(self)

    def reset(self, error: SansioNetError | None) -> None:
        """RST where there is a peer that would wait (RFC 9293 3.10.5), then CLOSED."""
        if self.state not in UNSYNCHRONIZED:
            self.owed |= OWES_RST
            self._wake()
        self.finish(error)

    def refuse_text(self) -> None:
        """Text for an application that has closed (RFC 9293 3.6.1, SHLD-3)."""
        self.drop(DropReason.TCP_AFTER_CLOSE)
        self.reset(None if self.sender.fin_acked else ConnectionAborted())

    def _release(self) -> None:
        """Nothing will be sent again and no timer runs; reading may go on."""
        self.done = True
        self.timers.stop_all()
        self.sender.discard()
        self.receiver.reorder = None
        self.peer_offer = None
        self.owed &= OWES_RST | OWES_BARE_RST

    def _enter(self, state: State) -> None:
        assert state in TRANSITIONS[self.state] or (
            state is CLOSED and self.state is CLOSED
        ), f"{self.state} -> {state}"
        if self.trace is not None:
            names = self.state.value, state.value
            self.trace.append((self.clock, "tcp.state", self.id, *names))
        self.state = state

    enter = _enter

    def owe_ack(self) -> None:
        """An ACK leaves at the next `emit`."""
        self.receiver.ack_now = True
        self._wake()

    def challenge(self, now: int) -> None:
        """An ACK for a segment that may be an attack, or start a war of ACKs.

        RFC 5961 7: so many in any interval, no more.
        """
        if now - self._challenges_since >= self.options.challenge_interval:
            self._challenges_since = now
            self._challenges = 0
        if self._challenges < self.options.challenge_acks:
            self._challenges += 1
            self.owe_ack()
        elif self.counters is not None:
            self.counters.count("tcp.challenge_ack_limited")

    def answer_reset(self, seq: int) -> None:
        """<SEQ=SEG.ACK><CTL=RST>"""
        self.bare_rst_seq = seq
        self.owed |= OWES_BARE_RST
        self._wake()

    def segment_size(self, options: bytes) -> int:
        """Text in a full segment that carries these options."""
        stamps = 12 if self.agreed is not None and self.agreed.timestamps else 0
        return self.sender.mss - len(options) + stamps

    def largest(self, mss: int) -> int:
        """Text in the largest packet: a segment, or whole segments for the device."""
        gso = self.gso_payload
        return gso - gso % mss if gso > mss else mss

    def drop(self, reason: DropReason) -> None:
        if self.counters is not None:
            self.counters.drop(reason)

    def note(self, now: int, kind: str, *values: TraceValue) -> None:
        if self.trace is not None:
            self.trace.append((now, kind, self.id, *values))

    def note_retransmission(
        self, now: int, seq: int, size: int, reason: str, segments: int = 1
    ) -> None:
        self.total_retransmits += max(segments, 1)
        if self.counters is not None:
            self.counters.count("tcp.retransmitted", max(segments, 1))
        self.note(now, "tcp.retransmit", seq & MASK, size, reason)

    def notify(self, kind: int) -> None:
        if not self.pending_kinds:
            self.notified.append(self)
        self.pending_kinds |= kind

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            self.ready.append(self)

    wake = _wake
