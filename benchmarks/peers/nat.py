"""slirp4netns and pasta: user-space NATs. The client talks through them to the kernel's
server in the namespace where they run; the stack measured is the one that answers the
client's frames, the CPU share is theirs alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import ClassVar

from tests.interop.lab import Host, Lab, Process, wait_for

from .base import (
    EVERYTHING,
    Peer,
    Seat,
    apt_install,
    client,
    package_version,
    start_module,
)


class Nat(Peer):
    workloads = EVERYTHING - {"ping"}
    why_not: ClassVar[Mapping[str, str]] = {
        "ping": "a NAT, which has nobody behind it that answers"
    }

    package: ClassVar[str]

    def missing(self) -> str | None:
        return None if shutil.which(self.key) else self.package

    def install(self) -> None:
        apt_install(self.package)

    def version(self) -> str:
        return package_version(self.package)

    def start(self, lab: Lab) -> Seat:
        inside, outside = client(lab), lab.host("outside", ipv6=False)
        start_module(outside, "kernel", "--address", "127.0.0.1")
        process = self.connect(lab, inside, outside)
        up = f"{self.key} bringing up tap0"
        wait_for(lambda: "tap0" in inside.ip("-4 route"), up)
        return Seat(inside, self.host_address, process, [(inside, "tap0")])

    host_address: ClassVar[str]
    """By which the inside reaches the outside's loopback."""

    def connect(self, lab: Lab, inside: Host, outside: Host) -> Process:
        raise NotImplementedError


class Slirp(Nat):
    key = "slirp4netns"
    name = "slirp4netns"
    package = "slirp4netns"
    host_address = "10.0.2.2"

    def connect(self, lab: Lab, inside: Host, outside: Host) -> Process:
        return outside.start(
            *("slirp4netns", "--configure", "--disable-dns"),
            *("--netns-type=path", f"/run/netns/{inside.name}", "tap0"),
        )


class Pasta(Nat):
    key = "pasta"
    name = "pasta"
    package = "passt"
    host_address = "10.66.0.1"
    options = "--mtu 1500"

    def connect(self, lab: Lab, inside: Host, outside: Host) -> Process:
        # it copies the address and the route of an interface that has a default route
        lab.cable(outside, "up0", outside, "up1")
        outside.ip("address add 10.66.0.2/24 dev up0")
        outside.ip(f"route add default via {self.host_address} dev up0")
        return outside.start(
            *("pasta", "--foreground", "--quiet", "--config-net", "--mtu", "1500"),
            *("--runas", "0:0", "--ns-ifname", "tap0", "--ipv4-only"),
            *("--netns", f"/run/netns/{inside.name}"),
        )
