"""IPv4 beyond the basics with Linux: options, broadcasts, link-local addresses."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator

import pytest

from sansio_net.addresses import format_ip, pack_mac
from sansio_net.protocols.arp.link_local import LinkLocal

from .lab import (
    HOST_IP,
    OUR_IP,
    OUR_MAC,
    Host,
    Lab,
    Process,
    Seat,
    original_seat,
    tap_seat,
)

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "socat", "nmap"),
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


def test_ping_to_all_is_answered_where_it_is_told_to(lab: Lab) -> None:
    seat = tap_seat(lab)
    seat.ours.station("echo", *seat.link, "--answer-broadcasts")
    said = seat.host.run("ping", "-n", "-b", "-c", "2", "-i", "0.3", "-w", "20", ALL)
    assert f"from {OUR_IP}: icmp_seq=1" in said


def test_tiny_fragments_of_nmap(lab: Lab) -> None:
    """`nmap -f` cuts a SYN behind its first eight bytes (RFC 3128): no answer."""
    seat = tap_seat(lab)
    station = seat.ours.station("echo", *seat.link)
    scan = ["nmap", "-n", "-Pn", "-sS", "-p", "8888", "--max-retries", "1", OUR_IP]
    assert "8888/tcp open" in seat.host.run(*scan)
    assert "8888/tcp filtered" in seat.host.run(*scan, "-f")
    assert station.stop() == 0
    counted = station.json()["counters"]
    assert counted["drop.fragment_tiny"] >= 2
    assert counted.get("reassembly.completed", 0) == 0


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


# Link-local addresses (RFC 3927) -----------------------------------------------------


def candidates() -> Iterator[str]:
    """What our MAC leads to, one after the other."""
    chosen = LinkLocal(pack_mac(OUR_MAC))
    while True:
        yield format_ip(chosen.ip)
        chosen.move_on()


@pytest.fixture
def alone(lab: Lab) -> tuple[Host, Process]:
    """A host with a link-local address on tap0, and us before we have any."""
    host = lab.host("host")
    station = host.station(
        *("echo", "--link", "tap:tap0", "--mac", OUR_MAC, "-a", "link-local"),
    )
    host.ip("link set tap0 up")
    host.ip("address add 169.254.9.9/16 dev tap0")
    return host, station


def test_a_link_local_address(alone: tuple[Host, Process]) -> None:
    host, station = alone
    capture = host.capture("tap0", f"arp and ether src {OUR_MAC}")
    ours = next(candidates())
    station.expect(f"AddressAdded {ours}/16".encode())
    assert "2 received" in host.run("ping", "-c", "2", "-i", "0.2", "-w", "20", ours)
    told = b"local and linked\n"
    assert host.output("socat", "-t", "5", "-", f"TCP4:{ours}:8888", stdin=told) == told
    # from a host that has none (RFC 3927 2.6.2)
    host.ip("address add 10.1.2.3/24 dev tap0")
    host.ip("address del 169.254.9.9/16 dev tap0")
    host.ip("route add 169.254.0.0/16 dev tap0")
    assert "1 received" in host.run("ping", "-c", "1", "-w", "20", ours)
    asked = capture.frames("arp", "eth.dst", "arp.src.proto_ipv4", "arp.dst.proto_ipv4")
    assert {to for to, _, _ in asked} == {"ff:ff:ff:ff:ff:ff"}
    assert asked.count(["ff:ff:ff:ff:ff:ff", "0.0.0.0", ours]) in (2, 3)
    assert asked.count(["ff:ff:ff:ff:ff:ff", ours, ours]) in (1, 2)


def test_up_link_local(lab: Lab) -> None:
    """The command line: an address that nobody typed."""
    host = lab.host("host")
    argv = ["--link", "tap:tap0", "--mac", OUR_MAC, "--link-local", "--echo", "7"]
    up = host.up(*argv)
    host.ip("address add 169.254.9.9/16 dev tap0")
    ours = next(candidates())
    up.expect(f"{ours}/16 on tap:tap0\n".encode())
    told = b"by name of none\n"
    assert host.output("socat", "-t", "5", "-", f"TCP4:{ours}:7", stdin=told) == told


def test_the_kernel_has_it_already(alone: tuple[Host, Process]) -> None:
    host, station = alone
    first, second, *_ = (ip for ip, _ in zip(candidates(), range(2), strict=False))
    host.ip(f"address add {first}/16 dev tap0")
    station.expect(f"AddressAdded {second}/16".encode())
    assert first.encode() not in station.output
    assert "1 received" in host.run("ping", "-c", "1", "-w", "20", second)


def test_the_kernel_takes_it(alone: tuple[Host, Process]) -> None:
    """The first conflict is answered, the second in ten seconds loses it."""
    host, station = alone
    first, second = (ip for ip, _ in zip(candidates(), range(2), strict=False))
    station.expect(f"AddressAdded {first}/16".encode())
    capture = host.capture("tap0", f"arp and ether src {OUR_MAC}")
    host.ip(f"address add {first}/16 dev tap0")
    # it asks for somebody who is not there, three times
    host.run("ping", "-c", "1", "-W", "4", "-I", first, "169.254.1.77", check=False)
    station.expect(f"AddressConflict {first}/16".encode())
    station.expect(f"AddressRemoved {first}/16".encode())
    station.expect(f"AddressAdded {second}/16".encode())
    assert "1 received" in host.run("ping", "-c", "1", "-w", "20", second)
    defence = f"arp.src.proto_ipv4 == {first} && arp.dst.proto_ipv4 == {first}"
    assert len(capture.frames(defence, "frame.number")) == 1


ROGUE = """
import socket
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
raw.bind(("tap0", 0x0806))
us = bytes.fromhex("020000000099")
while True:
    frame = raw.recv(2000)
    if frame[20:22] == b"\\0\\1" and frame[6:12] != us and not any(frame[28:32]):
        print(".".join(map(str, frame[38:42])), flush=True)
        body = frame[14:20] + b"\\0\\2" + us + frame[38:42] + frame[22:28] + bytes(4)
        raw.send(frame[6:12] + us + b"\\x08\\x06" + body)
"""


def test_a_rogue_that_has_every_address(lab: Lab) -> None:
    """Ten conflicts, then one attempt a minute (RFC 3927 2.2.1)."""
    host = lab.host("host")
    host.ip("tuntap add tap0 mode tap")
    host.ip("link set tap0 up")
    rogue = host.start(sys.executable, "-c", ROGUE)
    station = host.station(
        *("echo", "--link", "tap:tap0", "--mac", OUR_MAC, "-a", "link-local"),
    )
    tenth = [ip for ip, _ in zip(candidates(), range(10), strict=False)][-1]
    rogue.expect(f"{tenth}\n".encode(), timeout=30)
    time.sleep(5)
    asked = rogue.output.decode().split()
    assert asked == [ip for ip, _ in zip(candidates(), asked, strict=False)]
    assert len(asked) in (10, 11)
    assert b"AddressAdded 169" not in station.output
