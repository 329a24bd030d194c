"""Our traceroute and Debian's side by side, through a chain of kernel routers."""

from __future__ import annotations

import re
import sys

import pytest

from .lab import OUR_MAC, Host, Lab

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "traceroute", "tcpdump", "tshark", "nc.openbsd"),
]

LINK = ["--link", "veth:wire", "--mac", OUR_MAC]
FOUR = ["-a", "10.1.0.9/24", "-g", "10.1.0.1"]
SIX = ["-a", "fd00:1::9/64", "-g", "fd00:1::1"]
TARGETS = ("10.4.0.2", "fd00:4::2")


class Chain:
    """Two who ask, on one bridge: our stack, and a kernel. Three routers, a target."""

    def __init__(self, lab: Lab) -> None:
        self.ours = lab.host("ours", ipv6=False)
        self.kernel = lab.host("kernel")
        self.routers = [lab.host(f"router{n}") for n in (1, 2, 3)]
        self.target = lab.host("target")
        one, two, three = self.routers
        lab.cable(self.ours, "wire", one, "port1")
        lab.cable(self.kernel, "eth0", one, "port2")
        lab.cable(one, "far", two, "near")
        lab.cable(two, "far", three, "near")
        lab.cable(three, "far", self.target, "eth0")
        bridge = ["link add near type bridge", "link set near up"]
        bridge += [f"link set {port} master near" for port in ("port1", "port2")]
        configure(one, *bridge, *addresses("near", 1, 1), *addresses("far", 2, 1))
        configure(two, *addresses("near", 2, 2), *addresses("far", 3, 1))
        configure(three, *addresses("near", 3, 2), *addresses("far", 4, 1))
        configure(self.kernel, *addresses("eth0", 1, 8), *default(1))
        configure(self.target, *addresses("eth0", 4, 2), *default(4))
        for router in self.routers:
            forwards(router)
        # down, and back up; three networks lead nowhere, each in its way
        configure(one, *routes((3, 4, 5, 6, 7), 2, 2))
        configure(two, *routes((4, 5, 6), 3, 2), *routes((1,), 2, 1))
        configure(two, *(line.format("blackhole", 7) for line in NOWHERE))
        configure(three, *routes((1, 2), 3, 1))
        configure(three, *(line.format("unreachable", 5) for line in NOWHERE))
        configure(three, *(line.format("prohibit", 6) for line in NOWHERE))

    def both(self, *argv: str) -> tuple[str, str]:
        """What ours and Debian's say to the same command line, without the times."""
        family = SIX if any(":" in word for word in argv) else FOUR
        words = [sys.executable, "-m", "sansio_net", "traceroute", *LINK, *family]
        # no answer is too late for it, on however busy a machine
        patient = ["-w", "5", *argv]
        ours = self.ours.run(*words, *patient, timeout=50)
        if "-I" in argv or "-T" in argv:
            # it takes an error that came meanwhile for one of sending, and sends less
            patient = ["-N", "1", *patient]
        theirs = self.kernel.run("traceroute", *patient, timeout=50)
        return timeless(ours), timeless(theirs)


NOWHERE = ("route add {} 10.{}.0.0/24", "-6 route add {} fd00:{}::/64")


def configure(host: Host, *lines: str) -> None:
    """What `ip` is told, at once: `ip -batch` knows no family in a line."""
    for family in ("-4", "-6"):
        mine = [
            line.removeprefix("-6 ")
            for line in lines
            if line.startswith("-6 ") == (family == "-6")
        ]
        if mine:
            stdin = "\n".join(mine).encode()
            host.run("ip", family, "-batch", "-", stdin=stdin)


def addresses(interface: str, network: int, n: int) -> list[str]:
    return [
        f"address add 10.{network}.0.{n}/24 dev {interface}",
        f"-6 address add fd00:{network}::{n}/64 dev {interface} nodad",
    ]


def routes(networks: tuple[int, ...], link: int, n: int) -> list[str]:
    return [
        line
        for network in networks
        for line in (
            f"route add 10.{network}.0.0/24 via 10.{link}.0.{n}",
            f"-6 route add fd00:{network}::/64 via fd00:{link}::{n}",
        )
    ]


def default(network: int) -> list[str]:
    return [
        f"route add default via 10.{network}.0.1",
        f"-6 route add default via fd00:{network}::1",
    ]


