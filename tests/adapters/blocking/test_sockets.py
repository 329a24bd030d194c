"""Sockets of the NIC do what `socket.socket` does, from any thread."""

from __future__ import annotations

import errno
import gc
import io
import socket
import struct
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from sansio_net.adapters.blocking import Nic, Socket
from sansio_net.adapters.streams import StreamEndpoint
from sansio_net.errors import ConnectionAborted

from .nics import A, B, echo, fill, pair, start, two_nics, until, waiting

DATAGRAM = socket.SOCK_DGRAM


def refused(code: int, call: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(OSError) as caught:
        call(*args)
    assert caught.value.errno == code


def test_megabytes_both_ways_on_a_bad_link() -> None:
    data = bytes(range(256)) * 8192
    with two_nics(latency="1ms", loss="1%") as (a, b):
        server = b.create_server(("", 7))
        start(echo, server)
        with a.create_connection(("b.test", 7), timeout=30) as sock:

            def pour() -> None:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)

            poured = start(pour)
            with sock.makefile("rb") as answer:
                assert answer.read() == data
            poured.result(10)
        server.close()


def test_many_threads() -> None:
    with two_nics() as (a, b):
        server = b.create_server(("", 7))
        start(echo, server)

        def talk(n: int) -> bytes:
            with a.create_connection((B, 7)) as sock:
                text = b"%d" % n * 3000
                sock.sendall(text)
                return sock.recv(len(text), socket.MSG_WAITALL)

        for n, answer in enumerate([start(talk, n) for n in range(30)]):
            assert answer.result(30) == b"%d" % n * 3000
        server.close()


def test_a_slow_reader_shuts_the_window() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        sent = fill(a, client)
        with a.lock, b.lock:
            (mine,), (theirs,) = a.stack.connections(), b.stack.connections()
            assert sent <= mine.sender.limit + theirs.receiver.limit
        client.settimeout(30)
        more = start(client.sendall, bytes(1_000_000))
        client_sent, got = sent + 1_000_000, 0
        while got < client_sent:
            got += len(served.recv(100_000))
        more.result(10)
        client.close()
        assert served.recv(1) == b""
        served.close()


def test_timeouts_and_no_blocking() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        assert client.gettimeout() is None
        client.settimeout(0.01)
        for call in (lambda: client.recv(1), lambda: client.recvfrom(1)):
            with pytest.raises(TimeoutError, match="timed out"):
                call()
        client.setblocking(False)
        assert not client.getblocking()
        assert client.timeout == 0
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.setblocking(True)
        with pytest.raises(BlockingIOError):
            client.recv(1, socket.MSG_DONTWAIT)
        fill(a, client)
        with pytest.raises(ValueError, match="out of range"):
            client.settimeout(-1)
        served.close()
        client.close()
        # a connect that nobody answers
        sock = a.socket()
        sock.settimeout(0.01)
        with pytest.raises(TimeoutError):
            sock.connect(("10.0.0.99", 7))
        assert sock.fileno() == -1  # as it stands it is of no use
        with pytest.raises(TimeoutError):
            a.create_connection(("10.0.0.99", 7), timeout=0.01)
        with b.create_server((B, 0), backlog=5) as server:
            server.settimeout(0.01)
            with pytest.raises(TimeoutError):
                server.accept()
        with a.socket() as sock:
            sock.setblocking(False)
            assert sock.connect_ex(("10.0.0.99", 7)) == errno.EINPROGRESS
            refused(errno.EALREADY, sock.connect, ("10.0.0.99", 7))
        until(a, lambda: not a.stack.connections())


@pytest.mark.parametrize("verb", ["recv", "accept", "sendall", "recvfrom"])
@pytest.mark.parametrize("by", ["close", "nic"])
def test_whoever_waits_is_woken(verb: str, by: str) -> None:
    with two_nics() as (a, b):
        sock, call, keep = waiter(verb, a, b)
        future = start(call)
        waiting(sock)
        if by == "close":
            sock.close()
            expected: Any = errno.EBADF
        else:
            a.close()
            expected = errno.ECONNABORTED
        with pytest.raises(OSError) as caught:
            future.result(10)
        assert caught.value.errno == expected
        sock.close()
        for other in keep:
            other.close()


def waiter(
    verb: str, a: Nic, b: Nic
) -> tuple[Socket, Callable[[], Any], tuple[Socket, ...]]:
    if verb == "accept":
        server = a.create_server((A, 0))
        return server, server.accept, ()
    if verb == "recvfrom":
        sock = a.socket(type=DATAGRAM)
        sock.bind((A, 0))
        return sock, lambda: sock.recvfrom(1), ()
    client, served = pair(a, b)
    if verb == "sendall":
        return client, lambda: client.sendall(bytes(10_000_000)), (served,)
    return client, lambda: client.recv(1), (served,)


def test_shutdown_wakes_accept_and_recv() -> None:
    with two_nics() as (a, b):
        server = b.create_server((B, 0))
        accepted: Future[Any] = start(server.accept)
        waiting(server)
        server.shutdown(socket.SHUT_RDWR)
        with pytest.raises(OSError, match="Invalid argument"):
            accepted.result(10)
        server.close()
        client, served = pair(a, b)
        read = start(client.recv, 1)
        waiting(client)
        client.shutdown(socket.SHUT_RD)
        assert read.result(10) == b""
        client.shutdown(socket.SHUT_RDWR)
        with pytest.raises(BrokenPipeError):
            client.send(b"x")
        client.close()
        served.close()


