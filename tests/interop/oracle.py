"""Linux as the oracle: odd packets to a kernel and to us, and where we differ.

``python -m tests.interop.oracle --seed 2 --count 10000`` (root) prints what is not
listed in `oracle_differences.toml`; ``--show INDEX`` one packet and both answers.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pickle
import socket
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from sansio_net.addresses import format_ip, format_mac, pack_ip
from sansio_net.packet import Capabilities
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.stack import Stack, StackConfig
from sansio_net.units import SECOND
from sansio_net.wire.segment import flatten
from sansio_net.wire.summary import summary

from .answers import kinds
from .lab import Host, Lab
from .odd import odd_packet
from .odd.tools import (
    GATE4,
    GATE6,
    OUR_MAC,
    PEER4,
    PEER6,
    PEER_LL,
    PEER_MAC,
    TCP_PORT,
    UDP_PORT,
    Odd,
    frame,
    icmp4,
    ip4,
)

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23

SENTINEL4 = bytes((10, 9, 0, 66))
NEIGHBOURS = (
    *(GATE4, PEER4, SENTINEL4, GATE6, PEER6, PEER_LL),
    *map(pack_ip, ("10.9.0.0", "10.9.0.255", "fd09::")),
)

SYSCTLS = {
    "net.ipv4.icmp_ratelimit": 0,
    "net.ipv4.icmp_ratemask": 0,
    "net.ipv4.icmp_msgs_per_sec": 1_000_000,
    "net.ipv4.icmp_msgs_burst": 1_000_000,
    "net.ipv6.icmp.ratelimit": 0,
    "net.ipv4.tcp_synack_retries": 0,
    "net.ipv4.tcp_max_syn_backlog": 65536,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.tcp_invalid_ratelimit": 0,
    "net.core.somaxconn": 65535,
    "net.ipv4.ipfrag_time": 1000,
    "net.ipv6.ip6frag_time": 1000,
    "net.ipv4.ipfrag_max_dist": 0,
    "net.ipv4.conf.eth0.rp_filter": 0,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.eth0.accept_redirects": 0,
    "net.ipv6.conf.all.accept_redirects": 0,
    "net.ipv6.conf.eth0.accept_redirects": 0,
    "net.ipv6.conf.eth0.accept_ra": 0,
    "net.ipv6.conf.eth0.accept_dad": 0,
    "net.ipv6.conf.eth0.dad_transmits": 0,
    "net.ipv6.conf.eth0.router_solicitations": 0,
    "net.ipv6.conf.eth0.addr_gen_mode": 1,
}

T = TypeVar("T")

Number = tuple[int, int]
"""An odd packet's: of a seed, its index."""


