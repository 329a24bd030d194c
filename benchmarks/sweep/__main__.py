"""``python -m benchmarks.sweep``: run the cells that have not been run, then the table.

Every result is kept in benchmarks/results/sweep.jsonl with a hash of the code that
made it, so a sweep that was interrupted goes on where it was. Same code, same table.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from pathlib import Path as FilePath

from benchmarks.progress import Progress, clock

from .cells import Cell, cells, controllers
from .report import Results, comparison, faults, table
from .store import ROOT, Store, code_hash
from .subset import STORED, line, subset
from .transfer import Outcome, run_cell

TABLE = ROOT / "benchmarks" / "sweep.md"
COMPARISON = ROOT / "benchmarks" / "sweep-rack.md"
RESULTS = ROOT / "benchmarks" / "results" / "sweep.jsonl"


def work(cell: Cell) -> tuple[Cell, Outcome]:
    outcome = run_cell(cell)
    gc.collect()  # between runs, not in them
    return cell, outcome


def run_all(todo: list[Cell], jobs: int, store: Store | None = None) -> Results:
    """Run them on `jobs` processes, in their order."""
    results: Results = {}
    progress = Progress(sum(cell.weight for cell in todo))
    with multiprocessing.Pool(jobs, gc.disable) as pool:
        for cell, outcome in pool.imap_unordered(work, todo):
            results[cell] = outcome
            if store is not None:
                store.add(cell, outcome)
            wrong = len(faults(results))
            about = f"{len(results)} of {len(todo)} runs, {wrong} faults"
            progress.add(cell.weight, about)
    progress.close()
    return results


def estimate(todo: list[Cell], jobs: int) -> str:
    """Time a few middling runs, and scale by what the rest will carry."""
    probe = sorted(todo, key=lambda cell: cell.weight)[len(todo) // 2 :: len(todo) // 7]
    start = time.process_time()
    packets = sum(run_cell(cell).sent for cell in probe)
    took = time.process_time() - start
    each = took / max(packets, 1)
    total = sum(cell.weight for cell in todo)
    return (
        f"{each * 1e6:.0f} us a packet; {len(todo)} runs of about {total / 1e6:.0f}"
        f" million packets: {clock(total * each / jobs)} on {jobs} processes"
    )


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep", description=__doc__
    )
    parser.add_argument("--congestion", action="append", choices=controllers())
    parser.add_argument("--seeds", type=int, default=3, help="how many, 1 to 3")
    parser.add_argument("--every", type=int, default=1, help="each so many paths only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=FilePath, default=RESULTS)
    parser.add_argument("--output", type=FilePath, help="where the table goes")
    parser.add_argument("--rack", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("--compare-rack", action="store_true", help="run both ways")
    parser.add_argument("--estimate", action="store_true", help="only say how long")
    parser.add_argument("--table", action="store_true", help="only from the results")
    parser.add_argument("--write-subset", action="store_true", help="rewrite CI's runs")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    if args.write_subset:
        done = run_all(subset(), args.jobs)
        lines = [line(cell, done[cell]) for cell in subset()]
        STORED.write_text("\n".join(lines) + "\n")
        return 0
    wanted = cells(
        congestion=args.congestion,
        seeds=tuple(range(1, args.seeds + 1)),
        rack=(False, True) if args.compare_rack else (args.rack,),
        every=args.every,
    )
    store = Store(args.results, code_hash())
    todo = [cell for cell in wanted if not store.has(cell)]
    if args.estimate:
        print(estimate(todo, args.jobs))
        return 0
    if todo and not args.table:
        run_all(todo, args.jobs, store)
    results = {cell: store.outcomes[str(cell)] for cell in wanted if store.has(cell)}
    output = args.output or (COMPARISON if args.compare_rack else TABLE)
    text = comparison(results) if args.compare_rack else table(results, len(wanted))
    output.write_text(text)
    wrong = faults(results)
    print(f"{output}: {len(results)} runs, {len(wrong)} faults", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
