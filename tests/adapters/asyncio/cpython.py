"""CPython's own asyncio tests with the NIC's loop: in a network namespace, as root,

    python -m tests.adapters.asyncio.cpython [-v] [part of a test's name ...]

The tests speak of one host, 127.0.0.1, with the loop under test and blocking sockets in
threads on it. Here that host is two, at the ends of a TAP: the loop's side is the NIC,
the sockets' side is the kernel. Whoever connects to 127.0.0.1 gets to the side that
listens on the port; either side's address is told as 127.0.0.1.

What cannot be so stands in cpython.toml, with the reason; all else has to pass.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import os
import select
import signal
import socket
import sys
import threading
import time
import tomllib
import traceback
import unittest
from asyncio import unix_events
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

from sansio_net.adapters import sockets
from sansio_net.adapters.asyncio import NetworkLoop, Nic, datagram, loop
from sansio_net.adapters.asyncio.driver import Driver
from sansio_net.drivers import TapDevice
from sansio_net.stack import Listener, Stack, StackConfig, UdpSocket

LISTED = Path(__file__).with_suffix(".toml")

TAP = "tap0"
KERNELS = {"127.0.0.1": "10.0.0.1", "localhost": "10.0.0.1", "::1": "fd00::1"}
NICS = {"127.0.0.1": "10.0.0.2", "localhost": "10.0.0.2", "::1": "fd00::2"}
TOLD = {"10.0.0.1": "127.0.0.1", "10.0.0.2": "127.0.0.1"}
TOLD |= {"fd00::1": "::1", "fd00::2": "::1"}

TIMEOUT = 20

CASES = {
    "test_buffered_proto": ["BufferedProtocolSelectorTests"],
    "test_events": ["EPollEventLoopTests"],
    "test_sendfile": ["EPollEventLoopTests"],
    "test_server": ["SelectorStartServerTests", "TestServer2"],
    "test_sock_lowlevel": ["EPollEventLoopTests"],
    "test_ssl": ["TestSSL"],
    "test_sslproto": ["SelectorStartTLSTests"],
    "test_streams": ["StreamTests"],
}
"""What there is of these, in this version of Python."""


class LoopOnTap(NetworkLoop):
    """A loop with a NIC from the first time that one is needed; it waits for nobody
    when it is closed. A second one at the same time, which no test of the network has,
    would be without.
    """

    current: ClassVar[LoopOnTap | None] = None
    n_connections = 0
    driver: Driver

    @property
    def nic(self) -> Nic | None:
        if LoopOnTap.current is None and not self.is_closed():
            LoopOnTap.current = self
            self.use(self.plugged())
        return super().nic

    def plugged(self) -> Nic:
        device = TapDevice(TAP)
        # the kernel's are others, so that a port is of one side
        stack = Stack(StackConfig(ephemeral_ports=(50000, 59999)), os.urandom(32))
        interface = stack.add_interface(
            mac="02:00:00:00:00:02",
            addresses=["10.0.0.2/24", "fd00::2/64"],
            capabilities=device.capabilities,
            dad=False,
        )
        self.driver = Driver(stack, {interface: device}, self, time.monotonic_ns)
        self.driver.start()
        return Nic(self.driver, interface)

    def close(self) -> None:
        if LoopOnTap.current is self:
            LoopOnTap.current = None
            self.driver.abort()
        super().close()


# -- one host that is two


def nic_has(port: int, kind: type[Listener | UdpSocket]) -> bool:
    current = LoopOnTap.current
    if current is None:
        return False
    while True:
        try:
            return any(
                isinstance(one, kind) and one.lport == port
                for one in current.driver.stack.sockets()
            )
        except RuntimeError:  # changed by the loop's thread meanwhile
            continue


def placed(address: Any, side: dict[str, str]) -> Any:
    """An address of 127.0.0.1's, on that side."""
    if isinstance(address, tuple) and address and address[0] in side:
        return (side[address[0]], *address[1:])
    return address


