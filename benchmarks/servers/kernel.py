"""The kernel as a server: the protocols are the kernel's, Python only moves the bytes,
as the application on our stack does too.

``python -m benchmarks.servers.kernel [--address ADDRESS] [--congestion NAME]``
"""

from __future__ import annotations

import argparse
import resource
import selectors
import socket
from collections.abc import Callable

from . import DISCARD, ECHO, PATTERN, PERIOD, SOURCE, count_message

Act = Callable[[], None]

STREAM = memoryview(PATTERN * 5)


class Server:
    def __init__(self, address: str = "", congestion: str = "") -> None:
        self.congestion = congestion.encode()
        self.selector = selectors.DefaultSelector()
        self.buffer = bytearray(1 << 18)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((address, ECHO))
        datagrams.setblocking(False)
        self.watch(datagrams, lambda: self.echo_datagrams(datagrams))
        for port, serve in (
            (ECHO, self.echo),
            (DISCARD, self.discard),
            (SOURCE, self.source),
        ):
            self.listen(address, port, serve)

    def listen(
        self, address: str, port: int, serve: Callable[[socket.socket], None]
    ) -> None:
        listener = socket.create_server((address, port), backlog=4096)
        listener.setblocking(False)
        if self.congestion:  # those accepted inherit it
            level, name = socket.IPPROTO_TCP, socket.TCP_CONGESTION
            listener.setsockopt(level, name, self.congestion)

        def accept() -> None:
            try:
                while True:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    serve(sock)
            except BlockingIOError:
                pass

        self.watch(listener, accept)

    def watch(self, sock: socket.socket, act: Act, write: bool = False) -> None:
        mask = selectors.EVENT_WRITE if write else selectors.EVENT_READ
        self.selector.register(sock, mask, act)

    def close(self, sock: socket.socket) -> None:
        self.selector.unregister(sock)
        sock.close()

    def echo_datagrams(self, sock: socket.socket) -> None:
        try:
            while True:
                sock.sendto(*sock.recvfrom(2048))
        except BlockingIOError:
            pass

    def echo(self, sock: socket.socket) -> None:
        def act() -> None:
            try:
                data = sock.recv(1 << 16)
                if data:
                    sock.send(data)  # clients have at most 16 KB on the way
                    return
            except OSError:
                pass
            self.close(sock)

        self.watch(sock, act)

    def discard(self, sock: socket.socket) -> None:
        count = 0

        def act() -> None:
            nonlocal count
            try:
                size = sock.recv_into(self.buffer)
                if size:
                    count += size
                    return
                sock.send(count_message(count))
            except OSError:
                pass
            self.close(sock)

        self.watch(sock, act)

    def source(self, sock: socket.socket) -> None:
        at = 0

        def act() -> None:
            nonlocal at
            try:
                at = (at + sock.send(STREAM[at : at + 4 * PERIOD])) % PERIOD
            except BlockingIOError:
                pass
            except OSError:
                self.close(sock)

        self.watch(sock, act, write=True)

    def run(self) -> None:
        while True:
            for key, _ in self.selector.select():
                key.data()


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="")
    parser.add_argument("--congestion", default="")
    server = Server(**vars(parser.parse_args()))
    print("ready", flush=True)
    server.run()
