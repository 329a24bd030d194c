"""Labs for IPv6 and groups: the test's end of a `node.py`, links, a router's radvd."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from .lab import OUR_MAC, SERIAL, Capture, Host, Lab, Process

Fact = dict[str, Any]

QUICK = ["--set", "ndp.dad_delay=0", "--set", "ndp.retrans_delay=200000000"]
QUICK += ["--set", "slaac.solicit_delay=0"]


class Node:
    """A stack of ours in a namespace, spoken to through its pipes."""

    def __init__(self, host: Host, link: str, *argv: str) -> None:
        words = ["--link", link, "--mac", OUR_MAC, *argv]
        self.process: Process = host.start(
            sys.executable, "-m", "tests.interop.node", *words
        )
        self.events: list[Fact] = []
        self._answers: list[Any] = []
        self._read_to = 0

    def ready(self) -> Node:
        self.process.expect(b"ready\n")
        return self

    def _read(self) -> None:
        whole = bytes(self.process.output)
        end = whole.rfind(b"\n") + 1
        for line in whole[self._read_to : end].splitlines():
            if line.startswith(b"{"):
                fact = json.loads(line)
                if "answer" in fact:
                    self._answers.append(fact["answer"])
                else:
                    self.events.append(fact)
        self._read_to = end

    def wait(
        self, condition: Callable[[], Any], what: str, timeout: float = 20.0
    ) -> Any:
        """Until `condition` is true of what was read."""
        end = time.monotonic() + timeout
        while True:
            self._read()
            if answer := condition():
                return answer
            assert self.process.popen.poll() is None, str(self.process)
            assert time.monotonic() < end, f"not within {timeout} s: {what}: {self}"
            time.sleep(0.01)

    def __str__(self) -> str:
        return str(self.process)

    def ask(self, *words: str) -> Any:
        self.process.write(" ".join(words).encode() + b"\n")
        self.wait(lambda: self._answers, f"an answer to {words}")
        return self._answers.pop(0)

    def tell(self, *words: str) -> None:
        """A verb that must not fail."""
        assert self.ask(*words) is None

    def seen(self, name: str, **fields: Any) -> list[Fact]:
        self._read()
        return [
            one
            for one in self.events
            if one["event"] == name
            and all(one[key] == value for key, value in fields.items())
        ]

    def event(self, name: str, timeout: float = 20.0, **fields: Any) -> Fact:
        """The first such event, when it has come."""
        found: list[Fact] = self.wait(
            lambda: self.seen(name, **fields), f"{name} {fields}", timeout
        )
        return found[0]

    def state(self) -> Fact:
        answer: Fact = self.ask("state")
        return answer

    def until(
        self, condition: Callable[[Fact], Any], what: str, timeout: float = 20.0
    ) -> Any:
        """Ask for the state until it is as wanted; what the condition found in it."""
        end = time.monotonic() + timeout
        while not (found := condition(state := self.state())):
            assert time.monotonic() < end, f"not within {timeout} s: {what}: {state}"
            time.sleep(0.03)
        return found

    def addresses(self, **fields: Any) -> list[str]:
        """Those of ours of which these things are so."""
        return [
            one["address"]
            for one in self.state()["addresses"]
            if all(one[key] == value for key, value in fields.items())
        ]


class Place:
    """A kernel and the place of our stack on the same link. `link`: how it is opened;
    `interface`: the kernel's end of it, once our stack is there.
    """

    def __init__(self, lab: Lab, kind: str) -> None:
        self.lab = lab
        self.kind = kind
        self.host = lab.host("host")
        self.ours = self.host
        self.link, self.interface = "tap:tap0", "tap0"
        if kind == "veth":
            self.ours = lab.host("ours", ipv6=False)
            lab.cable(self.host, "eth0", self.ours, "eth0")
            self.link, self.interface = "veth:eth0", "eth0"

    def node(self, *argv: str) -> Node:
        node = Node(self.ours, self.link, *QUICK, *argv).ready()
        hurry(self.host, self.interface)
        return node


class Switch:
    """A kernel's bridge with hosts at its ports; our stack at one of them, on a veth
    or as a TAP.

    The bridge is a host of its own, which can be made a querier.
    """

    def __init__(self, lab: Lab, *options: str, link: str = "veth") -> None:
        self.lab = lab
        self.host = lab.host("switch")
        self.host.run("ip", "link", "add", "br0", "type", "bridge", *options)
        self.host.ip("link set br0 up")
        self.link = link
        self.ours, self.port = self.host, "tap0"
        if link == "veth":
            self.ours = lab.host("ours", ipv6=False)
            self.port = self.plug(self.ours)

    def take_in_tap(self) -> Capture:
        """Once our stack has made it."""
        capture = self.host.capture("tap0")
        self.host.ip("link set tap0 master br0")
        return capture

    def plug(self, host: Host) -> str:
        """Connect its eth0; the name of our end."""
        port = f"port{next(SERIAL)}"
        self.lab.cable(host, "eth0", self.host, port)
        self.host.ip(f"link set {port} master br0")
        return port

    def kernel(self, label: str) -> Host:
        """A Linux host, plugged in."""
        host = self.lab.host(label)
        self.plug(host)
        hurry(host, "eth0")
        return host

    def start(self, *argv: str) -> Node:
        """Our stack, perhaps not ready yet."""
        link = "veth:eth0" if self.link == "veth" else "tap:tap0"
        return Node(self.ours, link, *QUICK, *argv)


def ping(host: Host, *argv: str, count: int) -> None:
    """So many answers; without -w ping waits for two round trips, which is little on a
    busy machine, with it perhaps for one answer more.
    """
    said = host.run("ping", "-6", "-c", str(count), "-w", "15", *argv)
    received = int(said.partition(" received")[0].split()[-1])
    assert received >= count, said


def hurry(host: Host, interface: str) -> None:
    """The kernel's duplicate detection takes a fifth of a second, as ours."""
    host.sysctl(f"net.ipv6.neigh.{interface}.retrans_time_ms", 200)
    host.sysctl(f"net.ipv6.conf.{interface}.router_solicitation_delay", 0)


