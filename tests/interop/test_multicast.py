"""Groups through a Linux bridge that looks into reports: who asks gets, nobody else.

A datagram to a group is followed by one to us alone, from the same host: when that one
is here and the other is not, then it was not sent to our port.
"""

from __future__ import annotations

import itertools
import json
import sys

import pytest

from .lab import OUR_MAC, Lab, wait_for
from .lab6 import Fact, Switch, assert_clean

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "bridge", "tcpdump", "tshark"),
]

PORT = 5000
GROUPS = {4: "239.9.9.9", 6: "ff15::9:9"}
OURS = {4: "10.6.0.9", 6: "fd00:6::9"}
TIMES = {  # hundredths of a second
    "query_interval": 100,
    "query_response_interval": 50,
    "startup_query_interval": 50,
    "last_member_interval": 10,
    "membership_interval": 1000,
}


class Net:
    """A querying bridge, two kernels that send, and our stack, asking for nothing."""

    def __init__(self, lab: Lab, igmp: int, mld: int, link: str = "veth") -> None:
        options = ["mcast_snooping", "1"]
        options += ["mcast_query_use_ifaddr", "1"]
        options += ["mcast_igmp_version", str(igmp), "mcast_mld_version", str(mld)]
        for name, value in TIMES.items():
            options += [f"mcast_{name}", str(value)]
        self.switch = switch = Switch(lab, *options, link=link)
        # the times first: by them it waits before it no longer floods
        switch.host.ip("link set br0 type bridge mcast_querier 1")
        switch.host.ip("address add 10.6.0.1/24 dev br0")
        self.senders = []
        for n in (2, 3):
            host = switch.kernel(f"sender{n}")
            addresses = f"10.6.0.{n}", f"fd00:6::{n}"
            host.ip(f"address add {addresses[0]}/24 dev eth0")
            host.ip(f"address add {addresses[1]}/64 dev eth0 nodad")
            program = host.start(
                sys.executable, "-m", "tests.interop.sender", *addresses
            )
            program.expect(b"ready")
            self.senders.append(program)
        if link == "veth":
            self.capture = switch.host.capture(switch.port)
        addresses = [word for one in OURS.values() for word in ("-a", f"{one}/24")]
        addresses[-1] = f"{OURS[6]}/64"
        self.node = switch.start(
            *(*addresses, "--no-dad", "--udp", str(PORT), "--watch", "text:"),
            *QUICK_REPORTS,
        ).ready()
        if link == "tap":
            self.capture = switch.take_in_tap()
        versions = {"4": igmp, "16": mld}
        self.node.until(lambda state: state["versions"] == versions, "queries")
        self._serial = itertools.count(1)

    def arrives(self, family: int, sender: int = 0) -> bool:
        """Does what this one sends to the group reach our port?

        A datagram to ourselves follows it; UDP may lose that, too, so it is repeated.
        """
        n = next(self._serial)
        group = f"group{n}"
        self._send(sender, GROUPS[family], group)
        for again in range(5):
            fence = f"fence{n}.{again}"
            self._send(sender, OURS[family], fence)
            try:
                self.node.event("Frame", timeout=4, text=fence)
            except AssertionError:
                continue
            self.latest = f"text:{group}"
            return bool(self.node.seen("Frame", text=group))
        raise AssertionError(f"no fence arrives: {self.node}")

    def _send(self, sender: int, host: str, text: str) -> None:
        self.senders[sender].write(f"{host} {PORT} text:{text}\n".encode())

    def becomes(self, arrives: bool, family: int, sender: int = 0) -> None:
        wait_for(
            lambda: self.arrives(family, sender) is arrives,
            f"from sender {sender}: {arrives}",
        )
        if arrives:
            self.node.event("UdpReceived", data=self.latest)
        else:
            assert not self.node.seen("UdpReceived", data=self.latest)

    def entry(self, family: int) -> Fact:
        """What the bridge knows of our port and the group; {} for nothing."""
        known = json.loads(self.switch.host.run("bridge", "-d", "-j", "mdb", "show"))
        for one in known[0]["mdb"]:
            here = one["port"] == self.switch.port
            if here and one["grp"] == GROUPS[family] and "src" not in one:
                return dict(one)
        return {}

    def again_and_again(self) -> None:
        """One more round of queries, of both families."""
        asked = self.node.state()["counters"]["group_queries"]
        self.node.until(
            lambda state: state["counters"]["group_queries"] >= asked + 2, "queries"
        )

    def reports(self, *fields: str) -> list[list[str]]:
        """Ours, of both families, in their order."""
        return self.capture.frames(
            f"eth.src == {OUR_MAC} && (igmp || icmpv6.type in {{131,132,143}})", *fields
        )


