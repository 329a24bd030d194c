"""A real descriptor for a connection; what of the standard library runs on it."""

from __future__ import annotations

import http.client
import io
import selectors
import socket
import ssl
import struct
import urllib.request
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sansio_net.adapters.blocking import BridgeSocket, Nic, Socket
from tests.adapters.asyncio.nics import client_context, server_context

from .nics import B, echo, fill, pair, start, two_nics, until


def read_all(sock: Any) -> bytes:
    got = bytearray()
    while data := sock.recv(65536):
        got += data
    return bytes(got)


def bridges(a: Nic, b: Nic) -> tuple[BridgeSocket, BridgeSocket]:
    client, served = pair(a, b)
    return a.bridge(client), b.bridge(served)


CHUNKS = st.lists(st.binary(max_size=3000) | st.just(bytes(200_000)), max_size=6)


@settings(max_examples=30, deadline=None)
@given(ours=CHUNKS, theirs=CHUNKS, buffers=st.booleans())
def test_bytes_arrive_in_order_and_then_the_end(
    ours: list[bytes], theirs: list[bytes], buffers: bool
) -> None:
    with two_nics() as (a, b):
        ends = bridges(a, b)
        if buffers:
            for end in ends:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        def pour(end: socket.socket, chunks: list[bytes]) -> None:
            for chunk in chunks:
                end.sendall(chunk)
            end.shutdown(socket.SHUT_WR)

        poured = [start(pour, ends[0], ours), start(pour, ends[1], theirs)]
        read = [start(read_all, end) for end in ends]
        assert read[0].result(20) == b"".join(theirs)
        assert read[1].result(20) == b"".join(ours)
        for future in poured:
            future.result(20)
        for end in ends:
            end.close()
        until(a, lambda: not a._bridges and not len(a.driver.owners))
        assert a.driver._watched == {}
    assert a._bridges == b._bridges == {}


def test_half_closed_it_still_reads_and_writes() -> None:
    with two_nics() as (a, b):
        near, far = bridges(a, b)
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        far.sendall(b"still")
        assert near.recv(9) == b"still"
        far.sendall(b"here")
        far.close()
        assert read_all(near) == b"here"
        near.close()


def test_who_does_not_read_stops_who_writes() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        (mine,), (theirs,) = a.stack.connections(), b.stack.connections()
        near = a.bridge(client)
        # nobody reads the descriptor: the peer fills it, the bridge, the window
        sent = fill(b, served)
        kernel = near.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        bound = theirs.sender.limit + mine.receiver.limit + 64 * 1024 + 2 * kernel
        assert 0 < sent <= bound
        # and the other way: the peer does not read, so the descriptor is full
        poured = fill(a, near)
        bound = mine.sender.limit + theirs.receiver.limit + 64 * 1024 + 2 * kernel
        assert 0 < poured <= bound
        # everything arrives, once somebody reads
        near.shutdown(socket.SHUT_WR)
        read: Future[bytes] = start(read_all, served)
        assert len(read.result(20)) == poured
        served.shutdown(socket.SHUT_WR)
        assert len(read_all(near)) == sent
        near.close()
        served.close()


def test_closed_over_there_it_resets_who_still_sends() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        near = a.bridge(client)
        near.sendall(b"last words")
        near.close()
        assert served.recv(99) == b"last words"
        assert served.recv(1) == b""
        with pytest.raises(ConnectionResetError):
            served.sendall(bytes(10_000_000))
        served.close()
        until(a, lambda: not a._bridges and not a.stack.connections())


def test_closed_with_much_still_to_go() -> None:
    """The thread does not spin meanwhile, and what was written arrives."""
    with two_nics() as (a, b):
        client, served = pair(a, b)
        near = a.bridge(client)
        sent = fill(a, near)
        near.close()
        # a descriptor that hung up would be ready for ever
        until(a, lambda: a.driver._watched == {} and bool(a._bridges))
        assert len(read_all(served)) == sent
        served.close()


