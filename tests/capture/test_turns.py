"""Turns as they lie in a file."""

from __future__ import annotations

import pytest

from sansio_net.capture.turns import (
    MAGIC,
    PEN,
    RECEIVED,
    ROOM,
    SENT,
    Step,
    Turn,
    as_packet,
    epoch_option,
    find_epoch,
    metadata_options,
    parse_turn,
    read_turns,
    turn_data,
)
from sansio_net.errors import MalformedError
from sansio_net.packet import CSUM_PARTIAL, CSUM_VALID, Packet, PacketInfo
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.pcapng_write import (
    build_custom,
    build_interface,
    build_packet,
    build_section,
)
from sansio_net.wire.records import (
    INBOUND,
    OPT_CUSTOM_BINARY,
    Interface,
    Option,
    PacketRecord,
    Section,
)

START = build_section(options=[epoch_option(0)]) + build_interface(name="eth0")
TURN = Turn(3, 5_000, [Step(RECEIVED, 0, 1), Step(ROOM, 0, 64), Step(SENT, 0, 0)])
FRAME = build_packet(0, 5_000, b"frame", flags=INBOUND)


def block(turn: Turn) -> bytes:
    return build_custom(PEN, turn_data(turn), copyable=False)


def test_round_trip() -> None:
    (turn,) = read_turns([START + block(TURN) + FRAME])
    assert (turn.number, turn.now, turn.steps) == (3, 5_000, TURN.steps)
    assert [packet.head for packet in turn.received] == [b"frame"]
    assert (turn.sent, turn.names) == ([], ["eth0"])


def test_a_turn_without_frames() -> None:
    empty = Turn(0, 1, [Step(ROOM, 0, 0)])
    first, second = read_turns([START, block(empty) + block(TURN), FRAME])
    assert (first.steps, second.number) == (empty.steps, 3)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(b"frame"),
        Packet(b"frame", csum=CSUM_VALID),
        Packet(b"frame", (), 14, 1448, CSUM_PARTIAL, 34, 16),
        Packet(b"frame", info=PacketInfo(vlan=0)),
        Packet(b"frame", info=PacketInfo(vlan=0xFFFF)),
    ],
)
def test_metadata(packet: Packet) -> None:
    options = tuple(metadata_options(packet))
    assert bool(options) == (packet.csum > 0 or packet.info is not None)
    record = PacketRecord(Interface(), 0, b"frame", 5, 0, options)
    back = as_packet(record)
    for name in ("csum", "csum_start", "csum_offset", "gso_size", "offset", "head"):
        assert getattr(back, name) == getattr(packet, name), name
    assert (back.info and back.info.vlan) == (packet.info and packet.info.vlan)


def test_what_the_end_of_the_file_cut_off_is_left_out() -> None:
    whole = START + block(TURN) + FRAME
    for size in range(len(START), len(whole)):
        assert list(read_turns([whole[:size]])) == []


def test_blocks_of_others_are_passed_over() -> None:
    other = build_custom(PEN, b"something else") + build_custom(PEN + 1, MAGIC)
    (turn,) = read_turns([START + other + block(TURN) + other + FRAME])
    assert turn.number == 3


def test_options_of_others_are_passed_over() -> None:
    other = Option(OPT_CUSTOM_BINARY, b"something else", PEN)
    record = PacketRecord(Interface(), 0, b"frame", 5, 0, (other,))
    assert as_packet(record).gso_size == 0
    start = build_section(options=[other, epoch_option(-7)])
    (section,) = PcapngReader().feed(start)
    assert isinstance(section, Section)
    assert find_epoch(section) == -7


def test_data_of_others_is_no_turn() -> None:
    assert parse_turn(b"") is None
    assert parse_turn(b"whatever") is None


@pytest.mark.parametrize(
    "file",
    [
        b"",
        build_section() + build_interface(),
        build_section() + build_interface() + FRAME,
        START + FRAME,
        START + block(TURN) + block(TURN) + FRAME,
        START + block(TURN) + FRAME + FRAME,
        START + block(TURN) + build_packet(0, 5_000, b"no direction"),
        START + block(Turn(0, 0, [Step(ROOM, 1, 64)])),
        START + build_custom(PEN, MAGIC),
        START + build_custom(PEN, turn_data(TURN)[:-8]),
        START + block(TURN) + FRAME + bytes(12),
    ],
)
def test_damage(file: bytes) -> None:
    with pytest.raises(MalformedError):
        list(read_turns([file]))
