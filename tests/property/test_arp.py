"""ArpCache against a model: nothing is lost, no bound is crossed, everything ends."""

from __future__ import annotations

import pickle

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from sansio_net import Entropy, Packet
from sansio_net.addresses import BROADCAST_MAC, ZERO_MAC, format_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.protocols.arp import (
    ArpCache,
    ArpConfig,
    Conflict,
    NeighbourState,
    ResolutionFailed,
    Resolved,
)
from sansio_net.protocols.neighbours.config import OVERHEAD
from sansio_net.units import HOUR, MILLISECOND, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, build_arp, parse_arp
from sansio_net.wire.ethernet import build_ethernet, parse_ethernet

OURS = bytes.fromhex("020000000001")
IP = bytes([10, 0, 0, 1])
NONE = bytes(4)
IN_USE = (NeighbourState.REACHABLE, NeighbourState.DELAY, NeighbourState.PROBE)

ips = st.integers(2, 8).map(lambda n: bytes([10, 0, 0, n]))
macs = st.integers(2, 4).map(lambda n: bytes([2, 0, 0, 0, 0, n]))
delays = st.sampled_from(
    [0, 1, 300 * MILLISECOND, SECOND, 3 * SECOND, 10 * SECOND, 60 * SECOND]
)


class ArpMachine(RuleBasedStateMachine):
    """Any interleaving of senders, answers, advice and time."""

    @initialize(limit=st.sampled_from([3, 64]), seed=st.integers(0, 99))
    def begin(self, limit: int, seed: int) -> None:
        self.config = ArpConfig(
            table_limit=limit,
            queue_packets=4,
            queue_bytes=400 + 4 * OVERHEAD,
            queue_total_bytes=1000 + 10 * OVERHEAD,
        )
        self.counters = Counters()
        self.cache = ArpCache(
            OURS, config=self.config, entropy=Entropy.of(seed), counters=self.counters
        )
        self.now = 0
        self.serial = 0
        self.n_enqueued = self.n_sent = 0
        self.last_sent: dict[bytes, int] = {}
        self.said: dict[bytes, set[bytes]] = {}
        self.asked_at: dict[bytes, int] = {}
        self.waiting: set[bytes] = set()  # who is owed Resolved or ResolutionFailed
        self.cache.claim(IP)
        self.turn()

    # -- what happens

    @rule(ip=ips, size=st.integers(0, 300))
    def send(self, ip: bytes, size: int) -> None:
        neighbour = self.cache.lookup(ip, self.now)
        if neighbour.state is NeighbourState.INCOMPLETE:
            self.waiting.add(ip)
        header = neighbour.header or self.cache.use(neighbour, self.now)
        if header is not None:
            self.check_header(ip, header)
            return
        self.serial += 1
        self.n_enqueued += 1
        body = ip + self.serial.to_bytes(4, "big") + bytes(size)
        self.cache.enqueue(neighbour, Packet(body), self.now)
        if neighbour.state is not NeighbourState.FAILED:
            self.waiting.add(ip)  # else the sender knows already

    @rule(
        op=st.sampled_from([REQUEST, REPLY]),
        mac=macs,
        ip=ips,
        about=st.sampled_from(["us", "itself", "other"]),
        tha=st.sampled_from([OURS, ZERO_MAC]),
    )
    def arp(self, op: int, mac: bytes, ip: bytes, about: str, tha: bytes) -> None:
        tpa = {"us": IP, "itself": ip, "other": bytes([10, 0, 0, 200])}[about]
        self.said.setdefault(ip, set()).add(mac)
        before = {n.ip: n.mac for n in self.cache.neighbours()}
        self.cache.arp_arrives(op, mac, ip, tha, tpa, self.now)
        after = {n.ip: n.mac for n in self.cache.neighbours()}
        if ip not in before and not (op == REQUEST and about == "us"):
            assert ip not in after
        if ip in before and before[ip] is None:
            assert after[ip] == mac

    @rule(mac=macs)
    def conflict(self, mac: bytes) -> None:
        self.cache.arp_arrives(REPLY, mac, IP, OURS, IP, self.now)
        assert IP not in [n.ip for n in self.cache.neighbours()]

    @rule(ip=ips)
    def advise(self, ip: bytes) -> None:
        for neighbour in self.cache.neighbours():
            if neighbour.ip == ip:
                self.cache.advise(neighbour)
                if neighbour.state is NeighbourState.STALE:
                    assert neighbour.header is None

    @rule(ip=ips)
    def confirm(self, ip: bytes) -> None:
        for neighbour in self.cache.neighbours():
            if neighbour.ip == ip:
                self.cache.confirm(neighbour, self.now)
                assert not neighbour.suspect

    @rule()
    def flush(self) -> None:
        self.cache.flush()
        assert self.cache.neighbours() == []

    @rule(delay=delays)
    def wait(self, delay: int) -> None:
        end = self.now + delay
        self.turn()
        while (due := self.cache.next_timeout()) is not None and due <= end:
            self.now = max(self.now, due)
            self.turn()
        self.now = end
        self.turn()

    @rule()
    def pickled(self) -> None:
        self.counters_before = self.counters.as_dict()
        self.cache = pickle.loads(pickle.dumps(self.cache))
        self.counters = self.cache._counters
        assert self.counters.as_dict() == self.counters_before

    # -- what must hold

    def turn(self) -> None:
        self.cache.handle_timeout(self.now)
        self.take_events()
        for packet in self.cache.transmit(self.now, 10_000):
            self.check_frame(packet.join())
        self.take_events()
        due = self.cache.next_timeout()
        assert due is None or due > self.now

    def take_events(self) -> None:
        for event in self.cache.events():
            if isinstance(event, Resolved):
                self.waiting.discard(event.ip)
                assert event.mac in self.said[event.ip]

            elif isinstance(event, ResolutionFailed):
                self.waiting.discard(event.ip)
                assert len(event.packets) <= self.config.queue_packets
            else:
                assert isinstance(event, Conflict)
                assert not event.lost

    def check_header(self, ip: bytes, header: bytes) -> None:
        assert header[:6] in self.said[ip]
        assert header[6:] == OURS + b"\x08\x00"

    def check_frame(self, frame: bytes) -> None:
        header = parse_ethernet(frame)
        if header.ethertype == 0x0806:
            arp = parse_arp(frame, 14)
            assert (arp.sha, arp.spa) == (OURS, IP)
            if arp.op == REQUEST and arp.tpa != IP and self.config.table_limit == 64:
                # RFC 1122 2.3.2.1; an entry that was flushed starts anew
                last = self.asked_at.get(arp.tpa)
                fresh = self.cache.lookup(arp.tpa, self.now).n_solicits == 1
                assert last is None or fresh or self.now - last >= SECOND
                self.asked_at[arp.tpa] = self.now
            return
        ip, serial = frame[14:18], int.from_bytes(frame[18:22], "big")
        self.check_header(ip, frame[:14])
        assert serial > self.last_sent.get(ip, 0)
        self.last_sent[ip] = serial
        self.n_sent += 1

    @invariant()
    def bounds(self) -> None:
        if not hasattr(self, "cache"):
            return
        neighbours = self.cache.neighbours()
        assert len(neighbours) <= self.config.table_limit
        assert self.cache._table.held_bytes <= self.config.queue_total_bytes
        waiting = 0
        for neighbour in neighbours:
            packets = list(neighbour.packets or ())
            waiting += len(packets)
            assert len(packets) <= self.config.queue_packets
            pinned = sum(len(packet) + OVERHEAD for packet in packets)
            assert neighbour.queued_bytes == pinned
            assert neighbour.queued_bytes <= self.config.queue_bytes
            known = neighbour.state in IN_USE
            assert (neighbour.header is not None) is known
        dropped = self.counters.dropped(
            DropReason.NEIGHBOUR_QUEUE_FULL
        ) + self.counters.dropped(DropReason.NEIGHBOUR_UNREACHABLE)
        assert self.n_enqueued == self.n_sent + dropped + waiting

    def teardown(self) -> None:
        if not hasattr(self, "cache"):
            return
        self.wait(HOUR)
        assert self.cache.next_timeout() is None
        assert not self.waiting
        for neighbour in self.cache.neighbours():
            assert neighbour.state in (NeighbourState.STALE, NeighbourState.FAILED)
            assert not neighbour.packets
        self.bounds()
        assert self.cache._table.held_bytes == 0


