"""lwIP as Debian builds it, in a program of ours: servers/lwip.c."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.interop.lab import Lab

from .base import CACHE, SERVER_IP, Peer, Seat, apt_install, on_tap, package_version

SOURCE = Path(__file__).parents[1] / "servers" / "lwip.c"
HEADER = Path("/usr/include/lwip/lwip/init.h")


class Lwip(Peer):
    key = "lwip"
    name = "lwIP"

    @property
    def binary(self) -> Path:
        return CACHE / "lwip_server"

    def missing(self) -> str | None:
        lacks = []
        if not HEADER.exists():
            lacks.append("liblwip-dev")
        if shutil.which("gcc") is None:
            lacks.append("gcc")
        return " ".join(lacks) or None

    def install(self) -> None:
        apt_install("liblwip-dev", "gcc", "libc6-dev")

    def version(self) -> str:
        return package_version("liblwip-dev")

    def build(self) -> None:
        binary = self.binary
        if binary.exists() and binary.stat().st_mtime > SOURCE.stat().st_mtime:
            return
        binary.parent.mkdir(parents=True, exist_ok=True)
        include = f"-I{HEADER.parents[1]}"
        command = ["gcc", "-O2", include, "-o", str(binary), str(SOURCE), "-llwip"]
        subprocess.run(command, check=True)

    def start(self, lab: Lab) -> Seat:
        self.build()
        return on_tap(lab, str(self.binary), "tap0", f"{SERVER_IP}/24")
