"""Sockets of the kernel's that stand for the NIC's: read, written, asked, closed."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import socket
from asyncio import SendfileNotAvailableError
from collections.abc import Callable

import anyio
import anyio.abc
import pytest

from sansio_net.adapters.asyncio import NetworkLoop
from sansio_net.units import SECOND

from .nics import echo
from .test_datagram import Recorder
from .test_loop import OURS, run, the_nic


def the_loop() -> NetworkLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NetworkLoop)
    return loop


def new(kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    sock = socket.socket(type=kind)
    sock.setblocking(False)
    return sock


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def pair() -> tuple[socket.socket, socket.socket]:
    """Two tokens that are connected."""
    loop = the_loop()
    listening = new()
    listening.bind(("0.0.0.0", 0))
    accepting = asyncio.create_task(loop.sock_accept(listening))
    await asyncio.sleep(0)
    sock = new()
    await loop.sock_connect(sock, (OURS, listening.getsockname()[1]))
    accepted, peer = await accepting
    assert peer == sock.getsockname() == accepted.getpeername()
    assert sock.getpeername()[0] == OURS
    listening.close()
    return sock, accepted


def test_more_than_fits_goes_when_it_is_read() -> None:
    async def main() -> None:
        loop = the_loop()
        one, other = await pair()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 50_000)
        data = bytes(range(256)) * 20_000
        sending = asyncio.create_task(loop.sock_sendall(one, data))
        await asyncio.sleep(0.01)
        assert not sending.done()  # back-pressure
        got = bytearray()
        buffer = bytearray(60_000)
        while len(got) < len(data):
            if len(got) % 2:
                got += await loop.sock_recv(other, 99_999)
            else:
                n = await loop.sock_recv_into(other, buffer)
                got += buffer[:n]
        await sending
        assert got == data
        one.shutdown(socket.SHUT_WR)
        assert await loop.sock_recv(other, 1) == b""
        await loop.sock_sendall(other, b"back")
        assert await loop.sock_recv(one, 99) == b"back"
        assert await loop.sock_recv(one, 0) == b""

    run(main())


def test_who_waits_can_be_cancelled_and_takes_nothing_along() -> None:
    async def main() -> None:
        loop = the_loop()
        one, other = await pair()
        for _ in range(3):
            reading = asyncio.create_task(loop.sock_recv(other, 9))
            await asyncio.sleep(0.001)
            reading.cancel()
        await loop.sock_sendall(one, b"word")
        assert await loop.sock_recv(other, 9) == b"word"

    run(main())


def test_closing_tells_both_sides() -> None:
    async def main() -> None:
        loop = the_loop()
        one, other = await pair()
        reading = asyncio.create_task(loop.sock_recv(one, 9))
        waiting = asyncio.create_task(loop.sock_recv(other, 9))
        await asyncio.sleep(0)
        one.close()
        with pytest.raises(OSError, match="Bad file") as bad:
            await reading
        assert bad.value.errno == errno.EBADF
        assert await waiting == b""
        with pytest.raises(OSError, match="Bad file"):
            one.getpeername()
        other.close()
        nic = the_nic()
        await until(lambda: not (nic.driver.owners or nic.stack.connections()))

    run(main())


def test_a_reset_is_told() -> None:
    async def main() -> None:
        loop = the_loop()
        one, other = await pair()
        await loop.sock_sendall(one, b"unread")
        await until(lambda: any(c.pending for c in the_nic().stack.connections()))
        other.close()  # with something unread: RFC 2525 2.17
        with pytest.raises(ConnectionResetError):
            await loop.sock_recv(one, 1)

    run(main())


def test_the_sockets_own_verbs() -> None:
    async def main() -> None:
        one, other = await pair()
        with pytest.raises(BlockingIOError):
            one.recv(9)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 5000)
        assert 0 < other.send(bytes(9000)) < 9000
        with pytest.raises(BlockingIOError):
            other.send(bytes(9000))
        await until(lambda: any(c.pending for c in the_nic().stack.connections()))
        assert one.recv(99) == bytes(99)
        with pytest.raises(OSError) as refused:
            one.send(b"x", socket.MSG_OOB)
        assert refused.value.errno == errno.EOPNOTSUPP
        with pytest.raises(OSError):
            one.recvfrom(1)

    run(main())


def test_options_that_were_set_before_count() -> None:
    async def main() -> None:
        loop = the_loop()
        await asyncio.start_server(echo, OURS, 7)
        sock = new()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
        await loop.sock_connect(sock, (OURS, 7))
        with pytest.raises(OSError) as connected:
            await loop.sock_connect(sock, (OURS, 7))
        assert connected.value.errno == errno.EISCONN
        (conn,) = (c for c in the_nic().stack.connections() if c.peer[1] == 7)
        assert conn.options.keepalive
        assert conn.options.keepalive_idle == 77 * SECOND
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        assert conn.options.keepalive_idle == 5 * SECOND
        _, writer = await asyncio.open_connection(sock=sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 6)
        assert conn.options.keepalive_idle == 6 * SECOND
        writer.close()

    run(main())


def test_a_bound_port_is_kept() -> None:
    async def main() -> None:
        loop = the_loop()
        await asyncio.start_server(echo, OURS, 7)
        sock = new()
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        await loop.sock_connect(sock, ("b.test", 7))
        assert sock.getsockname() == (OURS, port)

    run(main())


def test_files() -> None:
    async def main() -> None:
        loop = the_loop()
        one, other = await pair()
        data = bytes(range(256)) * 2000
        file = io.BytesIO(data)
        sending = asyncio.create_task(loop.sock_sendfile(one, file, 1000, 300_000))
        got = b""
        while len(got) < 300_000:
            got += await loop.sock_recv(other, 1 << 20)
        assert await sending == 300_000
        assert got == data[1000:301_000]
        assert file.tell() == 301_000
        with pytest.raises(SendfileNotAvailableError):
            await loop.sock_sendfile(one, file, fallback=False)
        with pytest.raises(ValueError, match="positive"):
            await loop.sock_sendfile(one, file, 0, -1)

    run(main())


def test_datagrams() -> None:
    async def main() -> None:
        loop = the_loop()
        server, client = new(socket.SOCK_DGRAM), new(socket.SOCK_DGRAM)
        server.bind(("0.0.0.0", 0))
        place = OURS, server.getsockname()[1]
        receiving = asyncio.create_task(loop.sock_recvfrom(server, 3))
        await asyncio.sleep(0)
        assert await loop.sock_sendto(client, b"cut off", place) == 7
        data, source = await receiving
        assert (data, source) == (b"cut", (OURS, client.getsockname()[1]))
        await loop.sock_sendto(server, b"answer", source)
        buffer = bytearray(9)
        assert await loop.sock_recvfrom_into(client, buffer) == (6, place)
        assert buffer[:6] == b"answer"
        # connected, it hears of errors and of its peer alone
        await loop.sock_connect(client, place)
        await loop.sock_sendall(client, b"again")
        assert (await loop.sock_recvfrom(server, 99))[0] == b"again"
        await loop.sock_sendto(server, b"yes", client.getsockname())
        assert await loop.sock_recv(client, 99) == b"yes"
        server.close()
        await loop.sock_sendall(client, b"?")
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_recv(client, 99)

    run(main())


def test_a_connected_datagram_socket_gets_a_transport() -> None:
    async def main() -> None:
        loop = the_loop()
        serving, server = await loop.create_datagram_endpoint(Recorder, (OURS, 53))
        sock = new(socket.SOCK_DGRAM)
        await loop.sock_connect(sock, ("b.test", 53))
        sending, client = await loop.create_datagram_endpoint(Recorder, sock=sock)
        assert sending.get_extra_info("peername") == (OURS, 53)
        sending.sendto(b"?")
        _, address = await server.got.get()
        serving.sendto(b"!", address)
        assert await client.got.get() == (b"!", (OURS, 53))
        sending.close()
        serving.close()
        await asyncio.sleep(0.001)
        assert sock.fileno() == -1

    run(main())


def test_too_many_datagrams_wait() -> None:
    async def main() -> None:
        loop = the_loop()
        client = new(socket.SOCK_DGRAM)
        # nobody answers there: they wait for the neighbour, then for the socket
        place = OURS.rpartition(".")[0] + ".77", 9
        sending = [
            asyncio.create_task(loop.sock_sendto(client, bytes(1400), place))
            for _ in range(2000)
        ]
        _, pending = await asyncio.wait(sending, timeout=0.05)
        assert pending
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)
        client.close()

    run(main())


def test_a_listening_token_that_is_closed_listens_no_more() -> None:
    async def main() -> None:
        loop = the_loop()
        listening = new()
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        accepting = asyncio.create_task(loop.sock_accept(listening))
        await asyncio.sleep(0)
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        listening.close()
        with pytest.raises(OSError, match="Bad file"):
            await accepting
        with pytest.raises(ConnectionRefusedError):
            await loop.sock_connect(new(), (OURS, port))

    run(main())


class Own(socket.socket):
    """Of a class of its own, which cannot be changed; it works all the same."""


def test_a_socket_of_another_class() -> None:
    async def main() -> None:
        loop = the_loop()
        await asyncio.start_server(echo, OURS, 7)
        sock = Own()
        sock.setblocking(False)
        await loop.sock_connect(sock, (OURS, 7))
        await loop.sock_sendall(sock, b"word")
        assert await loop.sock_recv(sock, 9) == b"word"
        del sock
        gc.collect()
        await until(lambda: not the_nic().stack.connections())

    run(main())


def test_blocking_sockets_are_refused_in_debug_mode() -> None:
    async def main() -> None:
        loop = the_loop()
        loop.set_debug(True)
        one, _ = await pair()
        one.setblocking(True)
        with pytest.raises(ValueError, match="non-blocking"):
            await loop.sock_recv(one, 1)
        with pytest.raises(ValueError, match="non-blocking"):
            await loop.sock_connect(socket.socket(), (OURS, 7))

    run(main())


def test_anyio_has_sockets_of_its_own() -> None:
    """It binds, accepts, and hands over what it accepted."""

    async def main() -> None:
        async def shout(stream: anyio.abc.SocketStream) -> None:
            async with stream:
                async for data in stream:
                    await stream.send(data.upper())

        async with anyio.create_task_group() as group:
            listener = await anyio.create_tcp_listener(
                local_host="0.0.0.0", local_port=0
            )
            group.start_soon(listener.serve, shout)
            await asyncio.sleep(0.001)
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with await anyio.connect_tcp("b.test", port) as stream:
                await stream.send(b"word")
                assert await stream.receive() == b"WORD"
                peer = stream.extra(anyio.abc.SocketAttribute.remote_address)
                assert peer == (OURS, port)
            async with (
                await anyio.create_udp_socket(local_host=OURS, local_port=53) as server,
                await anyio.create_connected_udp_socket("b.test", 53) as client,
            ):
                await client.send(b"?")
                data, source = await server.receive()
                await server.sendto(data + b"!", *source)
                assert await client.receive() == b"?!"
            group.cancel_scope.cancel()
        await listener.aclose()
        await until(lambda: not the_nic().driver.owners)

    run(main())
