"""The course: four hosts, two of them ours, and a bridge in the middle of them."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.interop.lab import Host, Lab, Process

OFFLOADS: Final = (
    ("tso", "tcp-segmentation-offload"),
    ("gso", "generic-segmentation-offload"),
    ("gro", "generic-receive-offload"),
    ("tx", "tx-checksumming"),
    ("rx", "rx-checksumming"),
    ("sg", "scatter-gather"),
)
NAMES: Final = {"linux": "Linux", "ours": "ours"}
PAIRS: Final = (("linux", "linux"), ("ours", "linux"), ("linux", "ours"))
"""Who sends, who receives."""
READY: Final = b"ready\n"


@dataclass(slots=True)
class Station:
    """A host at the link: side 0 sends, side 1 receives."""

    host: Host
    address: str
    port: str
    """The bridge's interface on its cable."""


class Course:
    """Made once; each `transfer` has a bridge and two ends of its own."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.middle = lab.host("middle", ipv6=False)
        self.offloads: list[str] = []
        self._ports = itertools.count(5001)
        addresses = (f"10.99.0.{number}" for number in itertools.count(1))
        self.stations = {
            (kind, side): self._station(kind, side, addresses)
            for kind in ("linux", "ours")
            for side in (0, 1)
        }

    def _station(self, kind: str, side: int, addresses: Iterator[str]) -> Station:
        host = self.lab.host(f"{kind}{side}", ipv6=False)
        station = Station(host, next(addresses), f"{kind}{side}")
        self.lab.cable(host, "eth0", self.middle, station.port)
        for place, name in ((host, "eth0"), (self.middle, station.port)):
            self._offloads_off(place, name)
        if kind == "linux":
            host.ip(f"address add {station.address}/24 dev eth0")
            # or a lost run would teach the next one its ssthresh
            host.sysctl("net.ipv4.tcp_no_metrics_save", 1)
        return station

    def _offloads_off(self, host: Host, name: str) -> None:
        for short, _ in OFFLOADS:
            host.run("ethtool", "-K", name, short, "off", check=False)
        said = host.run("ethtool", "-k", name)
        states = dict(
            line.strip().split(": ", 1) for line in said.splitlines() if ": " in line
        )
        told = ", ".join(f"{short} {states.get(name, '?')}" for short, name in OFFLOADS)
        self.offloads.append(f"{host.name.rpartition('-')[2]} {name}: {told}")

    def transfer(
        self,
        pair: tuple[str, str],
        congestion: str,
        *,
        size: int,
        loss: str,
        seed: int,
        timeout: float = 300.0,
    ) -> dict[str, Any]:
        """What the sender, the receiver and the bridge have to say of it."""
        sender, receiver = self.stations[pair[0], 0], self.stations[pair[1], 1]
        bridge = self._python(
            self.middle, "bridge", sender.port, receiver.port, str(seed), loss
        )
        bridge.expect(READY)
        rest = [receiver.address, str(next(self._ports)), congestion, str(size)]
        taking = self._end(pair[1], receiver, "receive", rest)
        taking.expect(READY)
        sending = self._end(pair[0], sender, "send", rest)
        try:
            sending.wait(timeout)
            taking.wait(timeout)
            bridge.popen.terminate()
            bridge.wait()
            return {
                "sender": sending.json(),
                "receiver": taking.json(),
                "bridge": bridge.json(),
            }
        finally:
            for process in (sending, taking, bridge):
                process.close()

    def _end(self, kind: str, station: Station, what: str, rest: list[str]) -> Process:
        if kind == "linux":
            return self._python(station.host, "kernel_end", what, *rest)
        more = ["eth0", station.address]
        return self._python(station.host, "our_end", what, *rest, *more)

    def _python(self, host: Host, module: str, *arguments: str) -> Process:
        return host.start(
            sys.executable, "-m", f"benchmarks.linux.{module}", *arguments
        )


def available() -> list[str]:
    """What this kernel lets a socket choose."""
    with open("/proc/sys/net/ipv4/tcp_available_congestion_control") as file:
        return file.read().split()
