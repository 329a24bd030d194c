"""Summary lines are tcpdump's lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sansio_net.errors import WireError
from sansio_net.packet import Medium
from sansio_net.wire import arp, ipv4, tcp
from sansio_net.wire.pcap import build_file_header, build_record
from sansio_net.wire.pcapng import capture_reader
from sansio_net.wire.records import LINKTYPE_RAW, PacketRecord
from sansio_net.wire.summary import Flows, summary

from .frames import Frames
from .public_captures import need_captures

ABSOLUTE = pytest.mark.parametrize("absolute", [False, True])


def tcpdump(path: Path, absolute: bool) -> list[str]:
    """tcpdump's lines; those it indents are dumps of what it does not know."""
    words = ["tcpdump", "-n", "-t", "-r", str(path), *["-S"] * absolute]
    shown = subprocess.run(words, capture_output=True, text=True, errors="replace")
    lines = shown.stdout.split("\n")
    return [line for line in lines if line and not line.startswith("\t")]


@pytest.mark.programs("tcpdump")
@ABSOLUTE
@pytest.mark.parametrize("seed", range(4))
def test_made_frames(tmp_path: Path, seed: int, absolute: bool) -> None:
    frames = Frames(seed)
    made = [frames.frame() for _ in range(500)]
    path = tmp_path / "made.pcap"
    path.write_bytes(
        build_file_header() + b"".join(build_record(0, frame) for frame in made)
    )
    flows = None if absolute else Flows()
    ours = [summary(frame, flows=flows) for frame in made]
    assert ours == tcpdump(path, absolute)


@pytest.mark.programs("tcpdump")
def test_frames_that_the_capture_cut(tmp_path: Path) -> None:
    frames = Frames(919)
    made = [frames.frame() for _ in range(500)]
    kept = [frame[: frames.random.randrange(14, len(frame) + 1)] for frame in made]
    path = tmp_path / "cut.pcap"
    path.write_bytes(
        build_file_header()
        + b"".join(
            build_record(0, part, original_size=len(frame))
            for part, frame in zip(kept, made, strict=True)
        )
    )
    ours = [
        summary(part, original_size=len(frame))
        for part, frame in zip(kept, made, strict=True)
    ]
    theirs = tcpdump(path, True)
    assert len(ours) == len(theirs)
    for mine, line in zip(ours, theirs, strict=True):
        if "options [" in line and "[|tcp]" in line:
            # how far tcpdump gets in the list depends on the option that is cut
            mine, line = (text.partition("options [")[0] for text in (mine, line))
        assert mine == line


def ip(protocol: int, data: bytes, options: bytes = b"") -> bytes:
    a, b = b"\x0a\0\0\1", b"\x0a\0\0\2"
    header = ipv4.build_ipv4(a, b, protocol, len(data), options=options)
    return bytes(12) + b"\x08\0" + header + data


def syn(options: bytes) -> bytes:
    return ip(6, tcp.build_tcp(40000, 40001, 1, 2, tcp.SYN, 3, options=options))


ARP = (
    bytes(12)
    + b"\x08\x06"
    + arp.build_arp(1, b"\1" * 6, *[bytes(4), bytes(6)], bytes(4))
)
RARE = [
    (ARP[:16] + b"\x12\x34" + ARP[18:], 42),
    (ARP[:15] + b"\x09" + ARP[16:18] + b"\0" + ARP[19:], 42),
    (ARP[:20] + b"\0\x0a" + ARP[22:], 42),
    (ip(1, bytes(8), options=bytes(4))[:35], 46),
    (ip(17, bytes(8), options=bytes(4))[:35], 46),
    (ip(17, b"\x9c\x40\x9c\x41"), 38),
    (ip(1, b"\x0c\0\0\0"), 38),
    (ip(6, b""), 34),
    (ip(17, b""), 34),
    (syn(b"\x13\x12" + bytes(range(16)) + b"\1\1"), 74),
    (syn(b"\x22\x02\1\1"), 58),
    (syn(b"\xfe\x04\xf9\x89"), 58),
    (syn(b"\xfe\x03\xf9\1"), 58),
    (syn(b"\x05\x06\1\1\1\1\1\1"), 62),
]


