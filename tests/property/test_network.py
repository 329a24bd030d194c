"""A random network: every datagram gets to the host that a graph search says.

Stacks, bridges and routers; both families; detours, loops and dead ends.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sansio_net.units import SECOND

from .topology import PORT, TTL, Built, Plan, plans, routed_at_random

HEAVY = settings(suppress_health_check=[HealthCheck.too_slow])


@st.composite
def letters(draw: st.DrawFn, plan: Plan) -> list[tuple[int, int, int, int, int]]:
    """(from, to, which of its segments, address size, bytes)"""
    out = []
    last = len(plan.stations) - 1
    for _ in range(draw(st.integers(2, 8))):
        source = last - draw(st.integers(0, last))  # of hosts, as a rule
        every = [(one.number, s) for one in plan.stations for s in one.segments]
        far = [one for one in every if one[1] not in plan.stations[source].segments]
        # across routers, as a rule
        target, segment = draw(
            st.sampled_from(far if far and draw(st.integers(0, 3)) else every)
        )
        size = draw(st.sampled_from([4, 16]))
        length = draw(st.integers(2, 3000 if size == 4 else 1200))
        out.append((source, target, segment, size, length))
    return out


def deliver(built: Built, sent: list[tuple[int, int, int, int, int]], ttl: int) -> None:
    """Each arrives once where the walk ends, and nowhere else; then all is quiet."""
    plan, network = built.plan, built.network
    expected: list[list[bytes]] = [[] for _ in plan.stations]
    for n, (source, target, segment, size, length) in enumerate(sent):
        data = bytes((n,)) * length
        to = built.address(target, segment, size), PORT
        if plan.walk(source, target, segment, ttl):
            expected[target].append(data)
        elif plan.next_station(plan.stations[source], segment) is None:
            continue  # it would raise Unreachable
        built.sockets[source].send_to(data, to, ttl=ttl)
    began = network.now
    network.run_until_idle()
    for station, datagrams in enumerate(expected):
        assert sorted(built.heard(station)) == sorted(datagrams), station
    for stack in built.stacks:
        assert not any(nic.outbox or nic.parked for nic in stack.interfaces())
        # each datagram is at most three fragments, and each a hop's worth
        n_forwarded = sum(
            stack.counters().get(f"ipv{family}.forwarded", 0) for family in (4, 6)
        )
        assert n_forwarded <= (len(sent) * 3) * TTL * 2
    assert network.now - began < 3600 * SECOND


@given(st.data())
@HEAVY
def test_a_network_that_is_routed_well(data: st.DataObject) -> None:
    plan = data.draw(plans())
    plan.route_by_shortest_paths()
    built = Built(plan)
    sent = data.draw(letters(plan))
    for source, target, segment, *_ in sent:
        # two oracles that know nothing of each other
        assert plan.walk(source, target, segment) is (
            source == target or plan.connected(source, segment)
        )
    deliver(built, sent, TTL)
    deliver(built, sent, TTL)  # with what redirects and bridges have learned


@given(st.data())
@HEAVY
def test_a_network_that_is_routed_at_random(data: st.DataObject) -> None:
    """Loops too: every datagram that is not delivered ends, by its TTL if need be."""
    plan = data.draw(routed_at_random())
    if data.draw(st.booleans()):
        ttl, plan.send_redirects = data.draw(st.integers(1, 6)), False
    else:
        ttl = TTL
    built = Built(plan)
    sent = data.draw(letters(plan))
    deliver(built, sent, ttl)
    deliver(built, sent, ttl)
