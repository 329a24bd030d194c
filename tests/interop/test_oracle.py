"""Linux as the oracle: 2 000 odd packets, one at a time, to a kernel and to us.

The differences are those of `oracle_differences.toml`, each with its RFC.
``python -m tests.interop.oracle`` hunts for more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from .odd import MAKERS, odd_packet
from .oracle import (
    FILE,
    Difference,
    Differences,
    Kernel,
    Ours,
    compare,
    describe,
    kernel,
)

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "sysctl")]

SEED, COUNT = 1, 2000


@pytest.fixture(scope="module")
def linux() -> Iterator[Kernel]:
    with kernel() as linux:
        yield linux


@pytest.fixture(scope="module")
def listed() -> Differences:
    return Differences(FILE)


@pytest.fixture(scope="module")
def compared(
    linux: Kernel, listed: Differences
) -> tuple[list[Difference], Counter[str]]:
    numbers = [(SEED, n) for n in range(COUNT)] + listed.also
    return compare(linux, Ours(), listed, numbers)


def test_every_difference_is_listed(
    linux: Kernel, compared: tuple[list[Difference], Counter[str]]
) -> None:
    new = [one for one in compared[0] if not one.rule]
    ours = Ours()
    shown = [f"{one.line}\n{describe(linux, ours, one.number)}" for one in new[:5]]
    assert not new, f"{len(new)} differences are not listed:\n" + "\n".join(shown)


def test_every_listed_difference_is_there(
    listed: Differences, compared: tuple[list[Difference], Counter[str]]
) -> None:
    assert listed.patterns() - set(compared[1]) == set()


def test_another_run_agrees(
    listed: Differences, compared: tuple[list[Difference], Counter[str]]
) -> None:
    """Another namespace, another stack, the same answers."""
    numbers = [(SEED, n) for n in range(COUNT)]
    with kernel() as linux:
        again, _ = compare(linux, Ours(), listed, numbers)
    assert again == [one for one in compared[0] if one.number in numbers]


def test_most_packets_are_answered(linux: Kernel) -> None:
    """Where everybody is silent, nothing is compared."""
    answered = sum(bool(linux.ask(odd_packet(SEED, n))) for n in range(500))
    assert 200 < answered < 450


def test_the_generator_covers_what_it_says() -> None:
    odd = [odd_packet(SEED, n) for n in range(COUNT)]
    assert [one.frames for one in odd[:50]] == [
        odd_packet(SEED, n).frames for n in range(50)
    ]
    kinds = {one.label.split(":")[0].split(",")[0] for one in odd}
    assert len({one.label for one in odd}) > 1000
    assert COUNT // len(MAKERS) > 40
    assert len(kinds) > 100


def test_each_rule_says_why(listed: Differences) -> None:
    names = [rule["name"] for rule in listed.rules]
    assert len(names) == len(set(names))
    for rule in listed.rules:
        assert rule["rfc"].startswith("RFC ")
        assert rule["says"]
        assert rule["because"].endswith(".")
        assert rule["lines"]
