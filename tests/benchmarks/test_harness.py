"""Clients against servers in namespaces: short, and only whether it works."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measure import Run
from benchmarks.peers import Kernel, Seat
from benchmarks.peers.base import CLIENT_IP, SERVER_IP, client
from tests.interop.lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "ethtool", "sysctl")]


def test_workloads_run_and_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.md"
    main(
        [
            *("rr", "udp", "tcp_in", "tcp_out", "connections50"),
            *("--only", "tap", "-n", "1", "-t", "0.05", "--markdown", str(table)),
        ]
    )
    text = table.read_text()
    assert text == capsys.readouterr().out
    assert "failed" not in text
    assert "ours, TAP: TCP bulk into the server >= 0.45 of kernel, veth |" in text
    assert "- ours, TAP, client tap0: tx csum, tso" in text


class Liar(Kernel):
    """The kernel's server, with one thing wrong."""

    def __init__(self, wrong: str) -> None:
        self.wrong = f"from benchmarks.servers import kernel; {self.prelude}{wrong}"

    prelude = "server = kernel.Server(); "

    def start(self, lab: Lab) -> Seat:
        host, server = client(lab), lab.host("liar", ipv6=False)
        lab.cable(host, "eth0", server, "eth0")
        host.ip(f"address add {CLIENT_IP}/24 dev eth0")
        server.ip(f"address add {SERVER_IP}/24 dev eth0")
        lie = f"{self.wrong}; print('ready', flush=True); server.run()"
        process = server.start(sys.executable, "-c", lie)
        process.expect(b"ready\n")
        return Seat(host, SERVER_IP, process)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("kernel.count_message = lambda n: (n - 1).to_bytes(8, 'big')", "arrived"),
        ("kernel.STREAM = bytes(len(kernel.STREAM))", "the pattern is broken"),
    ],
)
def test_a_server_that_cheats_is_found_out(
    tmp_path: Path, wrong: str, said: str
) -> None:
    run = Run([Liar(wrong)], ["rr"], 1, 0.05, lambda text: None)
    with Lab(tmp_path) as lab:
        run.go(lab)
    assert said in run.results.failures["rr", "kernel"]
    assert not run.results.samples
