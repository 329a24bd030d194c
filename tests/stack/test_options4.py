"""IPv4 options in the Stack: filled in, sent back, passed up, sent, refused."""

from __future__ import annotations

import pytest

from sansio_net import Medium
from sansio_net.stack import UdpReceived
from sansio_net.stack.fragments import fragment
from sansio_net.testing.craft import ip_packet
from sansio_net.wire.icmp import ECHO_REPLY, ECHO_REQUEST, build_icmp
from sansio_net.wire.ipv4 import MF, PROTO_ICMP, PROTO_UDP, parse_ipv4
from sansio_net.wire.ipv4_options import NOT_MIDNIGHT
from sansio_net.wire.tcp import SYN
from sansio_net.wire.udp import build_udp

from .bench import PEER, US, Bench, tcp_packet

ROUTE = bytes((7, 39, 8)) + PEER + bytes(32) + bytes(1)
SHORT = bytes((7, 7, 8)) + PEER + bytes((1,))
TIMES = bytes((68, 20, 13, 1)) + PEER + bytes(4) + bytes(8)


def echo(options: bytes, destination: str = "10.0.0.2", size: int = 56) -> bytes:
    message = build_icmp(ECHO_REQUEST, 0, b"\0\7\0\1", bytes(size))
    return ip_packet("10.0.0.1", destination, PROTO_ICMP, message, options=options)


def bare() -> Bench:
    bench = Bench(medium=Medium.IP)
    bench.settle()
    return bench


def datagram(options: bytes) -> bytes:
    payload = build_udp(4000, 53, 4) + b"text"
    return ip_packet("10.0.0.1", "10.0.0.2", PROTO_UDP, payload, options=options)


def test_a_recorded_route_holds_the_whole_round_trip() -> None:
    """RFC 1122 3.2.2.6; like Linux, once where it came and once where it starts."""
    (reply,) = bare().settle(echo(ROUTE))
    header = parse_ipv4(reply)
    assert header.options == bytes((7, 39, 16)) + PEER + US + US + bytes(25)
    assert reply[header.header_length] == ECHO_REPLY
    assert header.payload_length == 64


