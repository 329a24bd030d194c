"""Longest prefix match, against brute force."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.errors import LimitError, StateError
from sansio_net.stack.routes import RouteTable, make_route


class FakeNic:
    is_up = True
    name = "eth0"


NIC = FakeNic()

networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda pair: ip_network((pair[0], pair[1]), strict=False)
)


@given(st.lists(networks, unique=True, max_size=20), st.integers(0, 2**32 - 1))
def test_equals_brute_force(known: list[object], address: int) -> None:
    table = RouteTable()
    for network in known:
        table.add(make_route(str(network), NIC))  # type: ignore[arg-type]
    wanted = ip_address(address)
    fitting = [network for network in known if wanted in network]  # type: ignore[operator]
    best = max(fitting, key=lambda network: network.prefixlen, default=None)
    route = table.lookup(wanted.packed)
    if best is None:
        assert route is None
    else:
        assert route is not None
        assert (route.network, route.prefixlen) == (
            best.network_address.packed,
            best.prefixlen,
        )
    assert table.n_routes == len(known) == len(list(table))
    for network in known:
        table.remove(network.network_address.packed, network.prefixlen, None)
    assert table.lookup(wanted.packed) is None
    assert table.n_routes == 0


def test_metric_and_text() -> None:
    table = RouteTable()
    table.add(make_route("default", NIC, via="10.0.0.9", metric=10))  # type: ignore[arg-type]
    table.add(make_route("default", NIC, via="10.0.0.1"))  # type: ignore[arg-type]
    route = table.lookup(b"\x01\x02\x03\x04")
    assert str(route) == "default via 10.0.0.1 dev eth0"
    with pytest.raises(StateError):
        table.add(make_route("default", NIC, via="10.0.0.1"))  # type: ignore[arg-type]


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
