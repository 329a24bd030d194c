"""radvd gives us a prefix: what is formed of it, and how that ends.

With its Mobile IPv6 option radvd speaks several times a second; lifetimes are the
shortest that the renewal under load allows.
"""

from __future__ import annotations

import pytest

from .lab import OUR_MAC, Host, Lab
from .lab6 import Fact, Place, Radvd, Switch, assert_clean, ping, section

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "radvd", "rdisc6"),
]

PREFIX, OTHER = "fd00:1:0:1:", "fd00:2:0:2:"


def formed(state: Fact, prefix: str = PREFIX, temporary: bool = False) -> list[Fact]:
    return [
        one
        for one in state["addresses"]
        if one["address"].startswith(prefix) and one["temporary"] is temporary
    ]


def usable(state: Fact, prefix: str = PREFIX, temporary: bool = False) -> list[Fact]:
    return [one for one in formed(state, prefix, temporary) if one["usable"]]


def defaults(state: Fact) -> list[tuple[str, int]]:
    """The default routers, best first, with their metrics."""
    return [
        (route.split()[2], metric)
        for route, metric in state["routes"]
        if route.startswith("default via fe80")
    ]


def link_local(host: Host, interface: str) -> str:
    said = host.ip(f"-6 -o address show dev {interface} scope link")
    return said.split()[3].partition("/")[0]


def mac_of(host: Host, interface: str = "eth0") -> str:
    return host.run("cat", f"/sys/class/net/{interface}/address").strip()


def test_a_life_of_an_address(lab: Lab) -> None:
    """Formed, asked for, announced, used, renewed, deprecated, removed."""
    place = Place(lab, "tap")
    node = place.node("--slaac")
    place.host.ip(f"address add {PREFIX}:1/64 dev tap0 nodad")
    capture = place.host.capture("tap0", "ip6")
    prefix = "AdvValidLifetime 5; AdvPreferredLifetime 3;"
    daemon = Radvd(place.host, section("tap0", prefixes={f"{PREFIX}:/64": prefix}))
    (first,) = node.until(usable, "an address")
    address = first["address"].partition("/")[0]
    router = link_local(place.host, "tap0")
    node.until(lambda state: defaults(state) == [(router, 1024)], "a default router")
    ping(place.host, address, count=1)
    # an interface's MAC is nobody's business (RFC 7217); the same prefix, the same
    assert "ff:fe" not in address
    began = first["valid_until"]
    node.until(
        lambda state: usable(state)[0]["valid_until"] > began + 10**8, "it is renewed"
    )
    assert not usable(node.state())[0]["deprecated"]
    daemon.die()
    node.until(lambda state: formed(state)[0]["deprecated"], "it is deprecated")
    # it still answers
    ping(place.host, address, count=1)
    node.until(lambda state: not defaults(state), "the router is lost")
    node.event("AddressRemoved", address=f"{address}/64")
    assert not formed(node.state())

    sent = capture.frames(
        f"eth.src == {OUR_MAC} && icmpv6",
        *("icmpv6.type", "ipv6.src", "ipv6.dst", "ipv6.hlim"),
        *("icmpv6.nd.ns.target_address", "icmpv6.nd.na.target_address"),
    )
    (probe,) = [one for one in sent if one[4] == address]
    assert (probe[0], probe[1], probe[3]) == ("135", "::", "255")
    assert probe[2].startswith("ff02::1:ff")
    # before that nothing was sent from it
    assert not [one for one in sent[: sent.index(probe)] if one[1] == address]
    assert_clean(capture)


@pytest.fixture
def switch(lab: Lab) -> Switch:
    return Switch(lab, "mcast_snooping", "0")


