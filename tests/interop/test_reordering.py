"""Super-segments out of order, as a packet socket's may be, are not taken for losses.

Nothing is lost here: whatever is sent again was sent for nothing. One super-segment in
twenty is overtaken by the next, or by two: up to 45 or 90 segments at once.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from .lab import OUR_IP, Host, Lab, Process, original_seat, pattern

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "nstat", "nc.openbsd")]

SIZE = 20_000_000
OVERTAKEN = "reordering=5%,offload=1,reordering_segments="


def counted(host: Host, *names: str) -> list[int]:
    """The host's counters since it was made, which is for this test."""
    lines = host.run("nstat", "-asz", *names).splitlines()
    found = dict(line.split()[:2] for line in lines if not line.startswith("#"))
    return [int(found[name]) for name in names]


def report(station: Process) -> dict[str, Any]:
    station.wait(45)
    found = station.json()
    assert found["streams"][0]["error"] is None
    return found


def test_the_kernel_sends_nothing_twice(lab: Lab) -> None:
    """Our SACKs let it find out; its own patience with them is what we see."""
    seat = original_seat(lab)
    options = ["--offload", "full", "--streams", "1"]
    options += ["--conditions", OVERTAKEN + "1"]
    station = seat.ours.station("sink", *seat.link, *options)
    path = lab.folder / "sent"
    path.write_bytes(pattern(SIZE))
    seat.host.start("nc.openbsd", "-N", OUR_IP, "8888", stdin=path).wait(45)
    found = report(station)
    (stream,) = found["streams"]
    assert stream["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found["reordered"][1] > 5
    (again,) = counted(seat.host, "TcpRetransSegs")
    assert again * 100 < SIZE // 1448


def test_we_send_nothing_twice(lab: Lab) -> None:
    seat = original_seat(lab)
    options = ["--offload", "full", "--streams", "1", "--size", str(SIZE)]
    options += ["--conditions", OVERTAKEN + "2"]
    station = seat.ours.station("source", *seat.link, *options)
    path = lab.folder / "received"
    client = seat.host.start("nc.openbsd", "-d", OUR_IP, "8888", stdout=path)
    found = report(station)
    client.wait(45)
    assert path.read_bytes() == pattern(SIZE)
    assert found["reordered"][0] > 5
    late, duplicates = counted(seat.host, "TcpExtTCPOFOQueue", "TcpExtTCPDSACKOldSent")
    info = found["streams"][0]["info"]
    assert late  # the kernel has seen them out of order
    assert info["total_retrans"] * 100 < SIZE // 1448, info
    assert duplicates < 5
