"""Turns as a recording holds them: one custom block each, its frames behind it.

A recording is pcapng (draft-ietf-opsawg-pcapng). The section header's custom option
says what was added to `now` to get the stamps. A turn's custom block holds its number,
its `now`, and its steps in the order they were taken; the enhanced packets behind it
are the frames of these steps, those that came before those that went, and a custom
option has the metadata of frames that have any. Integers of ours are little-endian,
whatever the section's byte order is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError, WireError
from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.records import (
    INBOUND,
    OPT_CUSTOM_BINARY,
    OUTBOUND,
    CustomBlock,
    Option,
    PacketRecord,
    Section,
    custom,
)
from sansio_net.wire.segment import flatten

PEN: Final = 32473
"""The enterprise number for examples (RFC 5612): we have none of our own."""

MAGIC: Final = b"sansio\x00\x01"
"""Tells our blocks and options from others under that number; ends in the version."""

# what a turn did, in order; the value that goes with it
LOST_EARLY: Final = 0
"""The device went away while it was read."""
LINK: Final = 1
"""The device told its carrier: 0 or 1."""
LOST_AT_LINK: Final = 2
RECEIVED: Final = 3
"""Frames that one `receive` gave."""
ROOM: Final = 4
"""The limit of one `transmit`."""
SENT: Final = 5
"""Packets that it gave."""
LOST_LATE: Final = 6
"""The device went away while it was written to."""

_HEADER: Final = Struct("<8sQqI")
"""magic, turn number, now, number of steps"""
_STEP: Final = Struct("<HHI")
"""what, interface, value"""
_EPOCH: Final = Struct("<8sq")
_METADATA: Final = Struct("<8sBBHIIIi")
"""magic, csum, 0, csum_offset, offset, csum_start, gso_size, vlan or -1"""


@dataclass(slots=True)
class Step:
    """One thing of a turn: what, at which interface, how many."""

    what: int
    interface: int
    value: int = 0


@dataclass(slots=True)
class Turn:
    """A turn, with the packets that came and went, in the order of its steps.

    names: of the interfaces, by the numbers in the steps.
    """

    number: int
    now: int
    steps: list[Step] = field(default_factory=list)
    received: list[Packet] = field(default_factory=list)
    sent: list[Packet] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def count(self, what: int) -> int:
        return sum(step.value for step in self.steps if step.what == what)


def epoch_option(epoch: int) -> Option:
    """Says in the section header what was added to `now` to get the stamps."""
    return Option(OPT_CUSTOM_BINARY, _EPOCH.pack(MAGIC, epoch), PEN)


def find_epoch(section: Section) -> int | None:
    """None: a section that is no recording."""
    for value in custom(section.options, PEN):
        if len(value) == _EPOCH.size and value.startswith(MAGIC):
            return int(_EPOCH.unpack(value)[1])
    return None


def turn_data(turn: Turn) -> bytes:
    """What the custom block of a turn says."""
    head = _HEADER.pack(MAGIC, turn.number, turn.now, len(turn.steps))
    return head + b"".join(
        _STEP.pack(step.what, step.interface, step.value) for step in turn.steps
    )


def parse_turn(data: bytes) -> Turn | None:
    """None: somebody else's block."""
    if not data.startswith(MAGIC):
        return None
    if len(data) < _HEADER.size:
        raise MalformedError("a turn's block is cut short")
    _, number, now, count = _HEADER.unpack_from(data)
    end = _HEADER.size + count * _STEP.size
    if len(data) < end:
        raise MalformedError(f"a turn's block with {count} steps is cut short")
    turn = Turn(number, now)
    for step in _STEP.iter_unpack(data[_HEADER.size : end]):
        turn.steps.append(Step(*step))
    return turn


def summed(packet: Packet) -> Packet:
    """The packet as a capture shows it: a checksum that was left to the device is
    completed. Super-segments stay as they are, and so does what cannot be summed.
    """
    if packet.csum != CSUM_PARTIAL or packet.gso_size:
        return packet
    try:
        (frame,) = flatten(packet)
    except WireError:
        return packet
    return Packet(frame, offset=packet.offset, info=packet.info)


def metadata_options(packet: Packet) -> list[Option]:
    """Offload and VLAN metadata; nothing where there is none."""
    info = packet.info
    vlan = -1 if info is None or info.vlan is None else info.vlan
    start = offset = 0
    if packet.csum == CSUM_PARTIAL:
        start, offset = packet.csum_start, packet.csum_offset
    if not (packet.csum or packet.gso_size or packet.offset or vlan >= 0):
        return []
    value = _METADATA.pack(
        MAGIC, packet.csum, 0, offset, packet.offset, start, packet.gso_size, vlan
    )
    return [Option(OPT_CUSTOM_BINARY, value, PEN)]


def as_packet(record: PacketRecord) -> Packet:
    """The packet of a record, with its metadata where it has any."""
    packet = Packet(record.data)
    for value in custom(record.options, PEN):
        if len(value) == _METADATA.size and value.startswith(MAGIC):
            _, csum, _, offset, at, start, gso_size, vlan = _METADATA.unpack(value)
            packet.csum, packet.csum_offset = csum, offset
            packet.offset, packet.csum_start = at, start
            packet.gso_size = gso_size
            if vlan >= 0:
                packet.info = PacketInfo(vlan=vlan)
    if record.comment:
        packet.info = packet.info or PacketInfo()
        packet.info.reason = record.comment
    return packet


def read_turns(chunks: Iterable[bytes]) -> Iterator[Turn]:
    """The turns of a recording, from its bytes in pieces of any size.

    Raises a WireError for a file that is damaged, no pcapng, or no recording. A turn
    that the end of the file cuts off is left out, silently: a process that is killed
    leaves such files.
    """
    reader = PcapngReader()
    turn: Turn | None = None
    found = False
    for chunk in chunks:
        for record in reader.feed(chunk):
            if isinstance(record, Section):
                found = find_epoch(record) is not None
            elif isinstance(record, CustomBlock) and record.pen == PEN:
                started = parse_turn(record.data)
                if started is None:
                    continue
                if turn is not None:
                    raise MalformedError(f"frames of turn {turn.number} are missing")
                turn = started
                turn.names = [interface.name for interface in reader.interfaces]
                if any(step.interface >= len(turn.names) for step in turn.steps):
                    raise MalformedError(f"turn {turn.number} has no such interface")
            elif isinstance(record, PacketRecord):
                if turn is None:
                    raise MalformedError("a frame outside of any turn: no recording")
                _add(turn, record)
            if turn is not None and _complete(turn):
                yield turn
                turn = None
    try:
        reader.finish()
    except TruncatedError:
        pass
    if not found:
        raise MalformedError("no recording: the section header has no epoch")


def _add(turn: Turn, record: PacketRecord) -> None:
    if record.direction not in (INBOUND, OUTBOUND):
        raise MalformedError(f"a frame of turn {turn.number} without direction")
    inbound = record.direction == INBOUND
    (turn.received if inbound else turn.sent).append(as_packet(record))


def _complete(turn: Turn) -> bool:
    return len(turn.received) == turn.count(RECEIVED) and len(turn.sent) == turn.count(
        SENT
    )
