"""The machines of the network layer for the registry: how to drive each of them."""

from __future__ import annotations

from typing import Any

from sansio_net import Entropy, Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters
from sansio_net.errors import LimitError, StateError
from sansio_net.packet import PacketInfo
from sansio_net.protocols.bridge import Bridge, BridgeConfig, BridgePort
from sansio_net.protocols.multicast import (
    ANYTHING,
    NOTHING,
    Membership,
    MulticastConfig,
    exclude,
    include,
)
from sansio_net.protocols.ndp import NdpConfig, NeighbourDiscovery, solicited_node
from sansio_net.protocols.ndp.frames import ALL_NODES, frame
from sansio_net.protocols.slaac import Autoconfiguration, SlaacConfig
from sansio_net.protocols.traceroute import Answer, Traceroute, TracerouteOptions
from sansio_net.testing.damage import wreck
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire import igmp, ipv4, ipv6, mld, ndp
from sansio_net.wire.groups import GroupQuery
from sansio_net.wire.ipv6_extensions import ROUTER_ALERT, build_options

from .driving import Memory, Subject

MAC = b"\x02\0\0\0\0\x02"
OTHER_MAC = b"\x02\0\0\0\0\x01"
US = pack_ip("fe80::2")
OTHER_LOCAL = pack_ip("fe80::1")


def pick(dice: Entropy, *values: Any) -> Any:
    return values[dice.below(len(values))]


def neighbour(dice: Entropy) -> bytes:
    return pack_ip(f"fe80::{1 + dice.below(8)}")


def ndp_frame(dice: Entropy) -> bytes:
    """A message of any kind, mostly valid, sometimes wrecked."""
    mac = pick(dice, OTHER_MAC, OTHER_MAC, MAC, b"\x33\x33\0\0\0\1", None)
    src = pick(dice, neighbour(dice), neighbour(dice), bytes(16))
    target = pick(dice, US, neighbour(dice), ALL_NODES)
    dst = pick(dice, US, solicited_node(target), ALL_NODES)
    kind = dice.below(5)
    if kind == 0:
        nonce = pick(dice, None, dice.bytes(6))
        body = ndp.build_neighbour_solicitation(target, src, dst, mac, nonce)
    elif kind in (1, 2):
        flags = dice.below(8) << 5
        body = ndp.build_neighbour_advertisement(target, src, dst, mac, flags)
    elif kind == 3:
        router = ndp.RouterAdvertisement(64, False, False, 0, 1800, 0, 0, mac)
        body = ndp.build_router_advertisement(router, src, dst)
    else:
        body = ndp.build_router_solicitation(src, dst, mac)
    made = frame(OTHER_MAC, MAC, src, dst, body).join()
    return wreck(made, dice) if dice.below(8) == 0 else made


ROUTERS = (pack_ip("fe80::1"), pack_ip("fe80::9"))


def advertisement(dice: Entropy) -> ndp.RouterAdvertisement:
    """What a router, or somebody who plays one, may say."""
    prefixes = tuple(
        ndp.PrefixInformation(
            pack_ip(f"2001:db8:{dice.below(40):x}::"),
            pick(dice, 64, 64, 64, 48, 0, 128, 200),
            bool(dice.below(2)),
            bool(dice.below(4)),
            pick(dice, 0, 10, 7201, 86_400, ndp.INFINITE),
            pick(dice, 0, 5, 3600, 86_400, ndp.INFINITE),
        )
        for _ in range(dice.below(4))
    )
    routes = (ndp.RouteInformation(bytes(16), 0, ndp.LOW, pick(dice, 0, 60)),)
    servers = (ndp.DnsServers(pick(dice, 0, 30), (neighbour(dice),)),)
    search = (ndp.DnsSearchList(pick(dice, 0, 30), (f"n{dice.below(9)}.example",)),)
    return ndp.RouterAdvertisement(
        pick(dice, 0, 64),
        False,
        False,
        pick(dice, ndp.HIGH, ndp.MEDIUM, ndp.LOW),
        pick(dice, 0, 1800, 65535),
        pick(dice, 0, 30_000),
        pick(dice, 0, 1000),
        OTHER_MAC,
        pick(dice, None, 0, 1280, 1400, 9000),
        prefixes,
        routes[: dice.below(2)],
        servers[: dice.below(2)],
        search[: dice.below(2)],
    )


