"""Ten megabytes each way with programs that nobody here wrote, byte for byte."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from .lab import (
    HOST_IP,
    OUR_IP,
    SEATS,
    Lab,
    Process,
    Seat,
    assert_clean,
    pattern,
    tshark,
    wait_for,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "tcpdump", "tshark", "nc.openbsd", "socat", "curl"),
]

SIZE = 10_000_000
SHA256 = hashlib.sha256(pattern(SIZE)).hexdigest()
TARGET = f"{OUR_IP}:8888"
LOSSY = ["--conditions", "loss=1%"]
WORSE = ["--conditions", "loss=1%,reordering=1%,reordering_delay=2ms"]
WAYS = {
    "clean": ["--offload", "full"],
    "lossy": [*WORSE, "--offload", "full"],
    "lossy, sums": [*WORSE, "--offload", "checksum"],
    "lossy, plain": [*WORSE, "--offload", "none"],
    "lossy, bare": [*WORSE, "--offload", "bare"],
}
"""Options of the station: what its link does, and what is left to the kernel."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "sent"
    path.write_bytes(pattern(SIZE))
    return path


@pytest.fixture(params=WAYS)
def loss(request: pytest.FixtureRequest) -> list[str]:
    return WAYS[request.param]


def assert_received(station: Process) -> None:
    """Our end got every byte, and the peer's end was in order."""
    assert station.wait(45) == 0
    report: dict[str, Any] = station.json()
    assert report["streams"][0]["error"] is None
    assert report["streams"][0]["received"] == SIZE
    assert report["streams"][0]["sha256"] == SHA256
    assert report["held"] == 0


def assert_delivered(path: Path, station: Process) -> None:
    assert path.stat().st_size == SIZE
    assert hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    assert station.wait(45) == 0
    report: dict[str, Any] = station.json()
    assert report["streams"][0]["error"] is None
    assert report["held"] == 0


def test_nc_sends_to_us(seat: Seat, loss: list[str], data: Path) -> None:
    station = seat.ours.station("sink", *seat.link, "--streams", "1", *loss)
    client = seat.host.start("nc.openbsd", "-N", OUR_IP, "8888", stdin=data)
    assert_received(station)
    client.wait()


def test_we_fetch_from_socat(seat: Seat, loss: list[str], data: Path) -> None:
    server = seat.host.start("socat", "-u", f"FILE:{data}", "TCP4-LISTEN:8888")
    seat.host.listening(8888)
    peer = ["--peer", f"{HOST_IP}:8888", "--streams", "1"]
    station = seat.ours.station("fetch", *seat.link, *peer, *loss)
    assert_received(station)
    server.wait()


def test_curl_fetches_from_us(seat: Seat, loss: list[str], tmp_path: Path) -> None:
    """HTTP/0.9 has no header: what curl stores is what our end sent."""
    size = ["--size", str(SIZE), "--streams", "1"]
    station = seat.ours.station("source", *seat.link, *size, *loss)
    path = tmp_path / "received"
    seat.host.run(
        "curl", "-sS", "--http0.9", "-o", str(path), f"http://{TARGET}/", timeout=45
    )
    assert_delivered(path, station)


def test_we_send_to_socat(seat: Seat, loss: list[str], tmp_path: Path) -> None:
    path = tmp_path / "received"
    server = seat.host.start("socat", "-u", "TCP4-LISTEN:8888", f"CREATE:{path}")
    seat.host.listening(8888)
    peer = ["--peer", f"{HOST_IP}:8888", "--size", str(SIZE), "--streams", "1"]
    station = seat.ours.station("send", *seat.link, *peer, *loss)
    server.wait(45)
    assert_delivered(path, station)


