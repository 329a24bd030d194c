from __future__ import annotations

from pathlib import Path

import pytest

from sansio_net.drivers.loop import Loop
from sansio_net.drivers.pcap_replay import CaptureEnded, PcapReplayDevice
from sansio_net.errors import DeviceError
from sansio_net.packet import Medium, Packet
from sansio_net.units import SECOND
from sansio_net.wire.pcap import build_file_header, build_record
from sansio_net.wire.pcapng import PcapngReader
from sansio_net.wire.pcapng_write import (
    build_interface,
    build_packet,
    build_section,
    build_simple_packet,
)
from sansio_net.wire.records import (
    INBOUND,
    LINKTYPE_RAW,
    OUTBOUND,
    PacketRecord,
)

from .fakes import FakeNic, FakeStack

START = 1_700_000_000 * SECOND
MAC = b"\x02\0\0\0\0\x01"


def frame(n: int, source: bytes = b"\x02\0\0\0\0\x99") -> bytes:
    return b"\xff" * 6 + source + b"\x08\x00" + bytes(46) + bytes((n,))


def replay(device: PcapReplayDevice) -> list[object]:
    """What the stack was told, turn by turn."""
    log: list[object] = []
    stack = FakeStack(log)
    nic = FakeNic("nic", log, stack)
    with (
        Loop(stack, {nic: device}, device.clock, wait=device.wait) as loop,
        pytest.raises(CaptureEnded),
    ):
        loop.run(lambda events, now: None)
    return [entry for entry in log if entry[1] != "transmit"]  # type: ignore[index]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture"


def test_frames_come_one_stamp_at_a_time_and_the_stamps_are_the_clock(
    path: Path,
) -> None:
    records = [(0, 1), (0, 2), (5, 3), (4, 4)]  # the last stamp goes back
    path.write_bytes(
        build_file_header()
        + b"".join(build_record(START + at, frame(n)) for at, n in records)
    )
    device = PcapReplayDevice(path, tail=10)
    assert replay(device) == [
        ("nic", "receive", [frame(1), frame(2)]),
        ("timeout", START),
        ("nic", "receive", [frame(3), frame(4)]),
        ("timeout", START + 5),
        ("nic", "carrier", False),
        ("timeout", START + 15),
        ("timeout", START + 15),
    ]
    device.close()


def test_the_stacks_timers_run_in_between(path: Path) -> None:
    path.write_bytes(
        build_file_header()
        + build_record(START, frame(1))
        + build_record(START + 100, frame(2))
    )
    device = PcapReplayDevice(path)
    log: list[object] = []
    stack = FakeStack(log)
    stack.due = START + 40

    def app(events: list[str], now: int) -> bool:
        return False

    def handle_timeout(now: int) -> None:
        log.append(now)
        if stack.due is not None and stack.due <= now:
            stack.due = None
        if now == START + 100:
            loop.stop()

    stack.handle_timeout = handle_timeout  # type: ignore[method-assign]
    nic = FakeNic("nic", [], stack)
    with Loop(stack, {nic: device}, device.clock, wait=device.wait) as loop:
        loop.run(app)
    assert log == [START, START + 40, START + 100]
    device.close()


def test_what_the_recorded_host_sent_is_left_out(path: Path) -> None:
    path.write_bytes(
        build_section()
        + build_interface()
        + build_interface(LINKTYPE_RAW)
        + build_packet(0, START, frame(1), flags=OUTBOUND)
        + build_packet(0, START + 1, frame(2), flags=INBOUND)
        + build_packet(0, START + 2, frame(3, MAC))
        + build_packet(1, START + 3, frame(4))
        + build_simple_packet(frame(5))
    )
    device = PcapReplayDevice(path, mac=MAC)
    assert device.capabilities.medium is Medium.ETHERNET
    assert device.clock() == START + 1
    got = [entry for entry in replay(device) if entry[1] == "receive"]  # type: ignore[index]
    assert got == [("nic", "receive", [frame(2), frame(5)])]
    assert device.counters.dropped() == 1  # another medium
    device.close()


def test_bare_ip_by_address(path: Path) -> None:
    theirs = b"\x45" + bytes(11) + b"\x0a\0\0\x01" + b"\x0a\0\0\x02"
    ours = b"\x45" + bytes(11) + b"\x0a\0\0\x02" + b"\x0a\0\0\x01"
    six = b"\x60" + bytes(7) + b"\xfd" + bytes(15) + bytes(16)
    path.write_bytes(
        build_file_header(LINKTYPE_RAW)
        + b"".join(build_record(START, data) for data in (theirs, ours, six, b""))
    )
    device = PcapReplayDevice(path, addresses=["10.0.0.2", "fd00::"])
    assert device.capabilities.medium is Medium.IP
    assert [packet.head for packet in device.receive(START)] == [theirs, b""]
    device.close()


def test_the_output_goes_to_another_capture(path: Path, tmp_path: Path) -> None:
    path.write_bytes(build_file_header() + build_record(START, frame(1)))
    sink = tmp_path / "out.pcapng"
    device = PcapReplayDevice(path, sink)
    assert (device.room(), device.fileno(), device.link()) == (64, None, None)
    device.send([Packet(b"head", [b"body"])], START)
    device.close()
    records = PcapngReader().feed(sink.read_bytes())
    packets = [record for record in records if isinstance(record, PacketRecord)]
    assert [(p.stamp, p.data, p.direction) for p in packets] == [
        (START, b"headbody", OUTBOUND)
    ]
    without = PcapReplayDevice(path)
    without.send([Packet(b"dropped")], START)
    without.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        (b"", "the file is empty"),
        (b"not a capture, really", "ends within a record"),
        (b"not a capture, really not", "no pcap file"),
        (
            build_file_header(113) + build_record(START, b"x"),
            "link type 113 is neither",
        ),
    ],
)
def test_a_file_that_cannot_be_read(
    path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError, match=message) as raised:
        PcapReplayDevice(path)
    assert str(path) in str(raised.value)


def test_a_file_that_is_damaged_later(path: Path) -> None:
    path.write_bytes(build_file_header() + build_record(START, frame(1)) + b"cut")
    device = PcapReplayDevice(path)
    with pytest.raises(DeviceError, match="ends within a record"):
        device.receive(START)
    device.close()


def test_a_capture_without_packets_ends_at_once(path: Path) -> None:
    path.write_bytes(build_file_header())
    device = PcapReplayDevice(path, tail=0)
    assert not device.readable()
    with pytest.raises(CaptureEnded):
        device.receive(device.clock())
    device.close()
