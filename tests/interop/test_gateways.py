"""Two Linux routers, one of which goes silent: traffic takes the other (RFC 4861 6.3.6,
RFC 1122 3.3.1.5)."""

from __future__ import annotations

import pytest

from .lab import Host, Lab
from .lab6 import Node, Switch, assert_clean

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "tcpdump", "tshark"),
]

FAR = {4: "192.0.2.77", 6: "2001:db8:77::1"}
BEST = {4: "10.77.0.1", 6: "fe80::1"}
SECOND = {4: "10.77.0.2", 6: "fe80::2"}
OURS = {4: "10.77.0.9/24", 6: "2001:db8:9::9/64"}
DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}


def router(switch: Switch, label: str, family: int, address: str) -> Host:
    host = switch.kernel(label)
    if family == 4:
        host.ip(f"address add {address}/24 dev eth0")
        host.ip(f"address add {FAR[4]}/32 dev lo")
    else:
        host.ip(f"address add {address}/64 dev eth0 nodad")
        host.ip("address add 2001:db8:9::77/64 dev eth0 nodad")
        host.ip(f"address add {FAR[6]}/128 dev lo")
    return host


def replies(node: Node) -> int:
    return len(node.seen("EchoReplied"))


def ping(node: Node, family: int) -> None:
    """Until it is answered."""
    before = replies(node)

    def answered(state: object) -> bool:
        node.tell("ping", FAR[family], "8")
        return replies(node) > before

    node.until(answered, "an answer")


@pytest.mark.parametrize("family", [4, 6])
def test_a_silent_router_is_passed_over(lab: Lab, family: int) -> None:
    switch = Switch(lab, "mcast_snooping", "0")
    best = router(switch, "best", family, BEST[family])
    second = router(switch, "second", family, SECOND[family])
    times = ["base_reachable_time=300000000", "delay_first_probe=200000000"]
    if family == 4:
        times.append("retrans_delay=200000000")
    name = "arp" if family == 4 else "ndp"
    words = [word for one in times for word in ("--set", f"{name}.{one}")]
    capture = switch.host.capture(switch.port)
    node = switch.start("-a", OURS[family], *words)
    node.ready()
    node.event("AddressAdded", address=OURS[family])
    for gateway in (BEST[family], SECOND[family]):
        node.tell("route", DEFAULT[family], gateway)
    ping(node, family)
    best.ip("link set eth0 down")
    ping(node, family)
    ping(node, family)
    (source,) = {one["source"] for one in node.seen("EchoReplied")}
    assert source == FAR[family]
    mac = second.run("cat", "/sys/class/net/eth0/address").strip()
    kind = "icmp.type == 0" if family == 4 else "icmpv6.type == 129"
    macs = [row[0] for row in capture.frames(kind, "eth.src")]
    assert macs[0] != mac
    assert macs[-1] == mac
    assert_clean(capture)
