"""Hosts in network namespaces, cables between them, programs on them.

Everything a `Lab` makes has a unique name and is taken away when the lab closes, also
when a test failed half-way.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[2]
SERIAL = itertools.count(1)

OUR_MAC = "f6:34:95:26:90:66"
OUR_IP = "172.17.0.253"
HOST_IP = "172.17.0.2"


def wait_for(condition: Callable[[], Any], what: str, timeout: float = 10.0) -> Any:
    """Ask until the answer is true, and give it back; AssertionError in the end."""
    end = time.monotonic() + timeout
    while not (answer := condition()):
        assert time.monotonic() < end, f"still not after {timeout} s: {what}"
        time.sleep(0.02)
    return answer


def pattern(size: int) -> bytes:
    """The bytes that a transfer of `size` carries, the same in every process."""
    return random.Random(size).randbytes(size)


class Process:
    """A program that runs on beside the test. Its output is read as it comes."""

    def __init__(
        self, argv: list[str], stdin: Path | None = None, stdout: Path | None = None
    ) -> None:
        self.argv = argv
        self.output = bytearray()
        self.errors = bytearray()
        self._changed = threading.Condition()
        source: IO[bytes] | int = stdin.open("rb") if stdin else subprocess.PIPE
        sink: IO[bytes] | int = stdout.open("wb") if stdout else subprocess.PIPE
        self.popen = subprocess.Popen(
            argv, stdin=source, stdout=sink, stderr=subprocess.PIPE, cwd=ROOT
        )
        for opened in (source, sink):
            if not isinstance(opened, int):
                opened.close()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in (
                (self.popen.stdout, self.output),
                (self.popen.stderr, self.errors),
            )
            if pair[0] is not None
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: IO[bytes], kept: bytearray) -> None:
        while data := os.read(pipe.fileno(), 65536):
            with self._changed:
                kept += data
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def __str__(self) -> str:
        return (
            f"{' '.join(self.argv)}\nstatus: {self.popen.poll()}\n"
            f"output: {bytes(self.output[-4000:])!r}\n"
            f"errors: {bytes(self.errors[-4000:]).decode(errors='replace')}"
        )

    def expect(self, text: bytes, timeout: float = 15.0, errors: bool = False) -> None:
        """Wait until `text` has been printed."""
        kept = self.errors if errors else self.output
        end = time.monotonic() + timeout
        with self._changed:
            while text not in kept:
                left = end - time.monotonic()
                assert left > 0, f"no {text!r} within {timeout} s from {self}"
                assert self.popen.poll() is None or any(
                    reader.is_alive() for reader in self._readers
                ), f"ended without {text!r}: {self}"
                self._changed.wait(min(left, 0.1))

    def write(self, data: bytes) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def end_input(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def wait(self, timeout: float = 20.0, check: bool = True) -> int:
        """The exit status; a failure is an AssertionError with all that it said."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self}") from None
        for reader in self._readers:
            reader.join(5)
        assert not check or status == 0, str(self)
        return status

    def signal(self, number: int = signal.SIGINT) -> None:
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def stop(self, timeout: float = 10.0) -> int:
        """Ctrl-C, then wait."""
        self.signal()
        return self.wait(timeout, check=False)

    def close(self) -> None:
        """Whatever state it is in: gone afterwards."""
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(5)
        for reader in self._readers:
            reader.join(5)
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass

    def json(self) -> dict[str, Any]:
        """The last line printed, as JSON."""
        report: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return report


