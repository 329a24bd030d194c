"""What is to be reached, and whether it was: ratios of medians, within one run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from .measure import Results
from .metrics import METRICS


@dataclass(frozen=True, slots=True)
class Target:
    """`ours` on `metric` is to be at least (a time or cost: at most) `factor` times
    what `against` reaches; `against` None: `factor` itself. stretch: a bolder one."""

    metric: str
    ours: str
    factor: float
    against: str | None
    stretch: float | None = None


OTHERS = ("lwip", "pytcp", "slirp4netns", "pasta", "smoltcp", "gvisor")

TARGETS = (
    Target("tcp_in", "tap", 0.45, "kernel", 0.55),
    *(Target("tcp_in", "tap", 1, other) for other in OTHERS),
    Target("tcp_out", "tap", 0.7, "kernel", 0.85),
    *(Target("tcp_out", "tap", 1, other) for other in OTHERS),
    Target("tcp_in", "tap-cubic", 0.45, "kernel-cubic", 0.55),
    Target("tcp_out", "tap", 0.7, "kernel-cubic", 0.85),
    Target("tcp_in", "veth", 0.8, "tap"),
    Target("tcp_out", "veth", 0.55, "tap"),
    Target("tcp_in", "plain", 15, "pytcp"),
    Target("tcp_out", "plain", 15, "pytcp"),
    Target("tcp_in", "plain", 1, "slirp4netns"),
    Target("udp", "tap", 14, "pytcp"),
    Target("udp", "tap", 1, "gvisor"),
    Target("udp", "tap", 0.55, "lwip"),
    Target("udp", "compiled", 1, "lwip"),  # a stretch
    Target("ping", "tap", 1.6, "lwip"),
    Target("rr", "tap", 2, "lwip"),
    Target("rr", "tap", 1, "gvisor"),
    Target("rr", "busy", 1, "lwip"),
    Target("connections", "tap", 20, "pytcp"),
    Target("connections", "tap", 1, "gvisor"),
    Target("connections50", "tap", 14, "pytcp"),
    Target("connections50", "tap", 1, "gvisor"),
    Target("open_memory", "tap", 2.5 * 1024, None),
    Target("open_cost", "tap", 1.15, None),
    Target("tcp_in", "asyncio", 0.8, "tap"),
    Target("tcp_out", "asyncio", 0.8, "tap"),
    Target("rr", "asyncio", 1 / 0.8, "tap"),
    Target("connections", "asyncio", 0.65, "tap"),
    Target("connections50", "asyncio", 0.65, "tap"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """factor: what was reached, None if it was not measured. stored: the other was not
    measured in this run."""

    target: Target
    factor: float | None
    stored: bool = False

    @property
    def shortfall(self) -> float:
        """How far from the target, as a share of it; 0 or less: met."""
        assert self.factor is not None
        if METRICS[self.target.metric].less_is_better:
            return self.factor / self.target.factor - 1
        return 1 - self.factor / self.target.factor

    @property
    def text(self) -> str:
        if self.factor is None:
            return "not measured"
        if self.shortfall > 0:
            text = f"missed by {self.shortfall:.0%}"
        else:
            text = "met"
            stretch = self.target.stretch
            if stretch is not None:
                less = METRICS[self.target.metric].less_is_better
                bold = self.factor <= stretch if less else self.factor >= stretch
                text += f", the stretch of {stretch:g} too" if bold else ""
        return text + (" (stored)" if self.stored else "")


def ratio(results: Results, metric: str, one: str, other: str) -> list[float]:
    """Within each repetition; [] if one of them has no figures."""
    mine, theirs = results.values(metric, one), results.values(metric, other)
    if len(mine) != len(theirs):
        return []
    return [a / b for a, b in zip(mine, theirs, strict=True)]


Stored = Callable[[str, str], "tuple[str, float] | None"]
"""Of a peer and a metric: against whom, how many times as much it once was."""


def to_stored(
    results: Results, metric: str, ours: str, stored: tuple[str, float] | None
) -> float | None:
    """Ours to a peer's of which only the ratio to another one is known."""
    if stored is None:
        return None
    reference, share = stored
    ratios = ratio(results, metric, ours, reference)
    return statistics.median(ratios) / share if ratios else None


def judge(target: Target, results: Results, stored: Stored) -> Verdict:
    if target.against is None:
        values = results.values(target.metric, target.ours)
        return Verdict(target, statistics.median(values) if values else None)
    ratios = ratio(results, target.metric, target.ours, target.against)
    if ratios:
        return Verdict(target, statistics.median(ratios))
    known = stored(target.against, target.metric)
    factor = to_stored(results, target.metric, target.ours, known)
    return Verdict(target, factor, stored=factor is not None)
