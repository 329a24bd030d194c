"""What a client with the kernel's own sockets does to a server; the same for all.

Run inside the client's namespace: ``python -m benchmarks.workloads NAME ADDRESS
SECONDS`` prints one number.
"""

from __future__ import annotations

import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

ECHO: Final = 7
DISCARD: Final = 9
SOURCE: Final = 19

UDP_IN_FLIGHT: Final = 32
TCP_INFO_BYTES_ACKED: Final = 120  # offset of tcpi_bytes_acked in struct tcp_info


def checksum(data: bytes) -> int:
    return 0xFFFF ^ int.from_bytes(data, "big") % 0xFFFF


def ping(address: str, seconds: float) -> float:
    """Median round trip, microseconds; the next request leaves after the answer."""
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(1)
        sock.connect((address, 0))
        end = time.perf_counter() + seconds
        sequence = 0
        while time.perf_counter() < end:
            sequence = (sequence + 1) % 0xFFFF
            body = struct.pack("!HH", 77, sequence) + bytes(56)
            sum_ = checksum(b"\x08\x00\x00\x00" + body)
            request = struct.pack("!BBH", 8, 0, sum_) + body
            start = time.perf_counter()
            sock.send(request)
            while True:
                reply = sock.recv(2048)
                if reply[20] == 0 and reply[24:28] == body[:4]:
                    break
            times.append(time.perf_counter() - start)
            time.sleep(0.0005)
    return statistics.median(times) * 1e6


def udp(address: str, seconds: float) -> float:
    """Echoes of 64 bytes per second, 32 in flight."""
    answered = lost = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.connect((address, ECHO))
        payload = bytes(64)
        for _ in range(UDP_IN_FLIGHT):
            sock.send(payload)
        start = time.perf_counter()
        end = start + seconds
        while (now := time.perf_counter()) < end:
            try:
                sock.recv(2048)
            except TimeoutError:  # a datagram was lost: keep 32 in flight
                lost += 1
            else:
                answered += 1
            sock.send(payload)
    return answered / (now - start)


def bytes_acked(sock: socket.socket) -> int:
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    acked: int = struct.unpack_from("=Q", info, TCP_INFO_BYTES_ACKED)[0]
    return acked


def tcp_in(address: str, seconds: float) -> float:
    """Mbit/s into the server, as far as it acknowledged."""
    with socket.create_connection((address, DISCARD), timeout=5) as sock:
        data = bytes(1 << 18)
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            sock.send(data)
        took = time.perf_counter() - start
        acked = bytes_acked(sock)
        # not a FIN behind megabytes that nobody waits for
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return acked * 8 / took / 1e6


def tcp_out(address: str, seconds: float) -> float:
    """Mbit/s out of the server."""
    with socket.create_connection((address, SOURCE), timeout=5) as sock:
        buffer = bytearray(1 << 18)
        received = 0
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            received += sock.recv_into(buffer)
        took = time.perf_counter() - start
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return received * 8 / took / 1e6


def connections(address: str, seconds: float) -> float:
    """Connections per second, one after the other: connect, close, its end."""
    done = 0
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        with socket.create_connection((address, DISCARD), timeout=5) as sock:
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
        done += 1
    return done / (time.perf_counter() - start)


WORKLOADS: Final[dict[str, Callable[[str, float], float]]] = {
    "ping": ping,
    "udp": udp,
    "tcp_in": tcp_in,
    "tcp_out": tcp_out,
    "connections": connections,
}


if __name__ == "__main__":
    print(WORKLOADS[sys.argv[1]](sys.argv[2], float(sys.argv[3])))
