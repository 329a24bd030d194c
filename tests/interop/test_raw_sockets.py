"""Our raw sockets and the kernel's, on each kind of link."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest

from .lab import OUR_IP, Seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark"),
]

HOST6, OUR6 = "fd00:77::1", "fd00:77::2"


def test_raw_sockets_talk_to_the_kernels(any_seat: Seat) -> None:
    seat = any_seat
    argv = [sys.executable, "-m", "tests.interop.raw_station", *seat.link]
    ours = seat.ours.start(*argv, "-a", f"{OUR6}/64")
    ours.expect(b"ready\n")
    seat.host.ip(f"address add {HOST6}/64 dev {seat.interface} nodad")
    capture = seat.host.capture(seat.interface)
    path = "tests/interop/kernel_raw.py"
    kernel = seat.host.start(sys.executable, path, OUR_IP, OUR6, seat.interface)
    kernel.wait(40)
    found: dict[str, Any] = kernel.json()
    for size in (5, 4000):
        data = bytes(n & 0xFF for n in range(size))
        for family in "46":
            assert found[f"253.{family}.{size}"] == data[::-1].hex()
            if size == 5:
                assert found[f"254.{family}.{size}"] == data.hex()
    # what raw(7) says the sender need not fill in; the kernel took its checksum
    header = bytes.fromhex(found["header"])
    assert header[:4] == b"\x45\0\0\x18"
    assert header[4:6] != b"\0\0"
    assert header[12:16] == bytes(map(int, OUR_IP.split(".")))
    assert header[20:] == b"head"
    assert bytes.fromhex(found["frame"]) == b"by frame"
    # pings are copied, and answered
    said = seat.host.run("ping", "-c", "3", "-i", "0.1", "-w", "20", OUR_IP)
    assert "3 received" in said
    said = seat.host.run("ping", "-6", "-c", "3", "-i", "0.1", "-w", "20", OUR6)
    assert "3 received" in said
    ours.signal(signal.SIGINT)
    ours.wait()
    report = ours.json()
    assert (report["echo"], report["echo6"], report["too_long"]) == (3, 3, 2)
    counters = report["counters"]
    assert counters["drop.unknown_protocol"] == 1  # 251, which only a frame socket has
    assert "drop.raw_bad_checksum" not in counters
    six = f"{seat.frames} || ipv6.src == {OUR6}"
    assert capture.assert_clean(six) >= 15
