"""The kernel's raw sockets: ``python kernel_raw.py OUR4 OUR6 LINK``.

A test's program: sends to our stack and prints, as JSON, what comes back.
"""

from __future__ import annotations

import json
import socket
import sys


def reply(sock: socket.socket, skip: int) -> str:
    sock.settimeout(15)
    data, _ = sock.recvfrom(65535)
    return data[skip:].hex()


def main(us4: str, us6: str, link: str) -> None:
    found: dict[str, object] = {}
    for family, host, name, skip in (
        (socket.AF_INET, us4, "4", 20),
        (socket.AF_INET6, us6, "6", 0),
    ):
        for protocol in (253, 254):
            with socket.socket(family, socket.SOCK_RAW, protocol) as sock:
                for size in (5, 4000):
                    data = bytes(n & 0xFF for n in range(size))
                    sock.sendto(data, (host, 0))
                    # with a header there are no fragments, and so no answer
                    if protocol == 253 or size == 5:
                        found[f"{protocol}.{name}.{size}"] = reply(sock, skip)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 254) as sock:
        sock.sendto(b"head", (us4, 0))
        found["header"] = reply(sock, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 251) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sock.sendto(b"by frame", (us4, 0))
        found["frame"] = reply(sock, 20)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
