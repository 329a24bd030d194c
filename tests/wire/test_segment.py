"""flatten: what the wire carries of super-segments and partial checksums."""

from __future__ import annotations

from collections.abc import Callable

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError, WireError
from sansio_net.packet import CSUM_NONE, CSUM_PARTIAL, CSUM_VALID, Packet
from sansio_net.testing import craft
from sansio_net.wire import tcp
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV4, build_ethernet
from sansio_net.wire.ipv4 import DF, build_ipv4
from sansio_net.wire.ipv6 import build_ipv6
from sansio_net.wire.segment import cut_size, flatten, note_partial
from sansio_net.wire.udp import build_udp

from .naive import naive_sum, transport_sum

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"
ETHER = build_ethernet(b"\x46" * 6, b"\x02" * 6, ETHERTYPE_IPV4)
ALL = tcp.FIN | tcp.PSH | tcp.ACK | tcp.CWR | tcp.ECE


def tcp_packet(payload: bytes, gso_size: int, flags: int = ALL) -> Packet:
    """IPv4, no link header; checksum partial."""
    size = 32 + len(payload)
    pseudo = pseudo_sum(A, B, 6, size)
    header = tcp.build_tcp(
        1, 2, 0xFFFFFFF0, 7, flags, 99, checksum=pseudo, options=b"\1" * 12
    )
    ip = build_ipv4(A, B, 6, size, identification=0xFFFF, flags=DF)
    half = len(payload) // 2
    body = (payload[:half], memoryview(payload)[half:])
    return Packet(ip + header, body, 0, gso_size, CSUM_PARTIAL, 20, 16)


def test_tcp_cuts() -> None:
    payload = bytes(range(250))
    frames = flatten(tcp_packet(payload, 100))
    segments = [dpkt.ip.IP(frame) for frame in frames]
    assert b"".join(bytes(s.data.data) for s in segments) == payload
    assert [s.id for s in segments] == [0xFFFF, 0, 1]
    assert [s.len for s in segments] == [152, 152, 102]
    assert [s.data.seq for s in segments] == [0xFFFFFFF0, 84, 184]
    middle = tcp.ACK | tcp.ECE
    assert [s.data.flags for s in segments] == [
        middle | tcp.CWR,
        middle,
        middle | tcp.FIN | tcp.PSH,
    ]
    for frame, segment in zip(frames, segments, strict=True):
        assert segment.df
        assert segment.data.opts == b"\1" * 12
        assert naive_sum(frame[:20]) == 0xFFFF
        assert transport_sum(A, B, 6, frame[20:]) == 0xFFFF


@pytest.mark.parametrize("link", [b"", ETHER, ETHER[:12] + b"\x81\0\0\5\x08\0"])
def test_the_network_header_is_found(link: bytes) -> None:
    """Also where nobody says; a MAC that looks like a version must not mislead."""
    packet = tcp_packet(bytes(250), 100)
    expected = [link + frame for frame in flatten(packet)]
    packet.head = link + packet.head
    packet.csum_start += len(link)
    assert flatten(packet) == expected
    packet.offset = len(link)
    assert flatten(packet) == expected


@pytest.mark.parametrize("csum", [CSUM_NONE, CSUM_VALID])
@pytest.mark.parametrize("link", [b"", ETHER])
def test_super_segment_with_a_whole_checksum(csum: int, link: bytes) -> None:
    partial = tcp_packet(bytes(250), 100)
    expected = [link + frame for frame in flatten(partial)]
    whole = Packet(link + partial.join(), (), 0, 100, csum)
    assert flatten(whole) == expected


def test_one_cut_keeps_all_flags() -> None:
    (frame,) = flatten(tcp_packet(b"abc", 100))
    assert dpkt.ip.IP(frame).data.flags == ALL
    (frame,) = flatten(tcp_packet(b"", 100))
    assert dpkt.ip.IP(frame).data.flags == ALL


def test_udp_cuts_have_lengths_and_checksums_of_their_own() -> None:
    payload = bytes(range(25))
    size = 8 + len(payload)
    head = build_ipv6(A6, B6, 17, size)
    udp = build_udp(5, 6, len(payload), pseudo_sum(A6, B6, 17, size))
    packet = Packet(head + udp, (payload,), 0, 10, CSUM_PARTIAL, 40, 6)
    frames = flatten(packet)
    datagrams = [dpkt.ip6.IP6(frame) for frame in frames]
    assert [bytes(d.data.data) for d in datagrams] == [
        payload[:10],
        payload[10:20],
        payload[20:],
    ]
    assert [d.plen for d in datagrams] == [18, 18, 13]
    assert [d.data.ulen for d in datagrams] == [18, 18, 13]
    assert all(transport_sum(A6, B6, 17, f[40:]) == 0xFFFF for f in frames)


def test_udp_without_checksum_stays_so() -> None:
    packet = Packet(build_ipv4(A, B, 17, 33) + build_udp(5, 6, 25), (bytes(25),))
    packet.gso_size = 10
    assert all(frame[26:28] == b"\0\0" for frame in flatten(packet))


def test_partial_checksum_over_an_odd_length() -> None:
    payload = b"odd"
    udp = build_udp(5, 6, 3, pseudo_sum(A, B, 17, 11))
    ip = build_ipv4(A, B, 17, 11)
    packet = Packet(ip + udp, (payload,), 0, 0, CSUM_PARTIAL, 20, 6)
    (frame,) = flatten(packet)
    assert transport_sum(A, B, 17, frame[20:]) == 0xFFFF
    assert frame[:26] + frame[28:] == ip + udp[:6] + payload


