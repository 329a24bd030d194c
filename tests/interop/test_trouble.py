"""Links that go down, resets, crowds, floods, fragments and a port scanner."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from .lab import HOST_IP, OUR_IP, SEATS, Lab, Seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ping", "tcpdump", "tshark", "nc.openbsd", "socat"),
]

DEV_NULL = Path("/dev/null")
RECEIVED_SOME = "until ss -Hnti | grep -q bytes_received; do sleep 0.05; done"
CROWD = """
import socket
socks = []
for n in range({n}):
    socks.append(socket.create_connection(({address!r}, {port}), timeout=10))
for n, sock in enumerate(socks):
    sock.sendall(b"connection %d\\n" % n * 100)
for n, sock in enumerate(socks):
    sock.shutdown(socket.SHUT_WR)
for n, sock in enumerate(socks):
    said = b""
    while data := sock.recv(65536):
        said += data
    assert said == b"connection %d\\n" % n * 100, (n, said)
    sock.close()
print("all answered")
"""


@pytest.mark.parametrize("direction", ["send", "sink"])
def test_a_link_that_goes_down_ends_a_transfer(lab: Lab, direction: str) -> None:
    """Nothing comes back: TimedOut after the user timeout, and nothing is held."""
    seat = SEATS["veth"](lab)
    options = ["--user-timeout", "2s", "--streams", "1"]
    if direction == "send":
        server = seat.host.start("nc.openbsd", "-l", "8888", stdout=DEV_NULL)
        seat.host.listening(8888)
        peer = ["--peer", f"{HOST_IP}:8888", "--size", "200000000"]
        station = seat.ours.station("send", *seat.link, *options, *peer)
        seat.host.output("timeout", "20", "sh", "-c", RECEIVED_SOME)
    else:
        station = seat.ours.station("echo", *seat.link, *options)
        server = seat.host.start(
            "nc.openbsd", OUR_IP, "8888", stdin=Path("/dev/zero"), stdout=DEV_NULL
        )
        station.expect(b"first byte")
    seat.ours.ip("link set host0 down")
    assert station.wait(20) == 0
    report = station.json()
    assert report["streams"][0]["error"] == "TimedOut"
    assert report["held"] == 0
    server.close()


def test_a_reset_in_mid_stream_reaches_our_application(seat: Seat) -> None:
    station = seat.ours.station("sink", *seat.link, "--streams", "1")
    client = seat.host.start(
        "socat", "-u", "OPEN:/dev/zero", f"TCP4:{OUR_IP}:8888,linger=0"
    )
    station.expect(b"first byte")
    client.close()
    assert station.wait() == 0
    report = station.json()
    assert report["streams"][0]["error"] == "ConnectionReset"
    assert report["streams"][0]["received"] > 0
    assert report["held"] == 0


def test_our_abort_in_mid_stream_reaches_theirs(seat: Seat) -> None:
    options = ["--streams", "1", "--abort-after", "1000000"]
    station = seat.ours.station("sink", *seat.link, *options)
    client = seat.host.start("socat", "-u", "OPEN:/dev/zero", f"TCP4:{OUR_IP}:8888")
    assert client.wait(check=False) != 0
    assert b"Connection reset by peer" in client.errors
    assert station.wait() == 0
    assert station.json()["held"] == 0


@pytest.mark.parametrize("conditions", ["loss=0", "loss=1%"])
def test_two_hundred_connections_at_once(seat: Seat, conditions: str) -> None:
    options = ["--streams", "200", "--conditions", conditions]
    station = seat.ours.station("echo", *seat.link, *options)
    said = seat.host.run(
        "python3",
        "-c",
        CROWD.format(n=200, address=OUR_IP, port=8888),
        timeout=50,
    )
    assert said == "all answered\n"
    assert station.wait() == 0
    report = station.json()
    assert [stream["error"] for stream in report["streams"]] == [None] * 200
    assert report["held"] == 0


def test_long_pings_travel_in_fragments_both_ways(any_seat: Seat) -> None:
    seat = any_seat
    station = seat.ours.up(*seat.link)
    capture = seat.host.capture(seat.interface)
    said = seat.host.run("ping", "-c", "5", "-i", "0.2", "-s", "20000", OUR_IP)
    assert "5 received, 0% packet loss" in said
    ours = capture.frames(f"ip.src == {OUR_IP} && ip.frag_offset > 0", "ip.id")
    assert len(ours) == 5 * 13
    capture.assert_clean(seat.frames)
    station.stop()
    # and asked by us
    process = seat.ours.sansio(
        "ping", *seat.link, "-c", "3", "-i", "0.2", "-s", "20000", HOST_IP
    )
    assert process.wait() == 0
    assert b"3 received, 0% packet loss" in process.output


def test_a_ping_flood_is_answered(any_seat: Seat) -> None:
    seat = any_seat
    seat.ours.up(*seat.link)
    said = seat.host.run("ping", "-f", "-q", "-c", "3000", OUR_IP, timeout=45)
    assert "3000 received, 0% packet loss" in said


SCANNED = [1, 7, 9, 13, 19, 21, 22, 23, 25, 37, 53, 67, 69, 79, 80, 88, 110, 111, 113]
SCANNED += [119, 123, 135, 137, 139, 143, 161, 179, 389, 443, 445, 465, 514, 543, 587]
SCANNED += [631, 873, 993, 2049, 3306, 8888]


def scanned(seat: Seat, scan: str) -> dict[int, str]:
    """What nmap says of the ports that it does not find closed."""
    ports = ",".join(map(str, SCANNED))
    said = seat.host.run(
        *("nmap", "-n", "-Pn", "-T4", scan, "-p", ports, "-oX", "-", OUR_IP),
        timeout=50,
    )
    tree = ElementTree.fromstring(said)
    states = {
        int(port.get("portid", 0)): str(state.get("state"))
        for port in tree.iter("port")
        if (state := port.find("state")) is not None
    }
    # ports of one state are counted instead where there are many
    for many in tree.iter("extraports"):
        assert many.get("state") == "closed", said
        states.update(dict.fromkeys(range(-int(many.get("count", 0)), 0), "closed"))
    assert len(states) == len(SCANNED), said
    return {port: state for port, state in states.items() if state != "closed"}


@pytest.mark.programs("nmap")
def test_a_port_scanner_sees_what_is_open(seat: Seat) -> None:
    assert len(SCANNED) == 40
    station = seat.ours.station("echo", *seat.link, "--no-icmp-limit")
    for kind, scan in (("tcp", "-sS"), ("udp", "-sU"), ("tcp", "-sT")):
        states = scanned(seat, scan)
        assert states.pop(8888) == "open", (kind, scan)
        assert states == {}, (kind, scan)
    said = seat.host.run("nc.openbsd", "-N", OUR_IP, "8888", stdin=b"still here\n")
    assert said == "still here\n"
    assert "1 received" in seat.host.run("ping", "-c", "1", OUR_IP)
    station.stop()


@pytest.mark.programs("nmap", "arping")
def test_odd_packets_are_answered_as_a_host_answers_them(lab: Lab) -> None:
    """Probes for our address, pings of every kind, scans that no state expects."""
    seat = SEATS["tap"](lab)
    seat.ours.station("echo", *seat.link, "--no-icmp-limit")
    capture = seat.host.capture(seat.interface)
    probe = seat.host.run(
        *("arping", "-D", "-c", "2", "-I", seat.interface, OUR_IP), check=False
    )
    assert "Received 1 response" in probe  # the address is taken: RFC 5227 2.1.1
    for options in ("-s 0", "-s 65507", "-M do -s 1472", "-R", "-T tsonly", "-t 1"):
        said = seat.host.run("ping", "-c", "2", "-i", "0.2", *options.split(), OUR_IP)
        assert "2 received" in said, said
    broadcast = "ping -c 1 -W 0.5 -b 172.17.255.255"
    assert "0 received" in seat.host.run(*broadcast.split(), check=False)
    for scan, closed, listening in (
        ("-sF", "closed", "open|filtered"),
        ("-sN", "closed", "open|filtered"),
        ("-sX", "closed", "open|filtered"),
        ("-sA", "unfiltered", "unfiltered"),
        ("-sS -f", "filtered", "filtered"),  # RFC 1858: half a header in a piece
        ("-sS --mtu 24", "closed", "open"),
        ("-sS --badsum", "filtered", "filtered"),
    ):
        options = ["-n", "-Pn", "-T4", *scan.split(), "-p", "7,8888", OUR_IP]
        said = seat.host.run("nmap", *options, timeout=50)
        assert re.search(rf"^7/tcp +{re.escape(closed)} ", said, re.M), (scan, said)
        assert re.search(rf"^8888/tcp +{re.escape(listening)} ", said, re.M), said
    assert capture.assert_clean(seat.frames) > 50