def test_a_transfer_has_every_checksum_right(seat: Seat, data: Path) -> None:
    """Both directions at once, lossy: what the host saw of us, read by tshark."""
    station = seat.ours.station("echo", *seat.link, "--streams", "1", *LOSSY)
    capture = seat.host.capture(seat.interface)
    small = data.with_name("small")
    small.write_bytes(pattern(SIZE)[:1_000_000])
    said = data.with_name("said")
    client = seat.host.start(
        "nc.openbsd", "-N", OUR_IP, "8888", stdin=small, stdout=said
    )
    client.wait(45)
    station.wait()
    assert said.read_bytes() == small.read_bytes()
    assert capture.assert_clean(seat.frames) > 600
    again = capture.frames(
        f"tcp.analysis.retransmission && ip.src == {OUR_IP}", "frame.number"
    )
    assert again


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *(("veth", mode) for mode in ("full", "checksum", "none", "bare")),
        *(("tap", mode) for mode in ("full", "checksum", "none")),
    ],
)
def test_a_recording_of_every_mode_is_clean(
    lab: Lab, data: Path, kind: str, mode: str
) -> None:
    """What our stack got and gave, as a wire would have carried it: both ends' frames
    whole and their checksums right, whoever was to make them; and nothing unusual but
    what loss and reordering explain.
    """
    seat = SEATS[kind](lab)
    path = data.with_name("flat.pcapng")
    options = ["--record", str(path), "--flat", "--offload", mode]
    station = seat.ours.station("echo", *seat.link, "--streams", "1", *WORSE, *options)
    small = data.with_name("small")
    small.write_bytes(pattern(SIZE)[:2_000_000])
    said = data.with_name("said")
    client = seat.host.start(
        "nc.openbsd", "-N", OUR_IP, "8888", stdin=small, stdout=said
    )
    client.wait(45)
    station.wait()
    assert said.read_bytes() == small.read_bytes()
    assert assert_clean(path, "ip") > 2000
    again = tshark(
        path, f"ip.src == {OUR_IP} && tcp.analysis.retransmission", "frame.number"
    )
    info = station.json()["streams"][0]["info"]
    assert len(again) <= info["total_retrans"]
    odd = "tcp.analysis.zero_window_probe || tcp.analysis.ack_lost_segment"
    assert not tshark(path, f"ip.src == {OUR_IP} && ({odd})", "frame.number")


def test_our_window_moves_with_our_reader(seat: Seat, data: Path) -> None:
    """A reader that sleeps closes the window, and opens it when it reads."""
    options = ["--streams", "1", "--pause", "1500ms"]
    station = seat.ours.station("sink", *seat.link, *options)
    capture = seat.host.capture(seat.interface)
    client = seat.host.start("nc.openbsd", "-N", OUR_IP, "8888", stdin=data)
    assert_received(station)
    client.wait()
    rows = capture.frames(
        f"tcp.srcport == 8888 && ip.src == {OUR_IP}", "tcp.window_size"
    )
    windows = [int(row[0]) for row in rows]
    assert 0 in windows
    closed = windows.index(0)
    assert max(windows[closed:]) >= max(windows[:closed]) // 2
    assert capture.assert_clean(seat.frames) > 20


def test_we_wait_for_a_slow_reader(seat: Seat, tmp_path: Path) -> None:
    """The host's reader sleeps: its window closes, we probe, it opens, all arrives."""
    peer = ["--peer", f"{HOST_IP}:8888", "--size", str(SIZE), "--streams", "1"]
    seat.host.sysctl("net.ipv4.tcp_rmem", "4096 65536 262144")
    path, gate = tmp_path / "received", tmp_path / "gate"
    os.mkfifo(gate)
    command = f"nc.openbsd -l 8888 | (read line < {gate}; cat) > {path}"
    server = seat.host.start("sh", "-c", command)
    seat.host.listening(8888)
    capture = seat.host.capture("any", "tcp port 8888")
    station = seat.ours.station("send", *seat.link, *peer)
    closed = f"tcp.window_size == 0 && ip.src == {HOST_IP} && tcp.flags.reset == 0"
    probe = f"ip.src == {OUR_IP} && tcp.analysis.zero_window_probe"
    for seen in (closed, probe):
        # the file grows while it is read: its last packet may be cut short
        wait_for(lambda seen=seen: tshark(capture.path, seen, "ip.src", cut=True), seen)
    gate.write_text("go on\n")
    server.wait(45)
    assert_delivered(path, station)