def test_checksum_zero_is_sent_as_all_ones_by_udp_alone() -> None:
    """The payload makes the sum 0xFFFF, whose complement is 0."""
    base = pseudo_sum(A, B, 17, 10)
    rest = 0xFFFF - (base + 5 + 6 + 10) % 65535
    udp = build_udp(5, 6, 2, base) + rest.to_bytes(2, "big")
    packet = Packet(build_ipv4(A, B, 17, 10) + udp, (), 0, 0, CSUM_PARTIAL, 20, 6)
    assert flatten(packet)[0][26:28] == b"\xff\xff"
    packet.gso_size = 10
    assert flatten(packet)[0][26:28] == b"\xff\xff"
    # the same bytes with the field elsewhere: 0 stays 0
    other = Packet(packet.head, (), 0, 0, CSUM_PARTIAL, 20, 4)
    data = bytearray(other.head)
    data[24:26], data[26:28] = b"\0\0", base.to_bytes(2, "big")
    other.head = bytes(data)
    field = 0xFFFF ^ naive_sum(other.head[20:])
    assert flatten(other)[0][24:26] == field.to_bytes(2, "big")


def test_tcp_checksum_zero_stays_zero() -> None:
    packet = tcp_packet(b"\0\0", 0)
    (frame,) = flatten(packet)
    rest = int.from_bytes(frame[36:38], "big")
    (frame,) = flatten(tcp_packet(rest.to_bytes(2, "big"), 0))
    assert frame[36:38] == b"\0\0"
    assert transport_sum(A, B, 6, frame[20:]) == 0xFFFF


def test_whole_packets_are_left_alone() -> None:
    assert flatten(Packet(b"head", (b"body",))) == [b"headbody"]
    assert flatten(Packet(b"head", csum=CSUM_VALID)) == [b"head"]


def test_padding_is_not_payload() -> None:
    packet = tcp_packet(bytes(20), 8)
    expected = flatten(packet)
    assert flatten(Packet(packet.join() + b"\0" * 6, (), 0, 8)) == expected


@pytest.mark.parametrize(
    "packet",
    [
        Packet(bytes(30), (), 0, 0, CSUM_PARTIAL, 20, 16),
        Packet(b"", gso_size=5),
        Packet(bytes(60), gso_size=5),
        Packet(b"\x45" + bytes(10), gso_size=5),
        Packet(b"\x60" + bytes(30), gso_size=5),
        Packet(ETHER + b"\x45", gso_size=5),
        Packet(ETHER[:12] + ETHERTYPE_ARP.to_bytes(2, "big") + bytes(40), gso_size=5),
        Packet(build_ipv4(A, B, 1, 20) + bytes(20), gso_size=5),
        Packet(build_ipv4(A, B, 6, 20) + bytes(20), gso_size=5),
        Packet(build_ipv4(A, B, 1, 20) + bytes(20), (), 0, 5, CSUM_PARTIAL, 20, 2),
        Packet(build_ipv4(A, B, 6, 20) + bytes(10), gso_size=5),
        # the transport header within IPv6's
        Packet(b"\x60" + bytes(79), (), 0, 5, CSUM_PARTIAL, 20, 6),
        Packet(build_ipv4(A, B, 6, 4) + tcp.build_tcp(1, 2, 3, 4, 0, 5), gso_size=5),
    ],
)
def test_what_cannot_be_cut_or_completed(packet: Packet) -> None:
    with pytest.raises(WireError) as caught:
        flatten(packet)
    assert isinstance(caught.value, MalformedError | TruncatedError)


def test_what_a_segment_with_such_headers_carries() -> None:
    for v4, top in ((True, 40), (False, 60)):
        ends = ("10.0.0.1", "10.0.0.2") if v4 else ("fd00::1", "fd00::2")
        packet = craft.tcp_packet((ends[0], 1), (ends[1], 2), payload=bytes(3000))
        assert cut_size(bytes(14) + packet, 14, 1500) == 1500 - top
        udp = craft.udp_packet((ends[0], 1), (ends[1], 2), bytes(3000))
        for other in (udp, packet[:30], b"", packet[: top - 1], bytes(3000)):
            with pytest.raises(MalformedError):
                cut_size(other, 0, 1500)
        with pytest.raises(MalformedError):
            cut_size(packet, 0, top)


@pytest.mark.parametrize("v4", [True, False])
@pytest.mark.parametrize("kind", [craft.tcp_packet, craft.udp_packet])
def test_an_unfinished_checksum_is_found(kind: Callable[..., bytes], v4: bool) -> None:
    ends = ("10.0.0.1", "10.0.0.2") if v4 else ("fd00::1", "fd00::2")
    whole = kind((ends[0], 1), (ends[1], 2), payload=b"payload")
    start, size = (20, 4) if v4 else (40, 16)
    protocol, offset = (6, 16) if kind is craft.tcp_packet else (17, 6)
    place = start + offset
    addresses = whole[start - 2 * size : start]
    base = pseudo_sum(
        addresses[:size], addresses[size:], protocol, len(whole) - start
    ).to_bytes(2, "big")
    packet = Packet(bytes(14) + whole[:place] + base + whole[place + 2 :])
    assert note_partial(packet, 14)
    assert flatten(packet) == [bytes(14) + whole]
    # one that is finished, or a tunnel's, whose field says something else
    for other in (whole, whole[:place] + b"\0\0" + whole[place + 2 :], whole[:25], b""):
        packet = Packet(bytes(14) + other)
        assert not note_partial(packet, 14)
        assert packet.csum == CSUM_NONE
