"""Directed and limited broadcast, out and in (RFC 919, RFC 922, RFC 1122 3.3.6)."""

from __future__ import annotations

import pytest

from sansio_net.addresses import BROADCAST_MAC
from sansio_net.errors import BroadcastError, Unreachable
from sansio_net.testing.craft import tcp_packet, udp_packet
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import SYN

from .bench import US, Bench, ethernet

BOTH = pytest.mark.parametrize("to", ["10.0.0.255", "255.255.255.255"])


def bench() -> Bench:
    made = Bench()
    made.stack.add_route("default", via="10.0.0.1")
    made.settle()
    return made


@BOTH
def test_only_who_says_so_may_send(to: str) -> None:
    made = bench()
    sock = made.stack.udp_bind(("", 7))
    with pytest.raises(BroadcastError):
        sock.send_to(b"x", (to, 9))
    assert made.settle() == []
    sock.set(broadcast=True)
    sock.send_to(b"x", (to, 9))
    (frame,) = made.settle()
    header = parse_ipv4(frame, 14)
    assert frame[:6] == BROADCAST_MAC
    assert (header.source, header.ttl) == (US, 64)
    sock.set(broadcast=False)
    with pytest.raises(BroadcastError):
        sock.send_to(b"x", (to, 9))


@BOTH
def test_a_big_one_leaves_in_fragments(to: str) -> None:
    made = bench()
    sock = made.stack.udp_bind(("", 7), broadcast=True)
    sock.send_to(bytes(4000), (to, 9))
    frames = made.settle()
    assert [frame[:6] for frame in frames] == [BROADCAST_MAC] * 3


@BOTH
def test_heard_at_home(to: str) -> None:
    """As Linux has it: by all sockets that fit, the sender's own among them."""
    made = bench()
    sock = made.stack.udp_bind(("", 7), broadcast=True)
    other = made.stack.udp_bind(("10.0.0.2", 7))
    sock.send_to(bytes(3000), (to, 7))
    assert len(made.settle()) == 3
    for each in (sock, other):
        datagram = each.receive()
        assert datagram is not None
        assert (datagram.data, datagram.source) == (bytes(3000), ("10.0.0.2", 7))
        assert datagram.destination == (to, 7)
        assert each.receive() is None


@BOTH
def test_no_connection_to_all(to: str) -> None:
    """RFC 9293 MUST-46, MUST-57."""
    made = bench()
    with pytest.raises(Unreachable):
        made.stack.tcp_connect((to, 80))
    made.stack.tcp_listen(("", 80))
    segment = tcp_packet(("10.0.0.1", 4000), (to, 80), flags=SYN)
    assert made.settle(ethernet(segment, BROADCAST_MAC)) == []
    assert made.dropped() == {"tcp_not_unicast": 1}


def test_without_a_route_by_the_interface_that_is_named() -> None:
    made = Bench()
    made.settle()
    free = made.stack.udp_bind(("", 7), broadcast=True)
    with pytest.raises(Unreachable):
        free.send_to(b"x", ("255.255.255.255", 9))
    bound = made.stack.udp_bind(("", 8), broadcast=True, nic=made.nic)
    bound.send_to(b"x", ("255.255.255.255", 9))
    assert [frame[:6] for frame in made.settle()] == [BROADCAST_MAC]


def test_each_subnet_has_its_own() -> None:
    made = bench()
    made.nic.add_address("172.16.0.1/20")
    made.settle()
    sock = made.stack.udp_bind(("", 7), broadcast=True)
    sock.send_to(b"x", ("172.16.15.255", 9))
    (frame,) = made.settle()
    assert frame[:6] == BROADCAST_MAC
    assert parse_ipv4(frame, 14).source == bytes((172, 16, 0, 1))
    sock.set(broadcast=False)
    sock.send_to(b"x", ("172.16.0.255", 9))  # a host's, with 20 bits
    with pytest.raises(BroadcastError):
        sock.send_to(b"x", ("172.16.15.255", 9))


@pytest.mark.parametrize(
    ("to", "heard"),
    [
        ("10.0.0.255", 2),
        ("255.255.255.255", 2),
        ("10.0.1.255", 0),
        ("10.255.255.255", 0),
    ],
)
def test_who_hears_what_comes(to: str, heard: int) -> None:
    made = bench()
    any_address = made.stack.udp_bind(("", 7))
    ours = made.stack.udp_bind(("10.0.0.2", 7))
    elsewhere = made.stack.udp_bind(("127.0.0.1", 7))
    made.settle(ethernet(udp_packet(("10.0.0.1", 9), (to, 7), b"x"), BROADCAST_MAC))
    received = [one.receive() is not None for one in (any_address, ours, elsewhere)]
    assert received == [heard > 0, heard > 1, False]
    assert made.dropped() == ({} if heard else {"not_for_us": 1})


def test_a_socket_on_the_broadcast_address() -> None:
    """It hears that address alone, and sends from one of ours."""
    made = bench()
    sock = made.stack.udp_bind(("10.0.0.255", 7))
    for to in ("10.0.0.255", "255.255.255.255", "10.0.0.2"):
        packet = udp_packet(("10.0.0.1", 9), (to, 7), to.encode())
        mac = ethernet(packet) if to == "10.0.0.2" else ethernet(packet, BROADCAST_MAC)
        made.settle(mac)
    datagram = sock.receive()
    assert datagram is not None
    assert datagram.data == b"10.0.0.255"
    assert sock.receive() is None
    sock.send_to(b"x", ("10.0.0.1", 9))
    frame = made.settle()[-1]
    assert parse_ipv4(frame, 14).source == US
