"""A part of the sweep, exactly as it was when somebody last looked at it.

A change of behaviour rewrites the lines: ``python -m benchmarks.sweep --write-subset``;
the commit says why they are better.
"""

from __future__ import annotations

import pytest

from benchmarks.sweep.cells import SEEDS, Cell, cells, controllers, paths
from benchmarks.sweep.report import STALLED, comparison, faults, table
from benchmarks.sweep.subset import STORED, line, subset
from benchmarks.sweep.transfer import Outcome, run_cell

STORED_LINES = dict(
    each.split(": ", 1) for each in STORED.read_text().splitlines() if each
)


def test_the_lines_are_those_of_the_runs() -> None:
    assert list(STORED_LINES) == [str(cell) for cell in subset()]


@pytest.mark.parametrize("cell", subset(), ids=str)
def test_runs_as_it_did(cell: Cell) -> None:
    outcome = run_cell(cell)
    assert line(cell, outcome) == f"{cell}: {STORED_LINES[str(cell)]}"
    assert outcome.stall <= STALLED
    # BBR's PROBE_RTT takes 200 ms and a round trip: at 300 ms, 7 % of nine seconds
    if (cell.congestion, cell.path.rtt) != ("bbr", 300):
        assert not faults({cell: outcome})


def test_every_combination_is_there_once() -> None:
    everything = cells()
    assert len({str(cell) for cell in everything}) == len(everything)
    assert len(everything) == 540 * len(SEEDS) * len(controllers())
    assert len(cells(every=7)) == 78 * len(SEEDS) * len(controllers())
    assert {path.queue_packets for path in paths() if path.rtt == 1} == {8, 33}
    assert {path.duration // 10**9 for path in paths()} == {10, 18}


def outcome(goodput: int, stall: int = 0) -> Outcome:
    return Outcome(goodput, 1000, 10, 1, stall, 0)


def test_faults_are_found_and_shown() -> None:
    clean = next(path for path in paths() if path.is_clean)
    fine = Cell("reno", clean, rack=False, seed=1)
    slow = Cell("reno", clean, rack=False, seed=2)
    stalled = Cell("reno", clean, rack=False, seed=3)
    full = clean.bits // 8
    results = {
        fine: outcome(full, 3000),
        slow: outcome(full * 89 // 100),
        stalled: outcome(full, 3001),
    }
    assert faults(results) == [
        f"{slow}: 890 per mille",
        f"{stalled}: 3.0 RTO without progress",
    ]
    assert "| 1000 1 10 3.0 |" in table(results, 3)


def test_rack_is_compared_with_what_is_alike_but_for_it() -> None:
    path = next(paths())
    results = {
        Cell("reno", path, rack=rack, seed=seed): outcome(
            100_000 * seed * (1 + rack), 4000 * rack
        )
        for seed in SEEDS
        for rack in (False, True)
    }
    said = comparison(results)
    assert "| all | 3 | 2.00 |" in said
    assert "| 2.000 | 0 > 3 | 3 > 3 | 10 > 10 |" in said
