"""Clients against servers in namespaces: short, and only whether it works."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measure import Run, ask
from benchmarks.peers import Kernel, Seat
from benchmarks.peers.base import CLIENT_IP, SERVER_IP, client
from benchmarks.workloads import WORKLOADS
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


LIE = """
import _socket, socket
def wrong(data):
    return bytes([data[0] ^ 1]) + bytes(data[1:])
def send(self, data):
    return _socket.socket.send(self, wrong(data) if data else data)
def sendto(self, data, address):
    return _socket.socket.sendto(self, wrong(data) if data else data, address)
socket.socket.send, socket.socket.sendto = send, sendto
from benchmarks.servers import kernel
server = kernel.Server()
print("ready", flush=True)
server.run()
"""


class Liar(Kernel):
    """The kernel's server, but the first byte of all that it sends is another one."""

    def start(self, lab: Lab) -> Seat:
        host, server = client(lab), lab.host("liar", ipv6=False)
        lab.cable(host, "eth0", server, "eth0")
        host.ip(f"address add {CLIENT_IP}/24 dev eth0")
        server.ip(f"address add {SERVER_IP}/24 dev eth0")
        process = server.start(sys.executable, "-c", LIE)
        process.expect(b"ready\n")
        return Seat(host, SERVER_IP, process)


def test_a_wrong_byte_is_found_out_by_every_workload(tmp_path: Path) -> None:
    workloads = {
        "verify": "came back as another",
        "rr": "another answer came back",
        "udp": "another datagram came back",
        "tcp_in": "bytes arrived",
        "tcp_out": "the pattern is broken",
        "connections": "another message came back",
        "connections50": "another message came back",
        "open": "another message came back",
    }
    assert set(workloads) == {*WORKLOADS, "verify"} - {"ping"}  # the kernel's own
    with Lab(tmp_path) as lab:
        seat = Liar().start(lab)
        for workload, said in workloads.items():
            with pytest.raises(AssertionError, match=said):
                ask(seat, workload, 0.05)


def test_a_server_that_fails_is_asked_no_more(tmp_path: Path) -> None:
    run = Run([Liar()], ["rr", "udp"], 1, 0.05, lambda text: None)
    with Lab(tmp_path) as lab:
        run.go(lab)
    assert not run.results.samples
    assert set(run.results.failures) == {("rr", "kernel"), ("udp", "kernel")}


def test_a_server_at_a_path_takes_part(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = tmp_path / "server"
    serve = f"exec {sys.executable} -m benchmarks.servers.ours tap"
    server.write_text(f'#!/bin/sh\n{serve} "$1" "$2"\n')
    server.chmod(0o755)
    options = ["-n", "1", "-t", "0.05", "--only", "smoltcp"]
    main(
        [
            "rr",
            *options,
            "--smoltcp",
            str(server),
            "--json",
            str(tmp_path / "a" / "json"),
        ]
    )
    assert "stored" not in capsys.readouterr().out
    made = json.loads((tmp_path / "a" / "json").read_text())
    asked = {(pair["workload"], pair["peer"]) for pair in made["samples"]}
    assert asked == {("rr", "kernel"), ("rr", "smoltcp")}
