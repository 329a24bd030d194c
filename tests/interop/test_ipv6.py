"""IPv6 with a Linux host, on a TAP and on a veth: neighbours, ping, UDP, TCP."""

from __future__ import annotations

import pytest

from .lab import Lab, Seat, original_seat, tap_seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "nc.openbsd"),
]

HOST6, OUR6 = "fd00:77::1", "fd00:77::2"


@pytest.fixture(params=["veth", "tap"])
def seat6(lab: Lab, request: pytest.FixtureRequest) -> Seat:
    """The same seat with an IPv6 address on each side; ours is checked first."""
    seat = (original_seat if request.param == "veth" else tap_seat)(lab)
    seat.ours.up(*seat.link, "-a", f"{OUR6}/64", "--echo", "7")
    seat.host.ip(f"address add {HOST6}/64 dev {seat.interface} nodad")
    return seat


def test_ping_and_the_neighbour_is_believed(seat6: Seat) -> None:
    capture = seat6.host.capture(seat6.interface, "icmp6")
    said = seat6.host.run("ping", "-6", "-c", "5", "-i", "0.2", "-w", "20", OUR6)
    assert "5 received" in said
    assert seat6.host.neighbour(OUR6)["state"] == ["REACHABLE"]
    said = seat6.host.run("ping", "-6", "-c", "2", "-s", "4000", "-w", "20", OUR6)
    assert "2 received" in said
    assert capture.frames("icmpv6.type == 136 && icmpv6.nd.na.flag.s == 1", "ipv6.src")
    capture.assert_clean(seat6.frames)


def test_tcp_from_the_kernel(seat6: Seat) -> None:
    said = seat6.host.run(
        "nc.openbsd", "-6", "-N", OUR6, "7", stdin=b"hello over six\n"
    )
    assert said == "hello over six\n"
