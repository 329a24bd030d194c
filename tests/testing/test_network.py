"""Network: who hears whom, whose events are whose, and that it comes to rest."""

from __future__ import annotations

import pytest

from sansio_net import Entropy
from sansio_net.errors import StateError
from sansio_net.protocols.bridge import Bridge
from sansio_net.stack import Event, Stack, StackConfig, UdpReceived
from sansio_net.testing import Link, Livelock, Network
from sansio_net.units import MILLISECOND, SECOND


def host(n: int) -> Stack:
    stack = Stack(StackConfig(), Entropy.of(n).bytes(32))
    stack.add_interface(addresses=[f"10.0.0.{n}/24"])
    return stack


def switched(n: int) -> tuple[Network, list[Stack]]:
    network, bridge = Network(), Bridge(n)
    hosts = [host(number + 1) for number in range(n)]
    for port, stack in enumerate(hosts):
        network.connect(stack, (bridge, port))
    return network, hosts


def test_three_hosts_and_a_bridge() -> None:
    network, hosts = switched(3)
    sockets = [stack.udp_bind(("", 7)) for stack in hosts]
    sockets[0].send_to(b"hello", ("10.0.0.3", 7))
    network.run_until_idle()
    assert sockets[1].receive() is None
    datagram = sockets[2].receive()
    assert datagram is not None
    assert (datagram.data, datagram.source) == (b"hello", ("10.0.0.1", 7))
    told = [one for one, event in network.events if isinstance(event, UdpReceived)]
    assert told == [hosts[2]]


def test_an_app_gets_the_events_of_its_machine() -> None:
    network, hosts = switched(2)
    times: list[int] = []

    def app(events: list[Event], now: int) -> None:
        times.extend(now for event in events if isinstance(event, UdpReceived))

    network.apps[hosts[1]] = app
    network.run_until_idle()
    hosts[1].udp_bind(("", 7))
    hosts[0].udp_bind(("", 0)).send_to(b"x", ("10.0.0.2", 7))
    network.run_for(10 * SECOND)
    assert len(times) == 1
    assert not any(machine is hosts[1] for machine, _ in network.events)


def test_a_link_has_its_delay_and_is_shown() -> None:
    network = Network()
    a, b = host(1), host(2)
    link = network.connect(a, b, Link(1, latency=20 * MILLISECOND))
    network.run_until_idle()
    began = network.now
    b.udp_bind(("", 7))
    a.udp_bind(("", 0)).send_to(b"x", ("10.0.0.2", 7))
    assert network.run_until(
        lambda: any(isinstance(event, UdpReceived) for _, event in network.events)
    )
    assert network.now == began + 60 * MILLISECOND  # a request, its answer, then it
    assert "10.0.0.1" in network.show(link)
    assert {n for _, n, _, _ in network.sent} == {0}


def test_what_leaves_by_an_end_without_a_link_is_lost() -> None:
    network, hosts = switched(2)
    hosts[0].add_interface(addresses=["10.9.0.1/24"])
    hosts[0].udp_bind(("", 0)).send_to(b"x", ("10.9.0.2", 7))
    network.run_until_idle()
    assert not hosts[0].interface("eth1").outbox


def test_one_link_to_an_end() -> None:
    network, hosts = switched(2)
    with pytest.raises(StateError):
        network.connect(hosts[0], host(9))


def test_bridges_in_a_ring_are_a_livelock() -> None:
    """There is no spanning tree: a broadcast goes round for ever."""
    network = Network(patience=100)
    left, right = Bridge(3), Bridge(3)
    network.connect((left, 0), (right, 0))
    network.connect((left, 1), (right, 1))
    network.connect(host(1), (left, 2))
    with pytest.raises(Livelock):
        network.run_until_idle()
