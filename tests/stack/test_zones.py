"""Link-local addresses: each means a host on one link, whatever it is on another."""

from __future__ import annotations

import pytest

from sansio_net import Entropy
from sansio_net.addresses import pack_endpoint, pack_ip
from sansio_net.errors import AddressNotAvailableError, Unreachable
from sansio_net.protocols.icmp import EchoReplied
from sansio_net.protocols.tcp import State
from sansio_net.stack import Event, Interface, Stack
from sansio_net.stack.events import Accepted, Connected, UdpError
from sansio_net.stack.hops import find_hop
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten

TWIN = "fe80::b"


class Star:
    """`hub` has two links, and on each of them a host that is fe80::b."""

    def __init__(self) -> None:
        self.now = SECOND
        self.hub = Stack(seed=Entropy.of(9).bytes(32))
        self.hosts = [Stack(seed=Entropy.of(n).bytes(32)) for n in range(2)]
        self.links: list[tuple[Interface, Interface]] = []
        for host in self.hosts:
            near = self.hub.add_interface(addresses=["fe80::a/64"], dad=False)
            far = host.add_interface(addresses=[f"{TWIN}/64"], dad=False)
            self.links.append((near, far))
        self.events: dict[Stack, list[Event]] = {
            stack: [] for stack in (self.hub, *self.hosts)
        }
        self.settle()

    def settle(self) -> None:
        pending: dict[Interface, list[bytes]] = {}
        for _ in range(200):
            for nic, frames in pending.items():
                nic.receive(frames, self.now)
            pending = {}
            for stack, seen in self.events.items():
                stack.handle_timeout(self.now)
                while events := stack.events():
                    seen += events
            for near, far in self.links:
                for one, other in ((near, far), (far, near)):
                    frames = [f for p in one.transmit(self.now) for f in flatten(p)]
                    if frames:
                        pending[other] = frames
            dues = [stack.next_timeout() for stack in self.events]
            if not pending and all(due is None or due > self.now for due in dues):
                return
        raise AssertionError("never idle")


def test_the_zone_says_which_of_two_hosts() -> None:
    star = Star()
    servers = [host.udp_bind(("", 7)) for host in star.hosts]
    sock = star.hub.udp_bind(("", 5))
    sock.send_to(b"zero", ("fe80::b%eth0", 7))
    sock.send_to(b"one", ("fe80::b", 7, 0, star.links[1][0].index))
    star.settle()
    for server, data in zip(servers, (b"zero", b"one"), strict=True):
        datagram = server.receive()
        assert datagram is not None
        assert datagram.data == data
        assert datagram.source == ("fe80::a%eth0", 5)
        assert server.receive() is None
        server.send_to(data.upper(), datagram.source)
    star.settle()
    answers = [sock.receive(), sock.receive()]
    assert {(a.data, a.source) for a in answers if a is not None} == {
        (b"ZERO", ("fe80::b%eth0", 7)),
        (b"ONE", ("fe80::b%eth1", 7)),
    }


def test_connections_by_their_zones() -> None:
    star = Star()
    for host in star.hosts:
        host.tcp_listen(("", 80))
    port = 4000
    conns = [
        star.hub.tcp_connect((f"{TWIN}%eth{n}", 80), local=(f"fe80::a%eth{n}", port))
        for n in range(2)
    ]
    star.settle()
    for n, conn in enumerate(conns):
        assert conn.state is State.ESTABLISHED
        assert conn.local == (f"fe80::a%eth{n}", port)
        assert conn.peer == (f"fe80::b%eth{n}", 80)
        conn.send(b"to %d" % n)
    star.settle()
    for n, host in enumerate(star.hosts):
        (accepted,) = [e for e in star.events[host] if isinstance(e, Accepted)]
        assert accepted.conn.recv(9) == b"to %d" % n
        assert accepted.conn.peer == ("fe80::a%eth0", port)
        accepted.conn.close()
    star.settle()
    for conn in conns:
        assert conn.recv(9) == b""


def test_a_bound_address_is_one_links() -> None:
    star = Star()
    both = star.hub.udp_bind(("", 9))
    one = star.hub.udp_bind(("fe80::a%eth1", 7))
    listener = star.hub.tcp_listen(("fe80::a%eth1", 80))
    assert one.local == ("fe80::a%eth1", 7)
    assert listener.local == ("fe80::a%eth1", 80)
    for host in star.hosts:
        client = host.udp_bind(("", 5))
        client.send_to(b"x", ("fe80::a", 7))
        client.send_to(b"y", ("fe80::a", 9))
        host.tcp_connect(("fe80::a", 80))
    star.settle()
    assert (one.count, both.count) == (1, 2)
    kinds = [[type(e) for e in star.events[host]] for host in star.hosts]
    assert (Connected in kinds[0], Connected in kinds[1]) == (False, True)
    (error,) = [e for e in star.events[star.hosts[0]] if isinstance(e, UdpError)]
    assert error.peer == ("fe80::a%eth0", 7)


