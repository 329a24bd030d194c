"""Servers beside each other, and every workload against each of them in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.lab import Lab

from .peers import Peer, Seat
from .workloads import PATIENCE, cpu_seconds

FRESH = frozenset(("open",))
"""Workloads that want a server which has grown nothing yet."""


@dataclass(slots=True)
class Sample:
    """What a client printed: values by metric, the server's CPU share and its own."""

    values: dict[str, float]
    server_cpu: float
    client_cpu: float


@dataclass(slots=True)
class Results:
    """samples: by workload and peer's key, one for each repetition. failures: why a
    pair has none; it was asked no further."""

    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    idle_cpu: dict[str, float] = field(default_factory=dict)

    def values(self, metric: str, peer: str) -> list[float]:
        """A metric's values by repetition; [] if there are none."""
        return [
            sample.values[metric]
            for (_, key), samples in self.samples.items()
            if key == peer
            for sample in samples
            if metric in sample.values
        ]


def cores() -> tuple[int, int] | None:
    """The client's and the server's; None where there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else None


def pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def ask(seat: Seat, workload: str, seconds: float, pinned: bool = True) -> Sample:
    """Raises AssertionError with what the client said.

    pinned: client and server each on its core. The scheduler otherwise puts them on one
    or on two as it likes, and a wake-up costs ten times as much on two.
    """
    chosen = cores() if pinned else None
    if chosen is not None:
        pin(seat.pid, chosen[1])
    process = seat.client.start(
        *(sys.executable, "-m", "benchmarks.workloads"),
        *(workload, seat.address, str(seconds), str(seat.pid)),
        *(f"--core={core}" for core in (chosen or ())[:1]),
        f"--congestion={seat.congestion}",
    )
    status = process.wait(20 * seconds + 4 * PATIENCE, check=False)
    said = process.errors.decode(errors="replace").strip()
    process.close()
    assert not status, said.splitlines()[-1] if said else f"status {status}"
    return Sample(**json.loads(process.output))


def seated(peer: Peer, lab: Lab) -> Seat:
    seat = peer.start(lab)
    seat.congestion = peer.congestion
    return seat


def start(peer: Peer, lab: Lab) -> Seat | str:
    """Its seat, verified, or why there is none."""
    try:
        seat = seated(peer, lab)
        ask(seat, "verify", 0)
    except (AssertionError, OSError, subprocess.CalledProcessError) as error:
        return f"{error}".splitlines()[0]
    return seat


def idle_shares(seats: dict[str, Seat], seconds: float = 0.3) -> dict[str, float]:
    """CPU shares while nobody asks anything: what a server costs the others' turns."""
    before = {key: cpu_seconds(seat.pid) for key, seat in seats.items()}
    time.sleep(seconds)
    return {
        key: (cpu_seconds(seat.pid) - before[key]) / seconds
        for key, seat in seats.items()
    }


class Run:
    """`repetitions` of every workload, the peers in turn within each."""

    def __init__(
        self,
        peers: Sequence[Peer],
        workloads: Sequence[str],
        repetitions: int,
        seconds: float,
        progress: Callable[[str], None],
        pinned: bool = True,
    ) -> None:
        self.peers = peers
        self.workloads = workloads
        self.repetitions = repetitions
        self.seconds = seconds
        self.progress = progress
        self.pinned = pinned
        self.results = Results()

    def go(self, lab: Lab) -> dict[str, Seat]:
        """Fill `results`; gives the seats, still there."""
        seats: dict[str, Seat] = {}
        with ThreadPoolExecutor(len(self.peers)) as pool:
            started = pool.map(lambda peer: start(peer, lab), self.peers)
            for peer, seat in zip(self.peers, started, strict=True):
                if isinstance(seat, Seat):
                    seats[peer.key] = seat
                else:
                    for workload in self.workloads:
                        self.results.failures[workload, peer.key] = seat
        self.results.idle_cpu = idle_shares(seats)
        for n in range(self.repetitions):
            for workload in self.workloads:
                for peer in self.peers:
                    if workload in peer.workloads and peer.key in seats:
                        self.measure(peer, seats[peer.key], workload, n)
        return seats

    def measure(self, peer: Peer, seat: Seat, workload: str, n: int) -> None:
        results, pair = self.results, (workload, peer.key)
        if pair in results.failures:
            return
        self.progress(f"{n + 1}/{self.repetitions} {workload} {peer.name}")
        try:
            if workload in FRESH:
                with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
                    sample = ask(seated(peer, lab), workload, self.seconds, self.pinned)
            else:
                sample = ask(seat, workload, self.seconds, self.pinned)
        except AssertionError as error:
            results.failures[pair] = str(error)
            results.samples.pop(pair, None)
        else:
            results.samples.setdefault(pair, []).append(sample)
