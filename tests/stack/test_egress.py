"""The way out: neighbours, fragments, bounds, and what a blocked device means."""

from __future__ import annotations

import errno

import pytest

from sansio_net import ASAP
from sansio_net.addresses import pack_ip
from sansio_net.stack import (
    Connected,
    ConnectionLost,
    Event,
    StackConfig,
    UdpError,
    UdpReceived,
)
from sansio_net.units import SECOND
from sansio_net.wire.arp import parse_arp
from sansio_net.wire.ethernet import ETHERTYPE_ARP, parse_ethernet
from sansio_net.wire.icmp import ECHO_REQUEST, parse_icmp
from sansio_net.wire.ipv4 import DF, MF, parse_ipv4
from sansio_net.wire.tcp import SYN, parse_tcp
from sansio_net.wire.udp import parse_udp

from .bench import PEER, PEER_MAC, US, Bench, ethernet, udp_packet


def is_arp(frame: bytes) -> bool:
    return parse_ethernet(frame).ethertype == ETHERTYPE_ARP


def test_a_datagram_waits_for_its_neighbour() -> None:
    bench = Bench()
    bench.settle()
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"hello", ("10.0.0.1", 9))
    (question,) = bench.turn()
    assert parse_arp(question, 14).tpa == PEER
    answer = bench.arp_answer(question)
    assert answer is not None
    (frame,) = bench.settle(answer)
    assert frame[:6] == PEER_MAC
    header = parse_ipv4(frame, 14)
    assert (header.source, header.destination) == (US, PEER)
    udp = parse_udp(frame, 34)
    assert (udp.source_port, udp.destination_port) == (5, 9)
    assert frame[42:] == b"hello"


def test_nobody_answers_for_the_neighbour() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"hello", ("10.0.0.77", 9))
    frames = bench.wait(10 * SECOND)
    assert frames == []
    (error,) = [event for event in bench.events if isinstance(event, UdpError)]
    assert error.sock is sock
    assert error.error.errno == errno.EHOSTUNREACH  # type: ignore[attr-defined]
    assert error.peer == ("10.0.0.77", 9)


def test_a_connect_to_a_dead_neighbour_is_lost() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.77", 9))
    assert bench.wait(3 * SECOND + SECOND // 2) == []
    assert bench.events[1:] == [ConnectionLost(connection, connection.error)]
    assert isinstance(connection.error, OSError)
    assert connection.error.errno == errno.EHOSTUNREACH
    assert bench.stack.connections() == []
    # soon after, the neighbour is still known to be dead: no second wait
    again = bench.stack.tcp_connect(("10.0.0.77", 9))
    bench.settle()
    assert isinstance(again.error, OSError)


def test_the_way_leads_over_the_gateway() -> None:
    bench = Bench()
    bench.stack.add_route("default", via="10.0.0.1")
    bench.stack.tcp_connect(("192.0.2.7", 80))
    (syn,) = bench.settle()
    assert syn[:6] == PEER_MAC
    assert parse_ipv4(syn, 14).destination == pack_ip("192.0.2.7")
    assert parse_tcp(syn, 34).flags == SYN


def test_a_big_datagram_leaves_in_fragments() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    data = bytes(range(250)) * 20
    sock.send_to(data, ("10.0.0.1", 9))
    frames = bench.settle()
    headers = [parse_ipv4(frame, 14) for frame in frames]
    assert [len(frame) for frame in frames] == [1514, 1514, 1514, 602]
    assert {header.identification for header in headers} == {headers[0].identification}
    assert [bool(header.flags & MF) for header in headers] == [True, True, True, False]
    whole = b"".join(frame[34:] for frame in frames)
    assert whole[8:] == data
    # it comes back whole, checksum and all
    sock.close()
    echo = bench.stack.udp_bind(("", 9))
    swapped = [
        ethernet(
            udp_packet(data, 5, 9)[:20][:0]
            + frame[14:26]
            + frame[30:34]
            + frame[26:30]
            + frame[34:]
        )
        for frame in frames
    ]
    bench.settle(*swapped)
    datagram = echo.receive()
    assert datagram is not None
    assert datagram.data == data


def test_identifications_vary_and_tcp_does_not_fragment() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    for _ in range(10):
        sock.send_to(b"x", ("10.0.0.1", 9))
    idents = [parse_ipv4(frame, 14).identification for frame in bench.settle()]
    assert len(set(idents)) == 10
    bench.stack.tcp_connect(("10.0.0.1", 9))
    (syn,) = bench.settle()
    assert parse_ipv4(syn, 14).flags == DF


def test_a_broadcast_needs_no_neighbour() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5), broadcast=True)
    sock.send_to(b"x", ("10.0.0.255", 9))
    (frame,) = bench.settle()
    assert frame[:6] == b"\xff" * 6
    quiet = bench.stack.udp_bind(("", 6))
    with pytest.raises(PermissionError):
        quiet.send_to(b"x", ("10.0.0.255", 9))