class Host:
    """A network namespace."""

    def __init__(self, lab: Lab, name: str) -> None:
        self.lab = lab
        self.name = name

    def command(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def run(
        self,
        *argv: str,
        timeout: float = 20.0,
        stdin: bytes = b"",
        check: bool = True,
    ) -> str:
        """Run a program to its end and give what it printed."""
        return self.output(*argv, timeout=timeout, stdin=stdin, check=check).decode()

    def output(
        self,
        *argv: str,
        timeout: float = 20.0,
        stdin: bytes = b"",
        check: bool = True,
    ) -> bytes:
        try:
            done = subprocess.run(
                self.command(*argv),
                input=stdin,
                capture_output=True,
                timeout=timeout,
                cwd=ROOT,
            )
        except subprocess.TimeoutExpired as expired:
            raise AssertionError(
                f"{' '.join(argv)}: still running after {timeout} s\n"
                f"{expired.stdout!r}\n{expired.stderr!r}"
            ) from None
        said = done.stderr.decode(errors="replace")
        assert not check or done.returncode == 0, (
            f"{' '.join(argv)}: status {done.returncode}\n{done.stdout!r}\n{said}"
        )
        return done.stdout

    def ip(self, command: str) -> str:
        return self.run("ip", *command.split())

    def sysctl(self, name: str, value: int | str) -> None:
        self.run("sysctl", "-qw", f"{name}={value}")

    def start(
        self, *argv: str, stdin: Path | None = None, stdout: Path | None = None
    ) -> Process:
        return self.lab.start(self.command(*argv), stdin, stdout)

    def sansio(self, *argv: str, **files: Path) -> Process:
        """Our own command line, on this host's interfaces."""
        return self.start(sys.executable, "-m", "sansio_net", *argv, **files)

    def up(self, *argv: str) -> Process:
        """`sansio-net up ...`, once it is ready."""
        process = self.sansio("up", *argv)
        process.expect(b"\nready\n")
        return process

    def station(self, what: str, *argv: str) -> Process:
        """One of station.py's own programs around a stack, once it is ready."""
        process = self.start(sys.executable, "-m", "tests.interop.station", what, *argv)
        process.expect(b"ready\n")
        return process

    def listening(self, port: int, kind: str = "-lt") -> None:
        """Wait until a program listens on `port`; `-lu` for UDP."""
        wait_for(
            lambda: f":{port} " in self.run("ss", "-Hn", kind),
            f"port {port} listening",
        )

    def neighbour(self, address: str) -> dict[str, Any]:
        """What `ip neigh` knows of an address; {} for nothing."""
        rows = json.loads(self.run("ip", "-j", "neigh", "show", address) or "[]")
        return rows[0] if rows else {}

    def capture(self, interface: str, expression: str = "") -> Capture:
        return Capture(self, interface, expression)


class Capture:
    """A tcpdump on a host's interface, read with tshark afterwards."""

    def __init__(self, host: Host, interface: str, expression: str) -> None:
        self.path = host.lab.folder / f"{interface}-{next(SERIAL)}.pcap"
        options = ["-n", "-U", "--immediate-mode", "-B65536", "-s0", "-w", self.path]
        self.process = host.start(
            "tcpdump", "-i", interface, *map(str, options), *expression.split()
        )
        self.process.expect(b"listening on", errors=True)

    def stop(self) -> Capture:
        """End it, with everything seen until now in the file."""
        if self.process.popen.poll() is None:
            # immediate mode: what the interface carried has been handed over; -U wrote
            # it. One more round of the scheduler lets tcpdump drain its ring.
            size = -1
            while size != (size := self.path.stat().st_size):
                time.sleep(0.1)
            assert self.process.stop() == 0, str(self.process)
            said = self.process.errors.decode()
            assert "\n0 packets dropped by kernel" in said, said
        return self

    def frames(self, display_filter: str, *fields: str) -> list[list[str]]:
        """The frames that match, each as the named fields' text."""
        self.stop()
        shown = fields or ("frame.number", "_ws.col.info")
        return tshark(self.path, display_filter, *shown)

    def seen(self, display_filter: str) -> list[list[str]]:
        """What matches until now; the file's last packet may be cut short."""
        return tshark(self.path, display_filter, "frame.number", cut=True)

    def assert_clean(self, ours: str) -> int:
        """Nothing malformed, and of the frames that match `ours`: every checksum
        right. Gives the number of those."""
        self.stop()
        return assert_clean(self.path, ours)


def tshark(
    path: Path, display_filter: str, *fields: str, cut: bool = False
) -> list[list[str]]:
    """The named fields of what matches; `cut`: the file may end within a packet."""
    argv = ["tshark", "-n", "-r", str(path), "-Y", display_filter]
    for layer in ("ip", "tcp", "udp"):
        argv += ["-o", f"{layer}.check_checksum:TRUE"]
    # what a payload happens to look like is of no interest
    argv += ["-d", "tcp.port==8888,echo", "-d", "udp.port==8888,echo"]
    argv += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=f"]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120)
    assert cut or done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def assert_clean(path: Path, ours: str) -> int:
    wrong = tshark(
        path,
        f"_ws.malformed || (({ours}) && (_ws.expert.severity == error"
        " || ip.checksum.status == Bad || tcp.checksum.status == Bad"
        " || udp.checksum.status == Bad || icmp.checksum.status == Bad"
        " || icmpv6.checksum.status == Bad || igmp.checksum.status == Bad))",
        "frame.number",
        "_ws.col.protocol",
        "_ws.col.info",
    )
    assert not wrong, wrong[:10]
    return len(tshark(path, ours, "frame.number"))


class Lab:
    """Hosts and cables for one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cleanup = ExitStack()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *error: object) -> None:
        self._cleanup.close()

    def start(
        self, argv: list[str], stdin: Path | None = None, stdout: Path | None = None
    ) -> Process:
        process = Process(argv, stdin, stdout)
        self._cleanup.callback(process.close)
        return process

    def host(self, label: str, ipv6: bool = True) -> Host:
        """A new namespace with its `lo` up; without IPv6 where nothing may talk."""
        name = f"sansio-{os.getpid()}-{next(SERIAL)}-{label}"
        ip(f"netns add {name}")
        self._cleanup.callback(ip, f"netns delete {name}")
        host = Host(self, name)
        if not ipv6:
            host.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
            host.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        host.ip("link set lo up")
        return host

    def cable(self, one: Host, one_name: str, other: Host, other_name: str) -> None:
        """A veth pair between two hosts, or within one, both ends up."""
        ip(
            f"link add {one_name} netns {one.name} type veth"
            f" peer name {other_name} netns {other.name}"
        )
        one.ip(f"link set {one_name} up")
        other.ip(f"link set {other_name} up")


def ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True, timeout=20)


class Seat:
    """A real host, and the place where our stack sits on the same link.

    host: the kernel's side, with the address HOST_IP on `interface`. ours: the
    namespace our device is opened in. link: its options on our command line. frames:
    the display filter of what we send.
    """

    def __init__(
        self, lab: Lab, host: Host, ours: Host, interface: str, link: list[str]
    ) -> None:
        self.lab = lab
        self.host = host
        self.ours = ours
        self.interface = interface
        self.link = link
        self.kind = link[1].partition(":")[0]
        self.frames = (
            f"ip.src == {OUR_IP}" if self.kind == "tun" else (f"eth.src == {OUR_MAC}")
        )


def original_seat(lab: Lab) -> Seat:
    """The original's set-up: a host on a bridge, the bridge on a veth pair, and our
    stack on the pair's other end with its MAC and address."""
    host = lab.host("host")
    wire = lab.host("wire", ipv6=False)
    wire.ip("link add docker0 type bridge")
    wire.ip("link set docker0 up")
    lab.cable(host, "eth0", wire, "host0")
    lab.cable(wire, "new_eth0", wire, "new_eth1")
    wire.ip(f"link set new_eth0 address {OUR_MAC}")
    for port in ("host0", "new_eth1"):
        wire.ip(f"link set {port} master docker0")
    host.ip(f"address add {HOST_IP}/16 dev eth0")
    link = ["--link", "veth:new_eth0", "-a", f"{OUR_IP}/16", "--mac", OUR_MAC]
    return Seat(lab, host, wire, "eth0", link)


def tap_seat(lab: Lab) -> Seat:
    host = lab.host("host")
    link = ["--link", "tap:tap0", "-a", f"{OUR_IP}/16", "--mac", OUR_MAC]
    link += ["--host-address", f"{HOST_IP}/16"]
    return Seat(lab, host, host, "tap0", link)


def tun_seat(lab: Lab) -> Seat:
    host = lab.host("host")
    link = ["--link", "tun:tun0", "-a", f"{OUR_IP}/16"]
    link += ["--host-address", f"{HOST_IP}/16"]
    return Seat(lab, host, host, "tun0", link)


SEATS = {"veth": original_seat, "tap": tap_seat, "tun": tun_seat}
