"""Routes, addresses, interfaces and links that change under what is going on."""

from __future__ import annotations

import copy
import pickle

import pytest

from sansio_net import ASAP, Capabilities, Medium
from sansio_net.addresses import pack_ip
from sansio_net.errors import StateError, Unreachable
from sansio_net.protocols.tcp import State
from sansio_net.stack import (
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Interface,
    LinkDown,
    LinkUp,
    Stack,
    StackConfig,
)
from sansio_net.units import SECOND
from sansio_net.wire.arp import REPLY, REQUEST
from sansio_net.wire.ipv4 import parse_ipv4
from sansio_net.wire.tcp import ACK, RST, SYN, parse_tcp

from .bench import (
    MAC,
    PEER,
    PEER_MAC,
    US,
    Bench,
    arp_frame,
    ethernet,
    seeded,
    tcp_packet,
    udp_packet,
)

FAR = "192.0.2.7"


def tun(bench: Bench, address: str) -> Interface:
    """A second interface, to which anything can be sent at once."""
    capabilities = Capabilities(medium=Medium.IP)
    return bench.stack.add_interface(addresses=[address], capabilities=capabilities)


def quiet(bench: Bench) -> bool:
    due = bench.stack.next_timeout()
    return due is None or due > bench.now


def spin(bench: Bench, *nics: Interface) -> list[bytes]:
    """Turns of a stack with several interfaces until it is quiet."""
    out: list[bytes] = []
    for _ in range(50):
        bench.turn()
        for nic in nics:
            out += [packet.join() for packet in nic.transmit(bench.now)]
        if quiet(bench):
            return out
    raise AssertionError("never idle")


# -- interfaces


@pytest.mark.parametrize("parked", [True, False])
def test_what_waits_on_a_removed_interface_goes_another_way(parked: bool) -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    bench.stack.add_route("192.0.2.0/24", nic=other, metric=9)
    bench.stack.add_route("192.0.2.0/24", nic=bench.nic)
    # from the other's address: removing eth0 does not end it
    connection = bench.stack.tcp_connect((FAR, 80), local=("10.1.0.2", 0), nic=None)
    sock = bench.stack.udp_bind(("10.1.0.2", 5))
    sock.send_to(b"one", (FAR, 9))
    connection.nic = other
    if parked:
        bench.turn()
    bench.stack.remove_interface(bench.nic)
    frames = spin(bench, other)
    syns = [frame for frame in frames if frame[9] == 6]
    assert [parse_tcp(frame, 20).flags for frame in syns] == [SYN]
    if not parked:
        assert [frame[-3:] for frame in frames if frame[9] == 17] == [b"one"]
    sock.send_to(b"two", (FAR, 9))
    assert [frame[-3:] for frame in spin(bench, other)] == [b"two"]


def test_a_socket_closed_after_its_interface_went_is_forgotten() -> None:
    bench = Bench()
    sock = bench.stack.udp_bind(("", 5))
    echo = bench.stack.echo_open()
    sock.send_to(b"x", ("10.0.0.1", 9))
    echo.send_to("10.0.0.1", 1)
    bench.settle()
    bench.stack.remove_interface(bench.nic)
    sock.close()
    echo.close()
    bench.stack.handle_timeout(bench.now)
    bench.stack.events()
    bench.stack.handle_timeout(bench.now)
    assert not sock.queued
    assert not echo.queued
    assert bench.stack.next_timeout() is None
    assert bench.stack.socket_table.echoes == {}


def test_a_socket_of_a_removed_interface_uses_no_other() -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    sock = bench.stack.udp_bind(("", 5), nic=other)
    sock.send_to(b"x", ("10.1.0.1", 9))
    bench.stack.remove_interface(other)
    bench.stack.add_route("10.1.0.0/24", nic=bench.nic)
    assert bench.settle() == []
    with pytest.raises(Unreachable):
        sock.send_to(b"x", ("10.1.0.1", 9))


