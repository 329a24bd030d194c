"""The Stack's verbs: what they take, refuse and report."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from sansio_net import Capabilities, Medium
from sansio_net.errors import (
    AddressInUseError,
    AddressNotAvailableError,
    LimitError,
    StateError,
    Unreachable,
)
from sansio_net.packet import Datagram
from sansio_net.stack import (
    AddressAdded,
    AddressRemoved,
    LinkDown,
    LinkUp,
    Stack,
    StackClosed,
    StackConfig,
)
from sansio_net.units import SECOND

from .bench import Bench, ethernet, seeded, udp_packet


def test_interfaces_have_names_and_macs_of_their_own() -> None:
    stack = seeded()
    one, two = stack.add_interface(), stack.add_interface()
    assert (one.name, two.name, one.index, two.index) == ("eth0", "eth1", 2, 3)
    assert one.mac != two.mac
    assert one.mac[0] & 3 == 2  # locally administered, unicast
    assert seeded().add_interface().mac == one.mac  # the same seed, the same MAC
    with pytest.raises(StateError):
        stack.add_interface("eth1")
    with pytest.raises(StateError):
        stack.receive([], 0)  # two interfaces: which one?
    assert stack.interface("eth1") is two
    with pytest.raises(StateError):
        stack.interface("eth7")


def test_addresses_come_and_go() -> None:
    stack = seeded()
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    with pytest.raises(StateError):
        nic.add_address("10.0.0.2/16")
    for bad in ("10.0.0.300/24", "224.0.0.1/4", "0.0.0.0/0"):
        with pytest.raises(ValueError, match=r"\."):
            nic.add_address(bad)
    nic.add_address("10.0.0.3/24")
    nic.remove_address("10.0.0.2/24")
    assert stack.routes.lookup(b"\x0a\0\0\x09") is not None  # .3 still has the subnet
    nic.remove_address("10.0.0.3")
    assert stack.routes.lookup(b"\x0a\0\0\x09") is None
    with pytest.raises(StateError):
        nic.remove_address("10.0.0.3")
    assert stack.events() == [
        AddressAdded(nic, "10.0.0.2/24"),
        AddressAdded(nic, "10.0.0.3/24"),
        AddressRemoved(nic, "10.0.0.2/24"),
        AddressRemoved(nic, "10.0.0.3/24"),
    ]


def test_addresses_are_bounded() -> None:
    stack = Stack(StackConfig(max_addresses=1), bytes(16))
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    with pytest.raises(LimitError):
        nic.add_address("10.0.1.2/24")


def test_mtu_and_link() -> None:
    stack = seeded()
    nic = stack.add_interface()
    for bad in (67, 65536):
        with pytest.raises(ValueError, match="MTU"):
            nic.set_mtu(bad)
    nic.down()
    nic.carrier(False)
    nic.up()
    nic.carrier(True)
    assert stack.events() == [LinkDown(nic), LinkUp(nic)]


def test_routes() -> None:
    stack = seeded()
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    stack.add_route("default", via="10.0.0.1")
    assert str(stack.routes.lookup(b"\x08\x08\x08\x08")) == (
        "default via 10.0.0.1 dev eth0"
    )
    with pytest.raises(StateError):
        stack.add_route("default", via="10.0.0.1")
    with pytest.raises(Unreachable):
        stack.add_route("192.168.0.0/16", via="10.9.9.9")  # only over another gateway
    stack.remove_route("default", via="10.0.0.1")
    with pytest.raises(StateError):
        stack.remove_route("default", via="10.0.0.1")
    stack.add_route("192.168.0.0/16", nic=nic)
    assert stack.routes.lookup(b"\xc0\xa8\x01\x01") is not None


def test_binding_conflicts() -> None:
    stack = seeded()
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    listener = stack.tcp_listen(("", 80))
    with pytest.raises(AddressInUseError) as caught:
        stack.tcp_listen(("", 80))
    assert caught.value.errno == errno.EADDRINUSE
    stack.tcp_listen(("10.0.0.2", 80))
    stack.tcp_listen(("", 80), nic=nic)
    with pytest.raises(AddressNotAvailableError):
        stack.tcp_listen(("10.0.0.9", 80))
    listener.close()
    stack.tcp_listen(("", 80))
    ephemeral = stack.tcp_listen(("", 0))
    first, last = stack.config.ephemeral_ports
    assert first <= ephemeral.local[1] <= last
    stack.udp_bind(("", 53))
    with pytest.raises(AddressInUseError):
        stack.udp_bind(("", 53))
    with pytest.raises(AddressInUseError):
        stack.udp_bind(("", 53), reuse=True)  # the other did not say so
    stack.udp_bind(("", 54), reuse=True)
    stack.udp_bind(("", 54), reuse=True)
    for bad in (("", 70000), ("", -1), ("nonsense", 1), ("", "http"), ("",)):
        with pytest.raises(ValueError, match=r"port|address"):
            stack.udp_bind(bad)  # type: ignore[arg-type]


def test_sockets_are_bounded_and_closed_ones_do_not_count() -> None:
    stack = Stack(StackConfig(max_sockets=3), bytes(16))
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    opened = [stack.udp_bind(("", 0)), stack.tcp_listen(("", 0)), stack.echo_open()]
    for verb in (
        lambda: stack.udp_bind(("", 0)),
        lambda: stack.tcp_listen(("", 0)),
        stack.echo_open,
    ):
        with pytest.raises(LimitError):
            verb()
    for socket in opened:
        socket.close()
    stack.handle_timeout(0)
    stack.events()
    nic.transmit(0)
    for _ in range(10):
        stack.udp_bind(("", 0)).close()
    assert stack.sockets() == []


def test_no_route() -> None:
    stack = seeded()
    with pytest.raises(Unreachable) as caught:
        stack.tcp_connect(("10.0.0.1", 80))
    assert caught.value.errno == errno.ENETUNREACH
    sock = stack.udp_bind(("", 0))
    with pytest.raises(Unreachable):
        sock.send_to(b"x", ("10.0.0.1", 80))


def test_connections_are_bounded() -> None:
    stack = Stack(StackConfig(max_connections=2), bytes(16))
    stack.add_interface(addresses=["10.0.0.2/24"])
    stack.tcp_connect(("10.0.0.1", 80))
    stack.tcp_connect(("10.0.0.1", 80))
    with pytest.raises(LimitError):
        stack.tcp_connect(("10.0.0.1", 80))
    assert len(stack.connections()) == 2
    ports = {connection.local[1] for connection in stack.connections()}
    assert len(ports) == 2


def test_the_most_specific_socket_gets_it() -> None:
    bench = Bench()
    anybody = bench.stack.udp_bind(("", 7))
    v4 = bench.stack.udp_bind(("0.0.0.0", 7))
    ours = bench.stack.udp_bind(("10.0.0.2", 7))
    nic = bench.stack.udp_bind(("", 7), nic=bench.nic)
    peer = bench.stack.udp_bind(("", 7), peer=("10.0.0.1", 5000))
    order = [peer, nic, ours, v4, anybody]
    while order:
        bench.settle(ethernet(udp_packet(b"x", 5000, 7)))
        got = [isinstance(sock.receive(), Datagram) for sock in order]
        assert got == [True] + [False] * (len(order) - 1)
        order.pop(0).close()


def test_a_broadcast_goes_to_all() -> None:
    bench = Bench()
    one = bench.stack.udp_bind(("", 7))
    two = bench.stack.udp_bind(("10.0.0.2", 7))
    frame = ethernet(udp_packet(b"x", 5000, 7, dst=b"\x0a\0\0\xff"), b"\xff" * 6)
    bench.settle(frame)
    assert one.receive() is not None
    assert two.receive() is not None


def test_reuse_keeps_a_flow_with_one_socket() -> None:
    bench = Bench()
    socks = [bench.stack.udp_bind(("", 7), reuse=True) for _ in range(4)]
    used = set()
    for port in range(5000, 5040):
        for _ in range(3):
            bench.settle(ethernet(udp_packet(b"x", port, 7)))
        counts = [sock.count for sock in socks]
        assert sorted(counts) == [0, 0, 0, 3]
        used.add(counts.index(3))
        for sock in socks:
            while sock.receive():
                pass
    assert used == {0, 1, 2, 3}


def test_closing_an_idle_stack() -> None:
    bench = Bench()
    bench.stack.tcp_listen(("", 80))
    bench.settle()
    bench.stack.close(5 * SECOND)
    bench.settle()
    assert bench.events[-1] == StackClosed(bench.stack)
    assert bench.stack.sockets() == []
    with pytest.raises(StateError):
        bench.stack.udp_bind(("", 0))
    assert bench.stack.next_timeout() is None or bench.stack.next_timeout() > bench.now


def test_closing_waits_for_connections_and_aborts_at_the_deadline() -> None:
    bench = Bench()
    connection = bench.established()
    bench.stack.close(5 * SECOND)
    bench.wait(4 * SECOND)
    assert StackClosed(bench.stack) not in bench.events
    bench.wait(2 * SECOND)
    assert bench.events[-1] == StackClosed(bench.stack)
    assert bench.stack.connections() == []
    assert connection.done


def test_a_removed_interface_takes_its_connections_along() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.1", 80))
    bench.settle()
    bench.stack.remove_interface(bench.nic)
    events = bench.stack.events()
    assert [type(e).__name__ for e in events] == ["AddressRemoved", "ConnectionLost"]
    assert bench.stack.connections() == []
    with pytest.raises(ConnectionAbortedError):
        connection.recv(1)
    assert bench.stack.next_timeout() is None
    with pytest.raises(StateError):
        bench.stack.remove_interface(bench.nic)


def test_ids_find_the_twin() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.1", 80))
    sock = bench.stack.udp_bind(("", 7))
    bench.settle()
    for twin in (
        copy.deepcopy(bench.stack),
        pickle.loads(pickle.dumps(bench.stack)),
    ):
        assert twin.connection(connection.id).local == connection.local
        assert twin.socket(sock.id).local == sock.local
        assert twin.connection(connection.id) is not connection
    with pytest.raises(StateError):
        bench.stack.connection(12345)
    with pytest.raises(StateError):
        bench.stack.socket(12345)


def test_another_release_refuses_the_pickle() -> None:
    stack = seeded()
    version, slots = stack.__getstate__()
    with pytest.raises(StateError, match="version"):
        Stack.__new__(Stack).__setstate__((version + 1, slots))


def test_ipv6_needs_a_link_of_1280_bytes() -> None:
    """RFC 8200 5"""
    stack = seeded()
    capabilities = Capabilities(medium=Medium.IP)
    nic = stack.add_interface(capabilities=capabilities, mtu=1279)
    with pytest.raises(ValueError, match="1280"):
        nic.add_address("fd00::2/64")
    nic.set_mtu(1280)
    nic.add_address("fd00::2/64")
    assert [str(one) for one in nic.addresses] == ["fd00::2/64"]
    with pytest.raises(ValueError, match="1280"):
        nic.set_mtu(1000)


def test_an_aborted_connect_is_forgotten_while_its_neighbour_is_sought() -> None:
    bench = Bench()
    connection = bench.stack.tcp_connect(("10.0.0.77", 80))
    bench.settle()
    connection.abort()
    bench.settle()
    assert bench.kinds()[1:] == ["Closed"]
    assert bench.stack.connections() == []
