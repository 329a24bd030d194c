"""virtio_net_hdr, both ways."""

from __future__ import annotations

from struct import pack

import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, Packet
from sansio_net.wire import tcp, vnet
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, build_ethernet
from sansio_net.wire.ipv4 import build_ipv4
from sansio_net.wire.ipv6 import build_ipv6
from sansio_net.wire.udp import build_udp
from sansio_net.wire.vnet import build_vnet, parse_vnet

A4, B4, A6, B6 = bytes(3) + b"\1", bytes(3) + b"\2", bytes(16), bytes(15) + b"\2"
MACS = b"\x02" * 6, b"\x04" * 6
TCP = tcp.build_tcp(1, 2, 3, 4, tcp.ACK, 5, options=bytes(12))


def test_header_as_the_kernel_has_it() -> None:
    head = build_ethernet(*MACS, ETHERTYPE_IPV4) + build_ipv4(A4, B4, 6, 3032) + TCP
    packet = Packet(head, (bytes(3000),), 14, 1448, CSUM_PARTIAL, 34, 16)
    header = build_vnet(packet)
    assert header == pack("=BBHHHH", 1, 1, 66, 1448, 34, 16)
    assert build_vnet(packet, vnet.MERGED_SIZE) == header + b"\0\0"
    back = parse_vnet(header + packet.join())
    assert (back.gso_size, back.csum, back.csum_start) == (1448, CSUM_PARTIAL, 34)
    assert (back.csum_offset, back.head, back.offset) == (16, packet.join(), 0)


@pytest.mark.parametrize("tagged", [False, True])
def test_kinds_of_super_segments(tagged: bool) -> None:
    vlan = (5,) if tagged else ()
    ether4 = build_ethernet(*MACS, ETHERTYPE_IPV4, vlan)
    ether6 = build_ethernet(*MACS, ETHERTYPE_IPV6, vlan)
    cwr = TCP[:13] + bytes((tcp.ACK | tcp.CWR,)) + TCP[14:]
    udp = build_udp(1, 2, 100)
    for head, field, kind in (
        (ether4 + build_ipv4(A4, B4, 6, 132), TCP, vnet.GSO_TCPV4),
        (ether6 + build_ipv6(A6, B6, 6, 132), TCP, vnet.GSO_TCPV6),
        (ether4 + build_ipv4(A4, B4, 6, 132), cwr, vnet.GSO_TCPV4 | vnet.GSO_ECN),
        (ether4 + build_ipv4(A4, B4, 17, 108), udp, vnet.GSO_UDP_L4),
        (build_ipv6(A6, B6, 6, 132), TCP, vnet.GSO_TCPV6),
    ):
        offset = 6 if field == udp else 16
        packet = Packet(
            head + field, (bytes(100),), 0, 10, CSUM_PARTIAL, len(head), offset
        )
        header = build_vnet(packet)
        assert header[1] == kind
        assert parse_vnet(header + packet.join()).gso_size == 10


def test_without_offload() -> None:
    assert build_vnet(Packet(b"frame")) == bytes(10)
    assert parse_vnet(bytes(12) + b"frame", 12).head == b"frame"
    assert parse_vnet(bytes(10) + b"frame").csum == CSUM_NONE
    assert build_vnet(Packet(b"frame", csum=CSUM_VALID))[0] == vnet.DATA_VALID
    assert parse_vnet(b"\x02" + bytes(9) + b"frame").csum == CSUM_VALID


@pytest.mark.parametrize(
    ("buffer", "error"),
    [
        (bytes(9), TruncatedError),
        (pack("=BBHHHH", 1, 0, 0, 0, 34, 16) + bytes(51), MalformedError),
        (pack("=BBHHHH", 0, 3, 0, 100, 0, 0) + bytes(60), MalformedError),
        (pack("=BBHHHH", 0, 1, 0, 0, 0, 0) + bytes(60), MalformedError),
    ],
)
def test_refused_buffers(buffer: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_vnet(buffer)


def test_header_in_a_buffer_of_its_own() -> None:
    assert vnet.received(bytes(10), b"frame").head == b"frame"
    with pytest.raises(TruncatedError):
        vnet.received(bytes(9), b"frame")


@pytest.mark.parametrize(
    "packet",
    [
        Packet(bytes(60), csum=7),
        Packet(bytes(60), gso_size=5),
        Packet(bytes(60), (), 0, 5, CSUM_PARTIAL, 34, 2),
        Packet(bytes(40), (), 0, 5, CSUM_PARTIAL, 34, 16),
    ],
)
def test_refused_packets(packet: Packet) -> None:
    with pytest.raises(MalformedError):
        build_vnet(packet)