def test_a_removed_interface_has_no_verbs() -> None:
    bench = Bench()
    bench.stack.remove_interface(bench.nic)
    for verb in (
        bench.nic.up,
        bench.nic.down,
        lambda: bench.nic.add_address("10.0.0.5/24"),
        lambda: bench.nic.set_mtu(1400),
        lambda: bench.stack.add_route("default", nic=bench.nic),
        lambda: bench.stack.udp_bind(("", 0), nic=bench.nic),
    ):
        with pytest.raises(StateError):
            verb()
    # a device may still report; nobody listens
    bench.nic.carrier(False)
    bench.nic.carrier(True)
    bench.nic.receive([ethernet(udp_packet(b"x", 1, 2))], bench.now)
    assert bench.nic.transmit(bench.now) == []
    bench.stack.events()
    assert bench.stack.next_timeout() is None


def test_an_interface_that_cannot_be_made_leaves_nothing() -> None:
    stack = seeded()
    with pytest.raises(ValueError, match=r"10\.0"):
        stack.add_interface(addresses=["10.0.0.2/24", "10.0.0.300/24"])
    assert [nic.name for nic in stack.interfaces()] == ["lo"]
    assert stack.routes.lookup(b"\x0a\0\0\x09") is None
    assert stack.events() == []
    assert stack.next_timeout() is None
    stack.add_interface("eth1")
    assert stack.add_interface().name not in ("lo", "eth1")


def test_a_lost_connection_that_waits_elsewhere_is_let_go() -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    bench.stack.add_route("192.0.2.0/24", nic=other)
    connection = bench.stack.tcp_connect((FAR, 80))
    bench.stack.add_route("192.0.2.0/25", nic=bench.nic)
    spin(bench, other)
    assert bench.nic.parked
    bench.stack.remove_interface(other)
    assert bench.nic.parked == {}
    assert not connection.queued


# -- addresses


def test_routes_set_by_hand_and_addresses_do_not_collide() -> None:
    stack = seeded()
    nic = stack.add_interface()
    stack.add_route("10.0.0.0/24", nic=nic)
    nic.add_address("10.0.0.2/24")
    stack.remove_route("10.0.0.0/24")
    nic.remove_address("10.0.0.2/24")
    nic.add_address("10.0.0.2/24")
    stack.remove_route("10.0.0.0/24")
    stack.remove_interface(nic)
    assert nic not in stack.interfaces()


def test_a_claimed_address_whose_route_is_there_already() -> None:
    bench = Bench(StackConfig(max_routes=8))
    bench.nic.add_address("10.9.0.2/24", probe=True)
    bench.stack.add_route("10.9.0.0/24", nic=bench.nic)
    bench.wait(20 * SECOND)
    assert AddressAdded(bench.nic, "10.9.0.2/24") in bench.events


def test_an_address_on_two_interfaces_stays_ours_until_both_lose_it() -> None:
    bench = Bench()
    other = tun(bench, "10.0.0.2/24")
    other.remove_address("10.0.0.2/24")
    server = bench.stack.udp_bind(("", 7))
    client = bench.stack.udp_bind(("", 5))
    client.send_to(b"x", ("10.0.0.2", 7))
    spin(bench, other)
    assert server.receive() is not None


def test_a_loopback_address_stays_on_lo() -> None:
    with pytest.raises(ValueError, match="loopback"):
        seeded().add_interface(addresses=["127.0.0.2/8"])


def test_nothing_leaves_from_an_address_that_went() -> None:
    bench = Bench()
    bench.settle()
    sock = bench.stack.udp_bind(("", 5))
    bench.nic.add_address("10.0.0.3/24")
    sock.send_to(b"x", ("10.0.0.1", 9), source="10.0.0.3")
    bench.nic.remove_address("10.0.0.3")
    assert bench.settle() == []
    assert bench.dropped() == {"no_route": 1}


def test_a_connection_hears_nothing_at_an_address_that_went() -> None:
    bench = Bench()
    bench.settle()
    connection = bench.established()
    lport = connection.local[1]
    bench.nic.remove_address("10.0.0.2/24")
    ack = connection.sender.snd_nxt
    frame = ethernet(tcp_packet(80, lport, 1001, ack, ACK, b"data"))
    bench.settle(frame)
    assert connection.pending == 0
    assert bench.dropped()["not_for_us"] == 1
    bench.nic.add_address("10.0.0.2/24")
    bench.settle(frame)
    assert connection.pending == 4


