"""Longest prefix match against brute force, and cached ways out that are never old."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sansio_net import Entropy
from sansio_net.addresses import mask_ip
from sansio_net.stack import Stack
from sansio_net.stack.hops import find_hop
from sansio_net.stack.prefixes import PrefixMap
from sansio_net.stack.routes import Route, RouteTable

# few bits vary, around the lengths where the structure splits: prefixes nest and meet
_BITS4 = (0, 1, 7, 8, 15, 16, 17, 23, 24, 30, 31)
_BITS6 = (0, 1, 31, 32, 33, 47, 48, 63, 64, 65, 126, 127)


def addresses(size: int) -> st.SearchStrategy[bytes]:
    places = _BITS4 if size == 4 else _BITS6
    chosen = st.frozensets(st.sampled_from(places))
    return chosen.map(
        lambda bits: sum(1 << size * 8 - 1 - bit for bit in bits).to_bytes(size, "big")
    )


@st.composite
def prefixes(draw: st.DrawFn, size: int) -> tuple[bytes, int]:
    prefixlen = draw(st.integers(0, size * 8))
    return mask_ip(draw(addresses(size)), prefixlen), prefixlen


sizes = st.sampled_from((4, 16))


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[bool, tuple[bytes, int]]]]:
    size = draw(sizes)
    steps = st.tuples(st.booleans(), prefixes(size))
    return size, draw(st.lists(steps, max_size=40))


@given(histories(), st.data())
def test_the_map_equals_brute_force(
    history: tuple[int, list[tuple[bool, tuple[bytes, int]]]], data: st.DataObject
) -> None:
    size, steps = history
    made: PrefixMap[int] = PrefixMap(size)
    oracle: dict[tuple[bytes, int], int] = {}
    for n, (adds, prefix) in enumerate(steps):
        if adds:
            made.put(*prefix, n)
            oracle[prefix] = n
        elif prefix in oracle:
            made.drop(*prefix)
            del oracle[prefix]
        assert made.get(*prefix) == oracle.get(prefix)
    assert sorted(made.values()) == sorted(oracle.values())
    wanted = data.draw(addresses(size))
    fitting = [
        (prefixlen, known)
        for (network, prefixlen), known in oracle.items()
        if mask_ip(wanted, prefixlen) == network
    ]
    longest_first = [known for _, known in sorted(fitting, reverse=True)]
    assert list(made.matches(wanted)) == longest_first


@given(histories())
def test_nothing_is_left_of_what_is_taken_away(
    history: tuple[int, list[tuple[bool, tuple[bytes, int]]]],
) -> None:
    size, steps = history
    made: PrefixMap[int] = PrefixMap(size)
    prefixes = {prefix for _, prefix in steps}
    for prefix in sorted(prefixes):
        made.put(*prefix, 1)
    for prefix in sorted(prefixes, reverse=True):
        made.drop(*prefix)
    assert (made._counts, made._deep, made._top) == ({}, {}, [])
    assert not any(made._tables)


def test_what_is_shared_is_bounded() -> None:
    made: PrefixMap[int] = PrefixMap(4)
    for mask in range(1, 1 << 9):
        for length in range(16, 25):
            if mask >> length - 16 & 1:
                made.put(bytes((1, 2, 0, 0)), length, 1)
        for length in range(16, 25):
            if mask >> length - 16 & 1:
                made.drop(bytes((1, 2, 0, 0)), length)
        assert len(made._ways) <= 67


@dataclass(slots=True)
class Nic:
    index: int
    is_up: bool = True
    has_carrier: bool = True

    @property
    def name(self) -> str:
        return f"eth{self.index}"


class Tables(RuleBasedStateMachine):
    """Routes of both families come and go, interfaces go up and down."""

    def __init__(self) -> None:
        super().__init__()
        self.nics = [Nic(n) for n in range(3)]
        self.table = RouteTable(limit=30)
        self.known: list[Route] = []

    @rule(prefix=sizes.flatmap(prefixes), n=st.integers(0, 2), metric=st.integers(0, 2))
    @precondition(lambda self: len(self.known) < 30)
    def add(self, prefix: tuple[bytes, int], n: int, metric: int) -> None:
        nic = self.nics[n]
        if all((r.network, r.prefixlen, r.nic) != (*prefix, nic) for r in self.known):
            route = Route(*prefix, nic, b"", metric)  # type: ignore[arg-type]
            self.table.add(route)
            self.known.append(route)

    @rule(data=st.data())
    @precondition(lambda self: self.known)
    def remove(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.known) - 1))
        route = self.known.pop(at)
        if data.draw(st.booleans()):
            self.table.forget(route)
        else:
            gone = self.table.remove(route.network, route.prefixlen, route.nic)
            assert gone is route

    @rule(n=st.integers(0, 2), up=st.booleans(), carrier=st.booleans())
    def link(self, n: int, up: bool, carrier: bool) -> None:
        self.nics[n].is_up, self.nics[n].has_carrier = up, carrier

    @rule(wanted=sizes.flatmap(addresses), n=st.integers(0, 3))
    def look_up(self, wanted: bytes, n: int) -> None:
        over = self.nics[n] if n < 3 else None
        fitting = [
            (-route.prefixlen, not route.nic.has_carrier, route.metric, at)
            for at, route in enumerate(self.known)
            if len(route.network) == len(wanted)
            and mask_ip(wanted, route.prefixlen) == route.network
            and route.nic.is_up
            and over in (None, route.nic)  # type: ignore[comparison-overlap]
        ]
        best = self.known[min(fitting)[3]] if fitting else None
        assert self.table.lookup(wanted, over) is best  # type: ignore[arg-type]

    @invariant()
    def it_counts(self) -> None:
        assert self.table.n_routes == len(self.known) == len(list(self.table))


TestTables = Tables.TestCase


class Hops(RuleBasedStateMachine):
    """What `find_hop` remembers is what a stack that remembers nothing would find."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = Stack(seed=Entropy.of(1).bytes(32))
        self.nics = [
            self.stack.add_interface(addresses=[f"10.{n}.0.2/16"]) for n in range(3)
        ]

    @rule(third=st.integers(0, 3), length=st.integers(8, 32), n=st.integers(0, 2))
    def add(self, third: int, length: int, n: int) -> None:
        network = mask_ip(bytes((192, 0, third, 0)), length)
        via = bytes((10, n, 0, 1 + third))
        if self.stack.routes.find(network, length, self.nics[n], via) is None:
            self.stack.routes.add(Route(network, length, self.nics[n], via))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        routes = [route for route in self.stack.routes if route.via]
        if routes:
            self.stack.routes.forget(data.draw(st.sampled_from(routes)))

    @rule(n=st.integers(0, 2), up=st.booleans())
    def link(self, n: int, up: bool) -> None:
        self.nics[n].carrier(up)

    @rule(n=st.integers(0, 2), third=st.integers(0, 3), dead=st.booleans())
    def gateway(self, n: int, third: int, dead: bool) -> None:
        nic, via = self.nics[n], bytes((10, n, 0, 1 + third))
        if dead:
            self.stack.routes.gateway_failed(nic, via, 1)
        else:
            self.stack.routes.gateway_answered(nic, via)

    @invariant()
    def hops_are_right(self) -> None:
        for third in range(4):
            dst = bytes((192, 0, third, 7))
            remembered, kept = find_hop(self.stack, dst), dict(self.stack.hops)
            self.stack.hops.clear()
            fresh = find_hop(self.stack, dst)
            self.stack.hops = kept
            if remembered is None or fresh is None:
                assert remembered is fresh
            else:
                assert (remembered.nic, remembered.next_hop) == (
                    fresh.nic,
                    fresh.next_hop,
                )


TestHops = Hops.TestCase
