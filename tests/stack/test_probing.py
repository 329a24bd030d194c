"""RFC 5227 on interfaces whose link or device comes and goes."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.stack import AddressAdded, AddressRemoved
from sansio_net.units import SECOND
from sansio_net.wire.arp import REQUEST, Arp, parse_arp

from .bench import Bench

WANTED = pack_ip("10.9.0.2")


def probing() -> Bench:
    bench = Bench()
    bench.wait(10 * SECOND)
    bench.events.clear()
    bench.nic.add_address("10.9.0.2/24", probe=True)
    return bench


def asked(bench: Bench, ns: int) -> list[Arp]:
    """ARP frames about the wanted address in a time."""
    frames, end = [], bench.now + ns
    while True:
        frames += bench.turn()
        due = bench.stack.next_timeout()
        if due is None or due > end:
            bench.now = end
            arps = [parse_arp(frame, 14) for frame in frames if frame[12] == 8]
            return [arp for arp in arps if arp.tpa == WANTED]
        bench.now = max(bench.now, due)


def test_three_probes_then_two_announcements() -> None:
    bench = probing()
    arps = asked(bench, 20 * SECOND)
    assert [arp.op for arp in arps] == [REQUEST] * 5
    assert [any(arp.spa) for arp in arps] == [False] * 3 + [True] * 2
    assert bench.events == [AddressAdded(bench.nic, "10.9.0.2/24")]


@pytest.mark.parametrize("how", ["silenced", "no carrier", "down"])
def test_probes_that_cannot_leave_prove_nothing(how: str) -> None:
    bench = probing()
    asked(bench, 0)
    nic = bench.nic
    if how == "no carrier":
        nic.carrier(False)
    elif how == "down":
        nic.down()
    for _ in range(100):
        if how == "silenced":
            nic.transmit(bench.now, 0)
        else:
            assert bench.turn() == []
        bench.stack.handle_timeout(bench.now)
        bench.now += SECOND
    assert AddressAdded(nic, "10.9.0.2/24") not in [
        *bench.events,
        *bench.stack.events(),
    ]
    due = bench.stack.next_timeout()
    assert due is None or due > bench.now  # no tick either
    nic.carrier(True)
    nic.up()
    arps = asked(bench, 20 * SECOND)
    assert [any(arp.spa) for arp in arps] == [False] * 3 + [True] * 2
    assert bench.events[-1] == AddressAdded(nic, "10.9.0.2/24")


def test_a_link_that_returns_is_probed_again() -> None:
    """RFC 5227 2.1: another network may lie behind it."""
    bench = probing()
    asked(bench, 20 * SECOND)
    bench.nic.carrier(False)
    asked(bench, SECOND)
    bench.events.clear()
    bench.nic.carrier(True)
    assert WANTED not in bench.nic.local
    arps = asked(bench, 20 * SECOND)
    assert [any(arp.spa) for arp in arps] == [False] * 3 + [True] * 2
    address = "10.9.0.2/24"
    assert bench.events[1:] == [
        AddressRemoved(bench.nic, address),
        AddressAdded(bench.nic, address),
    ]


def test_a_static_address_is_announced_again() -> None:
    bench = Bench()
    bench.wait(10 * SECOND)
    bench.nic.carrier(False)
    bench.turn()
    bench.nic.carrier(True)
    frames = bench.turn()
    (arp,) = [parse_arp(frame, 14) for frame in frames]
    assert arp.spa == arp.tpa == pack_ip("10.0.0.2")
    assert pack_ip("10.0.0.2") in bench.nic.local
