"""Linux on a connection that is silent, urgent, or comes back at once."""

from __future__ import annotations

import pytest

from .lab import HOST_IP, OUR_IP, Seat, wait_for

pytestmark = [
    pytest.mark.root,
    pytest.mark.programs("ip", "tcpdump", "tshark", "socat"),
]

SILENT = f"""
import socket, sys
sock = socket.create_connection(("{OUR_IP}", 8888))
sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"):
    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), 1)
print("connected", flush=True)
sys.stdin.readline()
sock.sendall(b"still there")
assert sock.recv(100) == b"still there"
"""

URGENT = f"""
import socket
sock = socket.create_connection(("{OUR_IP}", 8888))
sock.settimeout(10)
sock.sendall(b"before ")
sock.send(b"urgent!", socket.MSG_OOB)
sock.sendall(b" after")
sock.shutdown(socket.SHUT_WR)
said = b""
while data := sock.recv(100):
    said += data
print(said.decode())
"""

AGAIN = f"""
import errno, socket
def connect():
    while True:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", 40000))
        sock.settimeout(10)
        try:
            sock.connect(("{OUR_IP}", 8888))
            return sock
        except OSError as error:
            # until the last connection's FIN is acknowledged
            assert error.errno == errno.EADDRNOTAVAIL, error
            sock.close()
for n in range(3):
    sock = connect()
    said = b""
    while data := sock.recv(65536):
        said += data
    assert len(said) == 1000, len(said)
    sock.close()
print("three times")
"""

PROBES, ANSWERS = "tcp.analysis.keep_alive", "tcp.analysis.keep_alive_ack"


def test_linux_probes_us(seat: Seat) -> None:
    """One unanswered probe would end it: none is."""
    station = seat.ours.station("echo", *seat.link, "--streams", "1")
    capture = seat.host.capture(seat.interface, "tcp")
    client = seat.host.start("python3", "-c", SILENT)
    client.expect(b"connected")
    answers = f"{ANSWERS} && ip.src == {OUR_IP}"
    wait_for(lambda: len(capture.seen(answers)) >= 3, "three answers", 30)
    client.write(b"\n")
    client.wait()
    station.wait()
    assert {length for (length,) in capture.frames(answers, "tcp.len")} == {"0"}


def test_we_probe_linux(seat: Seat) -> None:
    """RFC 9293 3.8.4: without text, a number below what is next; Linux answers."""
    server = seat.host.start("socat", "-u", "TCP4-LISTEN:8888", "STDOUT")
    seat.host.listening(8888)
    capture = seat.host.capture("any", "tcp")  # a TAP is not there yet
    second = 10**9
    options = f"keepalive=1,keepalive_idle={second},keepalive_interval={second // 2}"
    peer = ["--peer", f"{HOST_IP}:8888", "--tcp", f"{options},keepalive_probes=1"]
    station = seat.ours.station("echo", *seat.link, *peer, "--streams", "1")
    answers = f"{ANSWERS} && ip.src == {HOST_IP}"
    wait_for(lambda: len(capture.seen(answers)) >= 3, "three answers", 30)
    server.popen.terminate()
    server.wait(check=False)
    station.wait()
    assert station.json()["streams"][0]["error"] is None
    probes = capture.frames(f"{PROBES} && ip.src == {OUR_IP}", "tcp.len")
    assert len(probes) >= 3
    assert {length for (length,) in probes} == {"0"}


def test_urgent_text_stays_in_line(seat: Seat) -> None:
    """RFC 6093: all of it, in order; nothing is taken out as Linux does by default."""
    station = seat.ours.station("echo", *seat.link, "--streams", "1")
    capture = seat.host.capture(seat.interface, "tcp")
    assert seat.host.run("python3", "-c", URGENT) == "before urgent! after\n"
    station.wait()
    assert capture.frames(f"tcp.flags.urg == 1 && ip.src == {HOST_IP}")
    assert not capture.frames(f"tcp.flags.urg == 1 && ip.src == {OUR_IP}")


def test_linux_comes_back_from_the_same_port(seat: Seat) -> None:
    """We close first and are in TIME-WAIT; its timestamps prove it new (RFC 6191)."""
    options = ["--size", "1000", "--streams", "3"]
    station = seat.ours.station("source", *seat.link, *options)
    assert seat.host.run("python3", "-c", AGAIN) == "three times\n"
    station.wait()
    assert [stream["error"] for stream in station.json()["streams"]] == [None] * 3