def reached(address: Any, kind: type[Listener | UdpSocket]) -> Any:
    if not isinstance(address, tuple) or len(address) < 2:
        return address
    return placed(address, NICS if nic_has(address[1], kind) else KERNELS)


def told(address: Any) -> Any:
    if isinstance(address, tuple) and address and address[0] in TOLD:
        return (TOLD[address[0]], *address[1:])
    return address


def split_the_nics_side() -> None:
    connect, listen, bind = Stack.tcp_connect, Stack.tcp_listen, Stack.udp_bind
    send_to, sockname = UdpSocket.send_to, sockets.sockname

    def tcp_connect(self: Stack, address: Any, **options: Any) -> Any:
        if options.get("local") is not None:
            options["local"] = placed(options["local"], NICS)
        LoopOnTap.n_connections += 1
        return connect(self, reached(address, Listener), **options)

    def tcp_listen(self: Stack, address: Any, **options: Any) -> Any:
        LoopOnTap.n_connections += 1
        return listen(self, placed(address, NICS), **options)

    def udp_bind(self: Stack, address: Any, **options: Any) -> Any:
        if options.get("peer") is not None:
            options["peer"] = reached(options["peer"], UdpSocket)
        LoopOnTap.n_connections += 1
        return bind(self, placed(address, NICS), **options)

    def sendto(self: UdpSocket, data: Any, address: Any, **options: Any) -> None:
        send_to(self, data, reached(address, UdpSocket), **options)

    def name(endpoint: Any, family: int = 0) -> Any:
        return told(sockname(endpoint, family))

    changes: dict[str, Any] = {"tcp_connect": tcp_connect, "tcp_listen": tcp_listen}
    for verb, change in {**changes, "udp_bind": udp_bind}.items():
        setattr(Stack, verb, change)
    UdpSocket.send_to = sendto  # type: ignore[method-assign]
    for module in (sockets, datagram, loop):
        module.sockname = name  # type: ignore[attr-defined]


def split_the_kernels_side() -> None:
    plain: Any = socket.socket.__mro__[1]
    accept = socket.socket._accept  # type: ignore[attr-defined]

    def destination(sock: socket.socket, address: Any) -> Any:
        kind = Listener if sock.type == socket.SOCK_STREAM else UdpSocket
        return reached(address, kind)

    def connect(self: socket.socket, address: Any) -> None:
        where = destination(self, address)
        current = LoopOnTap.current
        if (
            self.gettimeout() == 0
            or where == address
            or current is None
            or current.is_running()
            or threading.current_thread() is not threading.main_thread()
        ):
            plain.connect(self, where)
            return
        # the loop is ours to run while we wait for it
        timeout = self.gettimeout()
        self.setblocking(False)
        try:
            error = plain.connect_ex(self, where)
            while not select.select((), (self,), (), 0)[1]:
                current.run_until_complete(asyncio.sleep(0.001))
            error = self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, os.strerror(error))
        finally:
            self.settimeout(timeout)

    def sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        sent: int = plain.sendto(self, data, *rest[:-1], destination(self, rest[-1]))
        return sent

    def received(name: str) -> Callable[..., Any]:
        def receive(self: socket.socket, *args: Any, **kwds: Any) -> Any:
            what, source = getattr(plain, name)(self, *args, **kwds)
            return what, told(source)

        return receive

    changes: dict[str, Any] = {
        "bind": lambda self, address: plain.bind(self, placed(address, KERNELS)),
        "connect": connect,
        "connect_ex": lambda self, address: plain.connect_ex(
            self, destination(self, address)
        ),
        "getsockname": lambda self: told(plain.getsockname(self)),
        "getpeername": lambda self: told(plain.getpeername(self)),
        "sendto": sendto,
        "recvfrom": received("recvfrom"),
        "recvfrom_into": received("recvfrom_into"),
        "_accept": lambda self: (lambda fd, peer: (fd, told(peer)))(*accept(self)),
    }
    for verb, change in changes.items():
        setattr(socket.socket, verb, change)


