"""One end of a transfer with the kernel's own sockets.

``python -m benchmarks.linux.kernel_end send|receive ADDRESS PORT CONGESTION SIZE``
prints a line of JSON: bytes, seconds from the first to the last, time-outs.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.interop.lab import pattern

TCP_CONGESTION: Final = getattr(socket, "TCP_CONGESTION", 13)
LONGEST: Final = 600.0
"""Seconds without a byte after which nothing will come."""


def choose(sock: socket.socket, name: str) -> str:
    """The socket's congestion control, and what the kernel made of it."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, name.encode())
    said = sock.getsockopt(socket.IPPROTO_TCP, TCP_CONGESTION, 16)
    return said.rstrip(b"\0").decode()


def time_outs() -> int:
    """Of all connections in this namespace, ever."""
    lines = Path("/proc/self/net/netstat").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        fields = dict(zip(names.split(), values.split(), strict=True))
        if "TCPTimeouts" in fields:
            return int(fields["TCPTimeouts"])
    raise LookupError("TCPTimeouts")


def send(address: str, port: int, congestion: str, size: int) -> dict[str, Any]:
    data, before = pattern(size), time_outs()
    with socket.socket() as sock:
        sock.settimeout(LONGEST)
        used = choose(sock, congestion)
        sock.connect((address, port))
        start = time.perf_counter()
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(1)  # the receiver has everything
        took = time.perf_counter() - start
    return {
        "bytes": size,
        "seconds": took,
        "congestion": used,
        "timeouts": time_outs() - before,
    }


def receive(address: str, port: int, congestion: str) -> dict[str, Any]:
    digest, received, start, end = hashlib.sha256(), 0, 0.0, 0.0
    with socket.create_server((address, port)) as listener:
        used = choose(listener, congestion)
        print("ready", flush=True)
        listener.settimeout(LONGEST)
        sock, _ = listener.accept()
        with sock:
            sock.settimeout(LONGEST)
            while data := sock.recv(1 << 18):
                end = time.perf_counter()
                start = start or end
                received += len(data)
                digest.update(data)
    return {
        "bytes": received,
        "seconds": end - start,
        "congestion": used,
        "sha256": digest.hexdigest(),
    }


def main(what: str, address: str, port: str, congestion: str, size: str) -> None:
    if what == "send":
        report = send(address, int(port), congestion, int(size))
    else:
        report = receive(address, int(port), congestion)
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
