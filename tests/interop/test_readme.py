"""The README's lines for a TAP, typed as they stand there."""

from __future__ import annotations

import re

import pytest

from .lab import ROOT, Lab
from .vlan_port import access_port

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "ping", "nc.openbsd")]


@pytest.fixture(autouse=True)
def as_typed(frame_by_frame: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SANSIO_NET_OFFLOAD")


def test_up_and_the_lines_to_type(lab: Lab) -> None:
    text = (ROOT / "README.md").read_text()
    up = re.search(r"^\./run up (.*)$", text, re.M)
    assert up is not None
    ping, tcp, udp = re.findall(r"^(?:ping|nc) .*$", text, re.M)
    host = lab.host("host")
    process = host.up(*up[1].split())
    assert "2 received" in host.run(*ping.split(), "-c", "2", "-i", "0.2")
    for line in (tcp, udp):
        client = host.start(*line.split())
        client.write(b"echo!\n")
        client.expect(b"echo!\n")
        client.close()
    assert process.stop() == 0


def test_a_router_with_a_vlan(lab: Lab) -> None:
    lines = re.findall(r"^\./run up (.*)$", (ROOT / "README.md").read_text(), re.M)
    (line,) = (one for one in lines if "--forward" in one)
    ours, other = lab.host("ours"), lab.host("other")
    lab.cable(ours, "wire", other, "eth0")
    ours.sysctl("net.ipv6.conf.wire.disable_ipv6", 1)
    access_port(other, "eth0", 7)
    other.ip("address add 10.2.0.1/24 dev eth0")
    other.ip("address add fd00:2::1/64 dev eth0 nodad")
    other.ip("route add default via 10.2.0.2")
    other.ip("-6 route add default via fd00:2::2")
    process = ours.up(*line.split())
    ours.ip("address add fd00:1::1/64 dev tap0 nodad")
    ours.ip("route add default via 10.1.0.2")
    ours.ip("-6 route add default via fd00:1::2")
    for address in ("10.2.0.1", "fd00:2::1"):
        assert "2 received" in ours.run("ping", "-c", "2", "-i", "0.2", address)
    assert process.stop() == 0
