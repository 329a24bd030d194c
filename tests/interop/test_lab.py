"""The lab itself, between two kernels: what it says of others must be true."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .lab import HOST_IP, Lab, Process, original_seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "nc.openbsd"),
]


def test_two_kernels_talk_over_the_original_set_up(lab: Lab) -> None:
    seat = original_seat(lab)
    # the wire's kernel in our stack's place
    seat.ours.ip("address add 172.17.0.253/16 dev new_eth0")
    capture = seat.host.capture("eth0")
    said = seat.host.run("ping", "-c", "3", "-i", "0.2", "172.17.0.253")
    assert "3 received" in said
    assert seat.host.neighbour("172.17.0.253")["state"] == ["REACHABLE"]
    echoes = capture.frames("icmp.type == 0", "ip.src")
    assert echoes == [["172.17.0.253"]] * 3
    assert capture.assert_clean(seat.frames) >= 4


def test_programs_are_started_and_stopped(lab: Lab) -> None:
    host = lab.host("host")
    server = host.start("nc.openbsd", "-l", "8888")
    host.listening(8888)
    client = host.start("nc.openbsd", "-N", "127.0.0.1", "8888")
    client.write(b"hello\n")
    server.expect(b"hello\n")
    client.end_input()
    client.wait()
    assert server.wait() == 0


def test_a_program_that_ends_early_is_told_with_what_it_said(lab: Lab) -> None:
    process = lab.start(["sh", "-c", "echo no >&2; exit 3"])
    with pytest.raises(AssertionError, match="no"):
        process.expect(b"ready\n")


def test_a_wrong_checksum_is_found(lab: Lab) -> None:
    """The host's own frames leave with unfilled checksums: the check must see that."""
    seat = original_seat(lab)
    capture = seat.host.capture("eth0")
    seat.ours.ip("address add 172.17.0.253/16 dev new_eth0")
    server = seat.ours.start("nc.openbsd", "-l", "8888")
    seat.ours.listening(8888)
    seat.host.run("nc.openbsd", "-N", "172.17.0.253", "8888", stdin=b"hello\n")
    server.wait()
    with pytest.raises(AssertionError):
        capture.assert_clean(f"ip.src == {HOST_IP}")


def fail_in_a_lab(folder: Path, seen: list[Process]) -> None:
    with Lab(folder) as lab:
        seen.append(lab.host("host").start("sleep", "1000"))
        raise ZeroDivisionError


def test_nothing_is_left_behind_when_a_test_fails(tmp_path: Path) -> None:
    seen: list[Process] = []
    with pytest.raises(ZeroDivisionError):
        fail_in_a_lab(tmp_path, seen)
    assert seen[0].popen.poll() is not None
    name = seen[0].argv[3]
    assert name.endswith("-host")
    names = subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout
    assert name not in names
