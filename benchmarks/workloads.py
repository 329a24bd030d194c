"""What a client with the kernel's own sockets does to a server; the same for all.

Run inside the client's namespace: ``python -m benchmarks.workloads NAME ADDRESS SECONDS
PID`` prints what it found as JSON, values by metric, and the CPU shares of
process PID (the server) and of itself while the clock ran. Where its own is near 1, the
client was the limit.

Nothing is counted that was not checked: echoes are compared byte for byte, TCP bulk is
what the server says it has received, or pieces of the pattern where they belong. A
wrong byte ends the client with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import select
import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from .servers import DISCARD, ECHO, PATTERN, PERIOD, SOURCE

MESSAGE: Final = 64
IN_FLIGHT: Final = 32
AT_ONCE: Final = 50
OPEN: Final = 10_000
FEW: Final = 10
PATIENCE: Final = 10
"""Seconds without any answer after which a server is given up."""

congestion = b""
"""Control of the client's bulk; b"" is the machine's default."""

Values = dict[str, float]


class Wrong(Exception):
    """The server did not do what the workload says."""


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have used; nanosecond's precision."""
    spent = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        spent += int((task / "schedstat").read_text().split()[0])
    return spent / 1e9


def resident(pid: int) -> int:
    """Bytes of a process's own memory."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no Rss")


class Meter:
    """CPU shares while the workload runs, not while it prepares."""

    def __init__(self, server: int) -> None:
        self.server = server
        self.server_cpu = self.client_cpu = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        before = cpu_seconds(self.server), time.process_time(), time.perf_counter()
        yield
        after = cpu_seconds(self.server), time.process_time(), time.perf_counter()
        server, client, wall = (b - a for a, b in zip(before, after, strict=True))
        self.server_cpu, self.client_cpu = server / wall, client / wall


def patient(sock: socket.socket, seconds: float = PATIENCE) -> socket.socket:
    """A limit on each call that costs no system call more, as `settimeout` does."""
    limit = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    return sock


def connect(address: str, port: int) -> socket.socket:
    sock = patient(socket.socket())
    if congestion:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion)
    sock.connect((address, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    data = sock.recv(size)
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise Wrong(f"the stream ended after {len(data)} of {size} bytes")
        data += more
    return data


def reset(sock: socket.socket) -> None:
    """Not a FIN behind megabytes that nobody waits for."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def checksum(data: bytes) -> int:
    return 0xFFFF ^ int.from_bytes(data, "big") % 0xFFFF


def verify(address: str, seconds: float, meter: Meter) -> Values:
    """Not timed: everything that a server serves, once, and every byte compared."""
    with patient(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 1) as udp:
        udp.connect((address, ECHO))
        for size in (0, 1, MESSAGE, 1400, 1472):
            udp.send(PATTERN[:size])
            if udp.recv(2048) != PATTERN[:size]:
                raise Wrong(f"a datagram of {size} bytes came back as another")
    with connect(address, ECHO) as sock:
        for at in range(0, PERIOD, 8192):
            piece = PATTERN[at : at + 8192]
            sock.sendall(piece)
            if receive_exactly(sock, len(piece)) != piece:
                raise Wrong("TCP echo: another byte came back")
    with connect(address, DISCARD) as sock:
        sock.sendall(PATTERN)
        confirm(sock, PERIOD)
    with connect(address, SOURCE) as sock:
        if receive_exactly(sock, 2 * PERIOD) != PATTERN * 2:
            raise Wrong("source: the pattern is broken")
        reset(sock)
    return {"verify": 1}


def ping(address: str, seconds: float, meter: Meter) -> Values:
    """Median round trip, microseconds; the next request leaves after the answer."""
    times = []
    with patient(
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), 1
    ) as sock:
        sock.connect((address, 0))
        with meter.running():
            end = time.perf_counter() + seconds
            sequence = 0
            while time.perf_counter() < end:
                sequence = (sequence + 1) % 0xFFFF
                body = struct.pack("!HH", 77, sequence) + PATTERN[256:312]
                sum_ = checksum(b"\x08\x00\x00\x00" + body)
                request = struct.pack("!BBH", 8, 0, sum_) + body
                start = time.perf_counter()
                sock.send(request)
                while (reply := sock.recv(2048))[20] or reply[24:] != body:
                    pass  # something else on this raw socket
                times.append(time.perf_counter() - start)
                time.sleep(0.0005)
    return {"ping": statistics.median(times) * 1e6}


