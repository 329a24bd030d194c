"""IPv6 behind a kernel's router whose next link is narrow: TCP both ways, datagrams and
pings in fragments."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from .lab import OUR_MAC, Host, Lab, pattern, wait_for
from .lab6 import QUICK, Node, assert_clean, hurry, ping

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "nc.openbsd", "socat"),
]

OURS, ROUTER, FAR = "fd01::2", "fd01::1", "fd09::2"
SIZE = 1_000_000
MTU = 1400
LINK = ["--no-dad", "--link", "tap:tap0", "-a", f"{OURS}/64", "--mac", OUR_MAC]
LINK += ["--host-address", f"{ROUTER}/64", "-g", ROUTER]


class Net:
    """Our stack, the router and the host at the end."""

    def __init__(self, lab: Lab) -> None:
        self.router, self.far = lab.host("router"), lab.host("far")
        lab.cable(self.router, "near", self.far, "eth0")
        self.router.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.router.ip("address add fd09::1/64 dev near nodad")
        self.router.ip(f"link set near mtu {MTU}")
        self.far.ip(f"address add {FAR}/64 dev eth0 nodad")
        # what it says it takes is more than gets through
        self.far.ip(f"link set eth0 mtu {MTU}")
        self.far.ip("route add default via fd09::1 advmss 1440")

    def node(self, *argv: str) -> Node:
        node = Node(
            self.router, "tap:tap0", *QUICK, "--no-dad", "-a", f"{OURS}/64", *argv
        )
        node.ready()
        self.router.ip(f"address add {ROUTER}/64 dev tap0 nodad")
        hurry(self.router, "tap0")
        wait_for(
            lambda: "tentative" not in self.router.ip("-6 address show"),
            "the router can ask for neighbours",
        )
        node.tell("route", "::/0", ROUTER)
        return node


@pytest.fixture
def net(lab: Lab) -> Net:
    return Net(lab)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_tcp_to_the_kernel(net: Net, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.touch()
    server = net.far.start("nc.openbsd", "-6", "-l", "8888", stdout=copy)
    net.far.listening(8888)
    capture = net.router.capture("near", "ip6")
    peer = ["--peer", f"{FAR}:8888", "--size", str(SIZE), "--streams", "1"]
    station = net.router.station("send", *LINK, *peer)
    assert station.wait(60) == 0
    server.wait(10)
    report = station.json()
    assert report["streams"][0]["error"] is None
    assert digest(copy.read_bytes()) == digest(pattern(SIZE))
    assert report["counters"]["tcp.pmtu_router"] == 1
    capture.assert_clean(f"ipv6.src == {OURS}")


def test_tcp_from_the_kernel(net: Net, tmp_path: Path) -> None:
    """The narrow link is ours: the router tells the kernel."""
    path = tmp_path / "sent"
    path.write_bytes(pattern(SIZE))
    station = net.router.station("sink", *LINK, "--streams", "1")
    net.router.ip("link set tap0 mtu 1280")
    capture = net.router.capture("tap0", "ip6")
    client = net.far.start("nc.openbsd", "-6", "-N", OURS, "8888", stdin=path)
    assert client.wait(60) == 0
    assert station.wait(20) == 0
    (stream,) = station.json()["streams"]
    assert (stream["received"], stream["sha256"]) == (SIZE, digest(pattern(SIZE)))
    assert_clean(capture)


def test_large_pings_find_their_way(net: Net) -> None:
    """RFC 8201: what was too big is lost, what follows is cut to fit; both ways."""
    node = net.node()
    capture = net.router.capture("near", "ip6")
    # asked until one is there: the first ones are lost
    ping(net.far, "-i", "0.05", "-s", "20000", OURS, count=10)
    for size in (1352, 1400, 20_000):

        def answered(state: object, size: int = size) -> bool:
            node.tell("ping", FAR, str(size))
            return bool(node.seen("EchoReplied", data=size))

        node.until(answered, f"an answer to {size}")
    assert node.state()["counters"]["pmtu_datagrams"] == 1
    pieces = capture.frames(f"ipv6.src == {OURS} && ipv6.fraghdr", "ipv6.plen")
    assert max(int(size) for (size,) in pieces) <= MTU - 40
    capture.assert_clean(f"ipv6.src == {OURS}")


def test_large_datagrams_find_their_way(net: Net) -> None:
    node = net.node("--udp", "5000")
    echo: Host = net.far
    echo.start("socat", "-b65536", "-T20", "UDP6-RECVFROM:7,fork", "PIPE")
    echo.listening(7, "-lu")

    def answered() -> bool:
        node.tell("send", FAR, "7", "20000")
        return bool(node.seen("UdpReceived"))

    wait_for(answered, "an answer")
    found = node.event("UdpReceived")
    assert found["size"] == 20_000
    # the program hears of the first
    assert node.seen("UdpError")
    assert node.state()["counters"]["pmtu_datagrams"] == 1
