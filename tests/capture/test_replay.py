"""A replay does what was recorded, byte for byte, and tells where it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sansio_net.capture import Recording, feed, replay
from sansio_net.capture.replay import replay_turn
from sansio_net.capture.turns import (
    LINK,
    LOST_AT_LINK,
    LOST_EARLY,
    LOST_LATE,
    RECEIVED,
    ROOM,
    SENT,
    Step,
    Turn,
    read_turns,
)
from sansio_net.drivers import Device, turn
from sansio_net.errors import DeviceGone, MalformedError, StateError
from sansio_net.packet import CSUM_VALID, Packet
from sansio_net.stack import Stack
from sansio_net.wire import tcp
from sansio_net.wire.arp import REQUEST, build_arp, parse_arp
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import ETHERTYPE_ARP, build_ethernet
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.pcap import build_file_header, build_record
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.pcapng_write import (
    build_interface,
    build_packet,
    build_section,
    build_simple_packet,
)
from sansio_net.wire.records import INBOUND, OUTBOUND, PacketRecord

from .conversation import DATA, Client, converse
from .fakes import FakeDevice, FakeNic, FakeStack

REPOSITORY = Path(__file__).parents[2]


def recorded(offload: bool = False) -> bytes:
    parts: list[bytes] = []
    client = converse(parts.append, offload=offload)
    assert client.got == DATA
    assert not client.lost
    return b"".join(parts)


def segments(packets: list[Packet]) -> list[tcp.TcpHeader]:
    found = []
    for packet in packets:
        data = packet.join()
        if data[12:14] == b"\x08\0":
            ip = parse_ipv4(data, 14)
            found.append(tcp.parse_tcp(data, 14 + ip.header_length))
    return found


@pytest.mark.parametrize("offload", [False, True])
def test_a_lossy_conversation_replays_byte_for_byte(offload: bool) -> None:
    file = recorded(offload)
    client = Client(offload)
    result = replay(file, client.stack, [client.nic], client.app)
    assert str(result.difference) == "None"
    assert client.got == DATA
    sent = [item.packet for item in result.sent]
    assert result.n_turns > 12
    if not offload:
        headers = segments(sent)
        assert len(headers) >= 100
        assert any(b"\x08\x0a" in header.options for header in headers)
        assert client.stack.counters()["tcp.retransmitted"] > 0


def test_what_is_recorded_has_its_checksums() -> None:
    """A reader of the file need not know that they were left to the device."""
    reader = PcapngReader()
    frames = [
        record.data
        for record in reader.feed(recorded(False))
        if isinstance(record, PacketRecord) and record.data[12:14] == b"\x08\0"
    ]
    assert len(frames) >= 100
    for frame in frames:
        header = parse_ipv4(frame, 14)
        segment = frame[14 + header.header_length : 14 + header.total_length]
        place = header.source, header.destination, header.protocol
        assert checksum(segment, pseudo_sum(*place, len(segment))) == 0


SCRIPT = """
import sys
from sansio_net.capture import replay
from tests.capture.conversation import Client
client = Client()
with open(sys.argv[1], "rb") as file:
    chunks = iter(lambda: file.read(1000), b"")
    result = replay(chunks, client.stack, [client.nic], client.app)
