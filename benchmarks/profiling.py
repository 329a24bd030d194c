"""A flame graph of our server under a workload, drawn by py-spy.

py-spy reads the server's memory from outside, so that the server runs as it always
does. It comes from PyPI, into an environment of its own, when it is asked for first.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.lab import Lab, wait_for

from .measure import ask, seated
from .peers import Peer
from .peers.base import CACHE

RATE = 500
"""Samples a second."""

FOLDER = Path(__file__).parent / "results"


def py_spy() -> str:
    """Its path, installed if need be."""
    here = CACHE / "tools" / "bin" / "py-spy"
    if not here.exists() and (found := shutil.which("py-spy")):
        return found
    if not here.exists():
        make = [sys.executable, "-m", "venv", "--clear", str(here.parents[1])]
        subprocess.run(make, check=True)
        pip = [str(here.parent / "python"), "-m", "pip", "install", "-q", "py-spy"]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return str(here)


def profile(peer: Peer, workload: str, seconds: float) -> Path:
    """Where the flame graph is."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"profile-{peer.key}-{workload}.svg"
    program = py_spy()
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        seat = seated(peer, lab)
        recorder = lab.start(
            [
                *(program, "record", "--pid", str(seat.pid), "--output", str(path)),
                *("--rate", str(RATE), "--duration", "3600", "--format", "flamegraph"),
            ]
        )
        # it says so once it samples
        wait_for(
            lambda: b"Sampling process" in recorder.errors + recorder.output,
            "py-spy sampling",
        )
        ask(seat, workload, seconds)
        recorder.stop()
    return path
