"""Where a run took place: what a figure means nothing without."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from tests.interop.lab import Host

from .peers import Seat

OFFLOADS = {
    "rx-checksumming": "rx csum",
    "tx-checksumming": "tx csum",
    "tcp-segmentation-offload": "tso",
    "generic-segmentation-offload": "gso",
    "generic-receive-offload": "gro",
    "tx-udp-segmentation": "uso",
}


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def sysctl(host: Host, name: str) -> str:
    return host.run("sysctl", "-n", name).strip()


def offloads(host: Host, interface: str) -> dict[str, bool]:
    """What `ethtool -k` says of the features that matter."""
    try:
        said = host.run("ethtool", "-k", interface)
    except AssertionError:
        return {}
    state = {}
    for line in said.splitlines():
        name, _, value = line.strip().partition(": ")
        if name in OFFLOADS:
            state[OFFLOADS[name]] = value.startswith("on")
    return state


def facts(seats: dict[str, Seat]) -> dict[str, object]:
    """As JSON has it; `links` by peer and interface."""
    one = next(iter(seats.values()))
    links = {
        key: {
            f"{side} {name}": offloads(host, name)
            for side, (host, name) in zip(("client", "server"), seat.ends, strict=False)
        }
        for key, seat in seats.items()
    }
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "kernel": platform.release(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "congestion control": sysctl(one.client, "net.ipv4.tcp_congestion_control"),
        "commit": commit(),
        "links": links,
    }


def commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