TestArpMachine = ArpMachine.TestCase
TestArpMachine.settings = settings(stateful_step_count=40)


fields = st.tuples(
    st.integers(0, 4),
    st.sampled_from([OURS, ZERO_MAC, BROADCAST_MAC])
    | st.binary(min_size=6, max_size=6),
    st.sampled_from([IP, NONE]) | ips | st.binary(min_size=4, max_size=4),
    st.sampled_from([OURS, ZERO_MAC]),
    st.sampled_from([IP, NONE]) | ips,
)


@given(
    st.lists(
        st.binary(max_size=80)
        | st.binary(max_size=50).map(
            lambda tail: build_ethernet(OURS, ZERO_MAC, 0x0806) + tail
        )
        | fields.map(
            lambda f: build_ethernet(BROADCAST_MAC, f[1], 0x0806) + build_arp(*f)
        ),
        max_size=30,
    ),
    st.booleans(),
)
def test_no_frame_raises_and_every_table_keeps_its_bound(
    frames: list[bytes], accept: bool
) -> None:
    config = ArpConfig(table_limit=4, reply_limit=3, accept_gratuitous=accept)
    counters = Counters()
    cache = ArpCache(OURS, config=config, entropy=Entropy.of(1), counters=counters)
    cache.claim(IP)
    cache.claim("10.0.0.9", probe=True)
    for now, frame in enumerate(frames):
        cache.receive([frame, Packet.received(frame)], now * SECOND)
        assert len(cache.neighbours()) <= 4
        if now % 3 == 0:
            cache.handle_timeout(now * SECOND)
            cache.events()
    assert len(cache.transmit(len(frames) * SECOND, 1000)) <= 3 + 4 + 2
    assert not any(format_ip(n.ip) == "10.0.0.1" for n in cache.neighbours())


@given(st.integers(0, 2**32), st.lists(delays, max_size=30))
def test_probing_is_the_same_for_the_same_seed(seed: int, waits: list[int]) -> None:
    runs = []
    for _ in range(2):
        cache = ArpCache(OURS, entropy=Entropy.of(seed))
        cache.claim(IP, probe=True)
        now, out = 0, []
        for delay in waits:
            now += delay
            cache.handle_timeout(now)
            out.append((now, [packet.join() for packet in cache.transmit(now)]))
        runs.append((out, cache.next_timeout(), cache.events()))
    assert runs[0] == runs[1]