def test_a_timestamp_as_well() -> None:
    bench = bare()
    (reply,) = bench.settle(echo(TIMES))
    time = (NOT_MIDNIGHT | bench.now // 1_000_000).to_bytes(4, "big")
    options = parse_ipv4(reply).options
    # there was room for one of the two, and the other is counted
    assert options == bytes((68, 20, 21, 0x11)) + TIMES[4:12] + US + time


@pytest.mark.parametrize(
    ("asked", "replied"),
    [
        # room for one address and a byte; no overflow left to count; half a stamp
        (bytes((7, 8, 4)) + bytes(5), bytes((7, 8, 8)) + US + bytes(1)),
        (bytes((68, 4, 5, 0xE0)), bytes((68, 4, 5, 0xF0))),
        (bytes((68, 12, 5, 1)) + bytes(8), None),
        (bytes((68, 16, 5, 1)) + bytes(12), None),
    ],
)
def test_what_the_way_in_has_filled(asked: bytes, replied: bytes | None) -> None:
    (reply,) = bare().settle(echo(asked))
    options = parse_ipv4(reply).options
    assert replied is None or options == replied


def test_a_reply_in_fragments_carries_the_route_once() -> None:
    first, *others = bare().settle(*fragments(echo(ROUTE, size=2000)))
    assert parse_ipv4(first).options[:11] == bytes((7, 39, 16)) + PEER + US
    assert others
    assert all(parse_ipv4(other).options == b"" for other in others)


def fragments(packet: bytes) -> list[bytes]:
    size = parse_ipv4(packet).header_length
    return fragment(packet[:size], packet[size:], 1500)


def test_options_of_a_later_piece_alone() -> None:
    """RFC 791 3.2: the first piece's header is the packet's."""
    message = build_icmp(ECHO_REQUEST, 0, b"\0\7\0\1", bytes(24))
    ends = "10.0.0.1", "10.0.0.2", PROTO_ICMP
    first = ip_packet(*ends, message[:16], flags=MF)
    last = ip_packet(*ends, message[16:], fragment_offset=16, options=ROUTE)
    (reply,) = bare().settle(first, last)
    assert parse_ipv4(reply).options == b""


def test_a_reply_without_options_follows_one_with_them() -> None:
    _, second = bare().settle(echo(ROUTE), echo(b""))
    assert parse_ipv4(second).options == b""


def test_a_group_records_an_address_of_ours() -> None:
    bench = bare()
    bench.stack.config.icmp.echo_ignore_broadcasts = False
    (reply,) = bench.settle(echo(ROUTE, "10.0.0.255"))
    assert parse_ipv4(reply).options[7:15] == US + US


def test_the_application_sees_them() -> None:
    bench = bare()
    sock = bench.stack.udp_bind(("", 53))
    bench.settle(datagram(bytes((148, 4, 0, 0)) + SHORT), datagram(b""))
    assert isinstance(bench.events[-1], UdpReceived)
    first, second = sock.receive(), sock.receive()
    assert first is not None
    assert second is not None
    assert first.options[:4] == bytes((148, 4, 0, 0))
    assert second.options == b""


def test_the_application_sends_them() -> None:
    bench = bare()
    sock = bench.stack.udp_bind(("", 53))
    route = bytes((7, 11, 4)) + bytes(8)
    sock.send_to(b"text", ("10.0.0.1", 9), options=route)
    (packet,) = bench.settle()
    header = parse_ipv4(packet)
    assert header.options == bytes((7, 11, 8)) + US + bytes(5)
    assert packet[-4:] == b"text"
    with pytest.raises(ValueError, match="source routes"):
        sock.send_to(b"", ("10.0.0.1", 9), options=bytes((131, 7, 4)) + US)
    with pytest.raises(ValueError, match="IPv6"):
        sock.send_to(b"", ("fd00::1", 9), options=route)


def test_a_big_datagram_with_options() -> None:
    bench = bare()
    sock = bench.stack.udp_bind(("", 53))
    alert = bytes((148, 4, 0, 0))
    sock.send_to(bytes(3000), ("10.0.0.1", 9), options=SHORT + alert)
    pieces = bench.settle()
    headers = [parse_ipv4(piece) for piece in pieces]
    assert all(len(piece) <= 1500 for piece in pieces)
    # RFC 791 3.1: only some are copied
    assert [header.options[-4:] for header in headers] == [alert] * 3
    assert sum(header.payload_length for header in headers) == 3008


@pytest.mark.parametrize("kind", [131, 137])
def test_source_routes_are_refused_in_silence(kind: int) -> None:
    bench = bare()
    assert bench.settle(echo(bytes((kind, 7, 8)) + US)) == []
    assert bench.dropped() == {"ip_source_route": 1}


def test_the_sender_hears_what_is_wrong() -> None:
    """RFC 1122 3.2.2.5; but never about what came to all."""
    bench = bare()
    (error,) = bench.settle(echo(bytes((7, 7, 5)) + bytes(5)))
    assert error[20:22] == bytes((12, 0))
    assert error[24] == 22  # the pointer
    assert error[28:].startswith(echo(bytes((7, 7, 5)) + bytes(5))[:40])
    assert bench.settle(echo(bytes((7, 7, 5)) + bytes(5), "10.0.0.255")) == []
    assert bench.settle(echo(bytes((7, 0)), "10.0.0.77")) == []
    assert bench.dropped() == {
        "ip_bad_options": 2,
        "icmp_never_about": 1,
        "not_for_us": 1,
    }


def test_a_segment_with_options() -> None:
    """RFC 1122 4.2.3.8: both are passed over."""
    bench = bare()
    bench.stack.tcp_listen(("", 80))
    plain = tcp_packet(1, 80, 5, 0, SYN)
    packet = ip_packet("10.0.0.1", "10.0.0.2", 6, plain[20:], options=ROUTE)
    (answer,) = bench.settle(packet)
    assert answer[33] & 0x12 == 0x12
    assert parse_ipv4(answer).options == b""


@pytest.mark.parametrize(("offset", "size"), [(0, 8), (0, 16), (8, 24)])
def test_tiny_fragments(offset: int, size: int) -> None:
    """RFC 1858 3.2, RFC 3128 3: of TCP alone."""
    bench = bare()
    for protocol in (6, 17):
        piece = ip_packet(
            PEER, US, protocol, bytes(size), flags=1, fragment_offset=offset
        )
        assert bench.settle(piece) == []
    assert bench.dropped() == {"fragment_tiny": 1}
    assert len(bench.stack.reassembler) == 1
