"""IPv6 with a Linux host, on a TAP and on a veth: neighbours, ping, UDP, TCP."""

from __future__ import annotations

import pytest

from .lab import Lab, Seat, original_seat, tap_seat
from .lab6 import Place

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


@pytest.mark.parametrize("kind", ["-l", "-lu"])
def test_our_nc_waits_for_its_address(lab: Lab, kind: str) -> None:
    """It is typed before duplicate detection ends (RFC 4862 5.4)."""
    seat = original_seat(lab)
    seat.host.ip(f"address add {HOST6}/64 dev {seat.interface} nodad")
    server = seat.host.start("nc.openbsd", "-6", kind, "8888")
    seat.host.listening(8888, "-lt" if kind == "-l" else "-lu")
    udp = ["-u"] if kind == "-lu" else []
    link = [*seat.link, "-a", f"{OUR6}/64"]
    client = seat.ours.sansio("nc", *udp, *link, HOST6, "8888")
    client.write(b"hello over six\n")
    server.expect(b"hello over six\n")
    server.write(b"and back\n")
    client.expect(b"and back\n")


# link-local addresses, on a veth and on a TAP: as the kernel's programs name them

HOST_LL, OUR_LL = "fe80::77:1", "fe80::77:2"


@pytest.fixture(params=["veth", "tap"])
def linked(lab: Lab, request: pytest.FixtureRequest) -> Seat:
    seat = (original_seat if request.param == "veth" else tap_seat)(lab)
    seat.link += ["-a", f"{OUR_LL}/64"]
    return seat


def test_the_kernel_comes_by_link_local(linked: Seat) -> None:
    linked.ours.up(*linked.link, "--echo", "7")
    host, interface = linked.host, linked.interface
    host.ip(f"address add {HOST_LL}/64 dev {interface} nodad")
    capture = host.capture(interface, "ip6")
    there = f"{OUR_LL}%{interface}"
    said = host.run("ping", "-6", "-c", "2", "-s", "4000", "-w", "20", there)
    assert "2 received" in said
    data = b"hello over a link\n" * 1000
    said = host.run("nc.openbsd", "-6", "-N", there, "7", stdin=data)
    assert said.encode() == data
    client = host.start("nc.openbsd", "-6", "-u", there, "7")
    for n in range(3):
        client.write(b"udp %d\n" % n)
        client.expect(b"udp %d\n" % n)
    ours = capture.frames(f"ipv6.src == {OUR_LL} && (tcp || udp)", "ipv6.dst")
    assert len(ours) > 5
    assert all(dst.startswith("fe80::") for (dst,) in ours)
    capture.assert_clean(linked.frames)


@pytest.mark.parametrize("kind", ["veth", "tap"])
def test_we_come_by_link_local(lab: Lab, kind: str) -> None:
    place = Place(lab, kind)
    node = place.node("-a", f"{OUR_LL}/64", "--udp", "5000")
    node.event("AddressAdded", address=f"{OUR_LL}/64")
    host, interface = place.host, place.interface
    host.ip(f"address add {HOST_LL}/64 dev {interface} nodad")
    capture = host.capture(interface, "ip6")
    server = host.start("nc.openbsd", "-6", "-N", "-l", "8888")
    host.listening(8888)
    there = f"{HOST_LL}%eth0"
    node.tell("connect", there, "8888", "hello!")
    server.expect(b"hello!\n")
    server.write(b"and you\n")
    server.end_input()
    assert node.event("Said") == {"event": "Said", "peer": there, "data": "and you\n"}
    assert server.wait() == 0
    echo = host.start("nc.openbsd", "-6", "-u", "-l", "8888")
    host.listening(8888, "-lu")
    node.tell("send", there, "8888", "3")
    echo.expect(b"xxx")
    echo.write(b"back")
    assert node.event("UdpReceived")["source"] == there
    node.tell("ping", there, "4000")
    assert node.event("EchoReplied")["source"] == there
    capture.assert_clean(f"ipv6.src == {OUR_LL}")
