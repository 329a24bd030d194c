"""The attackers' own programs (THC-IPv6, hping3, nmap) against our stack on a TAP.

Each runs for a second or two as fast as it can. Then the host answers, by the addresses
that it had before, and its tables are within their bounds.
"""

from __future__ import annotations

from typing import Any

import pytest

from .lab import OUR_MAC, Host, Lab
from .lab6 import QUICK, Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "nmap", "hping3", "atk6-flood_router26"),
]

HOST4, OUR4 = "10.77.0.1", "10.77.0.2"
HOST6, OUR6 = "fd00:77::1", "fd00:77::2"

ATTACKS = {
    "denial": (
        "atk6-exploit6 tap0 {OUR6}",
        *(f"atk6-denial6 tap0 {{OUR6}} {n}" for n in (1, 4, 6)),
    ),
    "odd packets": (
        *(f"atk6-fragmentation6 -f -p tap0 {{OUR6}} {n}" for n in (1, 9)),
        "atk6-fuzz_ip6 -x -t 6 tap0 {OUR6}",
        "atk6-fuzz_ip6 -x -4 tap0 ff02::1",
        "atk6-fuzz_ip6 -x -F -D -H -R -1 tap0 {OUR6}",
        "atk6-randicmp6 -p tap0 {OUR6}",
        "atk6-smurf6 tap0 {OUR6}",
    ),
    "neighbours": (
        "atk6-flood_router6 tap0",
        "atk6-flood_router26 tap0",
        "atk6-flood_advertise6 tap0 {OUR6}",
        "atk6-flood_solicitate6 tap0 {OUR6}",
        "atk6-flood_redir6 tap0 {HOST6}",
        "atk6-flood_rs6 tap0",
    ),
    "groups and errors": (
        "atk6-flood_mld6 tap0",
        "atk6-flood_mld26 tap0",
        "atk6-flood_mldrouter6 tap0",
        "atk6-flood_unreach6 tap0 {OUR6}",
        "atk6-thcsyn6 tap0 {OUR6} 7",
    ),
    "sources": (
        "hping3 -I tap0 --flood -S -p 7 --rand-source {OUR4}",
        "hping3 -I tap0 --flood -R -p 7 --rand-source {OUR4}",
        "hping3 -I tap0 --flood -S -p 7 -s 7 -a {OUR4} {OUR4}",  # LAND
        "hping3 -I tap0 --flood -1 -a 10.77.0.255 {OUR4}",
        "hping3 -I tap0 --flood -1 -a 127.0.0.1 {OUR4}",
    ),
    "fragments": (
        "hping3 -I tap0 --flood -2 -p 5001 -d 60000 {OUR4}",
        "hping3 -I tap0 --flood -2 -d 1000 -x -g 64 --rand-source {OUR4}",  # Rose
        "hping3 -I tap0 --flood -1 -x -g 65528 -d 1400 {OUR4}",  # ping of death
        "hping3 -I tap0 --flood -0 -H 4 -d 40 {OUR4}",  # IP in IP
        "hping3 -I tap0 --flood -1 -C 3 -K 3 {OUR4}",  # BlackNurse
    ),
}


@pytest.fixture
def target(lab: Lab) -> tuple[Host, Node]:
    host = lab.host("host")
    host.sysctl("net.ipv6.conf.default.accept_dad", 0)  # the programs don't wait
    node = Node(
        host,
        "tap:tap0",
        *("-a", f"{OUR4}/24", "-a", f"{OUR6}/64", "--slaac", "--no-dad"),
        *("--udp", "5000", *QUICK),
    )
    node.ready()
    host.ip("link set tap0 up")
    host.ip(f"address add {HOST4}/24 dev tap0")
    host.ip(f"address add {HOST6}/64 dev tap0 nodad")
    for address in (OUR4, OUR6):
        host.run("ping", "-c", "1", "-w", "20", address)
    return host, node


def survives(host: Host, node: Node) -> dict[str, Any]:
    """It answers, and every table is within its bound."""
    for address in (OUR4, OUR6):
        # whatever the kernel believes of it by now is no matter of ours
        host.ip(f"neighbour replace {address} lladdr {OUR_MAC} dev tap0")
        host.run("ping", "-c", "1", "-w", "30", address, timeout=40)
    tables: dict[str, list[int]] = node.ask("tables")
    over = {name: size for name, size in tables.items() if size[0] > size[1]}
    assert not over
    assert node.process.popen.poll() is None
    assert not node.process.errors
    counters: dict[str, Any] = node.ask("state")["counters"]
    return counters


@pytest.mark.parametrize("kind", ATTACKS)
def test_it_survives(target: tuple[Host, Node], kind: str) -> None:
    host, node = target
    received = survives(host, node)["eth0.rx_packets"]
    for words in ATTACKS[kind]:
        argv = words.format(OUR4=OUR4, OUR6=OUR6, HOST6=HOST6).split()
        # some warn for three seconds before they begin
        seconds = {"denial": "5", "odd packets": "2"}.get(kind, "1")
        host.run("timeout", seconds, *argv, check=False)
        now = survives(host, node)["eth0.rx_packets"]
        assert now > received + 8, words
        received = now


def test_nmap_with_all_it_has(target: tuple[Host, Node]) -> None:
    """Odd flags, options, fragments and checksums (-O, IP protocol and UDP scans)."""
    host, node = target
    for argv in (
        ["-sS", "-O", "-p", "1-50"],
        ["-sU", "-p", "5000-5010"],
        ["-sO", "-p", "1-30"],
        ["-sX", "-f", "-p", "1-20"],
        ["-sS", "--badsum", "-p", "1-20"],
        ["-6", "-sS", "-O", "-p", "1-50"],
    ):
        where = OUR6 if "-6" in argv else OUR4
        quick = ["-n", "-Pn", "--max-retries", "0", "--host-timeout", "15s"]
        host.run("nmap", *quick, *argv, where, check=False, timeout=30)
        survives(host, node)
