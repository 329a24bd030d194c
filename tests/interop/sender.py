"""A kernel's UDP sockets, told by lines: HOST PORT TEXT; "igmp HEX" is sent raw.

Sends from ADDRESS4 and ADDRESS6: ``python -m tests.interop.sender ADDRESS4 ADDRESS6``.
"""

from __future__ import annotations

import socket
import sys


def main(address4: str, address6: str) -> None:
    four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
    for one in (four, raw):
        one.setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address4)
        )
    index = socket.if_nametoindex("eth0")
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    four.bind((address4, 0))
    six.bind((address6, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        host, port, *text = line.split()
        if host == "igmp":
            raw.sendto(bytes.fromhex(port), ("224.0.0.1", 0))
        else:
            sock = six if ":" in host else four
            sock.sendto(text[0].encode(), (host, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