@pytest.mark.programs("tcpdump")
@pytest.mark.parametrize(("frame", "size"), RARE)
def test_rare_frames(tmp_path: Path, frame: bytes, size: int) -> None:
    path = tmp_path / "rare.pcap"
    record = build_record(0, frame, original_size=size)
    path.write_bytes(build_file_header() + record)
    (line, *_) = tcpdump(path, True)
    assert summary(frame, original_size=size) == line


@pytest.mark.programs("tcpdump")
def test_bare_ip(tmp_path: Path) -> None:
    frames = Frames(5)
    made = [frame[14:] for frame in (frames.frame() for _ in range(300))]
    made = [packet for packet in made if packet and packet[0] >> 4 in (4, 6)]
    path = tmp_path / "raw.pcap"
    path.write_bytes(
        build_file_header(LINKTYPE_RAW)
        + b"".join(build_record(0, packet) for packet in made)
    )
    flows = Flows()
    ours = [summary(packet, Medium.IP, flows) for packet in made]
    assert ours == tcpdump(path, False)


def decoded_further(line: str) -> bool:
    """Protocols whose line differs from ours from the payload on, or earlier."""
    other_six = line.startswith("IP6") and "ip-proto" in line
    return other_six or ":  ip-proto-2 " in line or "ethertype Unknown" in line


@pytest.mark.programs("tcpdump")
@ABSOLUTE
def test_public_captures(absolute: bool) -> None:
    """ARP, ICMP and headers as tcpdump has them; its decoding of payloads aside."""
    compared = 0
    for path in need_captures():
        data = path.read_bytes()
        try:
            records = [
                record
                for record in capture_reader(data[:4]).feed(data)
                if isinstance(record, PacketRecord)
            ]
        except WireError:
            continue
        if any(record.interface.medium is None for record in records):
            continue
        flows = None if absolute else Flows()
        theirs = tcpdump(path, absolute)
        if len(theirs) != len(records):
            continue  # several link types: tcpdump gives up
        for record, line in zip(records, theirs, strict=True):
            assert record.interface.medium is not None
            ours = summary(
                record.data, record.interface.medium, flows, record.original_size
            )
            if decoded_further(ours):
                continue
            ours = ours.partition("UDP, length")[0]
            assert line.startswith(ours), path.name
            compared += 1
    assert compared > 400


def test_flows_forget_the_oldest() -> None:
    flows = Flows(limit=2)
    a, b = b"\x0a\0\0\1", b"\x0a\0\0\2"
    for port in (1, 2, 3):
        header = tcp.TcpHeader(0, 0, 100, 200, 20, tcp.ACK, 0, 0, 0)
        ports = port.to_bytes(2, "big") + b"\xff\xff"
        assert flows.relative(a, b, ports, header)[:2] == (100, 200)
        first = port == 1
        expected = (0, 1)
        assert flows.relative(a, b, ports, header)[:2] == expected, first
    assert flows.relative(a, b, b"\0\1\xff\xff", header)[:2] == (100, 200)


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (b"", " [|ether]"),
        (bytes(12) + b"\x81\0", " [|vlan]"),
        (bytes(12) + b"\x08\x06" + bytes(7), " [|arp]"),
        (
            bytes(12) + b"\0\x26" + bytes(46),
            "00:00:00:00:00:00 > 00:00:00:00:00:00, 802.3, length 38: LLC",
        ),
        (bytes(12) + b"\x08\0" + b"\x75" + bytes(19), "IP7 (invalid)"),
        (
            bytes(12) + b"\x86\xdd" + b"\x45" + bytes(39),
            "IP, wrong link-layer encapsulation (invalid)",
        ),
        (bytes(12) + b"\x86\xdd\x60", "IP6 truncated-ip6 1"),
        (bytes(12) + b"\x08\0\x45", "IP truncated-ip 1"),
        (bytes(12) + b"\x08\0\x44" + bytes(19), "IP bad-hlen 16"),
        (bytes(12) + b"\x08\0\x45\0\0\x13" + bytes(16), "IP bad-len 19"),
    ],
)
def test_hardly_a_frame(frame: bytes, line: str) -> None:
    assert summary(frame) == line
