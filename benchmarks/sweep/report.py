"""The table of a sweep, what it must show, and what RACK did to it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import median, quantiles
from typing import Final

from .cells import Cell, Path
from .store import ROOT
from .transfer import Outcome

STALLED: Final = 3000
"""Thousandths of an RTO without progress."""
ENOUGH: Final = 900
"""Per mille of a clean link."""

Results = dict[Cell, Outcome]


def commit() -> str:
    """Where the repository stands; `+` where files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return said.stdout.strip() or "unknown"


def faults(results: Results) -> list[str]:
    """Stalls, and clean links that were not used."""
    found = []
    for cell, outcome in results.items():
        if outcome.stall > STALLED:
            found.append(f"{cell}: {outcome.stall / 1000:.1f} RTO without progress")
        if cell.path.is_clean and outcome.per_mille(cell.path) < ENOUGH:
            found.append(f"{cell}: {outcome.per_mille(cell.path)} per mille")
    return found


def table(results: Results, n_cells: int) -> str:
    """Markdown: a line for each path, a column for each congestion control."""
    groups: dict[Path, dict[str, list[Outcome]]] = {}
    for cell, outcome in results.items():
        by_name = groups.setdefault(cell.path, {})
        by_name.setdefault(cell.congestion, []).append(outcome)
    names = sorted({cell.congestion for cell in results})
    wrong = faults(results)
    lines = [
        "# The sweep",
        "",
        f"`python -m benchmarks.sweep` at {commit()}: {len(results):,} runs"
        + (f" of {n_cells:,}." if len(results) < n_cells else "."),
        "",
        "For each congestion control: median goodput in the second half in per mille",
        "of the link's rate, time-outs a run, per mille of the packets that were sent",
        "again, the longest time without progress in RTOs in force.",
        "",
        f"{len(wrong)} faults (a stall is more than {STALLED / 1000:g} RTO; a clean",
        f"link with a queue of a BDP or more gives {ENOUGH} per mille).",
        "",
        *(f"- {fault}" for fault in sorted(wrong)),
        *_summary(results, names),
        "",
        "| loss % | RTT ms | Mbit/s | reordering | queue BDP | "
        + " | ".join(names)
        + " |",
        "|" + "---|" * (5 + len(names)),
    ]
    for path in sorted(groups):
        columns = [_column(path, groups[path].get(name, [])) for name in names]
        lines.append(
            f"| {path.loss / 10_000:g} | {path.rtt} | {path.rate} | {path.reordering}"
            f" | {path.queue} | " + " | ".join(columns) + " |"
        )
    return "\n".join(lines) + "\n"


