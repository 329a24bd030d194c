"""The examples do what they say."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def start(name: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(EXAMPLES / name), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        # a background job of a shell passes on that SIGINT is ignored
        preexec_fn=_let_interrupt,
    )


def _let_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_two_hosts() -> None:
    out, _ = start("two_hosts.py").communicate(timeout=30)
    assert "server: 52000 bytes" in out
    assert "packets of the client were lost" in out


def test_frames() -> None:
    out, _ = start("frames.py").communicate(timeout=30)
    lines = out.splitlines()
    assert len(lines) == 3
    for line in lines:
        here, there = map(int, re.findall(r"at (\d+)", line))
        # 40 ms are three frames, and one in twenty is lost
        assert 3 <= here - there <= 10


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
def test_selectors_loop() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    server = start("selectors_loop.py")
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "listening on 10.0.0.2 port 7\n"
        with socket.create_connection(("10.0.0.2", 7), timeout=10) as client:
            with socket.create_connection(("10.0.0.1", 7000), timeout=10) as status:
                here = "{}:{}\n".format(*client.getsockname())
                assert status.makefile().read() == here
            data = bytes(range(256)) * 8000
            client.settimeout(20)
            reader = threading.Thread(target=client.sendall, args=(data,))
            reader.start()
            with client.makefile("rb") as answer:
                assert answer.read(len(data)) == data
                reader.join()
                client.shutdown(socket.SHUT_WR)
                assert answer.read() == b""
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate()


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
def test_shout_server() -> None:
    server = start("shout_server.py")
    assert server.stdout is not None
    try:
        assert server.stdout.readline() == "listening on 10.0.0.2 port 7777\n"
        with socket.create_connection(("10.0.0.2", 7777), timeout=10) as client:
            client.sendall(b"can you hear me?")
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as answer:
                assert answer.read() == b"CAN YOU HEAR ME?"
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    finally:
        server.kill()
        server.communicate()


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
def test_http_get() -> None:
    with socket.create_server(("", 8000)) as server:
        server.settimeout(10)
        client = start("http_get.py")
        try:
            conn, _ = server.accept()
        except TimeoutError:
            client.kill()
            raise
        with conn:
            assert b"GET / HTTP/1.0\r\n" in conn.recv(1000)
            conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nthe page")
    out, _ = client.communicate(timeout=10)
    assert out.endswith("the page")
    assert client.returncode == 0


@pytest.mark.root
@pytest.mark.usefixtures("namespace")
def test_multi_queue() -> None:
    """Both workers serve, and each connection stays with its own until its end."""
    example = start("multi_queue.py", "2")
    assert example.stdout is not None
    clients = []
    try:
        assert example.stdout.readline() == "2 workers on 10.0.0.2 port 7\n"
        for address in ("10.0.0.2", "fd00::2"):
            for _ in range(50):
                clients.append(socket.create_connection((address, 7), timeout=10))
        served = Counter(client.recv(9) for client in clients)
        assert set(served) == {b"worker 0\n", b"worker 1\n"}
        assert min(served.values()) > 20, served
        for _ in range(3):
            for number, client in enumerate(clients):
                client.sendall(b"%3d" % number)
            for number, client in enumerate(clients):
                assert client.recv(100) == b"%3d" % number
        for client in clients:
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(("10.0.0.2", 7))
            client.send(bytes(3000))  # in fragments, which may go to the other one
            assert client.recv(4000) == bytes(3000)
        example.send_signal(signal.SIGINT)
        assert example.wait(10) == 0
    finally:
        for client in clients:
            client.close()
        example.kill()
        example.communicate()
