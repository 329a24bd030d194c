"""pcap files, against tshark's, capinfos' and dpkt's reading."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import Medium
from sansio_net.wire.pcap import PcapReader, build_file_header, build_record
from sansio_net.wire.pcapng import capture_reader
from sansio_net.wire.records import LINKTYPE_RAW, PacketRecord

from .public_captures import need_captures

STAMP = 1_700_000_000_123_456_789
FRAMES = [bytes(60), b"\xff" * 14, b"odd"]


def whole_file(nanoseconds: bool, byte_order: str) -> bytes:
    header = build_file_header(nanoseconds=nanoseconds, byte_order=byte_order)
    return header + b"".join(
        build_record(STAMP + n, frame, nanoseconds=nanoseconds, byte_order=byte_order)
        for n, frame in enumerate(FRAMES)
    )


@pytest.mark.parametrize("byte_order", ["little", "big"])
@pytest.mark.parametrize("nanoseconds", [True, False])
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_round_trip_in_pieces(byte_order: str, nanoseconds: bool, step: int) -> None:
    data = whole_file(nanoseconds, byte_order)
    reader = PcapReader()
    records: list[PacketRecord] = []
    for at in range(0, len(data), step):
        records += reader.feed(data[at : at + step])
    reader.finish()
    assert [record.data for record in records] == FRAMES
    expected = [STAMP, STAMP + 1, STAMP + 2]
    if not nanoseconds:
        expected = [stamp // 1000 * 1000 for stamp in expected]
    assert [record.stamp for record in records] == expected
    assert reader.interface is records[0].interface
    assert records[0].interface.medium == Medium.ETHERNET


@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_dpkt_reads_what_is_written(byte_order: str) -> None:
    data = whole_file(False, byte_order)
    assert [frame for _, frame in dpkt.pcap.Reader(io.BytesIO(data))] == FRAMES


@pytest.mark.programs("tshark")
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_tshark_reads_what_is_written(tmp_path: Path, byte_order: str) -> None:
    path = tmp_path / "file.pcap"
    path.write_bytes(whole_file(True, byte_order))
    fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len"]
    shown = subprocess.run(
        ["tshark", "-r", path, *fields], capture_output=True, text=True, check=True
    )
    assert [line.split("\t") for line in shown.stdout.splitlines()] == [
        [f"1700000000.12345678{9 + n}" if n == 0 else f"1700000000.12345679{n - 1}", s]
        for n, s in enumerate(["60", "14", "3"])
    ]


def test_frames_cut_by_the_capture() -> None:
    file = build_file_header(LINKTYPE_RAW, snaplen=4)
    (record,) = PcapReader().feed(file + build_record(1, b"abcd", original_size=99))
    assert (record.data, record.original_size) == (b"abcd", 99)
    assert record.interface.medium == Medium.IP
    assert record.interface.snaplen == 4


def test_damage_is_told_after_the_records_before_it() -> None:
    file = build_file_header() + build_record(1, b"good")
    reader = PcapReader()
    assert len(reader.feed(file + b"\xff" * 16)) == 1
    for _ in range(2):
        with pytest.raises(MalformedError):
            reader.feed(b"")
    with pytest.raises(MalformedError):
        reader.finish()


@pytest.mark.parametrize(
    "start",
    [b"\xd4\xc3\xb2\xa0" + bytes(20), bytes(24), b"\xd4\xc3\xb2\xa1\x03" + bytes(19)],
)
def test_no_pcap_file(start: bytes) -> None:
    with pytest.raises(MalformedError):
        PcapReader().feed(start)


def test_a_file_that_ends_within_a_record() -> None:
    reader = PcapReader()
    reader.feed(whole_file(True, "little")[:-1])
    with pytest.raises(TruncatedError):
        reader.finish()


def test_stamps_that_pcap_has_not() -> None:
    for stamp in (-1, 1 << 62):
        with pytest.raises(MalformedError):
            build_record(stamp, b"")


@pytest.mark.programs("capinfos")
def test_public_captures_have_as_many_packets_as_capinfos_says() -> None:
    for path in need_captures():
        if path.suffix != ".pcap":
            continue
        data = path.read_bytes()
        reader = capture_reader(data[:4])
        records = reader.feed(data)
        reader.finish()
        shown = subprocess.run(
            ["capinfos", "-M", "-c", "-T", "-r", path],
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.stdout.split("\t")[1].strip() == str(len(records)), path.name
