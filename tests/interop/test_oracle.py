"""Linux as the oracle: odd packets, one at a time, to a kernel and to us.

2 000 for the host and 1 000 for others, which a router passes on. The differences are
those of `oracle_differences.toml` and `router_differences.toml`, each with its RFC.
``python -m tests.interop.oracle`` hunts for more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import NamedTuple

import pytest

from .odd import MAKERS, odd_packet, transit
from .oracle import (
    HOST_FILE,
    ROUTER_FILE,
    Difference,
    Differences,
    Number,
    Trial,
    compare,
    describe,
    host_trial,
    router_trial,
)

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "sysctl")]

SEED = 1


class Kind(NamedTuple):
    open: Callable[[], AbstractContextManager[Trial]]
    listed: Differences
    numbers: list[Number]


class Done(NamedTuple):
    kind: Kind
    trial: Trial
    found: list[Difference]
    used: Counter[str]


KINDS = {
    "host": Kind(host_trial, Differences(HOST_FILE), [(SEED, n) for n in range(2000)]),
    "router": Kind(
        router_trial, Differences(ROUTER_FILE), [(SEED, n) for n in range(1000)]
    ),
}


@pytest.fixture(scope="module", params=KINDS)
def done(request: pytest.FixtureRequest) -> Iterator[Done]:
    kind = KINDS[request.param]
    with kind.open() as trial:
        numbers = kind.numbers + kind.listed.also
        yield Done(kind, trial, *compare(trial, kind.listed, numbers))


def test_every_difference_is_listed(done: Done) -> None:
    new = [one for one in done.found if not one.rule]
    shown = [f"{one.line}\n{describe(done.trial, one.number)}" for one in new[:5]]
    assert not new, f"{len(new)} differences are not listed:\n" + "\n".join(shown)


def test_every_listed_difference_is_there(done: Done) -> None:
    assert done.kind.listed.patterns() - set(done.used) == set()


def test_another_run_agrees(done: Done) -> None:
    """Another namespace, another stack, the same answers."""
    kind = done.kind
    with kind.open() as trial:
        again, _ = compare(trial, kind.listed, kind.numbers)
    assert again == [one for one in done.found if one.number in kind.numbers]


def test_most_packets_are_answered(done: Done) -> None:
    """Where everybody is silent, nothing is compared."""
    packets = [done.trial.make(SEED, n) for n in range(500)]
    answered = sum(bool(done.trial.linux.ask(packet)) for packet in packets)
    assert 200 < answered < 450


def test_the_generator_covers_what_it_says() -> None:
    odd = [odd_packet(SEED, n) for n in range(2000)]
    assert len({one.label for one in odd}) > 1000
    assert len(odd) // len(MAKERS) > 40
    passing = [transit.transit_packet(SEED, n) for n in range(1000)]
    assert len({one.label for one in passing}) > 700
    assert len(passing) // len(transit.MAKERS) > 40


@pytest.mark.parametrize("name", KINDS)
def test_each_rule_says_why(name: str) -> None:
    rules = KINDS[name].listed.rules
    names = [rule["name"] for rule in rules]
    assert len(names) == len(set(names))
    for rule in rules:
        assert rule["rfc"].startswith("RFC ")
        assert rule["says"]
        assert rule["because"].endswith(".")
        assert rule["lines"]