def udp(address: str, seconds: float, meter: Meter) -> Values:
    """Echoes of 64 bytes per second, 32 in flight."""
    rest = PATTERN[: MESSAGE - 8]
    messages = [n.to_bytes(8, "big") + rest for n in range(64 * IN_FLIGHT)]
    sent = answered = 0
    flying: set[bytes] = set()
    kind = socket.SOCK_DGRAM
    with patient(socket.socket(socket.AF_INET, kind), 0.2) as sock, meter.running():
        sock.connect((address, ECHO))
        start = last = now = time.perf_counter()
        end = start + seconds
        while now < end or not answered:
            while len(flying) < IN_FLIGHT:
                message = messages[sent % len(messages)]
                sock.send(message)
                flying.add(message)
                sent += 1
            try:
                for _ in range(IN_FLIGHT // 4):
                    echo = sock.recv(2048)
                    if echo in flying:
                        flying.remove(echo)
                        answered += 1
                        message = messages[sent % len(messages)]
                        sock.send(message)
                        flying.add(message)
                        sent += 1
                    elif echo not in messages:
                        raise Wrong("another datagram came back")
                last = now = time.perf_counter()
            except BlockingIOError:  # lost: others fly instead
                flying.clear()
                now = time.perf_counter()
                if now - last > PATIENCE:
                    raise Wrong("no datagram came back") from None
    return {"udp": answered / (now - start)}


def round_trips(sock: socket.socket, seconds: float) -> list[float]:
    rest = PATTERN[: MESSAGE - 8]
    times: list[float] = []
    now = time.perf_counter()
    end = now + seconds
    while now < end:
        request = len(times).to_bytes(8, "big") + rest
        sock.send(request)
        answer = sock.recv(MESSAGE)
        if len(answer) < MESSAGE:
            answer += receive_exactly(sock, MESSAGE - len(answer))
        before, now = now, time.perf_counter()
        if answer != request:
            raise Wrong("another answer came back")
        times.append(now - before)
    return times


def rr(address: str, seconds: float, meter: Meter) -> Values:
    """Median of 64 bytes there and 64 back over TCP, microseconds."""
    with connect(address, ECHO) as sock:
        round_trips(sock, seconds / 10)
        with meter.running():
            times = round_trips(sock, seconds)
    return {"rr": statistics.median(times) * 1e6}


def confirm(sock: socket.socket, sent: int) -> None:
    """The server says how much of it has arrived."""
    sock.shutdown(socket.SHUT_WR)
    arrived = int.from_bytes(receive_exactly(sock, 8), "big")
    if arrived != sent:
        raise Wrong(f"{arrived} of {sent} bytes arrived")


def tcp_in(address: str, seconds: float, meter: Meter) -> Values:
    """Mbit/s into the server, until it has said that everything is there."""
    data = PATTERN * 4
    sent = 0
    with connect(address, DISCARD) as sock, meter.running():
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            sent += sock.send(data)
        confirm(sock, sent)
        took = time.perf_counter() - start
    return {"tcp_in": sent * 8 / took / 1e6}


def tcp_out(address: str, seconds: float, meter: Meter) -> Values:
    """Mbit/s out of the server."""
    buffer = bytearray(1 << 18)
    twice = PATTERN + PATTERN[:16]
    received = 0
    with connect(address, SOURCE) as sock, meter.running():
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            size = sock.recv_into(buffer)
            at = received % PERIOD
            if not size or buffer[: min(16, size)] != twice[at : at + min(16, size)]:
                raise Wrong("the pattern is broken")
            received += size
        took = time.perf_counter() - start
        if buffer[:size] != (PATTERN * 6)[at : at + size]:
            raise Wrong("the pattern is broken in the middle")
        reset(sock)
    return {"tcp_out": received * 8 / took / 1e6}


def connections(address: str, seconds: float, meter: Meter) -> Values:
    """Connections per second, one after the other: a message echoed, both ends shut."""
    done = 0
    with meter.running():
        start = time.perf_counter()
        while time.perf_counter() < start + seconds:
            message = done.to_bytes(8, "big")
            with patient(socket.socket()) as sock:
                sock.connect((address, ECHO))
                sock.send(message)
                if sock.recv(8) != message:
                    raise Wrong("another message came back")
                sock.shutdown(socket.SHUT_WR)
                if sock.recv(8):
                    raise Wrong("more came back than was sent")
            done += 1
        took = time.perf_counter() - start
    return {"connections": done / took}


class Swarm:
    """So many conversations at a time, each as in `connections`, without threads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.epoll = select.epoll()
        self.done = self.begun = 0
        self.socks: dict[int, socket.socket] = {}
        self.to_come: dict[int, bytes] = {}
        """What was said on a socket and has not come back."""

    def begin(self) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((self.address, ECHO))
        self.socks[sock.fileno()] = sock
        self.epoll.register(sock.fileno(), select.EPOLLOUT)

    def go_on(self, fd: int, mask: int) -> None:
        """Connected: say it. Its echo is there: shut. The end: another one."""
        sock = self.socks[fd]
        if not mask & select.EPOLLIN:
            self.to_come[fd] = message = self.begun.to_bytes(8, "big")
            self.begun += 1
            sock.send(message)
            self.epoll.modify(fd, select.EPOLLIN)
        elif fd in self.to_come:
            if sock.recv(8) != self.to_come.pop(fd):
                raise Wrong("another message came back")
            sock.shutdown(socket.SHUT_WR)
        else:
            if sock.recv(8):
                raise Wrong("more came back than was sent")
            del self.socks[fd]
            sock.close()
            self.done += 1
            self.begin()

    def run(self, seconds: float) -> float:
        """Conversations per second."""
        for _ in range(AT_ONCE):
            self.begin()
        start = time.perf_counter()
        while (now := time.perf_counter()) < start + seconds or not self.done:
            ready = self.epoll.poll(PATIENCE)
            if not ready:
                raise Wrong("no connection makes progress")
            for fd, mask in ready:
                self.go_on(fd, mask)
        return self.done / (now - start)

    def close(self) -> None:
        for sock in self.socks.values():
            reset(sock)
        self.epoll.close()


def connections50(address: str, seconds: float, meter: Meter) -> Values:
    """Connections per second, 50 at a time."""
    swarm = Swarm(address)
    with meter.running():
        rate = swarm.run(seconds)
    swarm.close()
    return {"connections50": rate}


def open_many(address: str, n: int, everyone: ExitStack) -> None:
    """Open connections, each of which has sent a message and got it back."""
    socks = []
    for start in range(0, n, 200):
        batch = [
            everyone.enter_context(patient(socket.socket()))
            for _ in range(min(200, n - start))
        ]
        for sock in batch:
            sock.setblocking(False)
            sock.connect_ex((address, ECHO))
        for sock in batch:
            sock.setblocking(True)
            patient(sock)
            # completes what was begun
            sock.sendall(MESSAGE.to_bytes(8, "big"))
        for sock in batch:
            if receive_exactly(sock, 8) != MESSAGE.to_bytes(8, "big"):
                raise Wrong("another message came back")
        socks += batch


def open_(address: str, seconds: float, meter: Meter) -> Values:
    """Bytes of the server for each of 10 000 idle connections, and what a round trip on
    a busy one costs beside them, as a multiple of that beside 10."""
    few: list[float] = []
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as always, meter.running():
        open_many(address, FEW, always)
        busy = always.enter_context(connect(address, ECHO))
        round_trips(busy, seconds)
        few += round_trips(busy, seconds)
        before = resident(meter.server)
        with ExitStack() as everyone:
            start = time.perf_counter()
            open_many(address, OPEN - FEW, everyone)
            took = time.perf_counter() - start
            time.sleep(0.5)
            grown = resident(meter.server) - before
            many = round_trips(busy, 2 * seconds)
        time.sleep(0.5)
        few += round_trips(busy, seconds)
    return {
        "open_memory": grown / (OPEN - FEW),
        "open_cost": statistics.median(many) / statistics.median(few),
        "open_rate": (OPEN - FEW) / took,
    }


WORKLOADS: Final[dict[str, Callable[[str, float, Meter], Values]]] = {
    "ping": ping,
    "rr": rr,
    "udp": udp,
    "tcp_in": tcp_in,
    "tcp_out": tcp_out,
    "connections": connections,
    "connections50": connections50,
    "open": open_,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=["verify", *WORKLOADS])
    parser.add_argument("address")
    parser.add_argument("seconds", type=float)
    parser.add_argument("pid", type=int)
    parser.add_argument("--core", type=int)
    parser.add_argument("--congestion", default="")
    asked = parser.parse_args()
    if asked.core is not None:
        os.sched_setaffinity(0, {asked.core})
    global congestion
    congestion = asked.congestion.encode()
    meter = Meter(asked.pid)
    run = verify if asked.name == "verify" else WORKLOADS[asked.name]
    try:
        values = run(asked.address, asked.seconds, meter)
    except BlockingIOError:
        sys.exit(f"no answer within {PATIENCE} s")
    except (Wrong, OSError) as error:
        sys.exit(str(error))
    print(
        json.dumps(
            {
                "values": values,
                "server_cpu": meter.server_cpu,
                "client_cpu": meter.client_cpu,
            }
        )
    )


if __name__ == "__main__":
    main()
