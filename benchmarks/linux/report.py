"""What the runs against Linux come to: ratios within a run, their median and spread."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any, Final

from .course import NAMES, PAIRS

TARGET: Final = 0.9

Results = dict[tuple[str, str, int, tuple[str, str]], dict[str, Any]]
"""By congestion control, loss, number of the run, pair."""


def mbits(report: dict[str, Any]) -> float:
    """As the receiver saw it, from the first byte to the last."""
    received = report["receiver"]
    rate: float = received["bytes"] * 8 / received["seconds"] / 1e6
    return rate


def spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    shown = [f"{v:.{digits}f}" for v in (median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]}..{shown[2]})"


def table(results: Results, about: Sequence[str], offloads: Sequence[str]) -> str:
    """Markdown. A ratio is of the two goodputs of one run, over the same losses."""
    labels = [f"{NAMES[a]} to {NAMES[b]}" for a, b in PAIRS]
    lines = [
        "# Against Linux on the same impaired link",
        "",
        *about,
        "",
        "Mbit/s from the first byte to the last, at the receiver, time-outs a run, and",
        "the ratio to Linux-to-Linux of the same run: median (least..most).",
        "",
        "| congestion | loss | runs | " + " | ".join(labels),
        "|---" * (3 + len(labels)) + "|",
    ]
    lines[-2] += " |"
    below = []
    for congestion, loss in dict.fromkeys((key[0], key[1]) for key in results):
        runs = [
            run
            for run in sorted({key[2] for key in results})
            if all((congestion, loss, run, pair) in results for pair in PAIRS)
        ]
        columns = []
        for pair, label in zip(PAIRS, labels, strict=True):
            reports = [results[congestion, loss, run, pair] for run in runs]
            values = [mbits(report) for report in reports]
            outs = sum(r["sender"]["timeouts"] for r in reports) / max(len(runs), 1)
            column = f"{spread(values, 1)}, {outs:.2g}"
            if pair != PAIRS[0] and runs:
                base = [mbits(results[congestion, loss, run, PAIRS[0]]) for run in runs]
                ratios = [a / b for a, b in zip(values, base, strict=True)]
                column += f"; x {spread(ratios, 2)}"
                if median(ratios) < TARGET:
                    below.append(f"{congestion} at {loss}, {label}")
            columns.append(column)
        lines.append(
            f"| {congestion} | {loss} | {len(runs)} | " + " | ".join(columns) + " |"
        )
    said = "; ".join(below) if below else "none"
    lines += ["", f"Median ratio below {TARGET}: {said}.", "", "Offloads:", ""]
    lines += [f"- {state}" for state in offloads]
    return "\n".join(lines) + "\n"
