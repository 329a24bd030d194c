"""A cache whose time is told, for the tests of ARP."""

from __future__ import annotations

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.counters import Counters
from sansio_net.protocols.arp import (
    ArpCache,
    ArpConfig,
    ArpEvent,
    Neighbour,
    NeighbourState,
)
from sansio_net.trace import Trace
from sansio_net.units import SECOND
from sansio_net.wire.arp import REPLY, Arp, build_arp, parse_arp
from sansio_net.wire.ethernet import build_ethernet, parse_ethernet

OURS = pack_mac("02:00:00:00:00:01")
PEER = pack_mac("02:00:00:00:00:02")
OTHER = pack_mac("02:00:00:00:00:03")
IP = pack_ip("10.0.0.1")
PEER_IP = pack_ip("10.0.0.2")
NONE = bytes(4)


def frame(
    op: int,
    sha: bytes,
    spa: bytes,
    tha: bytes,
    tpa: bytes,
    destination: bytes = OURS,
) -> bytes:
    return build_ethernet(destination, sha, 0x0806) + build_arp(op, sha, spa, tha, tpa)


class Lab:
    """A cache whose time is told, with our address claimed and announced."""

    def __init__(self, seed: int = 1, claimed: bool = True, **config: object) -> None:
        self.counters = Counters()
        self.trace: Trace = []
        self.cache = ArpCache(
            OURS,
            config=ArpConfig(**config),  # type: ignore[arg-type]
            entropy=Entropy.of(seed),
            counters=self.counters,
            trace=self.trace,
        )
        self.now = 100 * SECOND
        self.news: list[ArpEvent] = []
        if claimed:
            self.cache.claim(IP)
            self.pass_time(3 * SECOND)

    def turn(self, *frames: bytes | Packet) -> list[Packet]:
        """One turn at the present; events are kept in `news`."""
        if frames:
            self.cache.receive(list(frames), self.now)
        self.cache.handle_timeout(self.now)
        self.news += self.cache.events()
        sent = self.cache.transmit(self.now, 1000)
        self.news += self.cache.events()
        due = self.cache.next_timeout()
        assert due is None or due > self.now
        return sent

    def arps(self, *frames: bytes) -> list[tuple[bytes, Arp]]:
        """(Ethernet destination, ARP packet) of what the turn sends."""
        sent = [packet.join() for packet in self.turn(*frames)]
        return [(parse_ethernet(one).destination, parse_arp(one, 14)) for one in sent]

    def pass_time(self, delay: int) -> list[tuple[int, bytes, Arp]]:
        """Let time pass, every deadline met; what was sent, with its time."""
        end = self.now + delay
        sent = [(self.now, *one) for one in self.arps()]
        while True:
            due = self.cache.next_timeout()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            sent += [(self.now, *one) for one in self.arps()]
        self.now = end
        return sent

    def events(self) -> list[ArpEvent]:
        self.news += self.cache.events()
        news, self.news = self.news, []
        return news

    def reachable(self, ip: bytes = PEER_IP, mac: bytes = PEER) -> Neighbour:
        """A neighbour that has just answered."""
        neighbour = self.cache.lookup(ip, self.now)
        self.turn()
        self.turn(frame(REPLY, mac, ip, OURS, IP))
        self.events()
        assert neighbour.state is NeighbourState.REACHABLE
        return neighbour
