"""Our stack as the router between Linux hosts, in both families.

Two of our routers in a row: left (10.1.0.2) - one - two - right (10.3.0.2).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from .lab import Capture, Lab, pattern

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs(
        "ip", "ping", "traceroute", "mtr", "tracepath", "tcpdump", "tshark", "socat"
    ),
]

FAMILIES = pytest.mark.parametrize("family", ["4", "6"])
GATEWAY = (sys.executable, "-m", "tests.interop.gateway")
OURS = "!(eth.src == 02:00:00:00:00:01 || eth.src == 02:00:00:00:00:02)"  # the hosts'


class Country:
    """Two hosts and two routers of ours between them.

    mtu: of the last link. The routers are programs on veths in one mute namespace.
    """

    def __init__(
        self,
        lab: Lab,
        mtu: int = 1500,
        offload: str = "",
        routers: int = 2,
        rp_filter: str = "off",
    ) -> None:
        self.left, self.right = lab.host("left"), lab.host("right")
        wire = lab.host("wire", ipv6=False)
        self.wire = wire
        lab.cable(self.left, "eth0", wire, "left0")
        lab.cable(wire, "right0", self.right, "eth0")
        for n, host in enumerate((self.left, self.right)):
            host.ip("link set eth0 down")
            host.ip(f"link set eth0 address 02:00:00:00:00:0{n + 1}")
            host.sysctl("net.ipv6.conf.eth0.accept_dad", 0)
            host.ip("link set eth0 up")
        if mtu != 1500:
            wire.ip(f"link set right0 mtu {mtu}")
            self.right.ip(f"link set eth0 mtu {mtu}")
        links = ["left0", "right0"]
        if routers == 2:
            lab.cable(wire, "mid0", wire, "mid1")
            links = ["left0", "mid0", "mid1", "right0"]
        self.last = routers + 1
        for n, host in ((1, self.left), (self.last, self.right)):
            host.ip(f"address add 10.{n}.0.2/24 dev eth0")
            host.ip(f"address add fd00:{n}::2/64 dev eth0 nodad")
            host.ip(f"route add default via 10.{n}.0.1")
            host.ip(f"route add default via fd00:{n}::1")
        self.routers = []
        for n in range(routers):
            argv = ["--seed", str(n + 1), "--rp-filter", rp_filter]
            for side, name in enumerate(links[2 * n : 2 * n + 2]):
                host_number = 2 if n and not side else 1
                argv += ["--link", f"veth:{name}"]
                argv += ["-a", f"10.{n + side + 1}.0.{host_number}/24"]
                argv += ["-a", f"fd00:{n + side + 1}::{host_number}/64"]
                argv += ["--offload"] if "lr"[side] in offload else []
                argv += ["--bare"] if "LR"[side] in offload else []
            if routers == 2:
                far, near = (1, 1) if n else (3, 2)
                argv += ["--route", f"10.{far}.0.0/24=10.2.0.{near}"]
                argv += ["--route", f"fd00:{far}::/64=fd00:2::{near}%mid{n}"]
            self.routers.append(wire.start(*GATEWAY, *argv))
        for router in self.routers:
            router.expect(b"ready\n")

    def address(self, family: str, n: int | None = None) -> str:
        n = self.last if n is None else n
        return f"10.{n}.0.2" if family == "4" else f"fd00:{n}::2"

    def hops(self, family: str) -> list[str]:
        """As a trace from the left shows them."""
        four = ["10.1.0.1", "10.2.0.2", "10.3.0.2"]
        return four if family == "4" else ["fd00:1::1", "fd00:2::2", "fd00:3::2"]

    def captures(self) -> list[Capture]:
        return [
            self.left.capture("eth0", "ip or ip6"),
            self.right.capture("eth0", "ip or ip6"),
        ]

    def stop(self) -> list[dict[str, int]]:
        reports = []
        for router in self.routers:
            router.stop()
            reports.append(router.json())
        return reports


@FAMILIES
@pytest.mark.parametrize("kind", [("-U", "-p", "8888"), ("-I",), ("-T", "-p", "80")])
def test_traceroute(lab: Lab, family: str, kind: tuple[str, ...]) -> None:
    country = Country(lab)
    captures = country.captures()
    said = country.left.run(
        "traceroute",
        f"-{family}",
        "-n",
        "-q",
        "1",
        "-w",
        "5",
        *kind,
        country.address(family),
    )
    lines = said.splitlines()[1:]
    assert [line.split()[1] for line in lines] == country.hops(family), said
    for capture in captures:
        capture.assert_clean(OURS)


@FAMILIES
def test_mtr(lab: Lab, family: str) -> None:
    country = Country(lab)
    said = country.left.run(
        "mtr",
        f"-{family}",
        "-n",
        "-r",
        "-c",
        "3",
        "-i",
        "0.2",
        country.address(family),
        timeout=40,
    )
    rows = [line.split() for line in said.splitlines() if "|--" in line]
    assert [row[1] for row in rows] == country.hops(family), said
    assert {row[2] for row in rows} == {"0.0%"}, said


@FAMILIES
def test_tracepath_finds_the_smaller_mtu(lab: Lab, family: str) -> None:
    country = Country(lab, mtu=1300)
    captures = country.captures()
    said = country.left.run(
        "tracepath", f"-{family}", "-n", country.address(family), timeout=40
    )
    assert "pmtu 1300" in said, said
    assert f"{country.address(family)}" in said
    assert "reached" in said, said
    for capture in captures:
        capture.assert_clean(OURS)
    assert country.stop()[1]["drop.packet_too_big"] >= 1


@FAMILIES
def test_a_ping_flood_loses_nothing(lab: Lab, family: str) -> None:
    country = Country(lab)
    said = country.left.run(
        "ping",
        f"-{family}",
        "-f",
        "-q",
        "-c",
        "3000",
        country.address(family),
        timeout=50,
    )
    assert "3000 received, 0% packet loss" in said, said
    counts = country.stop()
    assert all(one[f"ipv{family}.forwarded"] >= 6000 for one in counts)


@FAMILIES
def test_fragments(lab: Lab, family: str) -> None:
    """The host's own pass through; those of IPv4 we cut for the smaller link."""
    country = Country(lab, mtu=1300)
    captures = country.captures()
    argv = ("ping", f"-{family}", "-i", "0.2", "-w", "20", "-c", "3")
    to = country.address(family)
    if family == "6":
        # the first learns the path's MTU
        country.left.run(*argv, "-s", "5000", to, check=False)
    for options in (("-s", "5000"), ("-s", "1400", "-M", "dont")):
        assert "3 received" in country.left.run(*argv, *options, to)
    for capture in captures:
        capture.assert_clean(OURS)
    assert country.stop()[1].get("fragmented", 0) >= (6 if family == "4" else 0)


