"""The kernel's UDP_SEGMENT and UDP_GRO: ``python kernel_segments.py GRO PORT HOST...``.

A test's program on the kernel's side: sends super-datagrams to our stack and asks for
some, byte for byte. Prints as JSON how many datagrams came in one piece at most, to the
stack and to here, by size and segment size. ``serve PORT`` is the kernel in the stack's
place.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys

from sansio_net import Datagram
from tests.interop.datagrams import Datagrams
from tests.interop.lab import pattern

UDP_SEGMENT, UDP_GRO = 103, 104
CASES = ((1, 1000), (1000, 1000), (4500, 1000), (640, 10), (3000, 1352), (59488, 1352))


def cuts(size: int, segment: int) -> list[bytes]:
    data = pattern(size)
    return [data[at : at + segment] for at in range(0, size, segment)]


def receive(sock: socket.socket) -> list[bytes]:
    """The datagrams of one read."""
    data, ancillary, _, _ = sock.recvmsg(65536, 64)
    step = max(len(data), 1)
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_UDP, UDP_GRO):
            (step,) = struct.unpack_from("=i", value)
    return [data[at : at + step] for at in range(0, len(data), step)]


def ask(sock: socket.socket, words: bytes) -> None:
    sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 0)
    sock.send(words)


def report(sock: socket.socket) -> dict[str, object]:
    ask(sock, b"report")
    (answer,) = receive(sock)
    found: dict[str, object] = json.loads(answer)
    return found


class Served:
    """A kernel's socket as `Datagrams` knows ours."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_UDP, UDP_GRO, 1)
        self.sock.bind(("::", port))

    def send_to(
        self,
        data: bytes,
        address: tuple[str, int],
        source: object,
        segment_size: int = 0,
    ) -> None:
        self.sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, segment_size)
        self.sock.sendto(data, address)

    def run(self) -> None:
        talk = Datagrams()
        while True:
            data, ancillary, _, source = self.sock.recvmsg(65536, 64)
            step = sum(
                struct.unpack_from("=i", value)[0]
                for level, kind, value in ancillary
                if (level, kind) == (socket.SOL_UDP, UDP_GRO)
            )
            here = ("", 0)
            talk.arrives(self, Datagram(data, source, here, segment_size=step))


def main(gro: str, port: str, *hosts: str) -> None:
    if gro == "serve":
        Served(int(port)).run()
    found: dict[str, tuple[object, int]] = {}
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.setsockopt(socket.SOL_UDP, UDP_GRO, int(gro))
            sock.connect((host, int(port)))
            report(sock)  # our neighbours know each other
            for size, segment in CASES:
                sent = cuts(size, segment)
                sock.setsockopt(socket.SOL_UDP, UDP_SEGMENT, segment)
                sock.send(pattern(size))
                arrived = report(sock)
                assert arrived["sizes"] == [len(one) for one in sent], (size, arrived)
                digest = hashlib.sha256(pattern(size)).hexdigest()
                assert arrived["sha256"] == digest, (size, segment)
                ask(sock, b"send %d %d" % (size, segment))
                got: list[bytes] = []
                most = 0
                while len(got) < len(sent):
                    came = receive(sock)
                    most = max(most, len(came))
                    got += came
                assert got == sent, (size, segment, [len(one) for one in got])
                found[f"{family.name} {size} {segment}"] = arrived["most"], most
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
