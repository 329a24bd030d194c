"""PyTCP 3: the other TCP/IP stack in Python, from PyPI, in an environment of its own.

pmd-pytcp is its 3.0.7 as a package for Python >= 3.9; PyTCP itself asks for 3.14.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.interop.lab import Lab, wait_for

from .base import CACHE, SERVER_IP, Peer, Seat, on_tap

PACKAGE = "pmd-pytcp==0.3.8"


class PyTcp(Peer):
    key = "pytcp"
    name = "PyTCP 3"

    @property
    def folder(self) -> Path:
        return CACHE / "pytcp"

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def missing(self) -> str | None:
        if any(self.folder.glob("lib/python*/site-packages/pmd_pytcp/__init__.py")):
            return None
        return PACKAGE

    def install(self) -> None:
        make = [sys.executable, "-m", "venv", "--clear", str(self.folder)]
        subprocess.run(make, check=True)
        install = [str(self.python), "-m", "pip", "install", "--quiet", PACKAGE]
        subprocess.run(install, check=True, stdout=sys.stderr)

    def version(self) -> str:
        return f"({PACKAGE})"

    def start(self, lab: Lab) -> Seat:
        module = ("-m", "benchmarks.servers.pytcp")
        seat = on_tap(lab, str(self.python), *module, "tap0", f"{SERVER_IP}/24")
        ping = ("ping", "-nc1", "-W1", SERVER_IP)
        # it asks first whether its address is somebody else's
        wait_for(
            lambda: " 0% packet loss" in seat.client.run(*ping, check=False),
            "PyTCP answering",
            timeout=30,
        )
        return seat