@FAMILIES
@pytest.mark.parametrize("offload", ["", "l", "r", "lr", "Lr", "LR"])
def test_tcp_with_every_mixture_of_offload(
    lab: Lab, family: str, offload: str, tmp_path: Path
) -> None:
    """Linux hands over super-segments without checksums; what comes out is right.

    L, R: a packet socket without virtio headers, where nobody says how they are cut.
    """
    country = Country(lab, mtu=1400, offload=offload, routers=1)
    size = 3 << 20
    source, sinks = tmp_path / "source", [tmp_path / "to-right", tmp_path / "to-left"]
    source.write_bytes(pattern(size))
    to = country.address(family)
    bracketed = f"[{to}]" if family == "6" else to
    edges = "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0" if family == "4" else "icmp6"
    # what leaves by a device that completes checksums has none yet
    sides = (("l", country.left), ("r", country.right))
    captures = [
        host.capture("eth0", edges)
        for side, host in sides
        if side not in offload.lower() or side.upper() in offload
    ]
    server = country.right.start(
        "socat",
        f"TCP{family}-LISTEN:8888,reuseaddr,fork",
        f"FILE:{source}",
        stdout=tmp_path / "none",
    )
    country.right.listening(8888)
    client = country.left.start(
        "socat", "-u", f"TCP{family}:{bracketed}:8888", "-", stdout=sinks[1]
    )
    client.wait(45)
    server.stop()
    assert sinks[1].read_bytes() == source.read_bytes()
    receiver = country.right.start(
        "socat", "-u", f"TCP{family}-LISTEN:8889,reuseaddr", "-", stdout=sinks[0]
    )
    country.right.listening(8889)
    country.left.start(
        "socat", "-u", f"FILE:{source}", f"TCP{family}:{bracketed}:8889"
    ).wait(45)
    receiver.wait(20)
    assert sinks[0].read_bytes() == source.read_bytes()
    (counts,) = country.stop()
    assert not any("device_metadata" in name for name in counts), counts
    assert not any("bad_checksum" in name for name in counts), counts
    # a path that is too narrow is told of, not at every segment
    assert counts.get("drop.packet_too_big", 0) < 20, counts
    for capture in captures:
        capture.assert_clean(OURS)