def _column(path: Path, outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "-"
    goodput = int(median(outcome.per_mille(path) for outcome in outcomes))
    timeouts = sum(outcome.timeouts for outcome in outcomes) / len(outcomes)
    again = sum(outcome.retransmits for outcome in outcomes)
    sent = sum(outcome.sent for outcome in outcomes)
    stall = max(outcome.stall for outcome in outcomes) / 1000
    return f"{goodput} {timeouts:.3g} {1000 * again // max(sent, 1)} {stall:.1f}"


def _summary(results: Results, names: Sequence[str]) -> list[str]:
    """Medians by loss: what each makes of it."""
    lines = ["", "Median of the per milles by loss:", ""]
    lines += ["| loss % | " + " | ".join(names) + " |", "|" + "---|" * (1 + len(names))]
    for loss in sorted({cell.path.loss for cell in results}):
        columns = []
        for name in names:
            values = [
                outcome.per_mille(cell.path)
                for cell, outcome in results.items()
                if cell.congestion == name and cell.path.loss == loss
            ]
            columns.append(str(int(median(values))) if values else "-")
        lines.append(f"| {loss / 10_000:g} | " + " | ".join(columns) + " |")
    return lines


def comparison(results: Results) -> str:
    """RACK against RFC 6675 with tail loss probes, cell by cell."""
    pairs = [
        (cell, outcome, results[other])
        for cell, outcome in results.items()
        if cell.rack and (other := replace(cell, rack=False)) in results
    ]
    lines = [
        "# RACK-TLP against RFC 6675 with tail loss probes",
        "",
        f"`python -m benchmarks.sweep --compare-rack` at {commit()}:"
        f" {len(pairs):,} pairs of runs, alike but for that.",
        "",
        "Ratio: goodput with RACK to goodput without it. Stalls, time-outs and per",
        "mille sent again: without > with.",
        "",
        "| | pairs | ratio: least | 5 % | 25 % | median | 75 % | 95 % | most |"
        " sum of goodput | stalls | time-outs | sent again |",
        "|" + "---|" * 13,
    ]
    kinds: list[tuple[str, Callable[[Cell], bool]]] = [("all", lambda cell: True)]
    for name in sorted({cell.congestion for cell, _, _ in pairs}):
        kinds.append((name, lambda cell, name=name: cell.congestion == name))  # type: ignore[misc]
    for kind in sorted({cell.path.reordering for cell, _, _ in pairs}):
        kinds.append(
            (
                f"reordering {kind}",
                lambda cell, kind=kind: cell.path.reordering == kind,  # type: ignore[misc]
            )
        )
    for loss in sorted({cell.path.loss for cell, _, _ in pairs}):
        kinds.append(
            (
                f"loss {loss / 10_000:g} %",
                lambda cell, loss=loss: cell.path.loss == loss,  # type: ignore[misc]
            )
        )
    for label, belongs in kinds:
        lines.append(_compared(label, [pair for pair in pairs if belongs(pair[0])]))
    worst = sorted(pairs, key=lambda pair: _ratio(pair[1], pair[2]))[:12]
    lines += ["", "Where RACK did worst (goodput without > with, bytes a second):", ""]
    for cell, with_rack, without in worst:
        lines.append(
            f"- {replace(cell, rack=False)}: {without.goodput:,} > "
            f"{with_rack.goodput:,}, time-outs {without.timeouts} >"
            f" {with_rack.timeouts}, longest wait {without.stall / 1000:.1f} >"
            f" {with_rack.stall / 1000:.1f} RTO"
        )
    return "\n".join(lines) + "\n"


def _ratio(with_rack: Outcome, without: Outcome) -> float:
    return (with_rack.goodput + 1) / (without.goodput + 1)


def _compared(label: str, pairs: Sequence[tuple[Cell, Outcome, Outcome]]) -> str:
    ratios = sorted(_ratio(with_rack, without) for _, with_rack, without in pairs)
    if not ratios:
        return f"| {label} | 0 |" + " |" * 11
    cuts = quantiles(ratios, n=20, method="inclusive") if len(ratios) > 1 else ratios
    shown = [ratios[0], cuts[0], cuts[len(cuts) // 4], median(ratios)]
    shown += [cuts[len(cuts) * 3 // 4], cuts[-1], ratios[-1]]
    ours, theirs = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    total = sum(o.goodput for o in ours) / max(sum(o.goodput for o in theirs), 1)
    cells = [
        label,
        str(len(ratios)),
        *(f"{ratio:.2f}" for ratio in shown),
        f"{total:.3f}",
        f"{_stalls(theirs)} > {_stalls(ours)}",
        f"{sum(o.timeouts for o in theirs)} > {sum(o.timeouts for o in ours)}",
        f"{_again(theirs)} > {_again(ours)}",
    ]
    return "| " + " | ".join(cells) + " |"


def _stalls(outcomes: Iterable[Outcome]) -> int:
    return sum(outcome.stall > STALLED for outcome in outcomes)


def _again(outcomes: Sequence[Outcome]) -> int:
    sent = sum(outcome.sent for outcome in outcomes)
    return 1000 * sum(outcome.retransmits for outcome in outcomes) // max(sent, 1)
