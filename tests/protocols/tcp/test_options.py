from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.protocols.tcp.options import BOUNDS, CHOICES, FIXED, OPTIONAL, SETTABLE
from sansio_net.units import SECOND

from .dialogue import Talk


@pytest.mark.parametrize(
    "wrong",
    [
        {"delayed_ack": SECOND // 2},
        {"delayed_ack": -1},
        {"mss": 10},
        {"mss": 70_000},
        {"min_rto": 0},
        {"min_rto": 2 * SECOND},
        {"max_rto": SECOND // 2},
        {"receive_buffer": 100},
        {"receive_buffer": 2 << 30},
        {"send_buffer": 100},
        {"initial_window": 0},
        {"ttl": None},
        {"ttl": "64"},
        {"tos": 256},
        {"pmtud": "yes"},
        {"plpmtud": True},
    ],
)
def test_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(StateError):
        TcpOptions(**wrong)


def test_a_syn_is_tried_for_three_minutes() -> None:
    options = TcpOptions()
    tries = range(options.syn_retries + 1)
    waits = [min(options.initial_rto << n, options.max_rto) for n in tries]
    assert sum(waits) >= 180 * SECOND


def test_every_option_has_its_bound() -> None:
    """Numbers have one; words are chosen from a few, the rest is yes or no."""
    names = {field.name for field in fields(TcpOptions)}
    assert names >= SETTABLE | FIXED | BOUNDS.keys() | CHOICES.keys()
    for field in fields(TcpOptions):
        value = getattr(TcpOptions(), field.name)
        if isinstance(value, bool):
            assert field.name not in BOUNDS
        elif isinstance(value, str):
            assert field.name in CHOICES or field.name == "congestion"
        else:
            assert field.name in BOUNDS
            assert value is not None or field.name in OPTIONAL


@pytest.mark.parametrize("name", BOUNDS)
def test_the_bounds_themselves(name: str) -> None:
    bound = BOUNDS[name]
    for outside in (bound.least - 1, bound.most + 1):
        with pytest.raises(StateError, match=name):
            TcpOptions(**{name: outside})
    assert bound.least < bound.most
    if name not in ("min_rto", "initial_rto", "max_rto"):
        TcpOptions(**{name: bound.least})
        TcpOptions(**{name: bound.most})


def test_a_wrong_value_changes_nothing() -> None:
    talk = Talk.active()
    before = talk.conn.options
    for wrong in ({"ttl": 0}, {"pmtud": "sometimes"}, {"mss": 1000}, {"no": 1}):
        with pytest.raises(StateError):
            talk.conn.set(nodelay=True, **wrong)
    assert talk.conn.options is before
