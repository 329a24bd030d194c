"""Runs a stack on a capture: a recording turn by turn, another one stamp by stamp.

A replayed turn does what `drivers.loop.turn` does, with the recorded time, frames and
limits; it never asks `next_timeout()`. The application must be a function of its
events that calls verbs inside the turn only, and the stack must have been made with
the same seed and calls as the recorded one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final, Protocol, TypeAlias, TypeVar

from sansio_net.errors import MalformedError, StateError, TruncatedError
from sansio_net.packet import CSUM_PARTIAL, Medium, Packet
from sansio_net.wire.pcap import PcapReader
from sansio_net.wire.pcapng import PcapngReader, capture_reader
from sansio_net.wire.records import OUTBOUND, PacketRecord
from sansio_net.wire.summary import summary

from .turns import (
    LINK,
    LOST_AT_LINK,
    LOST_EARLY,
    LOST_LATE,
    RECEIVED,
    ROOM,
    SENT,
    Turn,
    as_packet,
    read_turns,
    summed,
)

ROUNDS: Final = 16
"""Rounds of events a turn, as everywhere."""

SAME_TIME_TURNS: Final = 64
"""Turns at one time before the next frame is fed all the same."""

BATCH: Final = 64
"""Packets asked for at once where no recording says."""

Ev = TypeVar("Ev")
App: TypeAlias = Callable[[list[Ev], int], object]
"""Gets the events and the time of the turn, and calls verbs."""


class Driven(Protocol[Ev]):
    """A stack, as a replay sees it."""

    def handle_timeout(self, now: int) -> None: ...
    def next_timeout(self) -> int | None: ...
    def events(self) -> list[Ev]: ...


class Port(Protocol):
    """One of its interfaces."""

    @property
    def name(self) -> str: ...
    def receive(self, packets: Sequence[Packet], now: int) -> None: ...
    def transmit(self, now: int, limit: int = 64) -> list[Packet]: ...
    def carrier(self, up: bool) -> None: ...


@dataclass(slots=True)
class SentPacket:
    """A packet that the replayed stack sent."""

    now: int
    nic: str
    packet: Packet


@dataclass(slots=True)
class Difference:
    """The first packet that is not as recorded; None: there is none on that side."""

    turn: int
    now: int
    nic: str
    index: int
    expected: Packet | None
    got: Packet | None

    def __str__(self) -> str:
        where = f"turn {self.turn} at {self.now} ns, {self.nic}, packet {self.index}"
        lines = [f"{where}: {_what_differs(self.expected, self.got)}"]
        for name, packet in (("recorded", self.expected), ("replayed", self.got)):
            if packet is not None:
                lines.append(f"  {name}: {_line(packet)}")
        return "\n".join(lines)


@dataclass(slots=True)
class Replayed:
    """What a replay did. difference: None when every packet was as recorded."""

    n_turns: int = 0
    n_received: int = 0
    sent: list[SentPacket] = field(default_factory=list)
    difference: Difference | None = None


def replay(
    file: bytes | Iterable[bytes],
    stack: Driven[Ev],
    nics: Sequence[Port],
    app: App[Ev],
) -> Replayed:
    """Run every turn of a recording; stop at the first packet that differs.

    `nics` are found by name. A turn that the end of the file cuts off does not count:
    a process that is killed leaves such files. Raises a WireError for a file that is
    no recording, and StateError for one with an interface that `nics` has not.
    """
    result = Replayed()
    chunks = (file,) if isinstance(file, bytes) else file
    for turn in read_turns(chunks):
        ports = _ports(turn.names, nics)
        sent = replay_turn(turn, stack, ports, app)
        result.n_turns += 1
        result.n_received += len(turn.received)
        result.sent += sent
        result.difference = _compare(turn, sent)
        if result.difference is not None:
            break
    return result


def replay_turn(
    turn: Turn, stack: Driven[Ev], nics: Sequence[Port], app: App[Ev]
) -> list[SentPacket]:
    """One turn; `nics` by their numbers in the recording. Returns what it sends."""
    now, at = turn.now, 0
    sent: list[SentPacket] = []
    for step in turn.steps:
        if step.what == LOST_EARLY:
            nics[step.interface].carrier(False)
    for step in turn.steps:
        if step.what in (LINK, LOST_AT_LINK):
            nics[step.interface].carrier(step.what == LINK and bool(step.value))
    for step in turn.steps:
        if step.what == RECEIVED:
            packets = turn.received[at : at + step.value]
            at += step.value
            nics[step.interface].receive(packets, now)
    stack.handle_timeout(now)
    _drain(stack, app, now)
    for step in turn.steps:
        nic = nics[step.interface]
        if step.what == ROOM:
            packets = nic.transmit(now, step.value)
            sent += [SentPacket(now, nic.name, packet) for packet in packets]
        elif step.what == LOST_LATE:
            nic.carrier(False)
    return sent


def feed(
    file: bytes | Iterable[bytes],
    stack: Driven[Ev],
    nics: Sequence[Port],
    app: App[Ev],
    *,
    inbound: Callable[[PacketRecord], bool] | None = None,
    linger: int = 0,
) -> Replayed:
    """Run a stack on an ordinary capture: its stamps are the clock.

    Frames of one stamp are one turn; between stamps, timers run at their deadlines,
    and for `linger` ns after the last. `inbound` says which frames the stack is given;
    by default all but those marked as outbound. A capture's interface is found among
    `nics` by name, else by its number, else it is the first.
    """
    result = Replayed()
    now: int | None = None
    for stamp, records in _by_stamp(file):
        if now is not None:
            now = _run_timers(stack, nics, app, result, now, stamp)
        now = stamp if now is None else max(now, stamp)
        taken = [r for r in records if (inbound or _not_outbound)(r)]
        arrived: list[tuple[Port, list[Packet]]] = []
        for record in taken:
            nic = _port_of(record, nics)
            if not arrived or arrived[-1][0] is not nic:
                arrived.append((nic, []))
            arrived[-1][1].append(as_packet(record))
        result.n_received += len(taken)
        _free_turn(stack, nics, app, result, arrived, now)
    if now is not None and linger:
        _run_timers(stack, nics, app, result, now, now + linger + 1)
    return result


def _drain(stack: Driven[Ev], app: App[Ev], now: int) -> None:
    for _ in range(ROUNDS):
        events = stack.events()
        if not events:
            return
        app(events, now)


def _ports(names: Sequence[str], nics: Sequence[Port]) -> list[Port]:
    known = {nic.name: nic for nic in nics}
    missing = [name for name in names if name not in known]
    if missing:
        raise StateError(f"the recording's interface {missing[0]!r} is not given")
    return [known[name] for name in names]


def _compare(turn: Turn, sent: Sequence[SentPacket]) -> Difference | None:
    names = [
        turn.names[step.interface]
        for step in turn.steps
        if step.what == SENT
        for _ in range(step.value)
    ]
    pairs = zip_longest(zip(names, turn.sent, strict=True), sent)
    for index, (recorded, ours) in enumerate(pairs):
        name, expected = recorded or (ours.nic, None)
        if (
            expected is None
            or ours is None
            or ours.nic != name
            or _fields(expected) != _fields(ours.packet)
        ):
            got = ours.packet if ours else None
            return Difference(turn.number, turn.now, name, index, expected, got)
    return None


def _fields(packet: Packet) -> tuple[bytes, int, int, int, int]:
    """Everything of a packet that a device sees, its checksum completed."""
    packet = summed(packet)
    partial = packet.csum == CSUM_PARTIAL
    return (
        packet.join(),
        packet.gso_size,
        packet.csum,
        packet.csum_start if partial else 0,
        packet.csum_offset if partial else 0,
    )


def _what_differs(expected: Packet | None, got: Packet | None) -> str:
    if expected is None:
        return "sent now, and not when it was recorded"
    if got is None:
        return "recorded, and not sent now"
    ours, theirs = got.join(), expected.join()
    if ours == theirs:
        if _fields(got) == _fields(expected):
            return "sent on another interface now"
        return "the offload metadata differ"
    pairs = zip_longest(theirs, ours)
    same = next(at for at, (a, b) in enumerate(pairs) if a != b)
    return f"bytes differ from {same} on ({len(theirs)} recorded, {len(ours)} now)"


def _line(packet: Packet) -> str:
    """The packet as tcpdump shows it; bare IP where it starts like it."""
    data = packet.join()
    at_ip = packet.offset == 0 and data[:1] != b"" and data[0] >> 4 in (4, 6)
    medium = Medium.ETHERNET
    if at_ip and int.from_bytes(data[12:14], "big") not in (0x0800, 0x0806, 0x86DD):
        medium = Medium.IP
    return summary(data, medium)


def _not_outbound(record: PacketRecord) -> bool:
    return record.direction != OUTBOUND


def _by_stamp(
    file: bytes | Iterable[bytes],
) -> Iterator[tuple[int, list[PacketRecord]]]:
    """A capture's packets, those of one stamp together.

    Packets without a stamp belong to the one before them.
    """
    reader: PcapReader | PcapngReader | None = None
    start = b""
    stamp, gathered = 0, list[PacketRecord]()
    for chunk in (file,) if isinstance(file, bytes) else file:
        if reader is None:
            chunk = start = start + chunk
            if len(start) < 4:
                continue
            reader = capture_reader(start)
        for record in reader.feed(chunk):
            if not isinstance(record, PacketRecord):
                continue
            if record.stamp is not None and record.stamp != stamp:
                if gathered:
                    yield stamp, gathered
                stamp, gathered = record.stamp, []
            gathered.append(record)
    if gathered:
        yield stamp, gathered
    if reader is None:
        raise MalformedError("no capture file: it is too short")
    try:
        reader.finish()
    except TruncatedError:
        pass  # a capture that was interrupted is a capture


def _port_of(record: PacketRecord, nics: Sequence[Port]) -> Port:
    interface = record.interface
    for nic in nics:
        if nic.name == interface.name:
            return nic
    return nics[interface.index] if interface.index < len(nics) else nics[0]


def _run_timers(
    stack: Driven[Ev],
    nics: Sequence[Port],
    app: App[Ev],
    result: Replayed,
    now: int,
    until: int,
) -> int:
    """Turns at every deadline before `until`; the time of the last."""
    at_once = 0
    while True:
        due = stack.next_timeout()
        if due is None or due >= until:
            return now
        at_once = at_once + 1 if due <= now else 0
        if at_once > SAME_TIME_TURNS:
            return now
        now = max(now, due)
        _free_turn(stack, nics, app, result, (), now)


def _free_turn(
    stack: Driven[Ev],
    nics: Sequence[Port],
    app: App[Ev],
    result: Replayed,
    arrived: Iterable[tuple[Port, Sequence[Packet]]],
    now: int,
) -> None:
    """A turn with devices that take everything."""
    for nic, packets in arrived:
        nic.receive(packets, now)
    stack.handle_timeout(now)
    _drain(stack, app, now)
    for nic in nics:
        while packets := nic.transmit(now, BATCH):
            result.sent += [SentPacket(now, nic.name, packet) for packet in packets]
            if len(packets) < BATCH:
                break
    result.n_turns += 1
