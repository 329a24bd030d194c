"""What a server under measurement is: the one shape of all of them."""

from __future__ import annotations

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from tests.interop.lab import Host, Lab, Process

SERVER_IP: Final = "10.77.0.1"
CLIENT_IP: Final = "10.77.0.2"
CACHE: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "sansio_net-benchmarks"
)

EVERYTHING: Final = frozenset(
    ("ping", "rr", "udp", "tcp_in", "tcp_out", "connections", "connections50")
)


@dataclass(slots=True)
class Seat:
    """A client's namespace with a server at the other end of its link.

    process: the one whose CPU time and memory count. ends: the interfaces of the link,
    whose offloads the report shows. congestion: as the peer's.
    """

    client: Host
    address: str
    process: Process
    ends: list[tuple[Host, str]] = field(default_factory=list)
    congestion: str = ""

    @property
    def pid(self) -> int:
        return self.process.popen.pid


class Peer(ABC):
    """One column of the table.

    key: the word of the command line. name: what the report calls it. workloads: what
    it can be asked to do; `why_not` has a reason for others. options: what it was told
    that is not its default.
    """

    key: ClassVar[str]
    name: ClassVar[str]
    workloads: ClassVar[frozenset[str]] = EVERYTHING
    why_not: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[str] = ""
    congestion: ClassVar[str] = ""
    """Of the kernel's sockets on both ends; "" is the machine's default."""
    ceiling: ClassVar[str] = "kernel"

    def missing(self) -> str | None:
        """What it would take to run it here, or None."""
        return None

    def install(self) -> None:  # noqa: B027
        """Get what is missing, for ``--peers``. Raises CalledProcessError."""

    def version(self) -> str:
        return ""

    @abstractmethod
    def start(self, lab: Lab) -> Seat:
        """Namespaces, a link and the server, ready."""


def client(lab: Lab) -> Host:
    host = lab.host("client", ipv6=False)
    # the connections of many repetitions wait in TIME-WAIT
    host.sysctl("net.ipv4.ip_local_port_range", "1024 65535")
    host.sysctl("net.ipv4.tcp_max_tw_buckets", 8192)
    return host


def start_module(host: Host, name: str, *argv: str) -> Process:
    """A server of ours, once it is ready."""
    process = host.start(sys.executable, "-m", f"benchmarks.servers.{name}", *argv)
    process.expect(b"ready\n")
    return process


def on_tap(lab: Lab, *argv: str) -> Seat:
    """`argv` makes tap0 in the client's namespace, sits behind it and says ready."""
    host = client(lab)
    process = host.start(*argv)
    process.expect(b"ready\n")
    host.ip("link set tap0 up")
    host.ip(f"address add {CLIENT_IP}/24 dev tap0")
    return Seat(host, SERVER_IP, process, [(host, "tap0")])


def apt_install(*packages: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages]
    for argv in (["apt-get", "-q", "update"], command):
        subprocess.run(
            argv,
            env=environment,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
        )


def package_version(package: str) -> str:
    """Debian's version of an installed package."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()
