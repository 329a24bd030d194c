"""Counters by name and drops by reason."""

from __future__ import annotations

import pickle

from sansio_net.counters import Counters, DropReason


def test_missing_is_zero() -> None:
    counters = Counters()
    assert counters.dropped() == counters.dropped(DropReason.VLAN) == 0
    assert counters.as_dict() == {}


def test_counting() -> None:
    counters = Counters()
    counters.count("x")
    counters.count("x", 4)
    counters.drop(DropReason.VLAN)
    counters.drop(DropReason.VLAN, 2)
    counters.drop(DropReason.NO_ROUTE)
    assert counters.dropped(DropReason.VLAN) == 3
    assert counters.dropped() == 4
    assert counters.as_dict() == {"drop.no_route": 1, "drop.vlan": 3, "x": 5}
    assert list(counters.as_dict()) == sorted(counters.as_dict())


def test_they_pickle() -> None:
    counters = Counters()
    counters.drop(DropReason.VLAN)
    assert pickle.loads(pickle.dumps(counters)).as_dict() == counters.as_dict()


def test_values_are_the_names_in_lower_case() -> None:
    for reason in DropReason:
        assert reason.value == reason.name.lower()