def assert_clean(capture: Capture) -> int:
    """Nothing malformed, nothing wrong in what we sent."""
    return capture.assert_clean(f"eth.src == {OUR_MAC}")


def section(
    interface: str,
    *options: str,
    lifetime: int = 2,
    prefixes: dict[str, str] | None = None,
) -> str:
    """Of radvd's configuration: an interface that speaks several times a second."""
    words = [
        "AdvSendAdvert on; AdvIntervalOpt on;",
        "MinRtrAdvInterval 0.2; MaxRtrAdvInterval 0.3; MinDelayBetweenRAs 0.1;",
        f"AdvDefaultLifetime {lifetime};",
        *options,
        *(
            f"prefix {prefix} {{ {rest} }};"
            for prefix, rest in (prefixes or {}).items()
        ),
    ]
    return f"interface {interface} {{\n" + "\n".join(words) + "\n};\n"


class Radvd:
    """A router's daemon."""

    def __init__(self, host: Host, *sections: str) -> None:
        self.host = host
        self._config = host.lab.folder / f"radvd-{host.name}.conf"
        host.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._write(sections)
        self.process = host.start(
            *("radvd", "-n", "-C", str(self._config), "-m", "stderr"),
            *("-p", str(host.lab.folder / f"radvd-{host.name}.pid")),
        )
        self.process.expect(b"started", errors=True)

    def _write(self, sections: tuple[str, ...]) -> None:
        self._config.write_text("\n".join(sections))

    def change(self, *sections: str) -> None:
        self._write(sections)
        self.process.signal(signal.SIGHUP)

    def leave(self) -> None:
        """Say goodbye."""
        self.process.signal(signal.SIGTERM)

    def die(self) -> None:
        """Without a last word."""
        self.process.close()