def test_nothing_leaves_its_zone() -> None:
    """RFC 4007 9"""
    star = Star()
    sock = star.hub.udp_bind(("fe80::a%eth0", 5))
    with pytest.raises((AddressNotAvailableError, Unreachable)):
        sock.send_to(b"x", ("fe80::b%eth1", 7))
    with pytest.raises(AddressNotAvailableError):
        star.hub.tcp_connect(("fe80::b%eth1", 80), local=("fe80::a%eth0", 0))
    with pytest.raises(Unreachable):
        star.hub.tcp_connect(("fe80::b%eth1", 80), nic=star.links[0][0])
    with pytest.raises(AddressNotAvailableError):
        star.hub.udp_bind(("fe80::c%eth0", 5))


def test_without_a_zone_it_has_to_be_plain_which_is_meant() -> None:
    star = Star()
    with pytest.raises(ValueError, match="%eth0"):
        star.hub.tcp_connect((TWIN, 80))
    with pytest.raises(ValueError, match="%eth0"):
        star.hub.udp_bind(("", 5)).send_to(b"x", (TWIN, 7))
    with pytest.raises(ValueError, match="no such interface"):
        star.hub.tcp_connect(("fe80::b%eth7", 80))
    near = star.links[1][0]
    conn = star.hub.tcp_connect((TWIN, 80), nic=near)
    assert conn.peer == ("fe80::b%eth1", 80)
    sock = star.hub.udp_bind(("", 5), nic=near)
    sock.send_to(b"x", (TWIN, 7))
    assert star.hosts[0].tcp_connect(("fe80::a", 80)).peer == ("fe80::a%eth0", 80)


def test_a_gateway_names_its_link() -> None:
    star = Star()
    star.hub.add_route("::/0", via="fe80::b%eth1")
    hop = find_hop(star.hub, pack_ip("2001:db8::1"))
    assert hop is not None
    assert (hop.nic.name, hop.next_hop) == ("eth1", pack_ip(TWIN))
    with pytest.raises(ValueError, match="link"):
        star.hub.add_route("2001:db8::/32", via="fe80::b%eth1", nic=star.links[0][0])
    with pytest.raises(ValueError, match="any link"):
        star.hub.add_route("2001:db8::/32", via=TWIN)
    star.hub.remove_route("::/0", via="fe80::b%eth1")
    assert find_hop(star.hub, pack_ip("2001:db8::1")) is None


def test_to_ourselves() -> None:
    star = Star()
    server = star.hub.udp_bind(("fe80::a%eth0", 7))
    star.hub.tcp_listen(("", 80))
    star.hub.udp_bind(("", 5)).send_to(b"x", ("fe80::a%eth0", 7))
    conn = star.hub.tcp_connect(("fe80::a%eth0", 80))
    star.settle()
    assert server.count == 1
    assert conn.state is State.ESTABLISHED


def test_ping_large_and_errors_come_back_on_the_link() -> None:
    star = Star()
    echo = star.hub.echo_open()
    for n in range(2):
        echo.send_to(f"{TWIN}%eth{n}", n, bytes(4000))
    star.settle()
    replies = [e for e in star.events[star.hub] if isinstance(e, EchoReplied)]
    assert [(e.source, len(e.data)) for e in replies] == [
        ("fe80::b%eth0", 4000),
        ("fe80::b%eth1", 4000),
    ]
    sock = star.hub.udp_bind(("", 5))
    sock.send_to(b"x", ("fe80::b%eth1", 99))
    star.settle()
    (error,) = [e for e in star.events[star.hub] if isinstance(e, UdpError)]
    assert error.peer == ("fe80::b%eth1", 99)


def test_groups_of_a_link() -> None:
    star = Star()
    heard = [host.udp_bind(("", 7)) for host in star.hosts]
    for sock in heard:
        sock.join("ff02::77%eth0")
    star.settle()
    star.hub.udp_bind(("", 5)).send_to(b"x", ("ff02::77%eth1", 7))
    star.settle()
    assert [sock.count for sock in heard] == [0, 1]
    datagram = heard[1].receive()
    assert datagram is not None
    assert datagram.source == ("fe80::a%eth0", 5)
    assert (datagram.destination, datagram.nic) == (("ff02::77", 7), "eth0")


def test_a_name_is_not_remembered_beyond_its_interface() -> None:
    star = Star()
    sock = star.hub.udp_bind(("", 5))
    sock.send_to(b"x", ("fe80::b%eth1", 7))
    star.hub.remove_interface(star.links.pop()[0])
    with pytest.raises(ValueError, match="eth1"):
        sock.send_to(b"x", ("fe80::b%eth1", 7))


def test_text() -> None:
    assert pack_ip("fe80::1%2") == pack_ip("fe80::1") + b"\0\0\0\2"
    assert pack_endpoint(("fe80::1", 80, 0, 3)) == (pack_ip("fe80::1%3"), 80)
    assert pack_endpoint(("fd00::1", 80, 0, 3)) == (pack_ip("fd00::1"), 80)
    for bad in ("fe80::1%", "fe80::1%0", "fe80::1%eth0", "fd00::1%1", "10.0.0.1%1"):
        with pytest.raises(ValueError, match="1"):
            pack_ip(bad)
