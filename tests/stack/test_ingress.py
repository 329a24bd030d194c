"""What is dropped on the way in, and with which reason; what gets an answer."""

from __future__ import annotations

import pytest

from sansio_net import Medium, Packet
from sansio_net.addresses import pack_ip
from sansio_net.packet import CSUM_PARTIAL, PacketInfo
from sansio_net.stack import UdpReceived
from sansio_net.wire.icmp import (
    ECHO_REQUEST,
    PORT_UNREACHABLE,
    PROTOCOL_UNREACHABLE,
    UNREACHABLE,
    build_icmp,
    parse_icmp,
    parse_quoted,
)
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, parse_tcp
from sansio_net.wire.vnet import parse_vnet

from .bench import (
    MAC,
    PEER,
    PEER_MAC,
    US,
    Bench,
    ethernet,
    ipv4_packet,
    tcp_packet,
    udp_packet,
)

ECHO = build_icmp(ECHO_REQUEST, 0, b"\0\x01\0\x01", b"hello")
GOOD = udp_packet(b"x", 5000, 7)


def flip(packet: bytes, at: int, bits: int = 0xFF) -> bytes:
    return packet[:at] + bytes((packet[at] ^ bits,)) + packet[at + 1 :]


def checksummed(header: bytes) -> bytes:
    """The IPv4 header with its checksum made right again."""
    from sansio_net.wire.checksum import checksum

    zeroed = header[:10] + b"\0\0" + header[12:]
    return zeroed[:10] + checksum(zeroed).to_bytes(2, "big") + zeroed[12:]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\0" * 13, "frame_truncated"),
        (ethernet(GOOD, destination=b"\x02\0\0\0\0\x77"), "other_host"),
        (MAC + PEER_MAC + b"\x88\xcc" + b"\0" * 46, "unknown_ethertype"),
        (MAC + PEER_MAC + b"\x81\0\0\x07\x08\0" + GOOD, "vlan"),
        (MAC + PEER_MAC + b"\x81\0\x11\0\x08\0" + GOOD, "vlan"),
        (ethernet(GOOD[:19]), "ip_truncated"),
        (ethernet(GOOD[:-1]), "ip_truncated"),
        (ethernet(b"\x55" + GOOD[1:]), "ip_bad_header"),
        (ethernet(b"\x44" + GOOD[1:]), "ip_bad_header"),
        (ethernet(flip(GOOD, 8)), "ip_bad_checksum"),
        (ethernet(flip(GOOD, 28)), "udp_bad_checksum"),
        (ethernet(udp_packet(b"x", 5000, 0)), "udp_no_socket"),
        (ethernet(ipv4_packet(b"\0" * 7, 17)), "udp_malformed"),
        (ethernet(ipv4_packet(b"\0\1\0\7\0\x20\0\0", 17)), "udp_malformed"),
        (ethernet(GOOD), "udp_no_socket"),
        (ethernet(tcp_packet(1, 2, 3, 4, RST)), "tcp_no_socket"),
        (ethernet(flip(tcp_packet(1, 2, 3, 4, SYN), 39)), "tcp_bad_checksum"),
        (ethernet(ipv4_packet(b"\0" * 19, 6)), "tcp_malformed"),
        (ethernet(ipv4_packet(b"x", 200)), "unknown_protocol"),
        (ethernet(udp_packet(b"x", 1, 2, dst=pack_ip("10.0.0.3"))), "not_for_us"),
        (ethernet(udp_packet(b"x", 1, 2, dst=pack_ip("224.0.0.9"))), "not_for_us"),
        (ethernet(udp_packet(b"x", 1, 2, src=US)), "ip_bad_source"),
        (ethernet(udp_packet(b"x", 1, 2, src=pack_ip("127.0.0.1"))), "ip_bad_source"),
        (ethernet(udp_packet(b"x", 1, 2, src=pack_ip("224.0.0.1"))), "ip_bad_source"),
        (ethernet(udp_packet(b"x", 1, 2, src=pack_ip("10.0.0.255"))), "ip_bad_source"),
        (ethernet(udp_packet(b"x", 1, 2, src=bytes(4))), "ip_bad_source"),
        (
            ethernet(ipv4_packet(b"x", 17, options=b"\x83\x07\x04\0\0\0\0\0")),  # type: ignore[arg-type]
            "ip_source_route",
        ),
        (
            ethernet(ipv4_packet(b"x", 17, options=b"\x07\x00\0\0")),  # type: ignore[arg-type]
            "ip_bad_options",
        ),
        (
            ethernet(tcp_packet(1, 2, 3, 4, SYN, dst=b"\x0a\0\0\xff"), b"\xff" * 6),
            "tcp_not_unicast",
        ),
        (ethernet(ipv4_packet(flip(ECHO, 9), 1)), "icmp_bad_checksum"),
        (b"\xff" * 6 + PEER_MAC + b"\x08\x06" + b"\0" * 20, "arp_malformed"),
    ],
)
def test_dropped_with_its_reason(frame: bytes, reason: str) -> None:
    bench = Bench()
    bench.settle()
    bench.settle(frame)
    assert bench.dropped() == {reason: 1}
    assert bench.events[1:] == []  # AddressAdded came before


