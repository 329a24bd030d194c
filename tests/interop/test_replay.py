"""What happened on a device with a real peer happens again, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .lab import OUR_IP, ROOT, Lab, pattern, tap_seat, tshark

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "tshark", "nc.openbsd"),
]


def replayed(argv: list[str], hash_seed: str) -> dict[str, Any]:
    """The report of a new process, with this hash seed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.interop.station", *argv],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@pytest.mark.parametrize("loss", ["0", "2%"])
def test_a_recording_replays_byte_for_byte(lab: Lab, loss: str) -> None:
    seat = tap_seat(lab)
    path = lab.folder / "run.pcapng"
    app = ["echo", *seat.link, "--seed", "7"]
    options = ["--conditions", f"loss={loss}", "--record", str(path), "--streams", "1"]
    station = seat.ours.station(*app, *options)
    sent = lab.folder / "sent"
    sent.write_bytes(pattern(600_000))
    said = lab.folder / "said"
    client = seat.host.start(
        "nc.openbsd", "-N", OUR_IP, "8888", stdin=sent, stdout=said
    )
    client.wait(40)
    station.wait(40)
    assert said.read_bytes() == sent.read_bytes()

    segments = tshark(path, "tcp", "ip.src", "tcp.options.timestamp.tsval")
    assert len(segments) >= 100
    assert all(timestamp for _, timestamp in segments)
    again = tshark(path, "tcp.analysis.retransmission", "ip.src")
    if loss != "0":
        assert [OUR_IP] in again

    for hash_seed in ("1", "4711"):
        report = replayed([*app, "--replay", str(path)], hash_seed)
        assert report["difference"] is None, report["difference"]
        assert report["turns"] > 10
        ours = sum(source == OUR_IP for source, _ in segments)
        assert report["sent"] >= ours


def test_a_replay_of_another_seed_is_found_out(lab: Lab) -> None:
    """The comparison can fail: other keys give other sequence numbers."""
    seat = tap_seat(lab)
    path = lab.folder / "run.pcapng"
    record = ["--seed", "7", "--record", str(path), "--streams", "1"]
    station = seat.ours.station("echo", *seat.link, *record)
    said = seat.host.run("nc.openbsd", "-N", OUR_IP, "8888", stdin=b"hello\n")
    assert said == "hello\n"
    station.wait()
    other = ["echo", *seat.link, "--seed", "8", "--replay", str(path)]
    assert replayed(other, "1")["difference"]
