"""The kernel as a server: UDP echo, TCP discard and source, in one Python process.

The protocols are the kernel's; Python only moves the bytes, as the application on our
stack does too.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable

from .workloads import DISCARD, ECHO, SOURCE

CHUNK = bytes(1 << 18)


def serve() -> None:
    selector = selectors.DefaultSelector()
    buffer = bytearray(1 << 18)

    def close(sock: socket.socket) -> None:
        selector.unregister(sock)
        sock.close()

    def echo(sock: socket.socket) -> None:
        try:
            while True:
                sock.sendto(*sock.recvfrom(2048))
        except BlockingIOError:
            pass

    def discard(sock: socket.socket) -> None:
        try:
            if not sock.recv_into(buffer):
                close(sock)
        except OSError:
            close(sock)

    def source(sock: socket.socket) -> None:
        try:
            sock.send(CHUNK)
        except BlockingIOError:
            pass
        except OSError:
            close(sock)

    def accepts(
        then: Callable[[socket.socket], None], mask: int
    ) -> Callable[[socket.socket], None]:
        def accept(listener: socket.socket) -> None:
            sock, _ = listener.accept()
            sock.setblocking(False)
            selector.register(sock, mask, then)

        return accept

    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", ECHO))
    datagrams.setblocking(False)
    selector.register(datagrams, selectors.EVENT_READ, echo)
    for port, then, mask in (
        (DISCARD, discard, selectors.EVENT_READ),
        (SOURCE, source, selectors.EVENT_WRITE),
    ):
        listener = socket.create_server(("", port), backlog=512)
        selector.register(listener, selectors.EVENT_READ, accepts(then, mask))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            key.data(key.fileobj)


if __name__ == "__main__":
    serve()
