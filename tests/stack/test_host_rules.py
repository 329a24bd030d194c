"""What RFC 1122 asks of a host, where several parts have to agree."""

from __future__ import annotations

import errno

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.errors import AddressNotAvailableError, Unreachable
from sansio_net.stack import EchoFailed, StackConfig, UdpError
from sansio_net.stack.fragments import fragment
from sansio_net.units import SECOND
from sansio_net.wire.icmp import (
    ECHO_REPLY,
    ECHO_REQUEST,
    TIME_EXCEEDED,
    build_icmp,
    parse_icmp,
)
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import ACK

from .bench import US, Bench, ethernet, ipv4_packet, seeded, tcp_packet, udp_packet

BROADCAST = pack_ip("10.0.0.255")


def test_a_loopback_source_never_leaves_the_host() -> None:
    """3.2.1.3 (g)"""
    bench = Bench()
    sock = bench.stack.udp_bind(("127.0.0.1", 5))
    with pytest.raises(AddressNotAvailableError):
        sock.send_to(b"x", ("10.0.0.1", 9))
    with pytest.raises(AddressNotAvailableError):
        bench.stack.tcp_connect(("10.0.0.1", 9), local=("127.0.0.1", 0))
    sock.send_to(b"x", ("10.0.0.2", 9))  # that stays inside
    # nor does a loopback destination come from outside, on a weak host either
    weak = Bench(StackConfig(weak_host=True))
    other = weak.stack.udp_bind(("", 7))
    weak.settle(ethernet(udp_packet(b"x", 5, 7, dst=pack_ip("127.0.0.1"))))
    assert weak.dropped() == {"not_for_us": 1}
    assert other.receive() is None


@pytest.mark.parametrize("peer", ["255.255.255.255", "10.0.0.255", "224.0.0.1"])
def test_no_connection_to_more_than_one_host(peer: str) -> None:
    """4.2.3.10"""
    bench = Bench()
    with pytest.raises(Unreachable) as caught:
        bench.stack.tcp_connect((peer, 80), nic=bench.nic)
    assert caught.value.errno == errno.ENETUNREACH


def test_the_unspecified_address_is_no_peer() -> None:
    stack = seeded()
    stack.add_interface(addresses=["10.0.0.2/24"])
    stack.add_route("default", via="10.0.0.1")
    with pytest.raises(ValueError, match="peer"):
        stack.tcp_connect(("0.0.0.0", 80))
    with pytest.raises(ValueError, match="peer"):
        stack.udp_bind(("", 0), peer=("0.0.0.0", 80))


def test_a_segment_in_a_link_broadcast_is_dropped() -> None:
    """3.3.6; also for a connection that stands"""
    bench = Bench()
    connection = bench.established()
    ack, lport = connection.sender.snd_nxt, connection.local[1]
    packet = tcp_packet(80, lport, 1001, ack, ACK, b"data")
    bench.settle(ethernet(packet, destination=b"\xff" * 6))
    assert connection.pending == 0
    assert bench.dropped() == {"not_for_us": 1}


def first_fragment(dst: bytes = US) -> bytes:
    whole = udp_packet(bytes(2000), 5000, 7, dst=dst)
    return ethernet(
        fragment(whole[:20], whole[20:], 576)[0],
        *((b"\xff" * 6,) if dst != US else ()),
    )


def test_no_time_exceeded_about_a_broadcast() -> None:
    """3.2.2"""
    bench = Bench()
    bench.settle(first_fragment(BROADCAST))
    assert bench.wait(200 * SECOND) == []
    assert bench.dropped() == {"reassembly_timeout": 1, "icmp_never_about": 1}


def test_time_exceeded_comes_from_the_address_that_was_asked() -> None:
    """3.2.2"""
    bench = Bench()
    bench.nic.add_address("10.0.0.3/24")
    bench.settle(
        first_fragment(pack_ip("10.0.0.3")).replace(b"\xff" * 6, bench.nic.mac)
    )
    (answer,) = bench.wait(200 * SECOND)
    assert parse_ipv4(answer, 14).source == pack_ip("10.0.0.3")


def test_time_exceeded_is_not_late_when_fragments_keep_coming() -> None:
    """3.3.2: a fragment that arrives at the very time must not swallow the timeout"""
    bench = Bench()
    bench.settle(first_fragment())
    bench.now += 61 * SECOND
    whole = ipv4_packet(bytes(64), 17, identification=7)
    other = ethernet(fragment(whole[:20], whole[20:], 68)[0])
    frames = [frame for frame in bench.settle(other) if frame[23] == 1]
    assert [parse_icmp(frame, 34).type for frame in frames] == [TIME_EXCEEDED]


def test_an_answer_nobody_could_take_concerns_no_ping_of_ours() -> None:
    bench = Bench()
    echo = bench.stack.echo_open()
    echo.identifier, bench.stack.socket_table.echoes = 0, {0: echo}
    request = build_icmp(ECHO_REQUEST, 0, b"\0\0\0\x05", b"hello")
    src = pack_ip("10.0.0.77")  # who does not answer ARP
    bench.settle(ethernet(ipv4_packet(request, 1, src=src)))
    bench.wait(5 * SECOND)
    # and a later fragment of ours has no identifier at all
    piece = ipv4_packet(b"x" * 16, 1, src=US, dst=src, fragment_offset=64)
    error = build_icmp(TIME_EXCEEDED, 0, bytes(4), piece)
    bench.settle(ethernet(ipv4_packet(error, 1)))
    # while this is one
    request = ipv4_packet(request, 1, src=US, dst=src)
    error = build_icmp(TIME_EXCEEDED, 0, bytes(4), request)
    bench.settle(ethernet(ipv4_packet(error, 1)))
    failed = [event for event in bench.events if isinstance(event, EchoFailed)]
    assert [event.sequence for event in failed] == [5]
    reply = build_icmp(ECHO_REPLY, 0, b"\0\0\0\x05", b"hello")
    bench.settle(ethernet(ipv4_packet(reply, 1)))
    assert bench.kinds()[-1] == "EchoReplied"


def test_a_connected_socket_sends_from_where_it_is_bound() -> None:
    """4.1.3.5"""
    bench = Bench()
    bench.nic.add_address("10.0.0.3/24")
    sock = bench.stack.udp_bind(("10.0.0.3", 5), peer=("10.0.0.1", 9))
    sock.send(b"x")
    (frame,) = bench.settle()
    assert parse_ipv4(frame, 14).source == pack_ip("10.0.0.3")


def test_an_error_finds_the_socket_that_is_bound_to_the_interface() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5), nic=bench.nic)
    sock.send_to(b"x", ("10.0.0.77", 9))
    bench.wait(5 * SECOND)
    assert [e.sock for e in bench.events if isinstance(e, UdpError)] == [sock]