def test_link_down_drops_and_counts() -> None:
    bench = Bench()
    bench.nic.carrier(False)
    bench.settle(ethernet(GOOD))
    assert bench.dropped() == {"link_down": 1}
    assert bench.kinds() == ["AddressAdded", "LinkDown"]


def test_ethernet_padding_is_cut_off() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    bench.settle(ethernet(GOOD) + b"\xee" * 30)
    datagram = sock.receive()
    assert datagram is not None
    assert datagram.data == b"x"
    assert datagram.source == ("10.0.0.1", 5000)
    assert datagram.destination == ("10.0.0.2", 7)


def test_priority_tag_is_no_vlan() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    bench.settle(MAC + PEER_MAC + b"\x81\0\xe0\0\x08\0" + GOOD)
    assert sock.receive() is not None


def test_a_tag_beside_the_frame_is_a_tag() -> None:
    bench = Bench()
    bench.stack.udp_bind(("", 7))
    packet = Packet(ethernet(GOOD), info=PacketInfo(vlan=5))
    bench.settle(packet)
    assert bench.dropped() == {"vlan": 1}


def test_a_partial_checksum_is_not_verified() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    wrong = ethernet(flip(GOOD, 27))
    bench.settle(Packet(wrong, csum=CSUM_PARTIAL, csum_start=34, csum_offset=6))
    assert sock.receive() is not None


def test_a_coalesced_receive_is_many_datagrams() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    whole = udp_packet(b"aaaabbbbcc", 5000, 7)
    packet = Packet(ethernet(whole), (), 0, 4, CSUM_PARTIAL, 34, 6)
    bench.settle(packet)
    received = [sock.receive() for _ in range(4)]
    assert [d.data for d in received if d is not None] == [b"aaaa", b"bbbb", b"cc"]
    assert received[3] is None
    assert [e.count for e in bench.events if isinstance(e, UdpReceived)] == [3]


def test_echo_is_answered_and_only_to_unicast() -> None:
    bench = Bench()
    (reply,) = bench.settle(ethernet(ipv4_packet(ECHO, 1, tos=4)))
    header = parse_ipv4(reply, 14)
    assert (header.source, header.destination) == (US, PEER)
    assert parse_icmp(reply, 34).body == b"hello"
    everybody = ipv4_packet(ECHO, 1, dst=b"\x0a\0\0\xff")
    assert bench.settle(ethernet(everybody, b"\xff" * 6)) == []


