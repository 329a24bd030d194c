"""Two stacks on two links while interfaces, addresses, routes and links come and go.

Whoever has something to send lies in exactly one queue that is served, every deadline
is known, no turn raises, and in the end all of it is over.
"""

from __future__ import annotations

import copy
import pickle
import random

import pytest

from sansio_net import ASAP, Capabilities, Entropy, Medium
from sansio_net.errors import SansioNetError
from sansio_net.machine import earliest
from sansio_net.protocols.icmp import EchoSocket
from sansio_net.protocols.neighbours import NeighbourState
from sansio_net.protocols.tcp import Connection
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import (
    Accepted,
    Closed,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    Interface,
    Stack,
    StackConfig,
    UdpReceived,
)
from sansio_net.units import MILLISECOND, MINUTE, SECOND
from sansio_net.wire.segment import flatten

HOUR = 60 * MINUTE


class Host:
    """A stack, what its application holds, and what lies on the wires to it."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.rng = rng
        self.number = number
        self.stack = Stack(StackConfig(), Entropy.of(rng.getrandbits(64)).bytes(32))
        self.conns: list[Connection] = []
        self.socks: list[UdpSocket | EchoSocket] = []
        self.wires: dict[str, list[bytes]] = {"l0": [], "l1": []}
        self.blocked: set[str] = set()
        self.over: list[Connection] = []
        for link in (0, 1):
            self.plug(link)

    def plug(self, link: int) -> None:
        self.stack.add_interface(
            f"l{link}",
            addresses=[f"10.{link}.0.{self.number}/24"],
            capabilities=Capabilities(
                medium=(Medium.ETHERNET, Medium.IP)[link],
                gso_max=self.rng.choice([0, 65535]),
            ),
        )

    @property
    def nics(self) -> list[Interface]:
        return self.stack.interfaces()[1:]

    def app(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Accepted):
                self.conns.append(event.conn)
            elif isinstance(event, DataReceived):
                event.conn.recv_chunks()
            elif isinstance(event, EofReceived) and self.rng.random() < 0.7:
                event.conn.close()
            elif isinstance(event, UdpReceived):
                while event.sock.receive():
                    pass
            elif isinstance(event, Closed | ConnectionLost):
                assert not any(one is event.conn for one in self.over)
                self.over.append(event.conn)

    def turn(self, now: int, other: Host) -> None:
        for nic in self.nics:
            wire = self.wires[nic.name]
            nic.receive(wire[:64], now)
            del wire[:64]
        self.stack.handle_timeout(now)
        for _ in range(16):
            events = self.stack.events()
            if not events:
                break
            self.app(events)
        for nic in self.nics:
            limit = 0 if nic.name in self.blocked else self.rng.choice([1, 3, 64])
            while True:
                packets = nic.transmit(now, limit)
                frames = [frame for packet in packets for frame in flatten(packet)]
                if any(peer.name == nic.name for peer in other.nics):
                    other.wires[nic.name] += [
                        frame for frame in frames if self.rng.random() < 0.9
                    ]
                if not limit or len(packets) < limit:
                    break

    # -- what may not be otherwise between turns

    def check(self) -> None:
        places: list[object] = []
        for nic in self.stack.interfaces():
            assert nic.blocked() or not (nic.ready or nic.outbox)
            assert all(sender.ready is nic.ready for sender in nic.ready)
            places += nic.ready
            for ip, waiting in nic.parked.items():
                assert nic.arp is not None
                states = {one.ip: one.state for one in nic.arp.neighbours()}
                assert states[ip] is NeighbourState.INCOMPLETE
                places += waiting.values()
        assert all(sender.queued for sender in places)  # type: ignore[attr-defined]
        for sender in (*self.conns, *self.socks, *self.stack.connections()):
            found = sum(place is sender for place in places)
            assert found == sender.queued, sender
        known = self.stack.deadlines.earliest()
        for part in (*self.stack.connections(), *self.stack.interfaces()):
            due = part.deadline()
            assert due is None or (known is not None and known <= due), part
        assert not any(conn.done for conn in self.stack.connections())
        assert {ip for nic in self.stack.interfaces() for ip in nic.local} == set(
            self.stack.own
        )


class World:
    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.hosts = Host(1, self.rng), Host(2, self.rng)
        self.now = SECOND

    def due(self) -> int | None:
        return earliest(*(host.stack.next_timeout() for host in self.hosts))

    def settle(self) -> None:
        """Turns at one time until nothing is left to do at it."""
        for _ in range(3000):
            busy = False
            for host, other in (self.hosts, self.hosts[::-1]):
                due = host.stack.next_timeout()
                waiting = any(host.wires[nic.name] for nic in host.nics)
                if waiting or (due is not None and due <= self.now):
                    host.turn(self.now, other)
                    busy = True
            if not busy:
                break
        else:
            raise AssertionError(f"livelock at {self.now}")
        for host in self.hosts:
            host.check()

    def act(self) -> None:
        """Somebody calls a verb, which may be refused."""
        host = self.rng.choice(self.hosts)
        try:
            self.rng.choice([self.talk, self.talk, self.change])(host)
        except SansioNetError:
            pass

    def talk(self, host: Host) -> None:
        rng, stack = self.rng, host.stack
        link = rng.randrange(2)
        peer, own = f"10.{link}.0.{3 - host.number}", f"10.{link}.0.{host.number}"
        target = rng.choice([peer, peer, own, f"10.{link}.0.77", "192.0.2.1"])
        nic = rng.choice([None, None, None, *host.nics])
        conn = rng.choice(host.conns) if host.conns else None
        verb = rng.randrange(9)
        if verb < 2:
            port = rng.choice([80, 80, 81])
            host.conns.append(stack.tcp_connect((target, port), nic=nic))
        elif verb == 2:
            stack.tcp_listen(("", 80), backlog=rng.choice([1, 5]))
        elif verb == 3:
            port = rng.choice([0, 53])
            host.socks.append(stack.udp_bind(("", port), nic=nic, broadcast=True))
        elif verb == 4:
            echo = stack.echo_open()
            host.socks.append(echo)
            echo.send_to(target, 1, bytes(rng.choice([5, 4000])))
        elif verb == 5 and host.socks:
            sock = rng.choice(host.socks)
            if isinstance(sock, UdpSocket):
                where = rng.choice([target, f"10.{link}.0.255"])
                sock.send_to(bytes(rng.choice([0, 3000])), (where, 53))
            if rng.random() < 0.2:
                sock.close()
        elif verb == 6 and conn is not None:
            conn.send(bytes(rng.choice([1, 5000, 100_000])))
        elif verb == 7 and conn is not None:
            conn.close()
        elif verb == 8 and conn is not None:
            conn.abort()

    def change(self, host: Host) -> None:
        rng, stack = self.rng, host.stack
        link = rng.randrange(2)
        peer, own = f"10.{link}.0.{3 - host.number}", f"10.{link}.0.{host.number}"
        far = rng.choice(["default", "192.0.2.0/24", "10.0.0.0/8"])
        verb = rng.randrange(10)
        if verb == 0:
            host.plug(link)
        elif verb == 1:
            via = rng.choice([peer, f"10.{link}.0.77"])
            stack.add_route(far, via=via, metric=rng.randrange(3))
        elif verb == 2:
            stack.remove_route(rng.choice([far, "10.0.0.0/24"]))
        elif not host.nics:
            return
        nic = rng.choice(host.nics)
        if verb == 3:
            rng.choice([nic.down, nic.up])()
        elif verb == 4:
            nic.carrier(rng.random() < 0.6)
        elif verb == 5:
            nic.add_address(f"{own}/24", probe=rng.random() < 0.3)
        elif verb == 6 and nic.addresses:
            nic.remove_address(str(rng.choice(nic.addresses)))
        elif verb == 7:
            nic.set_mtu(rng.choice([576, 1000, 1500]))
        elif verb == 8:
            keep = host.blocked.add if rng.random() < 0.4 else host.blocked.discard
            keep(nic.name)
        elif verb == 9 and rng.random() < 0.3:
            stack.remove_interface(nic)

    def pass_time(self) -> None:
        due = self.due()
        if due is not None and due > self.now and self.rng.random() < 0.5:
            self.now = due
        else:
            self.now += self.rng.choice([MILLISECOND, SECOND // 3, 5 * SECOND])

    def end(self) -> None:
        """Everybody closes; the links carry again."""
        for host in self.hosts:
            host.stack.close(MINUTE)
            host.blocked.clear()
            for nic in host.nics:
                nic.up()
                nic.carrier(True)
        end = self.now + HOUR
        while (due := self.due()) is not None and due < end:
            self.now = max(self.now, due)
            self.settle()


@pytest.mark.parametrize("seed", range(40))
def test_nobody_is_left_behind(seed: int) -> None:
    world = World(seed)
    for step in range(100):
        for _ in range(world.rng.choice([1, 1, 3])):
            world.act()
        world.settle()
        world.pass_time()
        world.settle()
        if step % 50 == 25:
            for host in world.hosts:
                due = host.stack.next_timeout()
                assert copy.deepcopy(host.stack).next_timeout() == due != ASAP
                assert pickle.loads(pickle.dumps(host.stack)).next_timeout() == due
    world.end()
    for host in world.hosts:
        assert host.stack.connections() == []
        assert host.stack.sockets() == []
        assert host.stack.next_timeout() is None
