"""One run: a sender that always has data, a receiver that drains, a link between.

Two `Connection` machines alone on IP. What the protocol sees is exact; two things that
it cannot see are left out, for speed: TCP checksums are never computed nor verified
(`Link` carries them unfinished, as a veth does), and super-segments are cut here rather
than in `flatten`. On the bottleneck every packet is one segment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.entropy import Entropy
from sansio_net.packet import CSUM_VALID, Medium, Packet, PacketInfo
from sansio_net.protocols.tcp import Connection, IsnGenerator, Listener, TcpOptions
from sansio_net.protocols.tcp.events import Accepted, SpaceFreed, TcpEvent
from sansio_net.testing.link import Link
from sansio_net.units import MIB, SECOND
from sansio_net.wire.ipv4 import DF, HEADER_SIZE, PROTO_TCP, build_ipv4
from sansio_net.wire.tcp import FIN, PSH

from .cells import PACKET, Cell, Path

BUFFER: Final = 64 * MIB
"""As far as buffers may grow: beyond every bandwidth-delay product with its queue."""
CHUNK: Final = bytes(4 * MIB)
GSO_MAX: Final = 65_535
HELD_BACK: Final = 100_000
"""Parts per million of the packets that a path which reorders holds back."""

NEVER: Final = 1 << 63

A: Final = bytes((10, 0, 0, 1))
B: Final = bytes((10, 0, 0, 2))
_SEQ: Final = Struct("!I")
_FLAGS: Final = 13
_LAST_ONLY: Final = 0xFF & ~(FIN | PSH)


@dataclass(slots=True)
class Outcome:
    """What came of a run. Integers only: the same on every machine."""

    goodput: int
    """Bytes a second that the receiver got in the second half."""
    sent: int
    """Packets that the sender sent."""
    retransmits: int
    timeouts: int
    stall: int
    """The longest time without progress, in thousandths of the RTO in force."""
    overflowed: int
    """Packets that the queue dropped."""

    def per_mille(self, path: Path) -> int:
        """Goodput of the link's rate."""
        return self.goodput * 8_000 // path.bits


