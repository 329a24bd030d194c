"""``python -m benchmarks``: our stack, the kernel and other stacks, interleaved, in one
run. Root; makes and removes network namespaces of its own.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.interop.lab import Lab

from . import machine
from .measure import Run, cores
from .peers import CUBIC, GIVEN, OTHERS, OURS, Kernel, Peer, default_congestion
from .profiling import profile
from .report import Report
from .workloads import WORKLOADS

BEGIN = "<!-- table -->\n"
END = "<!-- end of table -->\n"


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("workload", nargs="*", help=f"some of {', '.join(WORKLOADS)}; default: all")
    add("-n", "--repetitions", type=int, default=5)
    add("-t", "--seconds", type=float, default=0.5, help="of each measurement")
    add("--quick", action="store_true", help="-n 1 -t 0.1: does it work at all?")
    add("--peers", action="store_true", help="install those that apt and pip offer")
    keys = [peer.key for peer in (*CUBIC, *OURS, *OTHERS, *GIVEN)]
    add(
        "--only",
        metavar="PEER,...",
        type=lambda text: text.split(","),
        help=f"beside the kernel, some of {', '.join(keys)}",
    )
    for peer in GIVEN:
        add(f"--{peer.key}", metavar="PATH", help=f"a server with {peer.name}")
    add("--unpinned", action="store_true", help="let the scheduler choose the cores")
    add("--json", type=Path, metavar="FILE")
    text = "in a file that has marks as benchmarks/README.md, between them"
    add("--markdown", type=Path, metavar="FILE", help=text)
    add(
        "--profile",
        nargs="?",
        const="rr",
        metavar="WORKLOAD",
        help="draw a flame graph of ours (--only says which) under one, instead",
    )
    asked = parser.parse_args(argv)
    if asked.profile is not None:
        asked.workload = [asked.profile]
    if unknown := set(asked.workload) - set(WORKLOADS):
        parser.error(f"not a workload: {', '.join(sorted(unknown))}")
    if asked.only and (unknown := set(asked.only) - set(keys)):
        parser.error(f"not a peer: {', '.join(sorted(unknown))}")
    if asked.quick:
        asked.repetitions, asked.seconds = 1, 0.1
    return asked


def install(peer: Peer) -> str | None:
    """What is missing yet: one that cannot be had does not keep the others waiting."""
    try:
        peer.install()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"an installation that works: {error}".splitlines()[0]
    return peer.missing()


def choose(asked: argparse.Namespace) -> tuple[list[Peer], list[tuple[Peer, str]]]:
    """Who takes part, and who cannot."""
    cubic = CUBIC if default_congestion() != "cubic" else ()
    everyone: list[Peer] = [peer() for peer in (*cubic, *OURS, *OTHERS)]
    everyone += [peer(getattr(asked, peer.key)) for peer in GIVEN]
    present: list[Peer] = [Kernel()]
    absent = []
    for peer in everyone:
        if asked.only and peer.key not in asked.only:
            continue
        what = peer.missing()
        if what and asked.peers:
            what = install(peer)
        if what:
            absent.append((peer, what))
        else:
            present.append(peer)
    return present, absent


def write_between_marks(path: Path, text: str) -> None:
    """What stands around the marks stays; a file without them is the text alone."""
    old = path.read_text() if path.exists() else ""
    before, mark, _ = old.partition(BEGIN)
    _, end, after = old.partition(END)
    if mark and end:
        text = f"{before}{BEGIN}\n{text}{END}{after}"
    path.write_text(text)


def say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def draw(asked: argparse.Namespace) -> None:
    """Each of ours that was asked for, the TAP otherwise."""
    for peer in OURS:
        if peer.key in (asked.only or ["tap"]):
            print(profile(peer(), asked.profile, max(asked.seconds, 3)))


def main(argv: Sequence[str] | None = None) -> None:
    asked = arguments(argv)
    if asked.profile is not None:
        draw(asked)
        return
    for path in (asked.json, asked.markdown):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    peers, absent = choose(asked)
    workloads = asked.workload or list(WORKLOADS)
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        run = Run(
            peers, workloads, asked.repetitions, asked.seconds, say, not asked.unpinned
        )
        facts = machine.facts(run.go(lab))
    say("")
    words = shlex.join(sys.argv[1:] if argv is None else argv)
    report = Report(
        f"python -m benchmarks {words}",
        facts,
        peers,
        absent,
        run.results,
        asked.repetitions,
        asked.seconds,
        run.pinned and cores() is not None,
    )
    print(report.markdown(), end="")
    if asked.markdown:
        write_between_marks(asked.markdown, report.markdown())
    if asked.json:
        asked.json.write_text(json.dumps(report.json(), indent=1) + "\n")


if __name__ == "__main__":
    main()