def test_events_end_with_what_is_so() -> None:
    stack = seeded()
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    for up in (False, True, False):
        nic.carrier(up)
    for _ in range(2):
        nic.remove_address("10.0.0.2")
        nic.add_address("10.0.0.2/24")
    assert stack.events() == [
        LinkUp(nic),
        LinkDown(nic),
        AddressRemoved(nic, "10.0.0.2/24"),
        AddressAdded(nic, "10.0.0.2/24"),
    ]


def test_a_storm_of_conflicts_is_one_event() -> None:
    bench = Bench()
    bench.settle()
    frames = [
        arp_frame(REQUEST, b"\x02\0\0\0\x07" + bytes((n,)), US, bytes(6), US)
        for n in range(60)
    ]
    for frame in frames:
        bench.nic.receive([frame], bench.now)
    events = bench.stack.events()
    conflicts = [event for event in events if isinstance(event, AddressConflict)]
    assert len(conflicts) == 1


# -- routes


def test_the_route_that_is_named_is_removed() -> None:
    stack = seeded()
    stack.add_interface(addresses=["10.0.0.2/24"])
    stack.add_route("default", via="10.0.0.1")
    stack.add_route("default", via="10.0.0.254", metric=5)
    with pytest.raises(StateError):
        stack.remove_route("default", via="10.0.0.77")
    stack.remove_route("default", via="10.0.0.254")
    route = stack.routes.lookup(b"\x08\x08\x08\x08")
    assert route is not None
    assert route.via == pack_ip("10.0.0.1")


def test_a_sender_leaves_a_downed_interface_when_there_is_another_way() -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    bench.stack.add_route("192.0.2.0/24", nic=bench.nic)
    connection = bench.stack.tcp_connect((FAR, 80), local=("10.1.0.2", 0))
    bench.nic.down()
    assert spin(bench, other) == []
    assert bench.kinds()[-1] == "LinkDown"
    bench.stack.add_route("192.0.2.0/24", nic=other)
    frames = spin(bench, other)
    assert [parse_tcp(frame, 20).flags for frame in frames] == [SYN]
    assert connection.state is State.SYN_SENT


def test_a_datagram_for_another_interface_survives_a_downed_one() -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("10.0.0.1", 9))
    sock.send_to(b"y", ("10.1.0.1", 9))
    bench.nic.down()
    assert [frame[-1:] for frame in spin(bench, other)] == [b"y"]
    assert bench.dropped() == {"no_route": 1}


def test_a_flap_does_not_end_a_connect() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.1", 80))
    bench.turn()  # it waits for its neighbour
    bench.nic.carrier(False)
    bench.turn()
    bench.nic.carrier(True)
    (syn,) = bench.settle()
    assert parse_tcp(syn, 34).flags == SYN
    assert connection.error is None


def test_a_connect_that_waits_takes_the_better_route() -> None:
    bench = Bench()
    bench.stack.add_route("192.0.2.0/24", via="10.0.0.77")
    connection = bench.stack.tcp_connect((FAR, 80))
    bench.turn()
    bench.stack.add_route("192.0.2.0/25", via="10.0.0.1")
    frames = bench.wait(4 * SECOND)
    assert connection.error is None
    assert frames[0][:6] == PEER_MAC


def test_who_names_an_interface_keeps_it() -> None:
    bench = Bench()
    other = tun(bench, "10.1.0.2/24")
    bench.stack.add_route("192.0.2.0/24", nic=bench.nic)
    bench.stack.add_route("192.0.2.0/24", nic=other, metric=9)
    bench.stack.tcp_connect((FAR, 80), nic=other)
    bench.stack.add_route("198.51.100.0/24", nic=other)  # hops are stale now
    (syn,) = spin(bench, other)
    assert parse_tcp(syn, 20).flags == SYN
    # and so does the child of a listener that does
    bench.stack.tcp_listen(("", 80), nic=other)
    packet = tcp_packet(9, 80, 5, 0, SYN, src=pack_ip(FAR), dst=pack_ip("10.1.0.2"))
    other.receive([packet], bench.now)
    (answer,) = spin(bench, other)
    assert parse_tcp(answer, 20).flags == SYN | ACK


