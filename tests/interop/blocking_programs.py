"""Scripts and threads on a NIC on a TAP, against programs on the kernel.

``python -m tests.interop.blocking_programs clients URL HASH`` fetches by http.client,
over the NIC's sockets and over a bridge; ``... mail PORT`` and ``... files PORT`` send
mail and store, fetch and list files by FTP; ``... both`` talks to the kernel's sockets.
"""

from __future__ import annotations

import ftplib
import hashlib
import http.client
import io
import smtplib
import socket
import sys
import threading
from typing import Any
from urllib.parse import urlsplit

from sansio_net.adapters.blocking import Nic, open_nic

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
SIZE = 3_000_000


def clients(nic: Nic, url: str, digest: str) -> None:
    target = urlsplit(url)
    for connect in (nic.create_connection, nic.socketpair_connection):
        client = http.client.HTTPConnection(target.netloc)
        client._create_connection = connect  # type: ignore[attr-defined]
        for _ in range(2):
            client.request("GET", target.path)
            with client.getresponse() as answer:
                assert hashlib.sha256(answer.read()).hexdigest() == digest
        client.close()
    print("all well", flush=True)


def mail(nic: Nic, port: str) -> None:
    class Client(smtplib.SMTP):
        def _get_socket(self, host: str, port: int, timeout: Any) -> Any:
            return nic.create_connection((host, port), timeout, self.source_address)

    with Client("host.test", int(port)) as client:
        client.sendmail("a@x.test", ["b@x.test"], "Subject: hello\r\n\r\nby NIC\r\n")
    print("all well", flush=True)


def files(nic: Nic, port: str) -> None:
    """ftplib asks for its connections by `socket.create_connection` alone."""

    class Client(ftplib.FTP):
        def connect(self, host: str = "", port: int = 0, *rest: Any) -> str:  # type: ignore[override]
            self.host, self.port = host, port
            self.sock: Any = nic.create_connection((host, port), 20)
            self.af = self.sock.family
            self.file = self.sock.makefile("r", encoding=self.encoding)
            self.welcome = self.getresp()
            return self.welcome

        def ntransfercmd(self, cmd: str, rest: Any = None) -> Any:
            sock = nic.create_connection(self.makepasv(), 20)
            answer = self.sendcmd(cmd)
            assert answer[0] == "1"
            return sock, None

    data = pattern(SIZE)
    client = Client()
    client.connect("host.test", int(port))
    client.login("user", "password")
    client.storbinary("STOR file", io.BytesIO(data))
    got = bytearray()
    client.retrbinary("RETR file", got.extend)
    assert got == data
    names: list[str] = []
    client.retrlines("NLST", names.append)
    assert names == ["file"]
    client.quit()
    print("all well", flush=True)


def exchange(one: Any, other: Any) -> None:
    """Both ways at once, and each half's end."""
    data, got = pattern(SIZE), {}

    def pour(sock: Any) -> None:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    def read(sock: Any) -> None:
        with sock.makefile("rb") as file:
            got[sock] = file.read()

    threads = [
        threading.Thread(target=call, args=(sock,))
        for call in (pour, read)
        for sock in (one, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got[one] == got[other] == data
    one.close()
    other.close()


def both(nic: Nic) -> None:
    with nic.create_server((OURS, 7)) as server:
        theirs = socket.create_connection((OURS, 7), 20)
        ours, address = server.accept()
        assert address == theirs.getsockname()
        exchange(ours, theirs)
        theirs = socket.create_connection((OURS, 7), 20)
        exchange(nic.bridge(server.accept()[0]), theirs)
    with socket.create_server((HOST, 7)) as kernel:
        ours = nic.create_connection(("host.test", 7), 20)
        exchange(ours, kernel.accept()[0])
        bridged = nic.socketpair_connection(("host.test", 7), 20)
        exchange(bridged, kernel.accept()[0])
    with (
        nic.socket(type=socket.SOCK_DGRAM) as udp,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        other.bind((HOST, 5000))
        udp.bind((OURS, 5000))
        for size in (1, 1400, 9000):  # the last in fragments
            other.sendto(pattern(size), (OURS, 5000))
            assert udp.recvfrom(10_000) == (pattern(size), (HOST, 5000))
            udp.sendto(pattern(size), (HOST, 5000))
            assert other.recvfrom(10_000) == (pattern(size), (OURS, 5000))
    try:
        nic.create_connection((HOST, 9))
    except ConnectionRefusedError:
        print("all well", flush=True)


if __name__ == "__main__":
    programs: dict[str, Any] = {"clients": clients, "mail": mail, "files": files}
    programs["both"] = both
    with open_nic(
        "tap:lab0",
        [f"{OURS}/24"],
        host_address=f"{HOST}/24",
        hosts={"host.test": [HOST]},
    ) as nic:
        programs[sys.argv[1]](nic, *sys.argv[2:])
