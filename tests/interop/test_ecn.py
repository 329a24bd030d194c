"""ECN with Linux: a bridge of ours between the two marks instead of dropping.

The bridge is `benchmarks.linux.bridge`: a `Link` of 50 Mbit/s and 20 ms between two
raw sockets, whose queue marks what can be marked (CE) beyond a few packets. Both ends
send a megabyte: what the kernel's socket sends, our stack echoes.
"""

from __future__ import annotations

import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import pytest

from sansio_net.protocols.tcp.info import TcpInfo, format_info
from sansio_net.wire.tcp import ACK, CWR, ECE, SYN

from .lab import Capture, Host, Lab, Process, pattern, wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ethtool", "socat", "ss", "tcpdump", "tshark"),
]

NOT_ECT, ECT0, CE = 0, 2, 3
SIZE = 1_000_000
LINUX, OURS, PORT = "10.98.0.1", "10.98.0.2", 8888
KERNEL_SOCKET: Final = "ignoreeof,setsockopt-string=6:13:cubic"
"""TCP_CONGESTION, for BBR, this kernel's default, does not slow down for marks."""


class Course:
    """Linux, the marking bridge, and our namespace."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.linux = lab.host("linux", ipv6=False)
        self.middle = lab.host("middle", ipv6=False)
        self.ours = lab.host("ours", ipv6=False)
        lab.cable(self.linux, "eth0", self.middle, "left")
        lab.cable(self.ours, "eth0", self.middle, "right")
        for host, name in (
            (self.linux, "eth0"),
            (self.middle, "left"),
            (self.middle, "right"),
            (self.ours, "eth0"),
        ):
            for what in ("tso", "gso", "gro", "tx", "rx", "sg"):
                host.run("ethtool", "-K", name, what, "off", check=False)
        self.linux.ip(f"address add {LINUX}/24 dev eth0")
        self.linux.sysctl("net.ipv4.tcp_ecn", 1)
        self.linux.sysctl("net.ipv4.tcp_no_metrics_save", 1)
        self.bridge = self.middle.start(
            *(sys.executable, "-m", "benchmarks.linux.bridge", "left", "right"),
            *("1", "0%", "ecn_threshold=10"),
        )
        self.bridge.expect(b"ready\n")

    def station(self, *more: str) -> Process:
        link = ["--link", "veth:eth0", "-a", f"{OURS}/24"]
        return self.ours.station("echo", *link, "--streams", "1", *more)

    def marked(self) -> list[int]:
        """How many packets the bridge marked: of Linux's, of ours."""
        self.bridge.popen.terminate()
        self.bridge.wait()
        return [counts["marked"] for counts in self.bridge.json()["counts"]]


@pytest.fixture
def path(lab: Lab) -> Course:
    return Course(lab)


def words_of(host: Host) -> str:
    """What the kernel's `ss -tio` says of the connection."""
    said = host.run("ss", "-tnioH", "state", "established")
    return " ".join(said.split())


def number(words: str, name: str) -> int:
    found = re.search(rf"\b{name}:(\d+)", words)
    return int(found[1]) if found else 0


@pytest.mark.parametrize("opens", ["linux", "ours"])
def test_marks_both_ways(path: Course, tmp_path: Path, opens: str) -> None:
    data, echoed = tmp_path / "data", tmp_path / "echoed"
    data.write_bytes(pattern(SIZE))
    left = path.middle.capture("left", "tcp")
    right = path.middle.capture("right", "tcp")
    if opens == "linux":
        station = path.station("--tcp", "ecn=passive")
        address = f"TCP4:{OURS}:{PORT},{KERNEL_SOCKET}"
    else:
        address = f"TCP4-LISTEN:{PORT},{KERNEL_SOCKET}"
    socat = path.linux.start(
        "socat", "STDIO,ignoreeof", address, stdin=data, stdout=echoed
    )
    if opens == "ours":
        path.linux.listening(PORT)
        station = path.station("--tcp", "ecn=on", "--peer", f"{LINUX}:{PORT}")
    wait_for(lambda: echoed.stat().st_size >= SIZE, "everything echoed", 30)
    said = words_of(path.linux)
    socat.popen.terminate()
    socat.wait(check=False)
    station.wait()
    assert echoed.read_bytes() == data.read_bytes()
    (stream,) = station.json()["streams"]
    assert (stream["received"], stream["error"]) == (SIZE, None)
    check_ends(said, stream["info"])
    counters = station.json()["counters"]
    of_linux, of_ours = path.marked()
    assert of_linux
    assert of_ours
    assert counters["tcp.ecn_ce_received"] == of_linux
    check_capture(left, LINUX, of_ours)
    check_capture(right, OURS, of_linux)
    left.assert_clean(f"ip.src == {OURS}")


def check_capture(capture: Capture, mine: str, marks: int) -> None:
    """Beside `mine`: it heard of `marks` packets, and kept RFC 3168's rules."""
    again = "tcp.analysis.retransmission"
    seen = ("ip.src", "ip.dsfield.ecn", "tcp.flags", "tcp.len", again)
    rows = capture.frames("tcp", *seen)
    segments = [
        (source, int(ecn), int(flags, 16), int(size), bool(again))
        for source, ecn, flags, size, again in rows
    ]
    asked = [flags for _, _, flags, _, _ in segments if flags & SYN and not flags & ACK]
    assert asked
    assert all(flags & (ECE | CWR) == ECE | CWR for flags in asked)
    heard = [ecn for source, ecn, *_ in segments if source != mine]
    assert heard.count(CE) == marks
    sent = [segment[1:] for segment in segments if segment[0] == mine]
    assert {ecn for ecn, *_ in sent} == {NOT_ECT, ECT0}
    # the echo of marks, and the word that an echo was heard
    text = [flags for _, flags, size, _ in sent if size]
    assert any(flags & ECE for _, flags, _, _ in sent if not flags & SYN)
    assert any(flags & CWR for flags in text)
    # 6.1.1, 6.1.4, 6.1.5
    assert all(size and not again for ecn, _, size, again in sent if ecn)


def check_ends(said: str, ours: dict[str, Any]) -> None:
    """Both saw capable packets and heard of marks, and both say so alike."""
    assert " ecn ecnseen cubic " in said
    assert number(said, "delivered_ce") > 0
    assert (ours["ecn"], ours["ecn_seen"]) == (True, True)
    assert ours["delivered_ce"] > 0
    assert ours["bytes_received"] == SIZE
    # iproute2's words for a socket of the kernel are among ours, in the same order
    everything = {
        each.name: each.type == "bool" or 10**9
        for each in fields(TcpInfo)
        if each.type in ("int", "bool")
    }
    info = TcpInfo(congestion="cubic", **everything)
    ours_of = iter(names(format_info(info, 2 * 10**9)))
    for name in names(said.partition(" ts ")[1] + said.partition(" ts ")[2]):
        assert name in ours_of, (name, said)


def names(words: str) -> list[str]:
    """Without the numbers; a rate stands after its name."""
    found = [word.partition(":")[0] for word in words.split()]
    return [name for name in found if not name.endswith("bps")]