@pytest.mark.parametrize("offload", ["", "l", "r", "lr"])
def test_datagrams_in_one_with_every_mixture_of_offload(lab: Lab, offload: str) -> None:
    """UDP_SEGMENT and UDP_GRO of two kernels, passed on whole where a device can."""
    country = Country(lab, mtu=1400, offload=offload, routers=1)
    program = ("-m", "tests.interop.kernel_segments")
    country.right.start(sys.executable, *program, "serve", "8888")
    country.right.listening(8888, "-lu")
    sides = (("l", country.left), ("r", country.right))
    captures = [
        host.capture("eth0", "udp or icmp6")
        for side, host in sides
        if side not in offload.lower() or side.upper() in offload
    ]
    hosts = [country.address(family) for family in "46"]
    said = country.left.run(sys.executable, *program, "1", "8888", *hosts)
    found = json.loads(said)
    assert len(found) == 12
    for words, (to_right, to_left) in found.items():
        _, size, segment = words.split()
        n = -(-int(size) // int(segment))
        # by a device that cuts nothing, the host puts together what it likes
        assert to_right == n if "r" in offload else to_right <= n
        assert to_left == n if "l" in offload else to_left <= n
    (counts,) = country.stop()
    assert not any("device_metadata" in name for name in counts), counts
    for capture in captures:
        assert capture.assert_clean(OURS) > 50


@FAMILIES
def test_what_cannot_be_reached(lab: Lab, family: str) -> None:
    country = Country(lab)
    nowhere = "203.0.113.9" if family == "4" else "2001:db8::9"
    nobody = "10.3.0.77" if family == "4" else "fd00:3::77"
    argv = ("ping", f"-{family}", "-c", "1", "-w", "8")
    said = country.left.run(*argv, nowhere, check=False)
    assert ("Net Unreachable" if family == "4" else "No route") in said, said
    said = country.left.run(*argv, nobody, check=False)
    assert ("Host Unreachable" if family == "4" else "Address unreachable") in said
    said = country.left.run(
        "ping",
        f"-{family}",
        "-c",
        "1",
        "-t",
        "1",
        "-w",
        "5",
        country.address(family),
        check=False,
    )
    assert "exceeded" in said, said


@FAMILIES
def test_a_redirect_is_believed(lab: Lab, family: str) -> None:
    """Linux takes the better first hop that we tell it."""
    left, other = lab.host("left"), lab.host("other")
    wire = lab.host("wire", ipv6=False)
    wire.ip("link add br0 type bridge")
    wire.ip("link set br0 up")
    for n, (host, name) in enumerate(((left, "left0"), (other, "other0"))):
        lab.cable(host, "eth0", wire, name)
        wire.ip(f"link set {name} master br0")
        host.ip(f"address add 10.1.0.{n + 2}/24 dev eth0")
        host.ip(f"address add fd00:1::{n + 2}/64 dev eth0 nodad")
    lab.cable(wire, "ours0", wire, "ours1")
    wire.ip("link set ours1 master br0")
    for address in ("192.0.2.1/32", "2001:db8::1/128"):
        other.ip(f"address add {address} dev lo")
    local = next(
        word.partition("/")[0]
        for word in other.run(
            "ip", "-6", "-o", "address", "show", "dev", "eth0"
        ).split()
        if word.startswith("fe80")
    )
    router = wire.start(
        *GATEWAY,
        "--link",
        "veth:ours0",
        "-a",
        "10.1.0.1/24",
        "-a",
        "fd00:1::1/64",
        "--route",
        "192.0.2.0/24=10.1.0.3",
        "--route",
        f"2001:db8::/32={local}%ours0",
    )
    router.expect(b"ready\n")
    left.sysctl("net.ipv4.conf.eth0.accept_redirects", 1)
    left.sysctl("net.ipv4.conf.all.accept_redirects", 1)
    left.ip("route add 192.0.2.0/24 via 10.1.0.1")
    lines = router.output.decode().splitlines()
    ours = next(word for word in lines[0].split() if word.startswith("fe80"))
    # RFC 4861 8.1: a redirect from elsewhere than the first hop is not believed
    left.ip(f"route add 2001:db8::/32 via {ours.partition('/')[0]} dev eth0")
    far = "192.0.2.1" if family == "4" else "2001:db8::1"
    said = left.run("ping", f"-{family}", "-c", "3", "-i", "0.3", "-w", "10", far)
    assert " 0% packet loss" in said  # the first may take a second, and be four
    route = left.run("ip", f"-{family}", "route", "get", far)
    assert f"via {'10.1.0.3' if family == '4' else local}" in route, route
    router.stop()
    assert router.json()["redirects_sent"] >= 1


@FAMILIES
def test_the_ingress_check(lab: Lab, family: str) -> None:
    """RFC 3704 2.2: a source that is not where its route leads goes nowhere."""
    country = Country(lab, routers=1, rp_filter="strict")
    liar = "10.2.0.77" if family == "4" else "fd00:2::77"
    country.left.ip(f"-{family} address add {liar} dev lo")
    argv = ("ping", f"-{family}", "-c", "2", "-w", "3")
    to = country.address(family)
    assert "2 received" in country.left.run(*argv, to)
    said = country.left.run(*argv, "-I", liar, to, check=False)
    assert "0 received" in said, said
    assert country.stop()[0]["drop.reverse_path"] >= 2
