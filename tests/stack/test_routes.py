"""Routes: text, metrics, bounds, several for one prefix, gateways that are dead."""

from __future__ import annotations

import itertools

import pytest

from sansio_net import Capabilities, Entropy
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.errors import LimitError, StateError
from sansio_net.protocols.ndp.frames import frame
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.stack.gateways import PROBE_INTERVAL
from sansio_net.stack.routes import RouteTable, make_route
from sansio_net.units import SECOND
from sansio_net.wire import ndp
from sansio_net.wire.segment import flatten

from .bench import PEER_MAC, Bench


class FakeNic:
    is_up = has_carrier = True
    name = "eth0"
    index = 2


NIC = FakeNic()


def test_metric_and_text() -> None:
    table = RouteTable()
    table.add(make_route("default", NIC, via="10.0.0.9", metric=10))  # type: ignore[arg-type]
    table.add(make_route("default", NIC, via="10.0.0.1"))  # type: ignore[arg-type]
    route = table.lookup(b"\x01\x02\x03\x04")
    assert str(route) == "default via 10.0.0.1 dev eth0"
    with pytest.raises(StateError):
        table.add(make_route("default", NIC, via="10.0.0.1"))  # type: ignore[arg-type]


def test_a_route_may_name_its_source() -> None:
    route = make_route("10.0.0.0/8", NIC, source="10.9.9.9")  # type: ignore[arg-type]
    assert route.source == pack_ip("10.9.9.9")
    with pytest.raises(ValueError, match="family"):
        make_route("10.0.0.0/8", NIC, source="fd00::1")  # type: ignore[arg-type]


def test_the_bound_is_hit() -> None:
    table = RouteTable(limit=1)
    table.add(make_route("10.0.0.0/8", NIC))  # type: ignore[arg-type]
    with pytest.raises(LimitError):
        table.add(make_route("11.0.0.0/8", NIC))  # type: ignore[arg-type]


def test_bad_text() -> None:
    with pytest.raises(ValueError, match="host bits"):
        make_route("10.0.0.1/8", NIC)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="family"):
        make_route("10.0.0.0/8", NIC, via="fd00::1")  # type: ignore[arg-type]


def test_the_bound_is_the_configs() -> None:
    stack = Stack(StackConfig(max_routes=8), bytes(32))
    nic = stack.add_interface(addresses=["10.0.0.2/24"])
    for n in range(8 - stack.routes.n_routes):
        stack.add_route(f"10.{n + 1}.0.0/16", nic=nic)
    with pytest.raises(LimitError):
        stack.add_route("11.0.0.0/16", nic=nic)


def test_several_for_one_prefix() -> None:
    stack = Stack(seed=bytes(32))
    one = stack.add_interface(addresses=["10.0.1.2/24"])
    two = stack.add_interface(addresses=["10.0.2.2/24"])
    stack.add_route("default", via="10.0.2.1", metric=20)
    stack.add_route("default", via="10.0.1.1", metric=10)
    stack.add_route("default", via="10.0.1.9", metric=10)

    def taken() -> str:
        route = stack.routes.lookup(pack_ip("192.0.2.1"))
        return str(route) if route is not None else "none"

    assert taken() == "default via 10.0.1.1 dev eth0"
    one.carrier(False)
    assert taken() == "default via 10.0.2.1 dev eth1"
    two.carrier(False)  # as good as the other then
    assert taken() == "default via 10.0.1.1 dev eth0"
    one.carrier(True)
    two.carrier(True)
    one.down()
    assert taken() == "default via 10.0.2.1 dev eth1"
    one.up()
    stack.remove_interface(one)
    assert taken() == "default via 10.0.2.1 dev eth1"
    two.down()
    assert taken() == "none"


# -- dead gateways


def test_a_dead_gateway_has_another_take_its_place() -> None:
    """RFC 1122 3.3.1.4, 3.3.1.5"""
    bench = Bench()
    bench.stack.add_route("default", via="10.0.0.77")
    bench.stack.add_route("default", via="10.0.0.1", metric=10)
    connection = bench.stack.tcp_connect(("192.0.2.7", 80))
    frames = bench.wait(10 * SECOND)
    assert connection.error is None
    assert frames[0][:6] == PEER_MAC
    assert bench.stack.routes.gateways.dead != {}
    assert bench.stack.counters()["gateways_lost"] == 1
    assert bench.stack.trace is not None
    noted = [entry[2:] for entry in bench.stack.trace if entry[1] == "gateway"]
    assert noted == [("eth0", pack_ip("10.0.0.77"), "lost")]
    bench.stack.remove_route("default", via="10.0.0.77")
    assert bench.stack.routes.gateways.dead == {}


MAC = pack_mac("02:00:00:00:00:02")
FAR = pack_ip("2001:db8::1")


