"""The contract's own names."""

from __future__ import annotations

import inspect

from sansio_net.machine import ASAP, PICKLE_VERSION, Machine, earliest


def test_earliest_ignores_never() -> None:
    assert earliest() is None
    assert earliest(None, None) is None
    assert earliest(7, None, 5) == 5
    assert earliest(None, ASAP, 5) == ASAP == 0


def test_a_machine_has_five_methods() -> None:
    methods = [name for name in vars(Machine) if not name.startswith("_")]
    assert methods == [
        "receive",
        "handle_timeout",
        "next_timeout",
        "events",
        "transmit",
    ]
    limit = inspect.signature(Machine.transmit).parameters["limit"]
    assert limit.default == 64


def test_the_pickle_version_is_a_number() -> None:
    assert PICKLE_VERSION >= 1
