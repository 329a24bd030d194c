"""Handshakes with Linux: fast open both ways, cookies under a flood."""

from __future__ import annotations

import pytest

from .lab import HOST_IP, OUR_IP, SEATS, Lab, Seat

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "ss", "tcpdump", "tshark", "nc.openbsd"),
]

FAST_CLIENT = f"""
import socket, sys
for n in range(3):
    sock = socket.socket()
    sent = sock.sendto(b"hello %d" % n, socket.MSG_FASTOPEN, ("{OUR_IP}", 8888))
    sock.settimeout(10)
    assert sent == 7, sent
    said = b""
    while len(said) < 7:
        said += sock.recv(100)
    assert said == b"hello %d" % n, said
    sock.shutdown(socket.SHUT_WR)
    assert sock.recv(100) == b""
    sock.close()
print("all answered")
"""

FAST_SERVER = """
import socket
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 8888))
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
server.listen(16)
for n in range(3):
    sock, _ = server.accept()
    said = b""
    while data := sock.recv(65536):
        said += data
    sock.close()
    print(len(said), flush=True)
"""

FLOOD = f"""
import os, random, socket, struct, time
def ones(data):
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    n = (n & 0xffff) + (n >> 16)
    return ~(n + (n >> 16)) & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
to = socket.inet_aton("{OUR_IP}")
began = time.monotonic()
for n in range(20000):
    # on the link, so that our answers have somewhere to go
    source = bytes((172, 17, 1, random.randrange(1, 255)))
    ports = struct.pack("!HH", random.randrange(1024, 65536), 8888)
    tcp = ports + os.urandom(4) + bytes(4) + b"\\x60\\x02\\xff\\xff" + bytes(4)
    tcp += b"\\x02\\x04\\x05\\xb4"
    check = ones(source + to + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    head = b"\\x45\\0" + struct.pack("!HHHBBH", 20 + len(tcp), 0, 0, 64, 6, 0)
    raw.sendto(head + source + to + tcp, ("{OUR_IP}", 0))
    if n == 400:
        print("flooding", flush=True)
    if n % 40 == 39:
        time.sleep(max(0, began + n / 4000 - time.monotonic()))
print("flooded")
"""


def test_a_linux_client_opens_fast(seat: Seat) -> None:
    """RFC 7413: its first SYN asks for a cookie, the next two carry text."""
    seat.host.sysctl("net.ipv4.tcp_fastopen", 3)
    options = ["--streams", "3", "--tcp", "fast_open=1"]
    station = seat.ours.station("echo", *seat.link, *options)
    capture = seat.host.capture(seat.interface)
    assert seat.host.run("python3", "-c", FAST_CLIENT) == "all answered\n"
    assert station.wait() == 0
    report = station.json()
    assert [stream["received"] for stream in report["streams"]] == [7, 7, 7]
    assert report["counters"]["tcp.fast_open_accepted"] == 2
    assert report["held"] == 0
    syns = capture.frames(f"tcp.flags.syn == 1 && ip.dst == {OUR_IP}", "tcp.len")
    assert syns == [["0"], ["7"], ["7"]]
    answers = capture.frames(
        f"tcp.flags.syn == 1 && ip.src == {OUR_IP}", "tcp.ack", "tcp.options.tfo.cookie"
    )
    assert [ack for ack, _ in answers] == ["1", "8", "8"]
    assert [bool(cookie) for _, cookie in answers] == [True, False, False]
    capture.assert_clean(seat.frames)


def test_we_open_fast_to_linux(lab: Lab) -> None:
    seat = SEATS["veth"](lab)
    seat.host.sysctl("net.ipv4.tcp_fastopen", 3)
    server = seat.host.start("python3", "-c", FAST_SERVER)
    seat.host.listening(8888)
    capture = seat.host.capture(seat.interface)
    options = ["--streams", "3", "--tcp", "fast_open=1", "--size", "5000"]
    options += ["--peer", f"{HOST_IP}:8888"]
    station = seat.ours.station("send", *seat.link, *options)
    assert server.wait() == 0
    assert server.output == b"5000\n5000\n5000\n"
    assert station.wait() == 0
    report = station.json()
    assert report["counters"]["tcp.fast_open_active"] == 2
    assert "tcp.retransmitted" not in report["counters"]
    syns = capture.frames(f"tcp.flags.syn == 1 && ip.src == {OUR_IP}", "tcp.len")
    assert syns[0] == ["0"]
    # an MSS of 1460 less the options: 20 and the cookie's, padded
    assert syns[1:] == [["1428"], ["1428"]]
    answers = capture.frames(f"tcp.flags.syn == 1 && ip.dst == {OUR_IP}", "tcp.ack")
    assert answers == [["1"], ["1429"], ["1429"]]
    passive = seat.host.run("nstat", "-az", "TcpExtTCPFastOpenPassive").split()
    assert passive[passive.index("TcpExtTCPFastOpenPassive") + 1] == "2"
    capture.assert_clean(seat.frames)


def test_a_server_that_does_not_open_fast(lab: Lab) -> None:
    """Nothing is lost but the round trip that was hoped for."""
    seat = SEATS["tap"](lab)
    seat.host.sysctl("net.ipv4.tcp_fastopen", 0)
    server = seat.host.start("nc.openbsd", "-k", "-l", "8888")
    seat.host.listening(8888)
    options = ["--streams", "2", "--tcp", "fast_open=1", "--size", "5000"]
    options += ["--peer", f"{HOST_IP}:8888"]
    station = seat.ours.station("send", *seat.link, *options)
    assert station.wait() == 0
    report = station.json()
    assert [stream["error"] for stream in report["streams"]] == [None, None]
    assert [stream["sent"] for stream in report["streams"]] == [5000, 5000]
    server.close()


@pytest.mark.parametrize("stamps", [0, 1])
def test_a_real_client_gets_in_by_cookie(seat: Seat, stamps: int) -> None:
    """Every handshake of a Linux client by cookie, with and without timestamps."""
    seat.host.sysctl("net.ipv4.tcp_timestamps", stamps)
    options = ["--streams", "3", "--tcp", "syn_cookies=always"]
    station = seat.ours.station("echo", *seat.link, *options)
    text = bytes(range(256)) * 4000
    for _ in range(3):
        said = seat.host.output("nc.openbsd", "-N", OUR_IP, "8888", stdin=text)
        assert said == text
    assert station.wait() == 0
    report = station.json()
    assert report["counters"]["tcp.syn_cookies_received"] == 3
    assert [stream["error"] for stream in report["streams"]] == [None] * 3


def test_a_real_client_gets_in_under_a_flood(lab: Lab) -> None:
    """20 000 SYNs in five seconds; the half-open table is full all the while."""
    seat = SEATS["veth"](lab)
    options = ["--streams", "5", "--tcp", "max_half_open=16"]
    station = seat.ours.station("echo", *seat.link, *options)
    flood = seat.host.start("python3", "-c", FLOOD)
    flood.expect(b"flooding")
    for n in range(5):
        said = seat.host.output(
            "nc.openbsd", "-N", OUR_IP, "8888", stdin=b"hello %d" % n
        )
        assert said == b"hello %d" % n
    assert station.wait() == 0
    counters = station.json()["counters"]
    assert counters["tcp.syn_cookies_sent"] > 100
    assert counters["tcp.syn_cookies_received"] >= 1
    flood.close()