class TheAutoconfiguration(Subject):
    cls = Autoconfiguration
    verb_names = ("start", "stop", "duplicate")
    CONFIG = SlaacConfig(
        temporary=True, max_prefixes=3, max_addresses=4, max_routes=4, max_dns=2
    )

    def make(self, seed: int, trace: Trace | None = None) -> Autoconfiguration:
        made = Autoconfiguration(
            "eth0",
            bytes(32),
            config=self.CONFIG,
            entropy=Entropy.of(seed),
            counters=Counters(),
            trace=trace,
        )
        made.start()
        return made

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        out = []
        for _ in range(1 + dice.below(3)):
            source = pick(dice, *ROUTERS, pack_ip("2001:db8::1"))
            made = ndp.build_router_advertisement(
                advertisement(dice), source, ALL_NODES
            )
            if dice.below(8) == 0:
                made = dice.bytes(4) + made[4:]
            info = PacketInfo(source, ALL_NODES, 0, pick(dice, 255, 255, 255, 64))
            out.append(Packet(made, info=info))
        return out

    def malformed(self) -> list[Any]:
        info = PacketInfo(ROUTERS[0], ALL_NODES, 0, 255)
        return [Packet(b""), Packet(b"", info=info), Packet(bytes(16), info=info)]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        match dice.below(6):
            case 0:
                machine.start()
            case 1:
                machine.stop()
            case _:
                for formed in machine.addresses()[:1]:
                    machine.duplicate(formed.ip)

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [
            ("addresses", len(machine.addresses()), 4),
            ("routes", len(machine._routes), 4),
            ("dns", len(machine._dns), 2),
        ]


class TheNeighbourDiscovery(Subject):
    cls = NeighbourDiscovery
    verb_names = (
        *("resolve", "claim", "release", "add_static", "remove", "flush"),
        "set_times",
    )

    def make(self, seed: int, trace: Trace | None = None) -> NeighbourDiscovery:
        made = NeighbourDiscovery(
            MAC,
            config=NdpConfig(table_limit=4, reply_limit=3, claim_limit=2),
            entropy=Entropy.of(seed),
            counters=Counters(),
            trace=trace,
        )
        made.claim(US)
        return made

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        frames = [ndp_frame(dice) for _ in range(1 + dice.below(4))]
        return [pick(dice, one, Packet.received(one)) for one in frames]

    def malformed(self) -> list[Any]:
        body = ndp.build_neighbour_solicitation(US, US, US, OTHER_MAC)
        whole = frame(OTHER_MAC, MAC, US, US, body).join()
        return [b"", whole[:14], whole[:60], whole[:-1] + b"\xff"]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        ip = neighbour(dice)
        try:
            match dice.below(9):
                case 0 | 1 | 2:
                    machine.resolve(ip)
                case 3:
                    machine.claim(ip, bool(dice.below(2)), bool(dice.below(2)))
                case 4:
                    machine.release(ip)
                case 5:
                    machine.add_static(ip, OTHER_MAC)
                case 6:
                    machine.remove(ip)
                case 7:
                    machine.set_times(dice.below(10**11), dice.below(10**10))
                case _:
                    machine.flush()
        except (StateError, LimitError):
            pass

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [("neighbours", len(machine.neighbours()), 4)]


class TheMembership(Subject):
    """IGMP; MLD differs in its packets alone."""

    cls = Membership
    verb_names = ("listen", "renew")
    SIZE = 4
    GROUPS = tuple(bytes((239, 1, 1, n)) for n in range(6))
    SOURCE, QUERIER = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 1))

    def make(self, seed: int, trace: Trace | None = None) -> Membership:
        made = Membership(
            self.SIZE,
            config=MulticastConfig(max_groups=4, max_sources=3),
            entropy=Entropy.of(seed),
            counters=Counters(),
            trace=trace,
        )
        made.source = self.SOURCE
        return made

    def host(self, dice: Entropy) -> bytes:
        return self.QUERIER[:-1] + bytes((10 + dice.below(5),))

    def query(self, dice: Entropy) -> GroupQuery:
        group = pick(dice, b"", *self.GROUPS)
        n = dice.below(3) if group else 0
        sources = tuple(self.host(dice) for _ in range(n))
        version = pick(dice, 1, 2, 3)
        if version < 3:
            sources = ()
        return GroupQuery(version, group, pick(dice, 0, 100, 10_000), sources)

    def packet(self, dice: Entropy) -> bytes:
        if dice.below(4) == 0:
            message = igmp.build_old_report(2, pick(dice, *self.GROUPS))
        else:
            message = igmp.build_query(self.query(dice))
        header = ipv4.build_ipv4(self.QUERIER, self.GROUPS[0], 2, len(message), ttl=1)
        return header + message

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        out: list[Any] = []
        for _ in range(1 + dice.below(3)):
            made = self.packet(dice)
            if dice.below(8) == 0:
                made = made[: dice.below(len(made))] + dice.bytes(3)
            out.append(pick(dice, made, Packet.received(made)))
        return out

    def malformed(self) -> list[Any]:
        whole = self.packet(Entropy.of(1))
        return [b"", whole[:-1], whole[:-1] + b"!", whole[:10]]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        sources = [self.host(dice) for _ in range(dice.below(5))]
        wanted = pick(dice, NOTHING, ANYTHING, include(sources), exclude(sources))
        group = pick(dice, *self.GROUPS, self.QUERIER)
        try:
            if dice.below(12) == 0:
                machine.renew()
            else:
                machine.listen(dice.below(3), group, wanted)
        except (StateError, LimitError):
            pass

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [("groups", len(machine._receptions), 4)]


