"""`sansio-net ss`, of a stack that is at work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sansio_net.cli.control import folder
from sansio_net.cli.ss import table

from .conftest import A, B, Wire, run


def test_a_conversation_in_progress(wire: Wire, tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    up = wire.up("--echo", "7", "--discard", "9", "--control", path)
    client = wire.a("nc", B, "7")
    client.type(b"hello\n")
    assert client.read(6) == b"hello\n"
    status, out, err = run("ss", "--control", path, "-an")
    assert (status, err) == (0, "")
    heading, *lines = out.splitlines()
    assert heading == (
        "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:Port"
    )
    at = heading.index(":Port")
    assert {line[at] for line in lines} == {":"}
    rows = [line.split() for line in lines]
    assert rows[:4] == [
        ["udp", "UNCONN", "0", "0", "*:7", "*:*"],
        ["udp", "UNCONN", "0", "0", "*:9", "*:*"],
        ["tcp", "LISTEN", "0", "128", "*:7", "*:*"],
        ["tcp", "LISTEN", "0", "128", "*:9", "*:*"],
    ]
    assert rows[4][:5] == ["tcp", "ESTAB", "0", "0", f"{B}:7"]
    assert rows[4][5].startswith(f"{A}:")

    status, out, _ = run("ss", "--control", path, "-t", "-i")
    heading, line, words = out.splitlines()
    assert heading.split()[:2] == ["State", "Recv-Q"]
    assert f"{B}:echo" in line
    assert words.startswith("\t ts sack ")
    assert " bytes_acked:7 bytes_received:6 " in words
    assert "Mbps " in words or "Gbps " in words or "Kbps " in words
    numbers = run("ss", "--control", path, "-tin")[1].splitlines()[2].split()
    rate = numbers[numbers.index("send") + 1]
    assert rate.removesuffix("bps").isdigit()

    status, out, _ = run("ss", "--control", path, "--json")
    (row,) = json.loads(out)
    assert row["pid"] == up.popen.pid
    assert row["local"] == {"address": B, "port": 7}
    assert (row["info"]["state"], row["info"]["bytes_received"]) == ("ESTABLISHED", 6)

    status, out, _ = run("ss", "--control", path, "-lu")
    assert [line.split()[0] for line in out.splitlines()] == [
        "State",
        "UNCONN",
        "UNCONN",
    ]
    # the client ends first, so it is the client's end that lingers
    assert client.finish(b"")[0] == 0
    assert run("ss", "--control", path, "-t")[1].count("\n") == 1
    up.interrupt()
    assert up.finish() == (0, "", "")
    assert not os.path.exists(path)


def test_what_lingers_is_shown_by_all(wire: Wire, tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    wire.up("--chargen", "19", "--control", path)
    client = wire.a("nc", B, "19")
    client.read(100)
    assert "ESTAB" in run("ss", "--control", path, "-t")[1]
    client.interrupt()
    client.finish()
    assert "ESTAB" not in run("ss", "--control", path, "-ta")[1]


@pytest.mark.skipif(folder() is None, reason="no XDG_RUNTIME_DIR, and not root")
def test_all_that_answer_are_asked(wire: Wire) -> None:
    first = wire.up("--echo", "7")
    second = wire.a("up", "--echo", "8")
    second.expect("ready")
    status, out, err = run("ss", "--json", "-l", "-t")
    assert (status, err) == (0, "")
    ports = {row["pid"]: row["local"]["port"] for row in json.loads(out)}
    assert ports[first.popen.pid] == 7
    assert ports[second.popen.pid] == 8
    assert f"pid={first.popen.pid}\n" in run("ss", "-l")[1]


def test_a_path_that_is_taken_or_wrong_is_one_line(wire: Wire, tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    wire.up("--control", path)
    status, out, err = wire.a("up", "--control", path).finish()
    assert (status, out) == (1, "")
    assert err == f"sansio-net: {path}: another process answers there\n"
    wrong = str(tmp_path / "none")
    status, out, err = run("ss", "--control", wrong)
    assert (status, out) == (1, "")
    assert err == f"sansio-net: {wrong}: No such file or directory\n"


def test_who_was_killed_leaves_a_stale_socket(wire: Wire, tmp_path: Path) -> None:
    path = str(tmp_path / "up.sock")
    up = wire.up("--control", path)
    up.popen.kill()
    up.popen.wait()
    status, _, err = run("ss", "--control", path)
    assert (status, err) == (
        1,
        f"sansio-net: {path}: nobody answers there any more\n",
    )
    wire.up("--control", path)
    assert run("ss", "--control", path)[0] == 0


def test_families_and_interfaces() -> None:
    def row(local: tuple[str, int], peer: tuple[str, int] | None) -> dict[str, object]:
        ends = [
            None if end is None else {"address": end[0], "port": end[1]}
            for end in (local, peer)
        ]
        return {
            "pid": 7,
            "netid": "tcp",
            "state": "ESTAB",
            "recv_q": 0,
            "send_q": 0,
            "local": ends[0],
            "peer": ends[1],
            "interface": "eth0" if peer is None else None,
        }

    rows = [
        row(("fd00::1", 80), ("fd00::2", 4000)),
        row(("::", 80), None),
        row(("0.0.0.0", 80), None),
        row(("", 0), None),  # every port
    ]
    lines = table(rows, True, False, False, True)
    assert [line.split()[3:] for line in lines[1:]] == [
        ["[fd00::1]:80", "[fd00::2]:4000", "pid=7"],
        ["[::]%eth0:80", "[::]:*", "pid=7"],
        ["0.0.0.0%eth0:80", "0.0.0.0:*", "pid=7"],
        ["*%eth0:*", "*:*", "pid=7"],
    ]
    assert lines[0].endswith("Process")