def selectable(sock: socket.socket, mask: int, timeout: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(sock, mask)
        return bool(selector.select(timeout))


def test_a_reset_is_raised_after_what_came_before() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        near = a.bridge(client)
        served.sendall(b"before")
        assert selectable(near, selectors.EVENT_READ, 10)
        served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        served.close()
        assert near.recv(99) == b"before"
        with pytest.raises(ConnectionResetError):
            near.recv(1)
        with pytest.raises(ConnectionResetError), near.makefile("rb") as file:
            file.read()
        near.close()


def test_names_and_options_are_the_connection_s() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        local, peer = client.getsockname(), client.getpeername()
        client.settimeout(3)
        near = a.bridge(client)
        assert client.fileno() == -1
        assert near.fileno() >= 0
        assert near.gettimeout() == 3
        assert near.getsockname() == local
        assert near.getpeername() == peer
        key = socket.IPPROTO_TCP, socket.TCP_NODELAY
        near.setsockopt(*key, 1)
        assert near.getsockopt(*key) == 1
        assert near.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
        with near.dup() as other:
            served.sendall(b"x")
            assert other.recv(1) == b"x"
            assert other.getpeername() == peer
        near.close()
        served.close()


def test_leaving_the_nic_lets_what_was_written_go() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        near = a.bridge(client)
        read = start(read_all, served)
        near.sendall(bytes(100_000))
        a.close()
        assert len(read.result(10)) == 100_000
        assert near.recv(1) == b""
        near.close()
        served.close()
        # and by force, with a peer that does not read
    with two_nics(close_timeout=1000) as (a, b):
        client, served = pair(a, b)
        near = a.bridge(client)
        fill(a, near)
        a.close()
        with pytest.raises(ConnectionError):
            near.recv(1)
        near.close()
        served.close()


def tls_echo(b: Nic, server: Socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            served, _ = server.accept()
        except OSError:
            return
        with context.wrap_socket(b.bridge(served), server_side=True) as tls:
            while data := tls.recv(65536):
                tls.sendall(data)
            tls.unwrap().close()


def test_tls_in_both_roles() -> None:
    with two_nics(latency="1ms") as (a, b):
        server = b.create_server(("", 443))
        start(tls_echo, b, server, server_context())
        near = a.socketpair_connection(("b.test", 443), timeout=30)
        with client_context().wrap_socket(near, server_hostname="b.test") as tls:
            data = bytes(500_000)
            poured = start(tls.sendall, data)
            got = 0
            while got < len(data):
                got += len(tls.recv(65536))
            poured.result(10)
            tls.unwrap().close()
        near = a.socketpair_connection((B, 443))
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(near, server_hostname="b.test")
        server.close()


class Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.headers["Content-Length"] = "0"
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve_pages(server: Socket) -> None:
    """The standard library's own handler, on our sockets."""
    while True:
        try:
            served, address = server.accept()
        except OSError:
            return

        def serve(sock: Any = served, address: Any = address) -> None:
            with sock:
                Pages(sock, address, None)  # type: ignore[arg-type]

        start(serve)


def connected(
    client: http.client.HTTPConnection, connect: Any
) -> http.client.HTTPConnection:
    """What a connection makes its sockets with, as of Python 3.11 to 3.14."""
    client._create_connection = connect  # type: ignore[attr-defined]
    return client


def handler(connect: Any) -> urllib.request.HTTPHandler:
    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request: Any) -> Any:
            def make(host: str, **kwds: Any) -> http.client.HTTPConnection:
                return connected(http.client.HTTPConnection(host, **kwds), connect)

            return self.do_open(make, request)  # type: ignore[arg-type]

    return Handler()


def test_http_client_and_urllib() -> None:
    with two_nics() as (a, b):
        server = b.create_server(("", 80))
        start(serve_pages, server)
        body = bytes(300_000)
        # with a socket of the NIC, and with a bridge to one
        for connect in (a.create_connection, a.socketpair_connection):
            client = connected(
                http.client.HTTPConnection("b.test", timeout=20), connect
            )
            for _ in range(3):
                client.request("POST", "/", body)
                with client.getresponse() as answer:
                    assert answer.read() == body
            client.close()
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), handler(connect)
            )
            with opener.open("http://b.test/", body, timeout=20) as answer:
                assert answer.read() == body
        server.close()


def test_a_bridge_in_a_selector_of_the_program() -> None:
    with two_nics() as (a, b):
        server = b.create_server(("", 7))
        start(echo, server)
        socks = [a.socketpair_connection((B, 7)) for _ in range(10)]
        answers: dict[socket.socket, io.BytesIO] = {}
        with selectors.DefaultSelector() as selector:
            for n, sock in enumerate(socks):
                sock.setblocking(False)
                sock.send(b"%d" % n)
                selector.register(sock, selectors.EVENT_READ)
                answers[sock] = io.BytesIO()
            while selector.get_map():
                for key, _ in selector.select(10):
                    assert isinstance(key.fileobj, socket.socket)
                    answers[key.fileobj].write(key.fileobj.recv(100))
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
        assert [answers[sock].getvalue() for sock in socks] == [
            b"%d" % n for n in range(10)
        ]
        server.close()