class TheMembership6(TheMembership):
    SIZE = 16
    GROUPS = tuple(pack_ip(f"ff15::{n + 1}") for n in range(6))
    SOURCE, QUERIER = US, OTHER_LOCAL

    def packet(self, dice: Entropy) -> bytes:
        to = self.GROUPS[0]
        query = self.query(dice)
        query.version = min(query.version, 2)
        message = mld.build_query(query, self.QUERIER, to)
        alert = build_options(58, [(ROUTER_ALERT, b"\0\0")])
        size = len(alert) + len(message)
        header = ipv6.build_ipv6(self.QUERIER, to, 0, size, hop_limit=1)
        return header + alert + message


class TheBridge(Subject):
    """Three ports, VLAN-aware, and hosts that move."""

    cls = Bridge
    verb_names = ("flush",)

    def make(self, seed: int, trace: Trace | None = None) -> Bridge:
        ports = [BridgePort(), BridgePort(pvid=2, tagged=(1,)), BridgePort(tagged=(2,))]
        config = BridgeConfig(max_addresses=4, queue_packets=4, vlan_aware=True)
        return Bridge(ports, config=config, counters=Counters(), trace=trace)

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        out = []
        for _ in range(1 + dice.below(4)):
            hosts = [b"\x02\0\0\0\0" + bytes((dice.below(6),)) for _ in range(2)]
            to = pick(dice, hosts[0], hosts[0], b"\xff" * 6)
            tag = pick(dice, b"", b"\x81\0" + dice.below(4).to_bytes(2, "big"))
            frame = to + hosts[1] + tag + b"\x08\0" + bytes(20)
            if dice.below(8) == 0:
                frame = frame[: dice.below(len(frame))]
            out.append((pick(dice, 0, 1, 2, 2, 7), Packet(frame)))
        return out

    def malformed(self) -> list[Any]:
        return [(0, Packet(b"")), (0, Packet(bytes(13))), (9, Packet(bytes(60)))]

    def wrap(self, data: bytes, packet: Packet) -> list[Any]:
        return [(0, Packet(data)), (2, packet)]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        if dice.below(6) == 0:
            machine.flush(pick(dice, None, 0, 1))

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine._counters.as_dict())

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [
            ("addresses", len(machine.addresses()), 4),
            ("waiting", machine.waiting, 12),
        ]


class TheTraceroute(Subject):
    """Answers to probes that were sent, to others, and final ones now and then."""

    cls = Traceroute
    counts_malformed = False

    def make(self, seed: int, trace: Trace | None = None) -> Traceroute:
        options = TracerouteOptions(
            first=1 + seed % 3,
            hops=20,
            queries=1 + seed % 4,
            parallel=1 + seed % 7,
            wait=4 * SECOND,
            here=3_000 * (seed & 1),
            interval=(seed % 3) * 40 * MILLISECOND,
        )
        return Traceroute(options)

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        answers = []
        for _ in range(1 + dice.below(4)):
            number = dice.below(100) - 1
            if memory.sent and dice.below(4):
                number = pick(dice, *memory.sent).number
            source = f"10.0.0.{dice.below(4)}"
            mark = pick(dice, "", "", "!H")
            answers.append(Answer(number, source, mark, dice.below(30) == 0))
        return answers

    def wrap(self, data: bytes, packet: Packet) -> list[Any]:
        number = int.from_bytes(data[:2], "big")
        return [Answer(number, data.hex()), Answer(-number, "", "!X", True)]

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        under_way = len(machine._under_way())
        return [
            ("under way", under_way, machine._options.parallel),
            ("remembered", len(machine._probes), 20 * machine._options.queries),
        ]