print(result.difference, len(result.sent), len(client.got))
"""


def test_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    path = tmp_path / "run.pcapng"
    path.write_bytes(recorded())
    (n_sent,) = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, path],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4711")
    }
    assert n_sent.startswith("None ")
    assert n_sent.endswith(f" {len(DATA)}\n")


def test_the_first_difference_is_told() -> None:
    file = recorded()
    other = Client(seed=b"d" * 32)
    result = replay(file, other.stack, [other.nic], other.app)
    difference = result.difference
    assert difference is not None
    assert difference.turn == result.n_turns - 1
    assert difference.nic == "eth0"
    text = str(difference)
    assert "bytes differ from" in text
    assert "recorded: ARP" in text
    assert "replayed: ARP" in text


def recording_of(expected: list[tuple[str, Packet]]) -> bytes:
    """One turn at 5 in which `expected` was sent."""
    parts: list[bytes] = []
    with Recording(parts.append) as recording:
        devices = {}
        for name in ("a", "b"):
            device = FakeDevice()
            device.rooms = [64]
            devices[name] = recording.device(device, name)
        recording.open_turn(5)
        for name, device in devices.items():
            device.room()
            packets = [packet for nic, packet in expected if nic == name]
            if packets:
                device.send(packets, 5)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("got", "words"),
    [
        ([("a", Packet(b"one")), ("b", Packet(b"two"))], None),
        ([("a", Packet(b"on", (b"e",))), ("b", Packet(b"two"))], None),
        ([("a", Packet(b"one"))], "b, packet 1: recorded, and not sent now"),
        (
            [("a", Packet(b"one")), ("b", Packet(b"two")), ("b", Packet(b"three"))],
            "b, packet 2: sent now, and not when it was recorded",
        ),
        (
            [("a", Packet(b"one")), ("b", Packet(b"twin"))],
            "b, packet 1: bytes differ from 2 on (3 recorded, 4 now)",
        ),
        (
            [("a", Packet(b"one")), ("a", Packet(b"two"))],
            "b, packet 1: sent on another interface now",
        ),
        (
            [("a", Packet(b"one", csum=CSUM_VALID)), ("b", Packet(b"two"))],
            "a, packet 0: the offload metadata differ",
        ),
    ],
)
def test_kinds_of_differences(got: list[tuple[str, Packet]], words: str | None) -> None:
    file = recording_of([("a", Packet(b"one")), ("b", Packet(b"two"))])
    stack = FakeStack()
    for name, packet in got:
        stack.nics[name == "b"].queue.append(packet)
    result = replay(file, stack, stack.nics, stack.app)
    if words is None:
        assert result.difference is None
    else:
        assert words in str(result.difference)


def test_a_replayed_turn_is_the_loops_turn() -> None:
    """The same calls in the same order, through all that can happen in a turn."""
    parts: list[bytes] = []
    gone = DeviceGone("away")
    stack = FakeStack()
    first, second = stack.nics
    first.queue = [Packet(b"out")] * 5
    stack.pending = [["event"], ["another"]] + [["and so on"]] * 20
    with Recording(parts.append) as recording:
        clock = recording.clock(lambda: 7)
        left, right = FakeDevice(), FakeDevice()
        devices: dict[FakeNic, Device] = {
            first: recording.device(left, first),
            second: recording.device(right, second),
        }
        now = clock()
        left.links, right.links = [True], [False]
        left.arriving, right.arriving = [[Packet(b"1")]], [[Packet(b"2")]]
        left.rooms, right.rooms = [2, 2, 2], [0]
        arrived = [(nic, device.receive(now)) for nic, device in devices.items()]
        turn(stack, devices, arrived, now, stack.app)
        now = clock()
        left.links, right.rooms = [gone], [gone]
        turn(stack, devices, (), now, stack.app)
    assert devices == {}
    again = FakeStack()
    again.nics[0].queue = [Packet(b"out")] * 5
    again.pending = [["event"], ["another"]] + [["and so on"]] * 20
    result = replay(b"".join(parts), again, again.nics, again.app)
    assert result.difference is None
    assert again.log == stack.log
    assert [entry for entry in again.log if entry[1] == "carrier"] == [
        ("a", "carrier", True),
        ("b", "carrier", False),
        ("a", "carrier", False),
        ("b", "carrier", False),
    ]


def test_phases_of_a_turn() -> None:
    """Frames are read before the carrier is asked, and delivered after it."""
    stack = FakeStack()
    steps = [
        Step(LOST_EARLY, 1),
        Step(RECEIVED, 0, 1),
        Step(LINK, 0, 1),
        Step(LOST_AT_LINK, 1),
        Step(ROOM, 0, 3),
        Step(SENT, 0, 0),
        Step(LOST_LATE, 0),
    ]
    replay_turn(Turn(0, 9, steps, [Packet(b"in")]), stack, stack.nics, stack.app)
    assert stack.log == [
        ("b", "carrier", False),
        ("a", "carrier", True),
        ("b", "carrier", False),
        ("a", "receive", [b"in"], 9),
        ("stack", "handle_timeout", 9),
        ("a", "transmit", 9, 3),
        ("a", "carrier", False),
    ]


def test_interfaces_are_found_by_name() -> None:
    file = recording_of([("a", Packet(b"one")), ("b", Packet(b"two"))])
    stack = FakeStack()
    stack.nics[0].queue, stack.nics[1].queue = [Packet(b"one")], [Packet(b"two")]
    assert replay(file, stack, stack.nics[::-1], stack.app).difference is None
    with pytest.raises(StateError, match="'b'"):
        replay(file, stack, stack.nics[:1], stack.app)


def test_a_recording_that_was_cut_replays_up_to_there() -> None:
    file = recorded()
    n_turns = len(list(read_turns([file])))
    client = Client()
    half = replay(file[: len(file) // 2], client.stack, [client.nic], client.app)
    assert half.difference is None
    assert 0 < half.n_turns < n_turns


def test_an_ordinary_capture_is_no_recording() -> None:
    stack = FakeStack()
    with pytest.raises(MalformedError):
        replay(build_section(), stack, stack.nics, stack.app)
    with pytest.raises(MalformedError):
        replay(build_file_header(), stack, stack.nics, stack.app)


def test_stamps_and_deadlines_of_an_ordinary_capture() -> None:
    file = build_section() + build_interface(name="b") + build_interface(name="?")
    for interface, stamp, data, flags in (
        (0, 100, b"one", INBOUND),
        (1, 100, b"two", 0),
        (0, 100, b"ours", OUTBOUND),
        (0, 300, b"three", 0),
        (0, 250, b"late", 0),
    ):
        file += build_packet(interface, stamp, data, flags=flags)
    file += build_simple_packet(b"no stamp")
    stack = FakeStack()
    stack.due = [150, 200, 300, 310, 500]
    stack.nics[0].queue = [Packet(b"x")] * 65
    result = feed(file, stack, stack.nics, stack.app, linger=10)
    calls = [entry for entry in stack.log if entry[1] != "transmit"]
    assert calls == [
        ("b", "receive", [b"one", b"two"], 100),
        ("stack", "handle_timeout", 100),
        ("stack", "handle_timeout", 150),
        ("stack", "handle_timeout", 200),
        ("b", "receive", [b"three"], 300),
        ("stack", "handle_timeout", 300),
        ("b", "receive", [b"late", b"no stamp"], 300),
        ("stack", "handle_timeout", 300),
        ("stack", "handle_timeout", 310),
    ]
    assert (result.n_turns, result.n_received, len(result.sent)) == (6, 5, 65)


def test_only_the_frames_asked_for() -> None:
    file = build_file_header() + build_record(1, b"yes") + build_record(2, b"no")
    stack = FakeStack()
    chunks = (file[at : at + 3] for at in range(0, len(file), 3))
    result = feed(
        chunks, stack, stack.nics, stack.app, inbound=lambda r: r.data == b"yes"
    )
    assert result.n_received == 1
    assert ("a", "receive", [b"yes"], 1) in stack.log


def test_a_stack_that_never_rests_does_not_hold_the_capture_up() -> None:
    class Restless(FakeStack):
        def next_timeout(self) -> int | None:
            return 0

    file = build_file_header() + build_record(1, b"a") + build_record(2, b"b")
    stack = Restless()
    result = feed(file, stack, stack.nics, stack.app)
    assert result.n_received == 2
    assert result.n_turns < 100


def test_captures_that_are_none() -> None:
    stack = FakeStack()
    for file in (b"", b"abc", b"no capture file at all.."):
        with pytest.raises(MalformedError):
            feed(file, stack, stack.nics, stack.app)


def test_a_capture_that_was_interrupted_is_fed_to_its_end() -> None:
    file = build_file_header() + build_record(1, b"whole") + build_record(2, b"cut")
    stack = FakeStack()
    assert feed(file[:-1], stack, stack.nics, stack.app).n_received == 1


def test_an_ordinary_capture_is_answered() -> None:
    theirs, mac = bytes((10, 0, 0, 9)), b"\x02" * 6
    ours = bytes((10, 0, 0, 1))
    request = build_ethernet(b"\xff" * 6, mac, ETHERTYPE_ARP) + build_arp(
        REQUEST, mac, theirs, bytes(6), ours
    )
    file = build_file_header() + build_record(1_700_000_000_000_000_000, request)
    stack = Stack(seed=bytes(32))
    nic = stack.add_interface("eth0", addresses=["10.0.0.1/24"])
    result = feed(file, stack, [nic], lambda events, now: None)
    replies = [parse_arp(item.packet.join(), 14) for item in result.sent]
    assert any((reply.op, reply.tpa) == (2, theirs) for reply in replies)