def take_every_loop() -> None:
    """Whatever the tests make a loop with makes ours."""
    asyncio.SelectorEventLoop = LoopOnTap
    policy: Any = unix_events._UnixDefaultEventLoopPolicy
    policy._loop_factory = LoopOnTap


def make_the_link() -> None:
    for command in (
        f"tuntap add {TAP} mode tap vnet_hdr",
        f"link set {TAP} address 02:00:00:00:00:01 up",
        f"address add {KERNELS['127.0.0.1']}/24 dev {TAP}",
        f"address add {KERNELS['::1']}/64 dev {TAP} nodad",
    ):
        if os.spawnlp(os.P_WAIT, "ip", "ip", *command.split()):
            raise SystemExit(f"ip {command}: failed")
    ports = Path("/proc/sys/net/ipv4/ip_local_port_range")
    ports.write_text("40000 49999")


# -- running


def cases() -> Iterator[tuple[str, unittest.TestCase]]:
    for module_name, class_names in CASES.items():
        module = importlib.import_module(f"test.test_asyncio.{module_name}")
        for class_name in class_names:
            if (case := getattr(module, class_name, None)) is None:
                continue
            for name in unittest.defaultTestLoader.getTestCaseNames(case):
                yield f"{module_name}.{name}", case(name)


class TooLong(BaseException):
    pass


def too_long(*about: Any) -> None:
    raise TooLong(f"still running after {TIMEOUT} s")


def copied(test: unittest.TestCase) -> unittest.TestCase:
    return type(test)(test.id().rpartition(".")[2])


def outcome_of(test: unittest.TestCase) -> tuple[str, str]:
    """passed, failed or skipped, and why."""
    result = unittest.TestResult()
    said = io.StringIO()
    signal.signal(signal.SIGALRM, too_long)  # some tests change it
    signal.alarm(TIMEOUT)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            unittest.TestSuite([test]).run(result)
    except TooLong:
        return "failed", traceback.format_exc()
    finally:
        signal.alarm(0)
        if LoopOnTap.current is not None:
            LoopOnTap.current.close()
    if result.skipped:
        return "skipped", result.skipped[0][1]
    problems = result.failures + result.errors
    if problems:
        return "failed", "\n".join(text for _, text in problems) + said.getvalue()
    return "passed", ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="cpython")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("-a", "--all", action="store_true", help="also those listed")
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    tables = tomllib.loads(LISTED.read_text())
    version = "{}.{}".format(*sys.version_info[:2])
    listed = tables["not applicable"] | tables.get(f"not applicable in {version}", {})
    make_the_link()
    split_the_nics_side()
    split_the_kernels_side()
    take_every_loop()
    counts: Counter[str] = Counter()
    n_on_the_nic = 0
    for name, test in cases():
        if args.name and not any(part in name for part in args.name):
            continue
        began, LoopOnTap.n_connections = time.monotonic(), 0
        if name in listed and not args.all:
            outcome, why = "not applicable", listed[name]
        else:
            outcome, why = outcome_of(test)
            if outcome == "failed":  # many of them race against the clock
                print(f"failed, and once more: {name} {why}", flush=True)
                outcome, why = outcome_of(copied(test))
        counts[outcome] += 1
        n_on_the_nic += outcome == "passed" and LoopOnTap.n_connections > 0
        if outcome != "passed" or args.verbose:
            took = time.monotonic() - began
            nic = " on the NIC" if LoopOnTap.n_connections else ""
            print(f"{outcome}: {name}{nic} {took:.2f} s {why}", flush=True)
    print(
        f"{sys.version.split()[0]}: {counts['passed']} passed, {n_on_the_nic} of them"
        f" on the NIC; {counts['failed']} failed, {counts['skipped']} skipped,"
        f" {counts['not applicable']} not applicable"
    )
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # a thread of a failed test may wait for ever