class Host:
    """RFC 4191 3.6's: W, X, Y and Z are routers, and answer for themselves or not."""

    def __init__(self) -> None:
        self.stack = Stack(seed=Entropy.of(1).bytes(32))
        self.nic: Interface = self.stack.add_interface(
            mac=MAC,
            addresses=["2001:db8:9::2/64"],
            capabilities=Capabilities(),
            dad=False,
        )
        for network, router, metric in (
            ("::/0", "w", 1024),
            ("2002::/16", "x", 1024),
            ("2001:db8::/32", "y", 512),
            ("2001:db8::/32", "z", 1536),
        ):
            via = f"fe80::{'wxyz'.index(router) + 10}"
            self.stack.add_route(network, via=via, nic=self.nic, metric=metric)
        self.alive = set("wxyz")
        self.now = SECOND
        self.asked: list[tuple[int, str]] = []
        self.sent: list[tuple[int, str]] = []
        self.sock = self.stack.udp_bind(("", 5))

    @staticmethod
    def router(ip: bytes) -> str | None:
        return "wxyz"[int(ip[-1:].hex()) - 10] if ip[:2] == b"\xfe\x80" else None

    def take(self, sent: bytes) -> list[bytes]:
        """What the routers make of a frame."""
        if sent[20] == 17:
            self.sent.append((self.now, self.router_of_mac(sent[:6])))
        if sent[20] != 58 or sent[54] != 135:
            return []
        target = sent[62:78]
        name = self.router(target)
        if name is None:
            return []
        self.asked.append((self.now, name))
        if name not in self.alive:
            return []
        mac = b"\x02\0\0\0\0" + target[-1:]
        body = ndp.build_neighbour_advertisement(
            target, target, sent[22:38], mac, ndp.SOLICITED | ndp.OVERRIDE | ndp.ROUTER
        )
        return [frame(mac, MAC, target, sent[22:38], body).join()]

    def router_of_mac(self, mac: bytes) -> str:
        return "wxyz"[(mac[-1] & 15) + (mac[-1] >> 4) * 10 - 10]

    def wait(self, delay: int) -> None:
        end = self.now + delay
        answers: list[bytes] = []
        while True:
            if answers:
                self.nic.receive(answers, self.now)
            self.stack.handle_timeout(self.now)
            self.stack.events()
            out = [one for p in self.nic.transmit(self.now) for one in flatten(p)]
            answers = [a for one in out for a in self.take(one)]
            due = self.stack.next_timeout()
            if answers or out or (due is not None and due <= self.now):
                continue
            if due is None or due > end:
                self.now = end
                return
            self.now = due

    def way(self) -> str:
        """The router that a datagram leaves by, once the neighbours are settled."""
        self.sent.clear()
        for _ in range(10):
            self.sock.send_to(b"x", ("2001:db8::1", 9))
            self.wait(4 * SECOND)
        return self.sent[-1][1] if self.sent else "none"


def test_the_example_of_rfc_4191() -> None:
    host = Host()
    assert host.way() == "y"
    host.alive -= {"y"}
    host.wait(40 * SECOND)
    assert host.way() == "z"
    host.alive -= {"z"}
    host.wait(40 * SECOND)
    assert host.way() == "w"
    host.alive -= {"w"}
    host.wait(40 * SECOND)
    host.way()
    host.asked.clear()
    assert host.way() == "none"
    assert "y" in {name for _, name in host.asked}  # the best one is used
    assert "x" not in {name for _, name in host.asked}
    host.alive |= {"z"}
    host.wait(2 * PROBE_INTERVAL)
    host.way()
    host.wait(2 * PROBE_INTERVAL)
    assert host.way() == "z"


def test_a_preferred_router_is_asked_again_while_there_is_use_for_it() -> None:
    """RFC 4191 3.5"""
    host = Host()
    host.way()
    host.alive -= {"y"}
    host.wait(40 * SECOND)
    assert host.way() == "z"
    host.asked.clear()
    for _ in range(75):  # five minutes
        host.sock.send_to(b"x", ("2001:db8::1", 9))
        host.wait(4 * SECOND)
    probes = [at for at, name in host.asked if name == "y"]
    assert 3 <= len(probes) <= 5
    assert all(b - a >= PROBE_INTERVAL for a, b in itertools.pairwise(probes))
    host.asked.clear()
    host.wait(2 * PROBE_INTERVAL)
    host.asked.clear()
    host.wait(10 * PROBE_INTERVAL)  # nobody sends
    assert [name for _, name in host.asked if name == "y"] == []
    host.alive |= {"y"}
    host.way()
    host.wait(PROBE_INTERVAL)
    host.way()
    assert host.way() == "y"


def test_default_routers_of_equal_worth_take_turns_when_all_are_dead() -> None:
    """RFC 4861 6.3.6 (2)"""
    table = RouteTable()
    for n in (1, 2, 3):
        table.add(make_route("default", NIC, via=f"10.0.0.{n}"))  # type: ignore[arg-type]
    NIC.arp = None  # type: ignore[attr-defined]
    seen = []
    for now in range(6):
        route = table.lookup(b"\x08\x08\x08\x08")
        assert route is not None
        seen.append(route.via[-1])
        table.gateway_failed(NIC, route.via, now)  # type: ignore[arg-type]
    assert seen == [1, 2, 3, 1, 2, 3]
