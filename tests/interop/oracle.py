"""Linux as the oracle: odd packets to a kernel and to us, and where we differ.

``python -m tests.interop.oracle --seed 2 --count 10000`` (root) prints what is not
listed in `oracle_differences.toml`; ``--show INDEX`` one packet and both answers;
``--router`` sends packets for others, to `router_differences.toml`.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from sansio_net.wire.summary import summary

from .answers import told, told_of_transit
from .hosts import Kernel, Ours
from .lab import Lab
from .odd import Answer, Odd, odd_packet
from .odd.transit import transit_packet
from .routers import KernelRouter, OurRouter

Number = tuple[int, int]
"""An odd packet's: of a seed, its index."""


class Asked(Protocol):
    """What answers one odd packet at a time."""

    def ask(self, odd: Odd) -> list[Answer]: ...


@dataclass(frozen=True, slots=True)
class Trial:
    """make: the odd packets. tell: both answers, in words that are equal where they
    are."""

    linux: Asked
    ours: Asked
    make: Callable[[int, int], Odd]
    tell: Callable[[Odd, list[Answer], list[Answer]], tuple[str, str]]


@contextmanager
def host_trial() -> Iterator[Trial]:
    with _lab() as lab, Kernel(lab) as linux:
        yield Trial(linux, Ours(), odd_packet, told)


@contextmanager
def router_trial() -> Iterator[Trial]:
    with _lab() as lab, KernelRouter(lab) as linux:
        yield Trial(linux, OurRouter(), transit_packet, told_of_transit)


@contextmanager
def _lab() -> Iterator[Lab]:
    """On one CPU, so that what is sent in order arrives in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
            yield lab
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class Difference:
    """rule: the name of what is listed, or "" for what is not."""

    number: Number
    label: str
    kernel: str
    ours: str
    rule: str = ""

    @property
    def line(self) -> str:
        return f"{self.label}: {self.kernel} | {self.ours}"


class Differences:
    """The file: rules, each with the patterns of the lines that it explains.

    also: packets beyond the first ones, for differences that those do not show.
    """

    def __init__(self, path: Path) -> None:
        content = tomllib.loads(path.read_text())
        self.rules: list[dict[str, Any]] = content["rule"]
        self.also: list[Number] = [(seed, n) for seed, n in content["also"]]

    def rule_of(self, line: str) -> tuple[str, str] | None:
        """The name of the first rule that explains `line`, and its pattern."""
        for rule in self.rules:
            for pattern in rule["lines"]:
                if fnmatchcase(line, pattern):
                    return rule["name"], pattern
        return None

    def patterns(self) -> set[str]:
        return {pattern for rule in self.rules for pattern in rule["lines"]}


HOST_FILE = Path(__file__).with_name("oracle_differences.toml")
ROUTER_FILE = Path(__file__).with_name("router_differences.toml")


def compare(
    trial: Trial, listed: Differences, numbers: Iterable[Number]
) -> tuple[list[Difference], Counter[str]]:
    """Every difference, and how often each pattern of the file was of use."""
    found, used = [], Counter[str]()
    for number in numbers:
        odd = trial.make(*number)
        theirs, mine = trial.tell(odd, trial.linux.ask(odd), trial.ours.ask(odd))
        if theirs == mine:
            continue
        difference = Difference(number, odd.label, theirs, mine)
        rule = listed.rule_of(difference.line)
        if rule is not None:
            name, pattern = rule
            used[pattern] += 1
            difference = replace(difference, rule=name)
        found.append(difference)
    return found, used


def describe(trial: Trial, number: Number) -> str:
    odd = trial.make(*number)
    lines = [f"packet {number[1]} of seed {number[0]}: {odd.label}"]
    for title, frames in (
        ("sent", [(0, one) for one in odd.frames]),
        ("kernel", trial.linux.ask(odd)),
        ("ours", trial.ours.ask(odd)),
    ):
        for link, one in frames:
            lines += [f"  {title:7}{link} {summary(one)}", f"         {one.hex()}"]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.oracle")
    parser.add_argument("--router", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int)
    args = parser.parse_args(argv)
    listed = Differences(ROUTER_FILE if args.router else HOST_FILE)
    with router_trial() if args.router else host_trial() as trial:
        if args.show is not None:
            print(describe(trial, (args.seed, args.show)))
            return 0
        numbers = [(args.seed, args.first + n) for n in range(args.count)]
        found, used = compare(trial, listed, numbers)
    new = [one for one in found if not one.rule]
    for one in new:
        print(f"{one.number[1]:6} {one.line}")
    print(f"{args.count} packets, {len(found)} differences, {len(new)} not listed")
    for pattern in sorted(listed.patterns() - set(used)):
        print(f"not met: {pattern}")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
