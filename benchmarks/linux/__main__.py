"""``python -m benchmarks.linux``: Linux and us over our own `Link`, interleaved. Root.

The link is 50 Mbit/s, 20 ms, a queue of one bandwidth-delay product; what it loses is
decided by the number of the packet and of the run, the same for each pair. Both ends
name their congestion control. Results are kept, so an interrupted series goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from hashlib import blake2s
from pathlib import Path
from typing import Any

from benchmarks.progress import Progress
from benchmarks.sweep.report import commit
from benchmarks.sweep.store import ROOT
from sansio_net.protocols.tcp.congestion import CONTROLLERS
from tests.interop.lab import Lab

from .course import NAMES, PAIRS, Course, available
from .report import Results, mbits, table

TABLE = ROOT / "benchmarks" / "linux.md"
RESULTS = ROOT / "benchmarks" / "results" / "linux.jsonl"
LOSSES = ("0%", "1%", "3%")


def code_hash() -> str:
    digest = blake2s(digest_size=8)
    for folder in ("sansio_net", "benchmarks/linux"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def load(path: Path, code: str, size: int) -> tuple[Results, list[float]]:
    """What this code did before, and how busy the machine was."""
    results: Results = {}
    loads = []
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        try:
            entry = json.loads(line)
            if (entry["code"], entry["size"]) == (code, size):
                congestion, loss, run, pair = entry["key"]
                results[congestion, loss, run, tuple(pair)] = entry["report"]
                loads.append(entry["load"])
        except (ValueError, KeyError, TypeError):
            pass
    return results, loads


def choices(asked: list[str] | None) -> list[str]:
    """Those that both we and this kernel have; says what is missing."""
    kernels = available()
    chosen = []
    for name in asked or list(CONTROLLERS):
        if name in kernels:
            chosen.append(name)
        else:
            print(
                f"this kernel has no {name} (it has {', '.join(kernels)})",
                file=sys.stderr,
            )
    return chosen


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.linux", description=__doc__
    )
    parser.add_argument("-n", "--runs", type=int, default=9)
    parser.add_argument("--size", type=int, default=10_000_000, help="bytes")
    parser.add_argument("--loss", action="append", help="such as 1%%; may be repeated")
    parser.add_argument("--congestion", action="append", choices=list(CONTROLLERS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--table", action="store_true", help="only from the results")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    code = code_hash()
    names, losses = choices(args.congestion), args.loss or list(LOSSES)
    results, loads = load(args.results, code, args.size)
    keys = [
        (name, loss, run, pair)
        for run in range(1, args.runs + 1)
        for loss in losses
        for name in names
        for pair in PAIRS
    ]
    todo = [] if args.table else [key for key in keys if key not in results]
    args.results.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        course = Course(lab)
        print("\n".join(course.offloads), file=sys.stderr)
        progress = Progress(len(keys), len(keys) - len(todo))
        for key in todo:
            name, loss, run, pair = key
            report = course.transfer(pair, name, size=args.size, loss=loss, seed=run)
            check(report, name, args.size)
            results[key] = report
            loads.append(os.getloadavg()[0])
            entry: dict[str, Any] = {"code": code, "size": args.size, "key": key}
            entry |= {"load": loads[-1], "report": report}
            with args.results.open("a") as file:
                file.write(json.dumps(entry) + "\n")
            way = f"{NAMES[pair[0]]} to {NAMES[pair[1]]}"
            progress.add(1, f"{name}, {loss}, {way}: {mbits(report):.1f} Mbit/s")
        progress.close()
        late = max((r["bridge"]["latest"] for r in results.values()), default=0)
        about = [
            f"`python -m benchmarks.linux` at {commit()}, Linux {platform.release()},"
            f" Python {platform.python_version()}, {os.cpu_count()} cores,",
            f"load average {min(loads):.1f}..{max(loads):.1f}; {args.size:,} bytes a"
            f" run, 50 Mbit/s, 20 ms, queue of one BDP. The bridge was",
            f"at most {late / 1e6:.1f} ms late with a packet. This kernel has"
            f" {', '.join(available())}.",
        ]
        wanted = {key: results[key] for key in keys if key in results}
        args.output.write_text(table(wanted, about, course.offloads))
    print(f"{args.output}: {len(wanted)} of {len(keys)} transfers", file=sys.stderr)
    return 0


def check(report: dict[str, Any], congestion: str, size: int) -> None:
    """Everything came, and both ends used what they were told to."""
    got = report["receiver"]["bytes"]
    if got != size:
        raise SystemExit(f"{got} of {size} bytes came: {report}")
    for end in ("sender", "receiver"):
        used = report[end]["congestion"]
        if used != congestion:
            raise SystemExit(f"the {end} used {used}, not {congestion}")


if __name__ == "__main__":
    sys.exit(main())
