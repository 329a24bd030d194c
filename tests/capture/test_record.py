"""What a recording writes."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest

from sansio_net.capture import Recording
from sansio_net.capture.turns import (
    LINK,
    LOST_AT_LINK,
    LOST_EARLY,
    LOST_LATE,
    RECEIVED,
    ROOM,
    SENT,
    Step,
    read_turns,
)
from sansio_net.errors import DeviceGone, StateError
from sansio_net.packet import CSUM_VALID, Capabilities, Medium, Packet, PacketInfo
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.records import (
    INBOUND,
    LINKTYPE_RAW,
    OUTBOUND,
    CustomBlock,
    Interface,
    PacketRecord,
)
from sansio_net.wire.segment import flatten

from .conversation import START, converse
from .fakes import FakeDevice

EPOCH = 1_700_000_000_000_000_000


def test_steps_of_a_turn() -> None:
    file = io.BytesIO()
    device = FakeDevice()
    with Recording(file) as recording:
        clock = recording.clock(iter([10, 20]).__next__)
        recorded = recording.device(device, "a")
        other = recording.device(FakeDevice(), "b")
        assert clock() == 10
        device.arriving = [[Packet(b"in1"), Packet(b"in2", csum=CSUM_VALID)], []]
        assert [p.head for p in recorded.receive(10)] == [b"in1", b"in2"]
        assert recorded.receive(10) == []
        device.links = [True, None]
        assert (recorded.link(), recorded.link(), other.link()) == (True, None, None)
        device.rooms = [1, 5, 0]
        assert recorded.room() == 1
        reason = PacketInfo(reason="retransmit: RTO 1")
        recorded.send([Packet(b"out1", (b"+body",), info=reason)], 10)
        assert (recorded.room(), recorded.room()) == (5, 0)
        assert clock() == 20
    first, second = read_turns([file.getvalue()])
    assert (first.number, first.now, second.number, second.now) == (0, 10, 1, 20)
    assert first.names == ["a", "b"]
    assert first.steps == [
        Step(RECEIVED, 0, 2),
        Step(LINK, 0, 1),
        Step(ROOM, 0, 1),
        Step(SENT, 0, 1),
        Step(ROOM, 0, 5),
        Step(ROOM, 0, 0),
    ]
    assert [(p.head, p.csum) for p in first.received] == [
        (b"in1", 0),
        (b"in2", CSUM_VALID),
    ]
    assert [p.head for p in first.sent] == [b"out1+body"]
    assert first.sent[0].info == PacketInfo(reason="retransmit: RTO 1")
    assert second.steps == []
    assert [p.join() for p in device.sent] == [b"out1+body"]


def test_what_is_written_was_copied() -> None:
    """The stack may change a buffer after the device took the packet."""
    parts: list[bytes] = []
    buffer = bytearray(b"before")
    with Recording(parts.append) as recording:
        recorded = recording.device(FakeDevice(), "a")
        recording.open_turn(1)
        recorded.send([Packet(b"head", (memoryview(buffer),))], 1)
        buffer[:] = b"after!"
    (turn,) = read_turns(parts)
    assert turn.sent[0].head == b"headbefore"


def test_a_device_that_goes_away() -> None:
    parts: list[bytes] = []
    gone = DeviceGone("tap0")
    device = FakeDevice()
    recording = Recording(parts.append)
    recorded = recording.device(device, "a")
    recording.open_turn(1)
    device.arriving, device.links, device.rooms = [gone], [gone], [gone, 3]
    with pytest.raises(DeviceGone):
        recorded.receive(1)
    with pytest.raises(DeviceGone):
        recorded.link()
    with pytest.raises(DeviceGone):
        recorded.room()
    assert recorded.room() == 3
    device.refuses = gone
    with pytest.raises(DeviceGone):
        recorded.send([Packet(b"out")], 1)
    recording.close()
    (turn,) = read_turns(parts)
    assert [step.what for step in turn.steps] == [
        LOST_EARLY,
        LOST_AT_LINK,
        LOST_LATE,
        ROOM,
        SENT,
        LOST_LATE,
    ]
    assert len(turn.sent) == 1


def test_the_rest_of_a_device_shows_through() -> None:
    device = FakeDevice(Capabilities(medium=Medium.IP, mtu=9000))
    parts: list[bytes] = []
    recorded = Recording(parts.append).device(device, "tun0")
    device.arriving = [[]]
    assert recorded.capabilities.mtu == 9000
    assert (recorded.fileno(), recorded.readable()) == (9, True)
    assert recorded.next_timeout() == 77
    recorded.close()
    assert device.closed
    _, interface = PcapngReader().feed(b"".join(parts))
    assert isinstance(interface, Interface)
    assert (interface.link_type, interface.name) == (LINKTYPE_RAW, "tun0")


def test_frames_outside_of_a_turn() -> None:
    recorded = Recording(io.BytesIO()).device(device := FakeDevice(), "a")
    device.rooms, device.arriving = [1], [[Packet(b"in")]]
    with pytest.raises(StateError):
        recorded.room()
    with pytest.raises(StateError):
        recorded.receive(1)
    with pytest.raises(StateError):
        recorded.send([Packet(b"out")], 1)


def test_stamps_and_directions_of_a_conversation() -> None:
    parts: list[bytes] = []
    converse(parts.append, epoch=EPOCH)
    records = PcapngReader().feed(b"".join(parts))
    packets = [record for record in records if isinstance(record, PacketRecord)]
    assert len(packets) > 100
    assert {packet.direction for packet in packets} == {INBOUND, OUTBOUND}
    stamps = [packet.stamp or 0 for packet in packets]
    assert stamps == sorted(stamps)
    assert stamps[0] == EPOCH + START


def test_flattened_recordings_hold_what_the_wire_carries() -> None:
    whole: list[bytes] = []
    cut: list[bytes] = []
    converse(whole.append, offload=True)
    converse(cut.append, offload=True, flatten=True)
    expected = [
        (direction, frame)
        for turn in read_turns(whole)
        for direction, packets in ((INBOUND, turn.received), (OUTBOUND, turn.sent))
        for packet in packets
        for frame in flatten(packet)
    ]
    records = PcapngReader().feed(b"".join(cut))
    assert not any(isinstance(record, CustomBlock) for record in records)
    packets = [record for record in records if isinstance(record, PacketRecord)]
    assert [(p.direction, p.data) for p in packets] == expected
    assert max(len(p.data) for p in packets) == 1514
    assert any(p.gso_size for turn in read_turns(whole) for p in turn.sent)


def test_what_cannot_be_flattened_is_written_as_it_is() -> None:
    parts: list[bytes] = []
    with Recording(parts.append, flatten=True) as recording:
        recorded = recording.device(device := FakeDevice(), "a")
        recording.open_turn(1)
        device.arriving = [[Packet(b"nonsense", gso_size=5)]]
        recorded.receive(1)
    *_, record = PcapngReader().feed(b"".join(parts))
    assert isinstance(record, PacketRecord)
    assert record.data == b"nonsense"


@pytest.mark.programs("tshark")
@pytest.mark.parametrize("offload", [False, True])
def test_tshark_finds_every_checksum_right(tmp_path: Path, offload: bool) -> None:
    path = tmp_path / "run.pcapng"
    with path.open("wb") as file:
        converse(file, offload=offload, flatten=True)
    wrong = "ip.checksum.status==0 or tcp.checksum.status==0 or _ws.malformed"
    words = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    shown = subprocess.run(
        ["tshark", "-r", path, *words, "-Y", wrong],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == ""