def make_link(path: Path, seed: int) -> Link:
    link = Link(
        seed,
        medium=Medium.IP,
        offload=1,
        latency=path.round_trip // 2,
        loss=path.loss,
        rate=path.bits,
        queue=path.queue_packets,
        queue_bytes=4 * BUFFER,
        capacity=1 << 20,
        capacity_bytes=4 * BUFFER,
    )
    if path.reordering == "rtt/2":
        link.set(reordering=HELD_BACK, reordering_delay=path.round_trip // 2)
    elif path.reordering == "3seg":
        # at the end of a flight nobody passes: not for ever
        latest = max(path.round_trip // 2, 4 * path.packet_time)
        link.set(reordering=HELD_BACK, reordering_segments=3, reordering_delay=latest)
    return link


class Wire:
    """Between a machine's packets and the link's: IP headers, and cuts."""

    __slots__ = ("_headers", "_way", "info", "link")

    def __init__(self, link: Link, end: int) -> None:
        self.link = link
        self._way = (A, B) if end == 0 else (B, A)
        self.info = PacketInfo(self._way[1], self._way[0])
        self._headers: dict[tuple[int, int], bytes] = {}

    def send(self, end: int, packets: list[Packet], now: int) -> None:
        out: list[tuple[int, Packet]] = []
        if not packets:
            return
        for packet in packets:
            head, tos = packet.head, packet.info.tos if packet.info else 0
            if not packet.gso_size:
                ip = self._header(len(packet), tos)
                out.append((end, Packet(b"".join((ip, head, *packet.body)))))
                continue
            body = b"".join(packet.body)
            (seq,) = _SEQ.unpack_from(head, 4)
            size, step = len(body), packet.gso_size
            inner = head[:_FLAGS] + bytes((head[_FLAGS] & _LAST_ONLY,))
            inner += head[_FLAGS + 1 :]
            for at in range(0, size, step):
                part = body[at : at + step]
                whole = head if at + step >= size else inner
                number = _SEQ.pack(seq + at & 0xFFFFFFFF)
                ip = self._header(len(head) + len(part), tos)
                out.append(
                    (end, Packet(b"".join((ip, whole[:4], number, whole[8:], part))))
                )
        self.link.receive(out, now)

    def _header(self, size: int, tos: int) -> bytes:
        """Without fragments an IP header says nothing but a size and a TOS."""
        header = self._headers.get((size, tos))
        if header is None:
            source, destination = self._way
            header = self._headers[size, tos] = build_ipv4(
                source, destination, PROTO_TCP, size, flags=DF, tos=tos
            )
        return header

    def arrived(self, packet: Packet) -> Packet:
        """As a stack hands it to its connections."""
        packet.offset, packet.csum = HEADER_SIZE, CSUM_VALID
        packet.info = self.info
        tos = packet.head[1]
        if tos:
            packet.info = PacketInfo(self.info.src, self.info.dst, tos)
        return packet


class Transfer:
    """A bulk transfer over a path, and what is measured of it."""

    def __init__(
        self,
        path: Path,
        options: TcpOptions,
        seed: int,
        watch: Callable[[Transfer], None] | None = None,
    ) -> None:
        self.path = path
        self.now = SECOND
        self.link = make_link(path, seed)
        isn = IsnGenerator(Entropy.of(seed))
        self.sender = Connection(
            A, 40_000, B, 80, isn=isn, options=options, gso_max=GSO_MAX
        )
        self.listener = Listener(B, 80, isn=isn, options=options)
        self.receiver: Connection | None = None
        self.wires = (Wire(self.link, 0), Wire(self.link, 1))
        self.received = 0
        self.timeouts = 0
        self.stall = 0
        self._una = 0
        self._progress_at = self.now
        self._rto = 0
        self._watch = watch
        self.sender.connect()
        self._fill()
        self._sender_turn([], self.now)

    def run(self) -> Outcome:
        started, duration = self.now, self.path.duration
        self.run_until(started + duration // 2)
        half = self.received
        self.run_until(started + duration)
        self._note_progress(self.now)
        return Outcome(
            goodput=(self.received - half) * SECOND // (duration - duration // 2),
            sent=self.link.counts(0).sent,
            retransmits=self.sender.info().total_retrans,
            timeouts=self.timeouts,
            stall=self.stall,
            overflowed=self.link.counts(0).overflowed,
        )

    def run_until(self, end: int) -> None:
        link, wires = self.link, self.wires
        due_link, due_sender, due_receiver = self._due()
        while True:
            now = min(due_link, due_sender, due_receiver)
            if now >= end:
                self.now = end
                return
            # what is wanted at once comes as 0
            now = self.now = max(now, self.now)
            to_sender: list[Packet] = []
            to_receiver: list[Packet] = []
            if due_link <= now:
                for reached, packet in link.transmit(now):
                    if reached:
                        to_receiver.append(wires[1].arrived(packet))
                    else:
                        to_sender.append(wires[0].arrived(packet))
            if to_sender or due_sender <= now:
                self._sender_turn(to_sender, now)
                due_sender = _or_never(self.sender.next_timeout())
            if to_receiver or due_receiver <= now:
                self._receiver_turn(to_receiver, now)
                machine = self.receiver or self.listener
                due_receiver = _or_never(machine.next_timeout())
            due_link = _or_never(link.next_timeout())

    def _due(self) -> tuple[int, int, int]:
        machine = self.receiver or self.listener
        link, sender = self.link.next_timeout(), self.sender.next_timeout()
        return _or_never(link), _or_never(sender), _or_never(machine.next_timeout())

    def _sender_turn(self, arrived: list[Packet], now: int) -> None:
        conn = self.sender
        if arrived:
            conn.receive(arrived, now)
        before = conn.retransmits
        conn.handle_timeout(now)
        if conn.retransmits > before:
            self.timeouts += 1
        if conn.sender.snd_una != self._una:
            self._note_progress(now)
        elif conn.rtt.rto > self._rto:
            self._rto = conn.rtt.rto
        if conn.pending_kinds and any(
            isinstance(event, SpaceFreed) for event in conn.events()
        ):
            self._fill()
        if self._watch is not None:
            self._watch(self)
        self._send(conn, 0, now)

    def _fill(self) -> None:
        while self.sender.send(CHUNK) == len(CHUNK):
            pass

    def _receiver_turn(self, arrived: list[Packet], now: int) -> None:
        conn = self.receiver
        if conn is None:
            self.listener.receive(arrived, now)
            self.listener.handle_timeout(now)
            self._accept(self.listener.events())
            self.wires[1].send(1, self.listener.transmit(now), now)
            return
        if arrived:
            conn.receive(arrived, now)
        conn.handle_timeout(now)
        if conn.pending_kinds:
            conn.events()
            self.received += sum(map(len, conn.recv_chunks()))
        self._send(conn, 1, now)

    def _accept(self, events: list[TcpEvent]) -> None:
        for event in events:
            if isinstance(event, Accepted):
                self.receiver = event.conn
                self.received += sum(map(len, event.conn.recv_chunks()))

    def _send(self, conn: Connection, end: int, now: int) -> None:
        # as a stack does: who did not say that there is something is not asked
        while conn.queued:
            self.wires[end].send(end, conn.transmit(now), now)

    def _note_progress(self, now: int) -> None:
        """The largest RTO since the last progress is the one that was in force."""
        if self._rto:
            stall = (now - self._progress_at) * 1000 // self._rto
            self.stall = max(self.stall, stall)
        conn = self.sender
        self._una, self._progress_at, self._rto = conn.sender.snd_una, now, conn.rtt.rto


def _or_never(when: int | None) -> int:
    return NEVER if when is None else when


def options_for(cell: Cell) -> TcpOptions:
    return TcpOptions(
        congestion=cell.congestion,
        rack=cell.rack,
        send_buffer_max=BUFFER,
        receive_buffer_max=BUFFER,
        reorder_segments=BUFFER // PACKET,
    )


def run_cell(cell: Cell) -> Outcome:
    return Transfer(cell.path, options_for(cell), cell.seed).run()


__all__ = ["PACKET", "Outcome", "Transfer", "make_link", "options_for", "run_cell"]
