"""Our stack built by mypyc from these sources, in an environment of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.interop.lab import ROOT, Lab

from .base import CACHE, EVERYTHING, SERVER_IP, Peer, Seat, on_tap

PROGRAM = f"""
import runpy, sys, sansio_net
assert sansio_net.compiled, sansio_net.__file__
sys.path.insert(0, {str(ROOT)!r})  # behind the package that is imported already
runpy.run_module("benchmarks.servers.ours", run_name="__main__", alter_sys=True)
"""


class Compiled(Peer):
    key = "compiled"
    name = "ours, TAP, compiled"
    options = "SANSIO_NET_COMPILE=1"
    workloads = EVERYTHING | {"open"}

    @property
    def folder(self) -> Path:
        return CACHE / "compiled"

    def sources(self) -> str:
        """Changes when anything does that is built."""
        digest = hashlib.sha256()
        for path in sorted(ROOT.glob("sansio_net/**/*.py")) + [
            ROOT / name for name in ("pyproject.toml", "hatch_build.py", "compiling.py")
        ]:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def missing(self) -> str | None:
        stamp = self.folder / "sources"
        if stamp.is_file() and stamp.read_text() == self.sources():
            return None
        return "a build by mypyc of these sources: --peers"

    def install(self) -> None:
        sources = self.sources()
        make = [sys.executable, "-m", "venv", "--clear", str(self.folder)]
        subprocess.run(make, check=True)
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run(
            [*pip, f"{ROOT}[tap]"],
            check=True,
            stdout=sys.stderr,
            env={**os.environ, "SANSIO_NET_COMPILE": "1"},
        )
        (self.folder / "sources").write_text(sources)

    def start(self, lab: Lab) -> Seat:
        python = str(self.folder / "bin" / "python")
        where = ("tap", "tap0", f"{SERVER_IP}/24")
        # -I: not from the checkout, where this runs
        return on_tap(lab, python, "-I", "-c", PROGRAM, *where)