QUICK_REPORTS = ["--set", "multicast.unsolicited_interval=100000000"]
BOTH = (4, 6)


@pytest.mark.parametrize(
    ("igmp", "mld", "link"),
    [(3, 2, "veth"), (2, 1, "tap")],
    ids=["IGMPv3 and MLDv2 on a veth", "IGMPv2 and MLDv1 on a TAP"],
)
def test_only_who_asks_gets_it(lab: Lab, igmp: int, mld: int, link: str) -> None:
    net = Net(lab, igmp, mld, link)
    node = net.node
    for family in BOTH:
        net.becomes(False, family)
        assert not net.entry(family)
        node.tell("group", "join", GROUPS[family])
        net.becomes(True, family)
        assert net.entry(family)
    # asked again and again, we say so again and again
    net.again_and_again()
    for family in BOTH:
        assert net.arrives(family)
        node.tell("group", "leave", GROUPS[family])
        net.becomes(False, family)
        assert not net.entry(family)

    reports = net.reports(
        *("igmp.version", "igmp.type", "igmp.maddr", "ip.ttl", "ip.opt.ra"),
        *("icmpv6.type", "icmpv6.mld.multicast_address", "ipv6.hlim"),
        *("ipv6.opt.router_alert", "ipv6.src", "icmpv6.mldr.mar.multicast_address"),
        *("ip.dst", "ipv6.dst"),
    )
    assert_clean(net.capture)
    ours = [one for one in reports if one[2] == GROUPS[4]]
    assert {one[3] for one in ours} == {"1"}
    assert all(one[4] for one in ours)
    assert {one[0] for one in ours} == {str(igmp)}
    kinds = {(one[1], one[11]) for one in ours}
    if igmp == 3:
        assert kinds == {("0x22", "224.0.0.22")}
    else:
        assert kinds == {("0x16", GROUPS[4]), ("0x17", "224.0.0.2")}
    ours = [one for one in reports if GROUPS[6] in (one[6], one[10])]
    assert {one[7] for one in ours} == {"1"}
    assert all(one[8] and one[9].startswith("fe80::") for one in ours)
    kinds = {(one[5], one[12]) for one in ours}
    if mld == 2:
        assert kinds == {("143", "ff02::16")}
    else:
        assert kinds == {("131", GROUPS[6]), ("132", "ff02::2")}


SENDERS = {4: ("10.6.0.2", "10.6.0.3"), 6: ("fd00:6::2", "fd00:6::3")}


def test_only_from_whom_it_is_wanted(lab: Lab) -> None:
    """INCLUDE and EXCLUDE, with two senders; the bridge knows who is meant."""
    net = Net(lab, 3, 2)
    node = net.node

    def becomes(first: bool, second: bool) -> None:
        for family in BOTH:
            net.becomes(first, family, 0)
            net.becomes(second, family, 1)

    def tell(verb: str, n: int | None = None) -> None:
        for family in BOTH:
            source = () if n is None else (SENDERS[family][n],)
            node.tell("group", verb, GROUPS[family], *source)

    tell("join", 0)
    becomes(True, False)
    for family in BOTH:
        entry = net.entry(family)
        assert entry["filter_mode"] == "include"
        assert [one["address"] for one in entry["source_list"]] == [SENDERS[family][0]]
    tell("join", 1)
    becomes(True, True)
    tell("leave", 0)
    becomes(False, True)
    net.again_and_again()
    becomes(False, True)
    tell("leave", 1)
    becomes(False, False)
    # everybody but one
    tell("join")
    becomes(True, True)
    tell("block", 1)
    becomes(True, False)
    net.again_and_again()
    becomes(True, False)
    tell("unblock", 1)
    becomes(True, True)
    assert_clean(net.capture)


def test_a_router_of_igmp_version_1(lab: Lab) -> None:
    """RFC 1112 appendix I; RFC 3376 7.2.1. Bridges speak no such thing: by hand."""
    net = Net(lab, 3, 2)
    node = net.node
    net.switch.host.ip("link set br0 type bridge mcast_querier 0")
    net.senders[0].write(b"igmp 1100eeff00000000 -\n")
    node.until(lambda state: state["versions"]["4"] == 1, "version 1")
    node.tell("group", "join", GROUPS[4])
    net.becomes(True, 4)
    node.tell("group", "leave", GROUPS[4])
    node.tell("group", "join", "239.9.9.10")
    reports = net.reports("igmp.type", "igmp.maddr", "ip.dst", "ip.opt.ra")
    ours = [one for one in reports if one[1] == GROUPS[4]]
    assert {tuple(one[:3]) for one in ours} == {("0x12", GROUPS[4], GROUPS[4])}
    assert_clean(net.capture)
