"""UDP_SEGMENT and UDP_GRO against the kernel's, in every mode of offload."""

from __future__ import annotations

import json
import sys

import pytest

from .lab import OUR_IP, Seat

pytestmark = [pytest.mark.root, pytest.mark.programs("ip", "tcpdump", "tshark")]

HOST6, OUR6 = "fd00:77::1", "fd00:77::2"
PORT = "8888"


def converse(
    seat: Seat, offload: str, gro: bool, ours_gro: bool = True
) -> dict[str, list[int]]:
    """The kernel's program against ours; both families."""
    options = ["-a", f"{OUR6}/64", "--no-dad", "--offload", offload]
    options += ["--gro"] * ours_gro
    seat.ours.station("datagrams", *seat.link, *options)
    seat.host.ip(f"address add {HOST6}/64 dev {seat.interface} nodad")
    argv = ["-m", "tests.interop.kernel_segments", str(int(gro)), PORT, OUR_IP, OUR6]
    found: dict[str, list[int]] = json.loads(seat.host.run(sys.executable, *argv))
    assert len(found) == 12
    return found


@pytest.mark.parametrize("gro", [False, True])
@pytest.mark.parametrize("offload", ["none", "checksum", "full"])
def test_byte_for_byte(any_seat: Seat, offload: str, gro: bool) -> None:
    found = converse(any_seat, offload, gro)
    full = offload == "full"
    for words, (to_us, to_kernel) in found.items():
        _, size, segment = words.split()
        n = -(-int(size) // int(segment))
        # whole to us where the kernel has been told that it may; a veth never asks
        assert to_us == (n if full or any_seat.kind == "veth" else 1), words
        assert to_kernel <= n
        if full and gro:
            assert to_kernel == n, words


def test_one_by_one_for_a_socket_that_does_not_ask(seat: Seat) -> None:
    found = converse(seat, "full", False, ours_gro=False)
    assert {to_us for to_us, _ in found.values()} == {1}
    assert {to_kernel for _, to_kernel in found.values()} == {1}