def test_two_routers(switch: Switch) -> None:
    """The better one is taken, then the other; what they say of the link counts."""
    best, second = switch.kernel("best"), switch.kernel("second")
    best_ip, second_ip = (link_local(one, "eth0") for one in (best, second))
    for host, prefix in ((best, PREFIX), (second, OTHER)):
        host.ip(f"address add {prefix}:1/64 dev eth0 nodad")
    lasting = "AdvValidLifetime 600; AdvPreferredLifetime 300;"
    names = ["RDNSS fd00::53 fd00::54 { AdvRDNSSLifetime 60; };"]
    names += ["DNSSL a.example b.example { AdvDNSSLLifetime 60; };"]

    def first(*options: str) -> str:
        more = {f"{PREFIX}:/64": lasting}
        return section("eth0", *options, lifetime=9, prefixes=more)

    high, low = (f"AdvDefaultPreference {word};" for word in ("high", "low"))
    one = Radvd(best, first(high, "AdvLinkMTU 1400; AdvCurHopLimit 33;", *names))
    mute = low + " AdvCurHopLimit 0;"  # it does not say
    more = {f"{OTHER}:/64": lasting}
    two = Radvd(second, section("eth0", mute, lifetime=9, prefixes=more))
    capture = switch.host.capture(switch.port, "ip6")
    node = switch.start("--slaac", "--set", "slaac.temporary=1", "--udp", "5000")
    node.ready()

    both = [(best_ip, 512), (second_ip, 1536)]
    node.until(lambda state: defaults(state) == both, "both routers")
    kinds = [(prefix, kind) for prefix in (PREFIX, OTHER) for kind in (False, True)]
    node.until(lambda s: all(usable(s, *kind) for kind in kinds), "four addresses")
    dns = node.event("DnsServersChanged")
    assert dns["servers"] == ["fd00::53", "fd00::54"]
    assert dns["search"] == ["a.example", "b.example"]
    state = node.state()
    assert (state["mtu"], state["hop_limit"]) == (1400, 33)
    # neither of the four says anything of the others
    identifiers = {one["address"][len(PREFIX) :] for one in state["addresses"]}
    assert len(identifiers) == 5

    # beyond the link: through the better one, as they want it
    far = "fd00:f::1"
    best.ip(f"address add {far}/128 dev lo")
    best.ip(f"route add {OTHER}:/64 dev eth0")  # whichever we send from
    node.tell("ping", far, "1380")
    assert node.event("EchoReplied")["source"] == far
    one.change(first(high, "AdvLinkMTU 1450; AdvCurHopLimit 44;", *names))
    node.until(lambda s: (s["mtu"], s["hop_limit"]) == (1450, 44), "a change")
    one.leave()
    node.until(lambda s: defaults(s) == both[1:], "the other router")
    assert node.event("DnsServersChanged", search=[])["servers"] == []
    two.leave()
    node.until(lambda s: not defaults(s), "no router")
    # the addresses live on (RFC 4861 6.3.5)
    assert len([1 for p in (PREFIX, OTHER) if usable(node.state(), p)]) == 2

    sent = capture.frames(
        f"eth.src == {OUR_MAC} && ipv6",
        *("icmpv6.type", "ipv6.src", "ipv6.dst", "ipv6.hlim", "ipv6.plen"),
        *("eth.dst", "icmpv6.nd.ns.target_address", "ipv6.fraghdr.offset"),
    )
    assert [one for one in sent if one[0] == "133" and one[2:4] == ["ff02::2", "255"]]
    asked = [one[6] for one in sent if one[0] == "135" and one[1] == "::"]
    ours = [one["address"].partition("/")[0] for one in state["addresses"]]
    assert sorted(asked) == sorted(ours)
    echoes = [one for one in sent if one[2] == far]
    assert len(echoes) == 2
    assert {one[3] for one in echoes} == {"33"}
    assert {one[5] for one in echoes} == {mac_of(best)}
    assert max(int(one[4]) for one in echoes) <= 1360
    assert_clean(capture)


def test_the_same_again_and_another_where_it_is_taken(switch: Switch) -> None:
    """RFC 7217: a link's addresses are the same every time; 6: the next ones where
    somebody has them."""
    router = switch.kernel("router")
    router.ip(f"address add {PREFIX}:1/64 dev eth0 nodad")
    lasting = {f"{PREFIX}:/64": "AdvValidLifetime 600; AdvPreferredLifetime 300;"}
    Radvd(router, section("eth0", prefixes=lasting))
    found = []
    for _ in range(2):
        node = switch.start("--slaac").ready()
        node.until(usable, "an address")
        found.append(node.addresses(usable=True))
        assert not node.seen("AddressConflict")
        node.process.stop()
    assert found[0] == found[1]
    assert len(found[0]) == 2

    for address in found[0]:
        router.ip(f"address add {address} dev eth0 nodad")
    capture = switch.host.capture(switch.port, "ip6")
    node = switch.start("--slaac").ready()
    for address in found[0]:
        conflict = node.event("AddressConflict", address=address)
        assert conflict["mac"] == mac_of(router)
    node.until(lambda state: len(node.addresses(usable=True)) == 2, "two others")
    others = node.addresses(usable=True)
    assert not set(others) & set(found[0])
    assert [one[:6] for one in sorted(others)] == ["fd00:1", "fe80::"]
    sent = capture.frames(f"eth.src == {OUR_MAC}", "ipv6.src")
    taken = {one.partition("/")[0] for one in found[0]}
    assert not {source for (source,) in sent} & taken
    assert_clean(capture)
