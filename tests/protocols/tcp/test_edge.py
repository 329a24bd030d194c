from __future__ import annotations

from sansio_net.counters import Counters, DropReason
from sansio_net.packet import CSUM_VALID, Packet
from sansio_net.protocols.tcp.edge import open_packet
from sansio_net.wire.checksum import checksum, pseudo_base, pseudo_sum
from sansio_net.wire.tcp import ACK, build_tcp

from .dialogue import PEER, US

BASE = pseudo_base(PEER, US, 6)


def raw(data: bytes) -> bytes:
    head = build_tcp(80, 4000, 1, 2, ACK, 3)
    head = build_tcp(
        80,
        4000,
        1,
        2,
        ACK,
        3,
        checksum=checksum(head + data, pseudo_sum(PEER, US, 6, 20 + len(data))),
    )
    return head + data


def test_header_text_and_cuts() -> None:
    opened = open_packet(Packet(raw(b"abc")), BASE, None)
    assert opened is not None
    header, body, cuts = opened
    assert (header.seq, header.ack, body, cuts) == (1, 2, b"abc", 1)
    frame = b"eth+ip" + raw(bytes(2500))
    opened = open_packet(Packet(frame, offset=6, gso_size=1000), BASE, None)
    assert opened is not None
    assert (len(opened[1]), opened[2]) == (2500, 3)


def test_checksums() -> None:
    counters = Counters()
    bad = raw(b"abc")[:-1] + b"X"
    assert open_packet(Packet(bad), BASE, counters) is None
    assert open_packet(Packet(bad), BASE, None) is None
    assert counters.dropped(DropReason.TCP_BAD_CHECKSUM) == 1
    # a device vouched for it
    assert open_packet(Packet(bad, csum=CSUM_VALID), BASE, counters) is not None
    # an odd number of bytes is padded, an even one is not
    assert open_packet(Packet(raw(b"ab")), BASE, None) is not None


def test_malformed() -> None:
    counters = Counters()
    wrong = bytearray(raw(b""))
    for offset in (0x10, 0xF0):
        wrong[12] = offset
        assert open_packet(Packet(bytes(wrong)), BASE, counters) is None
    assert open_packet(Packet(b""), BASE, None) is None
    assert counters.dropped(DropReason.TCP_MALFORMED) == 2