def within(host: Host, make: Callable[[], T]) -> T:
    """Call `make` in the host's namespace: sockets stay where they were made."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{host.name}", os.O_RDONLY)
    try:
        assert libc.setns(there, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        return make()
    finally:
        assert libc.setns(home, CLONE_NEWNET) == 0
        os.close(home)
        os.close(there)


class Kernel:
    """A Linux host that is asked one odd packet at a time."""

    def __init__(self, lab: Lab) -> None:
        self.host = lab.host("kernel")
        wire = lab.host("wire", ipv6=False)
        self.host.sysctl("net.ipv6.conf.default.addr_gen_mode", 1)
        lab.cable(self.host, "eth0", wire, "wire0")
        self.host.ip("link set eth0 down")
        self.host.ip(f"link set eth0 address {format_mac(OUR_MAC)}")
        for name, value in SYSCTLS.items():
            self.host.sysctl(name, value)
        self.host.ip("link set eth0 up")
        for address in ("10.9.0.2/24 brd +", "fd09::2/64", "fe80::2/64"):
            self.host.ip(f"address add {address} dev eth0")
        for address in map(format_ip, NEIGHBOURS):
            self.host.ip(
                f"neigh add {address} lladdr {format_mac(PEER_MAC)} dev eth0"
                " nud permanent"
            )
        self.host.ip(f"route add default via {format_ip(GATE4)}")
        self.host.ip(f"-6 route add default via {format_ip(GATE6)} dev eth0")
        self.open = within(self.host, _open_ports)
        self.wire = within(wire, _packet_socket)
        self.wire.bind(("wire0", 0x0003))
        self.asked = 0

    def close(self) -> None:
        for opened in (*self.open, self.wire):
            opened.close()

    def ask(self, odd: Odd) -> list[bytes]:
        """What it answers until it answers the sentinel that follows."""
        self.asked += 1
        rest = self.asked.to_bytes(4, "big")
        for one in odd.frames:
            self.wire.send(one)
        self.wire.send(frame(ip4(icmp4(8, 0, rest), 1, SENTINEL4)))
        answers = []
        while True:
            answer = self.wire.recv(65536)
            if answer[30:34] == SENTINEL4 and answer[38:42] == rest:
                return answers
            answers.append(answer)


def _packet_socket() -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    made.settimeout(10)
    return made


def _open_ports() -> list[socket.socket]:
    opened = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for kind, port in (
            (socket.SOCK_STREAM, TCP_PORT),
            (socket.SOCK_DGRAM, UDP_PORT),
        ):
            one = socket.socket(family, kind)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(("", port))
            if kind == socket.SOCK_STREAM:
                one.listen(65535)
            opened.append(one)
    return opened


class Ours:
    """Our stack, the same host, fresh for each odd packet."""

    def __init__(self) -> None:
        config = StackConfig(icmp=IcmpOptions(limited=False))
        stack = Stack(config, seed=bytes(32))
        nic = stack.add_interface(
            "eth0",
            mac=OUR_MAC,
            addresses=["10.9.0.2/24", "fe80::2/64", "fd09::2/64"],
            capabilities=Capabilities(mtu=1500),
            dad=False,
        )
        stack.add_route("0.0.0.0/0", via=format_ip(GATE4))
        stack.add_route("::/0", via=format_ip(GATE6))
        stack.tcp_listen(("", TCP_PORT))
        stack.udp_bind(("", UDP_PORT))
        assert nic.arp is not None
        assert nic.ndp is not None
        for ip in NEIGHBOURS:
            cache = nic.arp if len(ip) == 4 else nic.ndp
            cache.add_static(format_ip(ip), PEER_MAC)
        self.now = 0
        while (due := stack.next_timeout()) is not None and due < 60 * SECOND:
            self.now = max(self.now, due)
            self._turn(stack, [])
        self.now = 60 * SECOND
        self._turn(stack, [])
        self.frozen = pickle.dumps(stack)

    def ask(self, odd: Odd) -> list[bytes]:
        stack: Stack = pickle.loads(self.frozen)
        answers: list[bytes] = []
        for one in odd.frames:
            answers += self._turn(stack, [one])
        return answers

    def _turn(self, stack: Stack, frames: list[bytes]) -> list[bytes]:
        out: list[bytes] = []
        stack.receive(frames, self.now)
        stack.handle_timeout(self.now)
        while stack.events():
            pass
        while packets := stack.transmit(self.now):
            for packet in packets:
                out += flatten(packet)
        return out


@dataclass(frozen=True, slots=True)
class Difference:
    """rule: the name of what is listed, or "" for what is not."""

    number: Number
    label: str
    kernel: str
    ours: str
    rule: str

    @property
    def line(self) -> str:
        return f"{self.label}: {self.kernel} | {self.ours}"


class Differences:
    """The file: rules, each with the patterns of the lines that it explains.

    also: packets of other seeds, for differences that the first ones do not show.
    """

    def __init__(self, path: Path) -> None:
        content = tomllib.loads(path.read_text())
        self.rules: list[dict[str, Any]] = content["rule"]
        self.also: list[Number] = [(seed, n) for seed, n in content["also"]]

    def rule_of(self, line: str) -> tuple[str, str] | None:
        """The name of the first rule that explains `line`, and its pattern."""
        for rule in self.rules:
            for pattern in rule["lines"]:
                if fnmatchcase(line, pattern):
                    return rule["name"], pattern
        return None

    def patterns(self) -> set[str]:
        return {pattern for rule in self.rules for pattern in rule["lines"]}


FILE = Path(__file__).with_name("oracle_differences.toml")


@contextmanager
def kernel() -> Iterator[Kernel]:
    """Asked from one CPU, so that what is sent in order arrives in order."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
            linux = Kernel(lab)
            try:
                yield linux
            finally:
                linux.close()
    finally:
        os.sched_setaffinity(0, before)


def compare(
    linux: Kernel, ours: Ours, listed: Differences, numbers: Iterable[Number]
) -> tuple[list[Difference], Counter[str]]:
    """Every difference, and how often each pattern of the file was of use."""
    found, used = [], Counter[str]()
    for number in numbers:
        odd = odd_packet(*number)
        theirs, mine = kinds(odd, linux.ask(odd)), kinds(odd, ours.ask(odd))
        if theirs == mine:
            continue
        difference = Difference(number, odd.label, theirs, mine, "")
        rule = listed.rule_of(difference.line)
        if rule is not None:
            name, pattern = rule
            used[pattern] += 1
            difference = replace(difference, rule=name)
        found.append(difference)
    return found, used


def describe(linux: Kernel, ours: Ours, number: Number) -> str:
    odd = odd_packet(*number)
    lines = [f"packet {number[1]} of seed {number[0]}: {odd.label}"]
    for title, frames in (
        ("sent", odd.frames),
        ("kernel", linux.ask(odd)),
        ("ours", ours.ask(odd)),
    ):
        for one in frames:
            lines += [f"  {title:7}{summary(one)}", f"         {one.hex()}"]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.oracle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", type=int)
    args = parser.parse_args(argv)
    with kernel() as linux:
        ours = Ours()
        if args.show is not None:
            print(describe(linux, ours, (args.seed, args.show)))
            return 0
        listed = Differences(FILE)
        numbers = [(args.seed, args.first + n) for n in range(args.count)]
        found, used = compare(linux, ours, listed, numbers)
    for difference in found:
        if not difference.rule:
            print(f"{difference.number[1]:6} {difference.line}")
    unlisted = sum(not difference.rule for difference in found)
    print(
        f"{args.count} packets, {len(found)} differences, {unlisted} of them not listed"
    )
    for pattern in sorted(listed.patterns() - set(used)):
        print(f"not met: {pattern}")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
