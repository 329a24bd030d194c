"""Results as Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .measure import Results, Sample
from .metrics import METRICS, Metric
from .peers import Given, Peer
from .targets import TARGETS, Verdict, judge, ratio, to_stored

CLIENT_BOUND = 0.9


@dataclass(frozen=True, slots=True)
class Report:
    """`unavailable`: peers that did not take part, and what it would take."""

    command: str
    facts: Mapping[str, Any]
    peers: Sequence[Peer]
    unavailable: Sequence[tuple[Peer, str]]
    results: Results
    repetitions: int
    seconds: float
    pinned: bool = True

    def stored(self, peer: str, metric: str) -> tuple[str, float] | None:
        for one, _ in self.unavailable:
            if one.key == peer and isinstance(one, Given):
                return one.stored.get(metric)
        return None

    @property
    def names(self) -> dict[str, str]:
        """By key, of those that took part or could have."""
        everyone = [*self.peers, *(peer for peer, _ in self.unavailable)]
        return {peer.key: peer.name for peer in everyone}

    def verdicts(self) -> list[Verdict]:
        """Of the targets that this run was about."""
        asked = {workload for workload, _ in self.results.samples}
        asked |= {workload for workload, _ in self.results.failures}
        return [
            judge(target, self.results, self.stored)
            for target in TARGETS
            if METRICS[target.metric].workload in asked
            and target.ours in self.names
            and (target.against is None or target.against in self.names)
        ]

    def samples(self, metric: str, peer: str) -> list[Sample]:
        return self.results.samples.get((METRICS[metric].workload, peer), [])

    # -- Markdown

    def markdown(self) -> str:
        parts = [f"```\n{self.command}\n```", self.setting()]
        for metric in METRICS:
            rows = [self.row(metric, peer) for peer in self.peers]
            rows += [self.stored_row(metric, peer) for peer, _ in self.unavailable]
            rows = [row for row in rows if row]
            if rows and any(self.samples(metric, peer.key) for peer in self.peers):
                parts.append(self.table(METRICS[metric], rows))
        parts += [self.targets(), self.absent(), self.links()]
        parts = [part for part in parts if part]
        return "\n\n".join(parts) + "\n"

    def setting(self) -> str:
        facts = self.facts
        lines = [
            f"Median (min..max) of {self.repetitions} times {self.seconds:g} s."
            " Ratios are taken within each repetition, then their median: the row's"
            " to the ceiling's, which is the kernel over a veth under the same"
            " congestion control, and that of `ours, TAP` to the row's. CPU: shares of"
            " one core that the server's process and the client's used while the clock"
            " ran."
        ]
        lines.append(
            f"{facts['python']}, Linux {facts['kernel']}, {facts['cores']} cores"
            f" ({facts['processor']}), load {facts['load']} before the run; congestion"
            f" control of the kernel: {facts['congestion control']}; {facts['commit']}."
        )
        if self.pinned:
            lines.append("Client and server are pinned, each to its own core.")
        options = [f"{p.name}: `{p.options}`" for p in self.peers if p.options]
        if options:
            lines.append(f"Not at its defaults: {', '.join(options)}.")
        versions = [
            f"{peer.name} {version}"
            for peer in self.peers
            if (version := peer.version())
        ]
        if versions:
            lines.append(f"Versions: {', '.join(versions)}.")
        busy = [
            f"{peer.name} {share:.0%}"
            for peer in self.peers
            if (share := self.results.idle_cpu.get(peer.key, 0)) > 0.01
        ]
        if busy:
            lines.append(f"CPU used while nobody asks: {', '.join(busy)}.")
        return "\n\n".join(lines)

    def table(self, metric: Metric, rows: Sequence[str]) -> str:
        better = ", less is better" if metric.less_is_better else ""
        return "\n".join(
            (
                f"### {metric.name}, {metric.unit}{better}\n",
                "| server | median (min..max) | to the ceiling | ours, TAP, to it |"
                " its CPU | client's CPU |",
                "|---|---|---|---|---|---|",
                *rows,
            )
        )

    def row(self, metric: str, peer: Peer) -> str:
        workload = METRICS[metric].workload
        if failure := self.results.failures.get((workload, peer.key)):
            return f"| {peer.name} | failed: {failure} | | | | |"
        samples = self.samples(metric, peer.key)
        if not samples:
            reason = peer.why_not.get(workload)
            return f"| {peer.name} | none: {reason} | | | | |" if reason else ""
        client = statistics.median(sample.client_cpu for sample in samples)
        server = statistics.median(sample.server_cpu for sample in samples)
        mark = " (the limit)" if client > CLIENT_BOUND else ""
        cells = [
            peer.name,
            spread(self.results.values(metric, peer.key)),
            self.ratio(metric, peer.key, peer.ceiling),
            self.ratio(metric, "tap", peer.key),
            f"{server:.0%}",
            f"{client:.0%}{mark}",
        ]
        return f"| {' | '.join(cells)} |"

    def ratio(self, metric: str, one: str, other: str) -> str:
        if one == other or metric in ("open_memory", "open_cost"):
            return ""
        ratios = ratio(self.results, metric, one, other)
        return _figures(statistics.median(ratios)) if ratios else ""

    def stored_row(self, metric: str, peer: Peer) -> str:
        stored = self.stored(peer.key, metric)
        factor = to_stored(self.results, metric, "tap", stored)
        if stored is None:
            return ""
        reference, share = stored
        known = f"stored: {share:.3g} of {self.names.get(reference, reference)}"
        return f"| {peer.name} | {known} | | {_figures(factor)} | | |"

    def targets(self) -> str:
        names = self.names
        verdicts = self.verdicts()
        if not verdicts:
            return ""
        lines = ["### Targets\n", "| target | reached | verdict |", "|---|---|---|"]
        for verdict in verdicts:
            target = verdict.target
            metric = METRICS[target.metric]
            sign = "<=" if metric.less_is_better else ">="
            if target.against is None:
                goal = f"{target.factor:g} {metric.unit}"
            else:
                goal = f"{target.factor:g} of {names[target.against]}"
            lines.append(
                f"| {names[target.ours]}: {metric.name} {sign} {goal}"
                f" | {_figures(verdict.factor)} | {verdict.text} |"
            )
        return "\n".join(lines)

    def absent(self) -> str:
        return "\n".join(
            f"- {peer.name} took no part; it needs {what}"
            + (f". Stored: {peer.stored_from}." if isinstance(peer, Given) else ".")
            for peer, what in self.unavailable
        )

    def links(self) -> str:
        lines = ["Offloads (`ethtool -k`), on:\n"]
        for peer in self.peers:
            ends = self.facts["links"].get(peer.key, {})
            for end, state in ends.items():
                on = [name for name, is_on in state.items() if is_on]
                lines.append(f"- {peer.name}, {end}: {', '.join(on) or 'none'}")
        return "\n".join(lines) if len(lines) > 1 else ""

    # -- JSON

    def json(self) -> dict[str, Any]:
        return {
            "command": self.command,
            "facts": dict(self.facts),
            "repetitions": self.repetitions,
            "seconds": self.seconds,
            "pinned": self.pinned,
            "peers": {
                peer.key: {
                    "name": peer.name,
                    "version": peer.version(),
                    "options": peer.options,
                    "why_not": dict(peer.why_not),
                }
                for peer in self.peers
            },
            "unavailable": {peer.key: what for peer, what in self.unavailable},
            "idle_cpu": self.results.idle_cpu,
            "samples": [
                {"workload": workload, "peer": peer, "samples": [*map(asdict, samples)]}
                for (workload, peer), samples in self.results.samples.items()
            ],
            "failures": [
                {"workload": workload, "peer": peer, "reason": reason}
                for (workload, peer), reason in self.results.failures.items()
            ],
            "verdicts": [
                {
                    **asdict(verdict.target),
                    "reached": verdict.factor,
                    "verdict": verdict.text,
                }
                for verdict in self.verdicts()
            ],
        }


def _figures(value: float | None) -> str:
    """Three of them."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """Median (min..max), to three figures or whole numbers."""
    digits = 0 if min(values) >= 100 else 1 if min(values) >= 10 else 2
    low, middle, high = (
        f"{value:,.{digits}f}"
        for value in (min(values), statistics.median(values), max(values))
    )
    return middle if len(values) == 1 else f"{middle} ({low}..{high})"
