"""Neighbour discovery with a Linux host, on a TAP and on a veth: ping, ndisc6, rdisc6,
duplicates on both sides."""

from __future__ import annotations

import pytest

from .lab import OUR_MAC, Lab, wait_for
from .lab6 import Fact, Node, Place, assert_clean, ping

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "ndisc6", "rdisc6"),
]

HOST6, OUR6 = "fd00:77::1", "fd00:77::2"


@pytest.fixture(params=["veth", "tap"])
def place(lab: Lab, request: pytest.FixtureRequest) -> Place:
    return Place(lab, request.param)


@pytest.fixture
def tap(lab: Lab) -> Place:
    return Place(lab, "tap")


def start(place: Place, *argv: str) -> Node:
    """Our stack with an address, checked; the kernel with one of its own."""
    node = place.node("-a", f"{OUR6}/64", *argv)
    place.host.ip(f"address add {HOST6}/64 dev {place.interface} nodad")
    node.event("AddressAdded", address=f"{OUR6}/64")
    return node


def link_local(node: Node) -> str:
    (found,) = [one for one in node.addresses(usable=True) if one.startswith("fe80")]
    return found.partition("/")[0]


def test_ping_of_every_size(place: Place) -> None:
    node = start(place)
    capture = place.host.capture(place.interface, "ip6")
    for size in (0, 56, 1452, 1453, 4000, 20_000, 65_400):
        ping(place.host, "-i", "0.01", "-s", str(size), OUR6, count=3)
    ping(place.host, f"{link_local(node)}%{place.interface}", count=1)
    ping(place.host, "-f", OUR6, count=500)
    for size in (0, 1452, 1453, 20_000, 65_000):
        node.tell("ping", HOST6, str(size))
        node.event("EchoReplied", data=size)
    assert capture.frames(f"ipv6.fraghdr && eth.src == {OUR_MAC}")
    assert_clean(capture)


def test_ndisc6_asks_for_us(tap: Place) -> None:
    node = start(tap)
    capture = tap.host.capture(tap.interface, "ip6")
    for address in (OUR6, link_local(node)):
        said = tap.host.run("ndisc6", "-r", "1", address, tap.interface)
        assert f"Target link-layer address: {OUR_MAC.upper()}" in said
        assert f"from {address}" in said
    # from an address that checks itself: the answer goes to everybody (4861 7.2.4)
    said = tap.host.run(
        *("ndisc6", "-1", "-r", "1", "-w", "200", "fd00:77::9", tap.interface),
        check=False,
    )
    assert "No response" in said or not said
    answers = capture.frames(
        f"icmpv6.type == 136 && eth.src == {OUR_MAC} && icmpv6.nd.na.flag.s == 1",
        *("ipv6.hlim", "icmpv6.nd.na.flag.o", "icmpv6.nd.na.flag.r"),
        "icmpv6.opt.linkaddr",
    )
    assert len(answers) >= 2
    assert {tuple(one) for one in answers} == {("255", "1", "0", OUR_MAC)}
    assert_clean(capture)


def test_rdisc6_finds_no_router_in_us(tap: Place) -> None:
    """RFC 4861 6.2.6: a host does not answer; nor does the question break anything."""
    node = start(tap)
    said = tap.host.run("rdisc6", "-r", "2", "-w", "200", tap.interface, check=False)
    assert "from" not in said
    ping(tap.host, OUR6, count=1)
    assert node.state()["neighbours"][HOST6] in ("stale", "reachable", "delay")


def test_an_address_that_the_kernel_holds_is_refused(tap: Place) -> None:
    node = start(tap)
    capture = tap.host.capture("tap0", "ip6")
    host_mac = tap.host.run("cat", "/sys/class/net/tap0/address").strip()
    node.tell("add", f"{HOST6}/64")
    conflict = node.event("AddressConflict", address=f"{HOST6}/64")
    assert conflict["mac"] == host_mac
    node.event("AddressRemoved", address=f"{HOST6}/64")
    assert f"{HOST6}/64" not in node.addresses()
    assert not node.seen("AddressAdded", address=f"{HOST6}/64")
    sent = capture.frames(
        f"eth.src == {OUR_MAC} && icmpv6",
        *("icmpv6.type", "ipv6.src", "ipv6.dst", "ipv6.hlim"),
        *("icmpv6.nd.ns.target_address", "icmpv6.opt.nonce"),
        "icmpv6.mldr.mar.multicast_address",
    )
    (probe,) = [one for one in sent if one[4] == HOST6]
    assert probe[:4] == ["135", "::", "ff02::1:ff00:1", "255"]
    assert probe[5]  # RFC 7527
    # into the group first, then the question (RFC 4862 5.4.2)
    joined = [one for one in sent if one[0] == "143" and one[6] == "ff02::1:ff00:1"]
    assert sent.index(joined[0]) < sent.index(probe)
    # nothing was ever sent from it
    assert not [one for one in sent if one[1] == HOST6]
    assert_clean(capture)


def test_the_kernel_learns_that_an_address_is_ours(place: Place) -> None:
    node = start(place)
    capture = place.host.capture(place.interface, "ip6")
    place.host.ip(f"address add {OUR6}/64 dev {place.interface}")
    wait_for(
        lambda: "dadfailed" in place.host.ip(f"address show dev {place.interface}"),
        "the kernel gives up",
    )
    # theirs was only asked for: nothing is wrong with ours
    assert f"{OUR6}/64" in node.addresses(usable=True)
    assert not node.seen("AddressConflict")
    (defence,) = capture.frames(
        f"eth.src == {OUR_MAC} && icmpv6.type == 136"
        f" && icmpv6.nd.na.target_address == {OUR6}",
        *("ipv6.dst", "icmpv6.nd.na.flag.s", "icmpv6.nd.na.flag.o"),
        "icmpv6.opt.linkaddr",
    )
    assert defence == ["ff02::1", "0", "1", OUR_MAC]
    assert_clean(capture)


def test_optimistic_is_used_at_once_and_given_up(tap: Place) -> None:
    """RFC 4429: an address of ours answers while it is checked."""
    node = start(
        tap, "--set", "ndp.optimistic=1", "--set", "ndp.retrans_delay=1000000000"
    )
    capture = tap.host.capture(tap.interface, "ip6")
    node.tell("add", "fd00:77::5/64")
    node.tell("add", f"{HOST6}/64")
    node.event("AddressConflict", address=f"{HOST6}/64")
    node.event("AddressAdded", address="fd00:77::5/64")
    ping(tap.host, "fd00:77::5", count=1)
    assert f"{HOST6}/64" not in node.addresses()
    assert_clean(capture)


def test_a_neighbour_that_moves_is_followed_and_one_that_goes_is_missed(
    tap: Place,
) -> None:
    node = start(
        tap,
        *("--udp", "5000", "--set", "ndp.base_reachable_time=200000000"),
        *("--set", "ndp.delay_first_probe=100000000"),
    )
    node.tell("ping", HOST6, "8")
    node.event("EchoReplied")
    tap.host.ip("link set tap0 address 02:00:00:00:77:77")

    def answers_again(state: Fact) -> bool:
        node.tell("ping", HOST6, "8")
        return len(node.seen("EchoReplied")) > 1

    node.until(answers_again, "it is found at its new address")
    tap.host.ip(f"address del {HOST6}/64 dev tap0")

    def is_missed(state: Fact) -> bool:
        node.tell("send", HOST6, "9", "10")
        return state["neighbours"].get(HOST6) == "failed"

    node.until(is_missed, "nobody is there")
    assert node.event("UdpError")["error"]