def test_unreachable_quotes_what_came() -> None:
    bench = Bench()
    (answer,) = bench.settle(ethernet(GOOD))
    error = parse_icmp(answer, 34)
    assert (error.type, error.code) == (UNREACHABLE, PORT_UNREACHABLE)
    quoted = parse_quoted(error.body)
    assert (quoted.source_port, quoted.destination_port) == (5000, 7)
    assert error.body.startswith(GOOD)
    (answer,) = bench.settle(ethernet(ipv4_packet(b"12345678", 200)))
    error = parse_icmp(answer, 34)
    assert (error.type, error.code) == (UNREACHABLE, PROTOCOL_UNREACHABLE)


def test_no_error_about_a_broadcast() -> None:
    bench = Bench()
    frame = ethernet(udp_packet(b"x", 1, 2, dst=b"\x0a\0\0\xff"), b"\xff" * 6)
    assert bench.settle(frame) == []
    assert bench.dropped() == {"udp_no_socket": 1, "icmp_never_about": 1}


def test_reset_answers_a_segment_for_nobody() -> None:
    bench = Bench()
    (answer,) = bench.settle(ethernet(tcp_packet(1, 2, 100, 0, SYN)))
    reset = parse_tcp(answer, 34)
    assert (reset.flags, reset.seq, reset.ack) == (RST | ACK, 0, 101)
    (answer,) = bench.settle(ethernet(tcp_packet(1, 2, 100, 77, ACK | FIN)))
    reset = parse_tcp(answer, 34)
    assert (reset.flags, reset.seq) == (RST, 77)
    assert bench.settle(ethernet(tcp_packet(1, 2, 100, 77, RST | ACK))) == []


def test_fragments_make_a_datagram_in_any_order() -> None:
    from sansio_net.stack.fragments import fragment

    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    whole = udp_packet(bytes(range(256)) * 20, 5000, 7)
    pieces = fragment(whole[:20], whole[20:], 576)
    bench.settle(*(ethernet(piece) for piece in reversed(pieces)))
    datagram = sock.receive()
    assert datagram is not None
    assert datagram.data == bytes(range(256)) * 20


def test_unfinished_fragments_time_out_with_an_error() -> None:
    from sansio_net.stack.fragments import fragment

    bench = Bench()
    whole = udp_packet(bytes(2000), 5000, 7)
    first, *_ = fragment(whole[:20], whole[20:], 576)
    assert bench.settle(ethernet(first)) == []
    (answer,) = bench.wait(200 * 10**9)
    error = parse_icmp(answer, 34)
    assert (error.type, error.code) == (11, 1)
    assert bench.dropped() == {"reassembly_timeout": 1}


def test_ip_medium_takes_bare_packets() -> None:
    bench = Bench(medium=Medium.IP)
    sock = bench.stack.udp_bind(("", 7))
    bench.nic.receive([GOOD, b"", b"\x00", b"\x75"], bench.now)
    assert sock.receive() is not None
    assert bench.dropped() == {"ip_bad_version": 3}


def test_a_frame_with_a_vnet_header() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 7))
    packet = parse_vnet(bytes(10) + ethernet(GOOD))
    bench.settle(packet)
    assert sock.receive() is not None


def test_fragmentation_needed_shrinks_the_segments() -> None:
    from sansio_net.wire.icmp import FRAGMENTATION_NEEDED

    bench = Bench()
    connection = bench.established()
    connection.send(bytes(5000))
    sent = bench.settle()
    assert max(map(len, sent)) == 14 + 1500
    quoted = sent[0][14:42]
    error = build_icmp(UNREACHABLE, FRAGMENTATION_NEEDED, b"\0\0\x02\x40", quoted)
    again = bench.settle(ethernet(ipv4_packet(error, 1)))
    assert max(map(len, again)) <= 14 + 576
    # a forged one, about nothing in flight, changes nothing
    forged = quoted[:24] + b"\x12\x34\x56\x78" + quoted[28:]
    error = build_icmp(UNREACHABLE, FRAGMENTATION_NEEDED, b"\0\0\x02\x30", forged)
    bench.settle(ethernet(ipv4_packet(error, 1)))
    assert bench.dropped() == {"icmp_not_concerning": 1}
    assert connection.mtu == 576