def test_the_output_queue_is_bounded() -> None:
    bench = Bench(StackConfig(output_queue=4))
    bench.settle()
    bench.stack.udp_bind(("", 5)).send_to(b"x", ("10.0.0.1", 9))
    bench.settle()  # the neighbour is known now
    ask = ethernet(_echo(b"x"))
    bench.nic.receive([ask] * 10, bench.now)
    assert bench.stack.counters()["drop.output_queue_full"] == 6
    assert len([frame for frame in bench.turn() if not is_arp(frame)]) == 4


def _echo(data: bytes) -> bytes:
    from sansio_net.wire.icmp import build_icmp

    from .bench import ipv4_packet

    return ipv4_packet(build_icmp(ECHO_REQUEST, 0, b"\0\1\0\1", data), 1)


def test_limit_is_kept_and_asks_for_more() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("10.0.0.1", 9))
    bench.settle()
    for _ in range(10):
        sock.send_to(b"x", ("10.0.0.1", 9))
    got = []
    while packets := bench.nic.transmit(bench.now, 3):
        got.append(len(packets))
        if len(packets) < 3:
            break
        assert bench.stack.next_timeout() == ASAP
    assert got == [3, 3, 3, 1]
    bench.settle()
    due = bench.stack.next_timeout()
    assert due is None or due > bench.now


def test_a_blocked_device_silences_its_interface() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("10.0.0.1", 9))
    bench.settle()
    sock.send_to(b"y", ("10.0.0.1", 9))
    assert bench.nic.transmit(bench.now, 0) == []
    bench.stack.handle_timeout(bench.now)
    due = bench.stack.next_timeout()
    assert due is None or due > bench.now  # not ASAP: nothing can leave
    assert len(bench.nic.transmit(bench.now, 1)) == 1
    bench.settle()


def test_a_syn_that_cannot_leave_times_out() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.1", 9))
    bench.nic.carrier(False)
    assert bench.wait(600 * SECOND) == []
    assert bench.kinds() == ["AddressAdded", "LinkDown", "Stalled", "ConnectionLost"]
    assert isinstance(connection.error, TimeoutError)
    assert bench.stack.next_timeout() is None


def test_datagrams_without_a_link_are_lost_and_counted() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("10.0.0.1", 9))
    bench.nic.carrier(False)
    bench.settle()
    assert bench.dropped() == {"link_down": 1}
    bench.nic.carrier(True)
    sock.send_to(b"y", ("10.0.0.1", 9))
    (frame,) = bench.settle()
    assert frame.endswith(b"y")


def test_a_socket_is_not_held_up_by_another_interface() -> None:
    bench = Bench()
    other = bench.stack.add_interface(addresses=["10.1.0.2/24"])
    bench.nic.transmit(bench.now, 0)  # blocked
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("10.1.0.1", 9))
    frames = other.transmit(bench.now)
    assert any(is_arp(packet.join()) for packet in frames)


def test_lo_delivers_to_ourselves() -> None:
    bench = Bench()
    server = bench.stack.udp_bind(("", 7))
    client = bench.stack.udp_bind(("", 5))
    echo = bench.stack.echo_open()
    for address in ("127.0.0.1", "10.0.0.2"):
        client.send_to(b"hi", (address, 7))
        echo.send_to(address, 1, b"ping")
        assert [frame for frame in bench.settle() if not is_arp(frame)] == []
        datagram = server.receive()
        assert datagram is not None
        assert datagram.source == (address, 5)
    kinds = bench.kinds()
    assert kinds.count("EchoReplied") == 2
    assert [e.count for e in bench.events if isinstance(e, UdpReceived)] == [1, 1]


def test_a_connection_to_ourselves() -> None:
    bench = Bench()
    bench.stack.tcp_listen(("", 7))
    got = []

    def app(events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Connected):
                event.conn.send(b"x" * 200_000)
                event.conn.shutdown()
            elif type(event).__name__ == "DataReceived":
                got.append(event.conn.recv(1 << 20))  # type: ignore[union-attr]
            elif type(event).__name__ == "EofReceived":
                event.conn.close()  # type: ignore[union-attr]

    bench.app = app
    client = bench.stack.tcp_connect(("10.0.0.2", 7))
    frames = bench.wait(SECOND)
    assert frames == []  # not one left the host
    assert b"".join(chunk for chunk in got if chunk) == b"x" * 200_000
    assert client.local[0] == "10.0.0.2"
    assert bench.kinds().count("Closed") == 2


def test_the_echo_socket_asks() -> None:
    bench = Bench()
    echo = bench.stack.echo_open()
    echo.send_to("10.0.0.1", 3, b"data", ttl=9)
    (frame,) = bench.settle()
    request = parse_icmp(frame, 34)
    assert request.type == ECHO_REQUEST
    assert request.body == b"data"
    assert parse_ipv4(frame, 14).ttl == 9
