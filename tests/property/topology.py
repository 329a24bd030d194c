"""Random networks: segments that are trees of bridges, routers between them, hosts.

What a datagram's fate ought to be is found by walking over the plan, which knows
nothing of packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import strategies as st

from sansio_net import Capabilities, Entropy
from sansio_net.addresses import format_ip, is_link_local
from sansio_net.protocols.arp import ArpConfig
from sansio_net.protocols.bridge import Bridge
from sansio_net.protocols.ndp import NdpConfig
from sansio_net.protocols.udp import UdpSocket
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.testing import Network

PORT = 7
TTL = 64


@dataclass(slots=True)
class Station:
    """A host or router. via: its next station to a segment, as somebody decided."""

    number: int
    segments: list[int]
    is_router: bool
    via: dict[int, int] = field(default_factory=dict)
    default: int | None = None


@dataclass(slots=True)
class Plan:
    """mtus: of each segment. bridges: how many each has, in a row of trees."""

    mtus: list[int]
    bridges: list[int]
    stations: list[Station]
    send_redirects: bool
    by_link_local: bool
    """IPv6 routes name routers by these addresses."""

    def on(self, segment: int) -> list[Station]:
        return [one for one in self.stations if segment in one.segments]

    def next_station(self, at: Station, segment: int) -> int | None:
        return at.via.get(segment, at.default)

    def walk(self, source: int, target: int, segment: int, ttl: int = TTL) -> bool:
        """Does a datagram get to the address of `target` on `segment`?"""
        at = self.stations[source]
        while at.number != target:
            if segment in at.segments:
                return True  # on the link: straight to it
            following = self.next_station(at, segment)
            if following is None:
                return False
            at = self.stations[following]
            if at.number != target and ttl <= 1:
                return False
            ttl -= 1
        return True

    def connected(self, source: int, segment: int) -> bool:
        """Graph search: is there any way from a station to a segment?"""
        seen, waiting = set(self.stations[source].segments), []
        waiting += seen
        while waiting:
            for station in self.on(waiting.pop()):
                if station.is_router:
                    fresh = set(station.segments) - seen
                    seen |= fresh
                    waiting += fresh
        return segment in seen

    def route_by_shortest_paths(self) -> None:
        """Everyone's next station to every segment, breadth first."""
        for target in range(len(self.mtus)):
            reached = {target: 0}
            waiting = [target]
            while waiting:
                here = waiting.pop(0)
                routers = [one for one in self.on(here) if one.is_router]
                for router in routers:
                    for segment in router.segments:
                        if segment not in reached:
                            reached[segment] = reached[here] + 1
                            waiting.append(segment)
            for station in self.stations:
                if target in station.segments:
                    continue
                # of the routers on its links, one with a link nearest to the target
                ways = [
                    (min(reached.get(s, 99) for s in router.segments), router.number)
                    for segment in station.segments
                    for router in self.on(segment)
                    if router.is_router and router is not station
                ]
                if ways and min(ways)[0] < 99:
                    station.via[target] = min(ways)[1]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    n_segments = draw(st.integers(2, 5))
    some = st.integers(0, n_segments - 1)
    stations: list[Station] = []
    for n in range(draw(st.sampled_from([4, 3, 2, 1, 0]))):
        attached = draw(st.lists(some, min_size=1, max_size=2, unique=True))
        if draw(st.integers(0, 3)):
            # as a rule, a link in common with the router before
            attached = [n % n_segments, (n + 1) % n_segments, *attached[1:]]
        attached = list(dict.fromkeys(attached))
        stations.append(Station(n, attached, True))
    for _ in range(draw(st.integers(2, 4))):
        stations.append(Station(len(stations), [draw(some)], False))
    return Plan(
        [draw(st.sampled_from([1280, 1400, 1500])) for _ in range(n_segments)],
        [draw(st.integers(1, 3)) for _ in range(n_segments)],
        stations,
        draw(st.booleans()),
        draw(st.booleans()),
    )


@st.composite
def routed_at_random(draw: st.DrawFn) -> Plan:
    """Routes as a drunk set them: detours, loops, dead ends."""
    plan = draw(plans())
    for station in plan.stations:
        routers = sorted(
            {
                one.number
                for segment in station.segments
                for one in plan.on(segment)
                if one.is_router and one is not station
            }
        )
        if not routers:
            continue
        if draw(st.integers(0, 3)):
            station.default = draw(st.sampled_from(routers))
        for segment in range(len(plan.mtus)):
            if segment not in station.segments and draw(st.booleans()):
                station.via[segment] = draw(st.sampled_from(routers))
    return plan


class Built:
    """The plan as machines."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.network = Network(record=0)
        self.stacks: list[Stack] = []
        self.nics: list[dict[int, Interface]] = []
        self.sockets: list[UdpSocket] = []
        for station in plan.stations:
            self._make(station)
        for segment in range(len(plan.mtus)):
            self._lay(segment)
        for station in plan.stations:
            self._route(station)
        self.network.run_until_idle()

    def address(self, station: int, segment: int, size: int) -> str:
        if size == 4:
            return f"10.{segment}.0.{station + 1}"
        return f"fd00:{segment}::{station + 1:x}"

    def _make(self, station: Station) -> None:
        config = StackConfig(
            forward=station.is_router,
            send_redirects=self.plan.send_redirects,
            arp=ArpConfig(queue_packets=1000),
            ndp=NdpConfig(queue_packets=1000),
        )
        stack = Stack(config, Entropy.of(station.number).bytes(32))
        nics = {}
        for segment in station.segments:
            four, six = (self.address(station.number, segment, n) for n in (4, 16))
            mtu = self.plan.mtus[segment]
            nics[segment] = stack.add_interface(
                addresses=[f"{four}/24", f"{six}/64"],
                capabilities=Capabilities(mtu=mtu),
                dad=False,
            )
        self.stacks.append(stack)
        self.nics.append(nics)
        self.sockets.append(stack.udp_bind(("", PORT)))

    def _lay(self, segment: int) -> None:
        """Bridges in a row, the stations spread over them."""
        nics = [self.nics[one.number][segment] for one in self.plan.on(segment)]
        bridges = [Bridge(len(nics) + 2) for _ in range(self.plan.bridges[segment])]
        for left, right in pairwise(bridges):
            self.network.connect((left, len(nics)), (right, len(nics) + 1))
        for n, nic in enumerate(nics):
            self.network.connect(nic, (bridges[n % len(bridges)], n))

    def _route(self, station: Station) -> None:
        stack = self.stacks[station.number]
        ways: list[tuple[int | None, int | None]] = list(station.via.items())
        for target, via in [*ways, (None, station.default)]:
            if via is None:
                continue
            shared = next(
                s for s in station.segments if s in self.plan.stations[via].segments
            )
            nic = self.nics[station.number][shared]
            for size in (4, 16):
                network = f"10.{target}.0.0/24" if size == 4 else f"fd00:{target}::/64"
                hop = self.address(via, shared, size)
                if size == 16 and self.plan.by_link_local:
                    hop = next(
                        format_ip(one.ip)
                        for one in self.nics[via][shared].addresses
                        if len(one.ip) == 16 and is_link_local(one.ip)
                    )
                name = "default" if target is None else network
                stack.add_route(name, via=hop, nic=nic)

    def heard(self, station: int) -> list[bytes]:
        """The datagrams that came to a station, and were not read yet."""
        found = []
        while (datagram := self.sockets[station].receive()) is not None:
            found.append(datagram.data)
        return found