def test_a_smaller_path_outlives_a_change_elsewhere() -> None:
    bench = Bench()
    connection = bench.established()
    connection.path_changed(576, 0)
    bench.nic.add_address("10.7.0.2/24")
    connection.send(bytes(3000))
    assert max(map(len, bench.settle())) <= 14 + 576
    bench.nic.set_mtu(1000)
    connection.send(bytes(1))
    bench.settle()
    assert connection.mtu == 1000


# -- bounds and copies


@pytest.mark.parametrize("where", ["parked", "down", "silenced"])
def test_aborted_connects_are_not_held(where: str) -> None:
    bench = Bench()
    bench.settle()
    nic = bench.nic
    if where == "down":
        nic.carrier(False)
    for _ in range(300):
        connection = bench.stack.tcp_connect(("10.0.0.77", 80))
        if where == "silenced":
            nic.transmit(bench.now, 0)
        else:
            nic.transmit(bench.now)
        connection.abort()
        bench.stack.handle_timeout(bench.now)
        bench.stack.events()
    held = len(nic.ready) + sum(map(len, nic.parked.values()))
    assert held < 10
    assert bench.stack.connections() == []


def test_a_flood_of_aborted_openings_is_not_held() -> None:
    bench = Bench()
    bench.settle()
    bench.stack.tcp_listen(("", 80))
    src = pack_ip("10.0.0.77")  # who does not answer ARP
    for port in range(1000, 1300):
        bench.turn(ethernet(tcp_packet(port, 80, 5, 0, SYN, src=src)))
        bench.turn(ethernet(tcp_packet(port, 80, 6, 0, RST, src=src)))
    held = len(bench.nic.ready) + sum(map(len, bench.nic.parked.values()))
    assert held < 10


def test_a_neighbour_set_by_hand_and_taken_back_wakes_who_waits() -> None:
    bench = Bench()
    bench.stack.tcp_connect(("10.0.0.77", 80))
    bench.turn()
    assert bench.nic.parked
    assert bench.nic.arp is not None
    bench.nic.arp.add_static("10.0.0.77", PEER_MAC)
    bench.nic.arp.remove("10.0.0.77")
    bench.wait(5 * SECOND)
    assert bench.nic.parked == {}
    assert bench.kinds()[-1] == "ConnectionLost"


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_a_copy_with_parked_senders_goes_on_alike(how: str) -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.1", 80))
    sock = bench.stack.udp_bind(("", 5))
    sock.send_to(memoryview(b"hello" * 200), ("10.0.0.1", 9))
    whole = udp_packet(bytes(2000), 5000, 7)
    from sansio_net.stack.fragments import fragment

    bench.turn(ethernet(fragment(whole[:20], whole[20:], 576)[0]))
    assert bench.nic.parked
    if how == "pickle":
        twin: Stack = pickle.loads(pickle.dumps(bench.stack))
    else:
        twin = copy.deepcopy(bench.stack)
    sent = []
    for stack in (bench.stack, twin):
        nic = stack.interface("eth0")
        now = bench.now
        nic.receive([arp_frame(REPLY, PEER_MAC, PEER, MAC, US)], now)
        stack.handle_timeout(now)
        stack.events()
        sent.append([packet.join() for packet in nic.transmit(now)])
        due = stack.next_timeout()
        assert due is not None
        assert due != ASAP
        sent[-1] += [due.to_bytes(8, "big")]
    assert sent[0] == sent[1]
    assert any(frame[23:24] == b"\x06" for frame in sent[0])
    assert twin.connection(connection.id).queued is connection.queued
    assert parse_ipv4(sent[0][0], 14).destination == PEER