def test_errors() -> None:
    with two_nics() as (a, b):
        with pytest.raises(ConnectionRefusedError):
            a.create_connection((B, 9))
        with pytest.raises(ExceptionGroup):
            a.create_connection((B, 9), all_errors=True)
        with pytest.raises(socket.gaierror):
            a.create_connection(("nobody.test", 9))
        with a.socket() as sock:
            assert sock.connect_ex((B, 9)) == errno.ECONNREFUSED
            refused(errno.ENOTCONN, sock.recv, 1)
            refused(errno.ENOTCONN, sock.getpeername)
            refused(errno.EOPNOTSUPP, sock.detach)
        refused(errno.EBADF, sock.recv, 1)
        client, served = pair(a, b)
        refused(errno.EISCONN, client.connect, (B, 9))
        refused(errno.EINVAL, client.bind, (A, 0))
        linger = struct.pack("ii", 1, 0)
        served.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        served.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        with pytest.raises(ConnectionResetError):
            client.send(b"x")
        client.close()


def test_options_names_and_the_rest() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        assert client.getsockname() == served.getpeername()
        assert served.getsockname() == client.getpeername()
        assert (client.family, client.type, client.proto) == (
            socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
        )
        key = socket.IPPROTO_TCP, socket.TCP_NODELAY
        assert client.getsockopt(*key) == 0  # as a kernel's
        client.setsockopt(*key, 1)
        assert client.getsockopt(*key) == 1
        served.sendmsg([b"ab", b"cd"])
        assert client.recv(1, socket.MSG_PEEK) == b"a"
        buffer = bytearray(3)
        assert client.recv_into(buffer, 2) == 2
        assert client.recvfrom_into(buffer)[0] == 2
        assert buffer == b"cd\0"
        assert served.sendfile(io.BytesIO(b"0123456789"), 2, 5) == 5
        assert client.recv(9) == b"23456"
        assert a.getaddrinfo("b.test", 80, 0, socket.SOCK_STREAM)[0][4] == (B, 80)
        assert a.getnameinfo((B, 80), 0) == ("b.test", "80")
        # text, both ways, and a file that outlives its socket
        with client.makefile("rw", encoding="utf-8", newline="\n") as file:
            client.close()
            file.write("größer\n")
            file.flush()
            assert served.makefile("r", encoding="utf-8").readline() == "größer\n"
            assert client.fileno() != -1
        assert client.fileno() == -1
        served.close()


def test_datagrams() -> None:
    with two_nics() as (a, b):
        one, other = a.socket(type=DATAGRAM), b.socket(type=DATAGRAM)
        with one, other:
            other.bind(("", 5000))
            one.sendto(b"hello", ("b.test", 5000))
            data, source = other.recvfrom(100)
            assert data == b"hello"
            assert source[0] == A
            other.sendto(b"answer", 0, source)
            assert one.recvfrom(3) == (b"ans", (B, 5000))
            one.connect((B, 5001))
            one.send(b"nobody is there")
            one.settimeout(10)
            with pytest.raises(ConnectionRefusedError):
                one.recv(1)
            one.settimeout(0.01)
            with pytest.raises(TimeoutError):
                one.recv(1)


def test_every_address_and_port() -> None:
    with two_nics() as (a, b):
        with a.lock, b.lock:
            a.stack.add_route("default", via=B)
            b.stack.add_route("default", via=A)
        with b.listen_any() as server:
            client = a.create_connection(("192.0.2.77", 4711))
            served, _ = server.accept()
            assert served.getsockname()[:2] == ("::ffff:192.0.2.77", 4711)
            client.close()
            served.close()


def test_a_dropped_socket_is_closed() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        dropped = [client]
        del client
        with pytest.warns(ResourceWarning, match="unclosed"):
            dropped.clear()
        assert served.recv(1) == b""
        served.close()


def test_connections_leave_nothing_behind() -> None:
    with two_nics() as (a, b):
        server = b.create_server(("", 7))
        start(echo, server)
        for _ in range(100):
            with a.create_connection((B, 7)) as sock:
                sock.sendall(b"x")
                assert sock.recv(1) == b"x"
        until(a, lambda: not a.stack.connections() and not len(a.driver.owners))
        until(b, lambda: not b.stack.connections())
        server.close()
        with b.lock:
            assert len(b.driver.owners) == 0
        gc.collect()
        left = [one for one in gc.get_objects() if isinstance(one, StreamEndpoint)]
        # the last one may be in somebody's frame
        assert sum(one.home in (a.driver, b.driver) for one in left) <= 3


def test_what_a_closed_nic_says() -> None:
    with two_nics() as (a, b):
        client, served = pair(a, b)
        a.close()
        a.close()
        with pytest.raises(ConnectionAborted):
            client.send(b"x")
        with pytest.raises(ConnectionAborted):
            a.socket()
        client.close()
        served.close()