def forwards(host: Host) -> None:
    """And answers every probe."""
    host.run(
        *("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0"),
        *("net.ipv4.icmp_msgs_per_sec=100000", "net.ipv4.icmp_msgs_burst=10000"),
        *("net.ipv6.conf.all.forwarding=1", "net.ipv6.icmp.ratelimit=0"),
    )


def timeless(said: str) -> str:
    return re.sub(r"\d+\.\d+ ms", "T ms", said).strip()


@pytest.fixture
def chain(lab: Lab) -> Chain:
    return Chain(lab)


METHODS = ([], ["-I"], ["-T"], ["-T", "-p", "22"], ["-U", "-p", "4711"])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", METHODS, ids=" ".join)
def test_every_method(chain: Chain, method: list[str], target: str) -> None:
    """Hop by hop the same; what answered a SYN was reset, by its port alone."""
    capture = chain.routers[0].capture("port1")
    family = ["-6"] if ":" in target else []
    chain.target.start("nc.openbsd", *family, "-k", "-l", "22")
    chain.target.listening(22)
    ours, theirs = chain.both(*method, target)
    assert ours == theirs
    assert len(ours.splitlines()) == 5
    assert ours.count("T ms") == 12
    mine = f"eth.src == {OUR_MAC}"
    assert capture.assert_clean(mine) >= 12
    opened = capture.frames(f"{mine} && tcp.flags.syn == 1", "tcp.dstport")
    refused = capture.frames(f"{mine} && tcp.flags == 4", "tcp.dstport")
    assert (len(opened) >= 12) == ("-T" in method)
    assert bool(refused) == ("22" in method)


@pytest.mark.parametrize("target", TARGETS)
def test_the_options(chain: Chain, target: str) -> None:
    for argv in (["-n", "-q", "2", "-f", "2", "-m", "3"], ["-q", "1", "-N", "1"]):
        ours, theirs = chain.both(*argv, target, "200")
        assert ours == theirs
        assert "200 byte packets" in ours


@pytest.mark.parametrize(
    ("network", "mark"),
    [
        ("5", "!H"),
        ("6", "!X"),
        ("7", "*"),
        ("4", "!H"),
    ],
)
def test_the_marks(chain: Chain, network: str, mark: str) -> None:
    """A network that is unreachable, prohibited, silent; a host that is not there."""
    hops = "3" if mark == "*" else "4"
    for target in (f"10.{network}.0.99", f"fd00:{network}::99"):
        if network == "5" and ":" in target:
            mark = "!N"  # Linux says "no route" of an `unreachable` one in IPv6
        ours, theirs = chain.both("-n", "-m", hops, "-q", "2", target)
        assert ours == theirs
        assert ours.endswith(mark), ours


PING = [sys.executable, "-m", "sansio_net", "ping", *LINK]


def test_ping(chain: Chain) -> None:
    (shown,) = re.findall(
        r"inet6 (fe80[^/]*)/",
        chain.routers[0].ip("-6 address show dev near scope link"),
    )
    for host, ttl in ((TARGETS[0], 61), (TARGETS[1], 61), (f"{shown}%wire", 64)):
        words = [*PING, *(SIX if ":" in host else FOUR)]
        said = chain.ours.run(*words, "-c", "3", "-i", "0.1", host)
        lines = said.splitlines()
        assert lines[1].startswith(f"64 bytes from {host}: icmp_seq=1 ttl={ttl} time=")
        assert "3 packets transmitted, 3 received, 0% packet loss" in said
        theirs = chain.kernel.run("ping", "-c", "1", host.replace("wire", "eth0"))
        assert lines[0] == theirs.splitlines()[0].replace("eth0", "wire")


@pytest.mark.parametrize("family", [4, 6])
def test_ping_says_what_went_wrong(chain: Chain, family: int) -> None:
    """In the words of iputils: a TTL too small, an unreachable and a forbidden net."""
    here = [*PING, *(SIX if family == 6 else FOUR)]
    target, *networks = (
        ("fd00:4::2", "fd00:5::1", "fd00:6::1")
        if family == 6
        else ("10.4.0.2", "10.5.0.1", "10.6.0.1")
    )
    for host, ttl in ((target, "2"), *((one, "64") for one in networks)):
        ours, theirs = (
            one.run(*argv, "-c", "1", "-t", ttl, host, check=False).splitlines()[:2]
            for one, argv in ((chain.ours, here), (chain.kernel, ["ping", "-n"]))
        )
        assert ours == theirs
        assert ours[1].startswith("From ")
