"""pcapng files, against python-pcapng's, tshark's and capinfos' reading."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from struct import pack

import pcapng
import pytest

from sansio_net.errors import MalformedError, TruncatedError, WireError
from sansio_net.packet import Medium
from sansio_net.wire.pcap import PcapReader
from sansio_net.wire.pcapng import PcapngReader, capture_reader
from sansio_net.wire.pcapng_write import (
    build_block,
    build_custom,
    build_interface,
    build_names,
    build_options,
    build_packet,
    build_secrets,
    build_section,
    build_simple_packet,
    build_statistics,
)
from sansio_net.wire.records import (
    INBOUND,
    LINKTYPE_NULL,
    LINKTYPE_RAW,
    OPT_CUSTOM_BINARY,
    OPT_CUSTOM_TEXT_PRIVATE,
    OUTBOUND,
    SECRETS_TLS,
    CustomBlock,
    Interface,
    Names,
    Option,
    PacketRecord,
    Record,
    Secrets,
    Section,
    Statistics,
    UnknownBlock,
    comments,
    custom,
)

from .public_captures import need_captures

STAMP = 1_700_000_000_123_456_789
PEN = 32473  # for examples, RFC 5612
ORDERS = pytest.mark.parametrize("order", ["little", "big"])


def read(data: bytes, step: int = 1 << 20) -> list[Record]:
    reader = PcapngReader()
    records: list[Record] = []
    for at in range(0, len(data), step):
        records += reader.feed(data[at : at + step])
    reader.finish()
    return records


def tshark(path: Path, *names: str) -> list[list[str]]:
    """Fields ``frame.NAME`` of each packet; other blocks have no interface."""
    fields = [
        word for name in ("interface_id", *names) for word in ("-e", f"frame.{name}")
    ]
    shown = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", *fields],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split("\t") for line in shown.stdout.splitlines()]
    return [line[1:] for line in lines if line[0]]


def one_of_each(order: str) -> bytes:
    options = [
        Option(OPT_CUSTOM_BINARY, b"\x01\x02\x03", PEN),
        Option(OPT_CUSTOM_TEXT_PRIVATE, b"text", PEN),
    ]
    return b"".join(
        (
            build_section(application="test", comment="whole", byte_order=order),
            build_interface(name="eth0", byte_order=order),
            build_interface(LINKTYPE_RAW, name="tun0", tsresol=6, byte_order=order),
            build_names([(bytes(4), ["a", "b"]), (bytes(16), ["c"])], byte_order=order),
            build_secrets(b"CLIENT_RANDOM 00 00\n", byte_order=order),
            build_packet(
                0,
                STAMP,
                b"odd",
                flags=INBOUND,
                comment="héllo",
                options=options,
                byte_order=order,
            ),
            build_packet(
                1, STAMP, bytes(20), flags=OUTBOUND, tsresol=6, byte_order=order
            ),
            build_simple_packet(b"simple", byte_order=order),
            build_statistics(
                0,
                STAMP,
                received=7,
                dropped=1,
                start=5,
                end=6,
                comment="end",
                byte_order=order,
            ),
            build_custom(PEN, b"12345678", byte_order=order),
            build_custom(PEN, b"1234", copyable=False, byte_order=order),
            build_block(0x77, b"abc", byte_order=order),
        )
    )


@ORDERS
@pytest.mark.parametrize("step", [1, 5, 1 << 20])
def test_one_of_each(order: str, step: int) -> None:
    section, eth0, tun0, names, secrets, first, second, simple, stats, *rest = read(
        one_of_each(order), step
    )
    assert isinstance(section, Section)
    assert (section.byte_order, section.version, section.length) == (
        order,
        (1, 0),
        None,
    )
    assert comments(section.options) == ["whole"]
    assert isinstance(eth0, Interface)
    assert isinstance(tun0, Interface)
    assert (eth0.index, eth0.name, eth0.units) == (0, "eth0", 10**9)
    assert (tun0.index, tun0.name, tun0.units) == (1, "tun0", 10**6)
    assert (eth0.medium, tun0.medium) == (Medium.ETHERNET, Medium.IP)
    assert isinstance(names, Names)
    assert names.hosts() == [(bytes(4), ["a", "b"]), (bytes(16), ["c"])]
    assert secrets == Secrets(SECRETS_TLS, b"CLIENT_RANDOM 00 00\n")
    assert isinstance(first, PacketRecord)
    assert (first.interface, first.stamp, first.data) == (eth0, STAMP, b"odd")
    assert (first.direction, first.comment) == (INBOUND, "héllo")
    assert custom(first.options, PEN) == [b"\x01\x02\x03", b"text"]
    assert custom(first.options, PEN + 1) == []
    assert isinstance(second, PacketRecord)
    assert second.stamp == STAMP // 1000 * 1000
    assert (second.direction, second.interface) == (OUTBOUND, tun0)
    assert simple == PacketRecord(eth0, None, b"simple", 6)
    assert isinstance(stats, Statistics)
    assert (stats.stamp, stats.received, stats.dropped) == (STAMP, 7, 1)
    assert (stats.start, stats.end) == (5, 6)
    assert rest == [
        CustomBlock(PEN, b"12345678"),
        CustomBlock(PEN, b"1234", False),
        UnknownBlock(0x77, b"abc\0"),
    ]


@ORDERS
def test_python_pcapng_reads_the_same(order: str) -> None:
    data = one_of_each(order)
    blocks = list(pcapng.FileScanner(io.BytesIO(data)))
    packets = [b for b in blocks if isinstance(b, pcapng.blocks.EnhancedPacket)]
    assert [b.packet_data for b in packets] == [b"odd", bytes(20)]
    assert packets[0].options["opt_comment"] == "héllo"
    assert packets[0].options["epb_flags"].inout == "inbound"
    assert packets[1].options["epb_flags"].inout == "outbound"
    eth0, tun0 = (
        b for b in blocks if isinstance(b, pcapng.blocks.InterfaceDescription)
    )
    assert (eth0.options["if_name"], tun0.link_type) == ("eth0", LINKTYPE_RAW)
    ticks = packets[0].timestamp_high << 32 | packets[0].timestamp_low
    assert (ticks, eth0.timestamp_resolution) == (STAMP, 1e-9)
    (stats,) = (b for b in blocks if isinstance(b, pcapng.blocks.InterfaceStatistics))
    assert stats.options["isb_ifrecv"] == 7


@ORDERS
@pytest.mark.programs("tshark")
def test_tshark_reads_the_same(tmp_path: Path, order: str) -> None:
    path = tmp_path / "file.pcapng"
    path.write_bytes(one_of_each(order))
    names = ["time_epoch", "len", "comment", "interface_name", "packet_flags_direction"]
    first, second, simple = tshark(path, *names)
    assert first[:4] == ["1700000000.123456789", "3", "héllo", "eth0"]
    assert second[1:4] == ["20", "", "tun0"]
    assert simple[1] == "6"
    assert (int(first[4], 0), int(second[4], 0)) == (INBOUND, OUTBOUND)


@pytest.mark.programs("capinfos")
def test_capinfos_finds_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "file.pcapng"
    path.write_bytes(one_of_each("little") + one_of_each("big"))
    shown = subprocess.run(["capinfos", "-M", path], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "Number of packets:   6" in shown.stdout


@ORDERS
def test_what_python_pcapng_writes(order: str) -> None:
    out = io.BytesIO()
    endian = ">" if order == "big" else "<"
    section = pcapng.blocks.SectionHeader(
        endianness=endian, options={"shb_userappl": "other"}
    )
    interface = section.new_member(
        pcapng.blocks.InterfaceDescription,
        link_type=1,
        options={"if_name": "eth9"},
    )
    writer = pcapng.FileWriter(out, section)
    packet = section.new_member(
        pcapng.blocks.EnhancedPacket,
        options={"opt_comment": "from there"},
    )
    packet.timestamp_low = 1_500_000
    packet.packet_data = b"data!"
    writer.write_block(packet)
    assert interface.options["if_name"] == "eth9"
    *_, record = read(out.getvalue())
    assert isinstance(record, PacketRecord)
    assert (record.stamp, record.data) == (1_500_000_000, b"data!")
    assert (record.comment, record.interface.name) == ("from there", "eth9")


def test_sections_count_interfaces_anew_and_change_the_byte_order() -> None:
    data = b"".join(
        build_section(byte_order=order)
        + build_interface(name=order, byte_order=order)
        + build_packet(0, STAMP, b"x", byte_order=order)
        for order in ("little", "big", "little")
    )
    packets = [r for r in read(data) if isinstance(r, PacketRecord)]
    assert [p.interface.name for p in packets] == ["little", "big", "little"]
    assert [p.stamp for p in packets] == [STAMP] * 3


@pytest.mark.parametrize(
    ("tsresol", "step"), [(6, 1000), (9, 1), (3, 10**6), (0, 10**9), (0x80 | 30, 2)]
)
def test_resolutions(tsresol: int, step: int) -> None:
    data = (
        build_section()
        + build_interface(tsresol=tsresol, tsoffset=-5)
        + build_packet(0, STAMP, b"x", tsresol=tsresol, tsoffset=-5)
    )
    *_, packet = read(data)
    assert isinstance(packet, PacketRecord)
    assert packet.stamp is not None
    assert STAMP - step < packet.stamp <= STAMP


def test_finer_than_a_nanosecond_is_rounded_down() -> None:
    interface = build_interface(tsresol=12)
    packet = build_packet(0, 1234, b"", tsresol=12)
    *_, record = read(build_section() + interface + packet)
    assert isinstance(record, PacketRecord)
    assert record.stamp == 1234


def test_microseconds_unless_said() -> None:
    bare = build_block(1, pack("<HHI", 1, 0, 0))
    packet = build_block(6, pack("<IIIII", 0, 0, 1500, 0, 0))
    *_, record = read(build_section() + bare + packet)
    assert isinstance(record, PacketRecord)
    assert record.stamp == 1_500_000


def test_simple_packets_are_as_long_as_the_snap_length_lets_them() -> None:
    data = (
        build_section()
        + build_interface(snaplen=3)
        + build_simple_packet(b"abc", original_size=9)
    )
    *_, record = read(data)
    assert isinstance(record, PacketRecord)
    assert (record.data, record.original_size, record.stamp) == (b"abc", 9, None)


def test_the_obsolete_packet_block() -> None:
    body = pack("<HHIIII", 0, 9, 0, 7, 2, 5) + b"ab\0\0" + build_options([])
    data = build_section() + build_interface() + build_block(2, body)
    *_, record = read(data)
    assert isinstance(record, PacketRecord)
    assert (record.stamp, record.data, record.original_size) == (7, b"ab", 5)


def test_link_types_that_are_no_frames() -> None:
    _, interface = read(build_section() + build_interface(LINKTYPE_NULL))
    assert isinstance(interface, Interface)
    assert interface.medium is None


def test_what_is_not_said_is_none() -> None:
    data = (
        build_section()
        + build_interface(comment="an option that says nothing about stamps")
        + build_statistics(0, STAMP)
        + build_block(4, pack("<HHI", 9, 4, 7) + bytes(4))
    )
    _, interface, stats, names = read(data)
    assert isinstance(interface, Interface)
    assert (interface.name, interface.offset) == ("", 0)
    assert isinstance(stats, Statistics)
    assert (stats.received, stats.dropped, stats.start, stats.end) == (None,) * 4
    assert names == Names(((9, b"\7\0\0\0"),))
    assert names.hosts() == []


def test_nothing_is_read_after_the_options_end() -> None:
    option = build_options([Option(1, b"seen")])
    packet = pack("<IIIII", 0, 0, 0, 0, 0) + option + pack("<HH", 1, 4) + b"not!"
    data = build_section() + build_interface() + build_block(6, packet)
    *_, record = read(data)
    assert isinstance(record, PacketRecord)
    assert record.comment == "seen"


START = build_section() + build_interface()
EPB = build_packet(0, 0, b"abcd")


@pytest.mark.parametrize(
    "data",
    [
        build_interface(),  # no section
        b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x00\x2b\x3c\x4d",  # byte-order magic
        build_block(0x0A0D0D0A, pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
        START + pack("<II", 6, 0) + bytes(8),  # length 0: a naive loop never ends
        START + pack("<II", 6, 11) + bytes(8),
        START + pack("<II", 6, 18) + bytes(20),
        START + pack("<II", 6, 1 << 30) + bytes(8),
        START + EPB[:-4] + bytes(4),  # lengths differ
        START + build_packet(1, 0, b""),  # no such interface
        START + build_block(6, bytes(8)),
        START + build_block(6, pack("<IIIII", 0, 0, 0, 99, 99)),
        START + build_block(6, pack("<IIIII", 0, 0, 0, 0, 0) + pack("<HH", 1, 99)),
        START + build_block(6, pack("<IIIIIHHI", 0, 0, 0, 0, 0, 2, 3, 1)),
        START + build_block(3, pack("<I", 99)),
        START + build_block(4, pack("<HH", 1, 99)),
        START + build_block(5, pack("<III", 9, 0, 0)),
        START + build_block(5, pack("<IIIHHI", 0, 0, 0, 2, 4, 0)),
        START + build_block(10, pack("<II", 0, 99)),
        START + build_block(0xBAD, b""),
        START + build_block(6, pack("<IIIIIHHI", 0, 0, 0, 0, 0, 2988, 2, 0)),
        build_section() + build_block(1, pack("<HHIHHI", 1, 0, 0, 9, 2, 0)),
        build_section() + build_block(3, pack("<I", 0)),
    ],
)
def test_damaged_files(data: bytes) -> None:
    reader = PcapngReader()
    try:
        reader.feed(data)  # records before the damage come first
    except MalformedError:
        pass
    with pytest.raises(MalformedError):
        reader.feed(b"")
    with pytest.raises(MalformedError):
        reader.finish()


def test_a_file_that_ends_within_a_block() -> None:
    reader = PcapngReader()
    assert len(reader.feed(START + EPB[:-1])) == 2
    with pytest.raises(TruncatedError):
        reader.finish()


def test_what_cannot_be_written() -> None:
    for stamp, resolution in ((-1, 9), (1 << 64, 9)):
        with pytest.raises(WireError):
            build_packet(0, stamp, b"", tsresol=resolution)
    with pytest.raises(WireError):
        build_packet(0, 0, b"", comment="x" * 65536)


def test_the_reader_for_a_file() -> None:
    assert isinstance(capture_reader(START[:4]), PcapngReader)
    assert isinstance(capture_reader(b"\xd4\xc3\xb2\xa1"), PcapReader)


@pytest.mark.programs("tshark")
def test_public_captures_as_tshark_reads_them() -> None:
    for path in need_captures():
        if path.suffix != ".pcapng":
            continue
        packets = [r for r in read(path.read_bytes()) if isinstance(r, PacketRecord)]
        lines = tshark(path, "time_epoch", "len", "cap_len")
        assert [(str(p.original_size), str(len(p.data))) for p in packets] == [
            (line[1], line[2]) for line in lines
        ], path.name
        for packet, line in zip(packets, lines, strict=True):
            if packet.stamp is not None:
                seconds, _, fraction = line[0].partition(".")
                shown_stamp = int(seconds) * 10**9 + int(fraction or 0)
                assert packet.stamp == shown_stamp, path.name
