"""What the way in remembers of a flow of datagrams, and what makes it forget."""

from __future__ import annotations

import pytest

from sansio_net import Packet
from sansio_net.addresses import BROADCAST_MAC, pack_ip
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import udp_packet as craft
from sansio_net.wire.ethernet import ETHERTYPE_IPV6, build_ethernet

from .bench import MAC, PEER, PEER_MAC, US, Bench, ethernet, udp_packet


def got(socket: UdpSocket) -> list[bytes]:
    out = []
    while (datagram := socket.receive()) is not None:
        out.append(datagram.data)
    return out


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.nic.arp.add_static("10.0.0.1", PEER_MAC)  # type: ignore[union-attr]
    return bench


def test_a_flow_is_found_out_once(bench: Bench) -> None:
    socket = bench.stack.udp_bind(("", 7))
    for n in range(3):
        bench.turn(ethernet(udp_packet(b"%d" % n, 5000, 7)))
    assert got(socket) == [b"0", b"1", b"2"]
    flow = socket, ("10.0.0.1", 5000), ("10.0.0.2", 7)
    assert bench.nic.known.flows == {PEER + US + b"\x13\x88\0\7": flow}


def test_one_that_is_bound_better_takes_over(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"x", 5000, 7))
    first = bench.stack.udp_bind(("", 7))
    bench.turn(frame)
    better = bench.stack.udp_bind(("10.0.0.2", 7))
    bench.turn(frame, frame)
    best = bench.stack.udp_bind(("", 7), peer=("10.0.0.1", 5000))
    bench.turn(frame)
    assert (got(first), got(better), got(best)) == ([b"x"], [b"x", b"x"], [b"x"])
    best.close()
    bench.turn(frame)
    better.close()
    bench.turn(frame)
    assert got(first) == [b"x"]


def test_a_closed_one_gets_nothing(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"x", 5000, 7))
    socket = bench.stack.udp_bind(("", 7))
    bench.turn(frame)
    socket.close()
    assert bench.turn(frame)  # port unreachable
    assert bench.stack.counters()["drop.udp_no_socket"] == 1


def test_an_address_that_goes_is_not_ours_any_more(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"x", 5000, 7))
    socket = bench.stack.udp_bind(("", 7))
    bench.turn(frame)
    bench.nic.remove_address("10.0.0.2/24")
    bench.turn(frame)
    assert got(socket) == [b"x"]
    assert bench.stack.counters()["drop.not_for_us"] == 1


def test_a_source_that_becomes_ours_is_spoofed(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"x", 5000, 7))
    socket = bench.stack.udp_bind(("", 7))
    bench.turn(frame)
    bench.nic.add_address("10.0.0.1/24")
    bench.turn(frame)
    assert got(socket) == [b"x"]
    assert bench.stack.counters()["drop.ip_bad_source"] == 1


def test_unicast_in_a_broadcast_frame_is_dropped_all_the_same(bench: Bench) -> None:
    packet = udp_packet(b"x", 5000, 7)
    socket = bench.stack.udp_bind(("", 7))
    bench.turn(ethernet(packet), ethernet(packet, destination=BROADCAST_MAC))
    assert got(socket) == [b"x"]  # RFC 1122 3.3.6
    assert bench.stack.counters()["drop.not_for_us"] == 1


def test_a_wrong_checksum_of_a_known_flow_is_seen(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"xx", 5000, 7))
    socket = bench.stack.udp_bind(("", 7))
    bench.turn(frame, frame[:-2] + b"xy")
    assert got(socket) == [b"xx"]
    assert bench.stack.counters()["drop.udp_bad_checksum"] == 1


def test_sockets_that_share_a_port_share_flows_as_before(bench: Bench) -> None:
    sockets = [bench.stack.udp_bind(("", 7), reuse=True) for _ in range(2)]
    frames = [ethernet(udp_packet(b"x", port, 7)) for port in range(5000, 5016)]
    bench.turn(*frames, *frames)
    assert not bench.nic.known.flows
    assert all(len(got(socket)) % 2 == 0 for socket in sockets)


def test_raw_sockets_see_known_flows(bench: Bench) -> None:
    frame = ethernet(udp_packet(b"x", 5000, 7))
    bench.stack.udp_bind(("", 7))
    bench.turn(frame)
    raw = bench.stack.raw_open(17)
    bench.turn(frame)
    assert raw.receive() is not None


def test_known_flows_and_pairs_are_bounded() -> None:
    bench = Bench(StackConfig(max_hops=4))
    bench.stack.udp_bind(("", 7))
    for n in range(16):
        source = pack_ip(f"10.0.0.{100 + n}")
        bench.turn(ethernet(udp_packet(b"x", 5000, 7, src=source)))
        assert len(bench.nic.known.flows) <= 4
        assert len(bench.nic.known.pairs) <= 4
    for port in range(16):
        bench.turn(ethernet(udp_packet(b"x", 6000 + port, 7)))
        assert len(bench.nic.known.flows) <= 4


def test_flows_of_ipv6() -> None:
    bench = Bench()
    bench.nic.add_address("fd00::2/64", probe=False)
    socket = bench.stack.udp_bind(("", 7))
    packet = craft(("fd00::1", 5000), ("fd00::2", 7), b"six")
    frame = build_ethernet(MAC, PEER_MAC, ETHERTYPE_IPV6) + packet
    bench.turn(frame)
    bench.turn(Packet(frame))
    assert got(socket) == [b"six", b"six"]
    (key,) = bench.nic.known.flows
    assert key == frame[22:58]
    bench.nic.remove_address("fd00::2/64")
    bench.turn(frame)
    assert not got(socket)
