"""smoltcp and gVisor's netstack: no package has a server of theirs.

Given a path, the program is run as ``PATH tap0 10.77.0.1/24`` in the client's
namespace: it makes the TAP, serves what `benchmarks.servers` says and prints ``ready``.
Without, ratios stand in that were measured once on two cores under Linux 6.18, marked
as stored: to the kernel over a veth, and for round trips, of which the kernel's own has
two modes, to lwIP in the same half hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from tests.interop.lab import Lab

from .base import SERVER_IP, Peer, Seat, on_tap


class Given(Peer):
    """stored: by metric, against whom and how many times as much."""

    stored: ClassVar[Mapping[str, tuple[str, float]]]
    stored_from: ClassVar[str]

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def missing(self) -> str | None:
        if self.path is None:
            return f"a path: --{self.key} PATH"
        return None if Path(self.path).is_file() else f"{self.path}: no such file"

    def start(self, lab: Lab) -> Seat:
        assert self.path is not None
        return on_tap(lab, self.path, "tap0", f"{SERVER_IP}/24")


class Smoltcp(Given):
    key = "smoltcp"
    name = "smoltcp"
    stored_from = "smoltcp 0.13.1"
    stored: ClassVar[Mapping[str, tuple[str, float]]] = {
        "ping": ("lwip", 82 / 73),
        "rr": ("lwip", 68 / 52),
        "udp": ("kernel", 1.34),
        "tcp_in": ("kernel", 0.274),
        "tcp_out": ("kernel", 0.10),
        "connections": ("kernel", 1.09),
        "connections50": ("kernel", 1.50),
    }


class Gvisor(Given):
    key = "gvisor"
    name = "gVisor netstack"
    stored_from = "gVisor of 2022-12"
    stored: ClassVar[Mapping[str, tuple[str, float]]] = {
        "ping": ("lwip", 87 / 73),
        "rr": ("lwip", 115 / 52),
        "udp": ("kernel", 0.47),
        "tcp_in": ("kernel", 0.0684),
        "tcp_out": ("kernel", 0.0178),
        "connections": ("kernel", 0.35),
        "connections50": ("kernel", 0.441),
    }
