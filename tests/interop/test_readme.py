"""The README's lines for a TAP, typed as they stand there."""

from __future__ import annotations

import re

import pytest

from .lab import ROOT, Lab

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "ping", "nc.openbsd")]


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
