"""IPv4 beyond the basics with Linux and its programs: options, broadcasts."""

from __future__ import annotations

import re

import pytest

from .lab import HOST_IP, OUR_IP, Lab, Seat, original_seat, tap_seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "socat"),
]

ALL = "172.17.255.255"


@pytest.fixture(params=["veth", "tap"])
def seat4(lab: Lab, request: pytest.FixtureRequest) -> Seat:
    seat = (original_seat if request.param == "veth" else tap_seat)(lab)
    seat.ours.up(*seat.link, "--echo", "7")
    return seat


def test_a_recorded_route(seat4: Seat) -> None:
    capture = seat4.host.capture(seat4.interface, "icmp")
    said = seat4.host.run("ping", "-n", "-c", "2", "-w", "20", "-R", OUR_IP)
    assert "2 received" in said
    assert re.findall(r"\d+\.\d+\.\d+\.\d+", said.partition("RR:")[2])[:4] == [
        *(HOST_IP, OUR_IP, OUR_IP, HOST_IP)
    ]
    assert capture.frames("icmp.type == 0 && ip.opt.type == 7", "ip.src")
    capture.assert_clean(seat4.frames)


@pytest.mark.parametrize("kind", ["tsonly", "tsandaddr"])
def test_timestamps(seat4: Seat, kind: str) -> None:
    """Ours are marked as no time of day (RFC 791 3.1), which ping tells as such."""
    capture = seat4.host.capture(seat4.interface, "icmp")
    said = seat4.host.run("ping", "-n", "-c", "2", "-w", "20", "-T", kind, OUR_IP)
    assert "2 received" in said
    stamps = said.partition("TS:")[2].splitlines()[:4]
    assert "not-standard" in stamps[1]
    if kind == "tsandaddr":
        where = [re.findall(r"\d+\.\d+\.\d+\.\d+", line) for line in stamps]
        assert where == [[HOST_IP], [OUR_IP], [OUR_IP], [HOST_IP]]
    assert capture.frames("icmp.type == 0 && ip.opt.type == 68", "ip.src")
    capture.assert_clean(seat4.frames)


def test_timestamps_of_those_who_are_named(seat4: Seat) -> None:
    argv = ["ping", "-n", "-c", "1", "-w", "20", "-T", "tsprespec"]
    said = seat4.host.run(*argv, HOST_IP, OUR_IP, OUR_IP, HOST_IP, OUR_IP)
    assert "1 received" in said
    stamps = said.partition("TS:")[2].splitlines()[:4]
    assert len(stamps) == 4


def test_ping_to_all_is_not_answered(seat4: Seat) -> None:
    argv = ["ping", "-n", "-b", "-c", "2", "-i", "0.3", "-W", "1", ALL]
    assert " 0 received" in seat4.host.run(*argv, check=False)
    assert "1 received" in seat4.host.run("ping", "-n", "-c", "1", "-w", "20", OUR_IP)


@pytest.mark.parametrize("to", [ALL, "255.255.255.255"])
def test_a_datagram_to_all(seat4: Seat, to: str) -> None:
    """The answer comes from an address, not from the broadcast's (RFC 1122 4.1.3.5)."""
    if to != ALL:
        seat4.host.ip(f"route add 255.255.255.255/32 dev {seat4.interface}")
    capture = seat4.host.capture(seat4.interface, "udp")
    # a connected socket would not hear the answer: it comes from somebody else
    said = seat4.host.run(
        *("socat", "-t", "3", "-T", "3"),
        *("-", f"UDP4-DATAGRAM:{to}:7,broadcast,bind={HOST_IP}:4001"),
        stdin=b"who is there\n",
    )
    assert said == "who is there\n"
    assert capture.frames(f"udp.srcport == 7 && ip.src == {OUR_IP}", "ip.dst")
    capture.assert_clean(seat4.frames)
