"""trio's own tests of streams, on streams over the NIC; and what they leave out."""

from __future__ import annotations

import errno
import socket
from functools import partial

import pytest
import trio
import trio.testing

from tests.adapters.asyncio.nics import client_context, server_context

from .nics import B6, A, B, echo, run, stream_pair, two_nics


@pytest.mark.parametrize("host", [B, B6])
def test_trio_s_own_stream_tests(host: str) -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            make = partial(stream_pair, a, b, host)

            async def clogged() -> tuple[trio.SocketStream, trio.SocketStream]:
                client, server = await make()
                for end in (client, server):
                    n_blocked = 0
                    while n_blocked < 2:  # the send buffer grows while it is filled
                        with trio.move_on_after(1) as scope:
                            await end.socket.send(bytes(1 << 20))
                        n_blocked = n_blocked + 1 if scope.cancelled_caught else 0
                return client, server

            await trio.testing.check_half_closeable_stream(make, clogged)
            assert len(a.driver.owners) == len(b.driver.owners) == 0

    run(main)


def test_trio_s_own_stream_tests_on_a_bad_link() -> None:
    async def main() -> None:
        async with two_nics(latency="20ms", jitter="10ms", loss="5%") as (a, b):
            await trio.testing.check_half_closeable_stream(
                partial(stream_pair, a, b), None
            )

    run(main)


def test_trio_s_own_stream_tests_over_tls() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):

            async def make() -> tuple[trio.abc.Stream, trio.abc.Stream]:
                client, server = await stream_pair(a, b)
                kind = {"https_compatible": True}
                return (
                    trio.SSLStream(
                        client, client_context(), server_hostname="b.test", **kind
                    ),
                    trio.SSLStream(server, server_context(), server_side=True, **kind),
                )

            await trio.testing.check_two_way_stream(make, None)

    run(main)


def test_serve_and_connect_by_name_over_tls() -> None:
    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        await stream.send_all((await stream.receive_some()).upper())
        await stream.aclose()

    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await nursery.start(b.serve_ssl_over_tcp, serve, 443, server_context())
            stream = await a.open_ssl_over_tcp_stream(
                "b.test", 443, ssl_context=client_context()
            )
            await stream.send_all(b"hello")
            assert await stream.receive_some() == b"HELLO"
            await stream.aclose()
            stream = await a.open_ssl_over_tcp_stream("b.test", 443)
            with pytest.raises(trio.BrokenResourceError):  # nobody vouches for it
                await stream.send_all(b"hello")
            nursery.cancel_scope.cancel()

    run(main)


def test_megabytes_both_ways_on_a_bad_link() -> None:
    data = bytes(range(256)) * 8192

    async def main() -> None:
        async with (
            two_nics(latency="5ms", loss="1%") as (a, b),
            trio.open_nursery() as nursery,
        ):
            await nursery.start(b.serve_tcp, echo, 7)
            stream = await a.open_tcp_stream("b.test", 7)
            got = bytearray()

            async def pour() -> None:
                await stream.send_all(data)
                await stream.send_eof()

            async with trio.open_nursery() as inner:
                inner.start_soon(pour)
                async for part in stream:
                    got += part
            assert got == data
            nursery.cancel_scope.cancel()

    run(main)


def test_a_slow_reader_shuts_the_window() -> None:
    """Who does not read is not sent to: the writer waits, and memory is bounded."""

    async def main() -> None:
        async with two_nics() as (a, b):
            client, server = await stream_pair(a, b)
            sent = 0
            with trio.move_on_after(60):
                while True:
                    await server.send_all(bytes(50_000))
                    sent += 50_000
            (mine,), (theirs,) = a.stack.connections(), b.stack.connections()
            assert sent <= mine.receiver.limit + theirs.sender.limit
            assert mine.pending <= mine.receiver.limit
            assert theirs.sender.snd_wnd == 0
            # who goes on reading is sent to again, at once
            before, pending = trio.current_time(), mine.pending
            while pending > 0:
                pending -= len(await client.receive_some(1_000_000))
            await server.send_all(bytes(50_000))
            assert trio.current_time() - before < 1

    run(main)


def test_refused_and_unreachable_and_unknown() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            sock = a.socket()
            with pytest.raises(ConnectionRefusedError):
                await sock.connect((B, 9))
            with pytest.raises(ConnectionRefusedError):  # may be tried again
                await sock.connect(("b.test", 9))
            with pytest.raises(OSError) as caught:
                await a.socket().connect(("192.0.2.1", 9))
            assert caught.value.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH)
            with pytest.raises(socket.gaierror):
                await a.open_tcp_stream("nobody.test", 9)
            with pytest.raises(OSError, match="all attempts"):
                await a.open_tcp_stream("b.test", 9)
            with pytest.raises(OSError) as caught:
                await sock.connect(("fd00::2", 9))
            assert caught.value.errno == socket.EAI_ADDRFAMILY
            sock.close()

    run(main)


def test_no_address_is_this_host() -> None:
    async def main() -> None:
        async with two_nics() as (a, _), trio.open_nursery() as nursery:
            await nursery.start(a.serve_tcp, echo, 7)
            for family, host in (
                (socket.AF_INET, "0.0.0.0"),
                (socket.AF_INET6, "::"),
                (socket.AF_INET, ""),
            ):
                with a.socket(family) as sock:
                    await sock.connect((host, 7))
                    assert sock.getpeername()[0] in ("127.0.0.1", "::1")
                    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            nursery.cancel_scope.cancel()

    run(main)


def test_a_reset_is_a_broken_resource() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            client, server = await stream_pair(a, b)
            linger = b"\1\0\0\0\0\0\0\0"
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            await server.aclose()
            with pytest.raises(trio.BrokenResourceError) as caught:
                await client.receive_some()
            assert isinstance(caught.value.__cause__, ConnectionResetError)
            with pytest.raises(trio.BrokenResourceError):
                await client.send_all(b"x")
            await client.aclose()
            with pytest.raises(trio.ClosedResourceError):
                await client.receive_some()

    run(main)


def test_closing_under_who_waits() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            client, _server = await stream_pair(a, b)

            async def waits() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await client.receive_some()

            (listener,) = await b.open_tcp_listeners(0, host=B)

            async def accepts() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await listener.accept()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(waits)
                nursery.start_soon(accepts)
                await trio.testing.wait_all_tasks_blocked()
                await client.aclose()
                await listener.aclose()
            with pytest.raises(OSError) as caught:
                client.socket.getsockname()
            assert caught.value.errno == errno.EBADF
            assert client.socket.fileno() == -1

    run(main)


def test_one_task_a_direction() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            client, _server = await stream_pair(a, b)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.receive_some)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await client.receive_some()
                nursery.cancel_scope.cancel()

    run(main)


def test_a_cancelled_connect_is_reset() -> None:
    async def main() -> None:
        async with two_nics(latency="1s") as (a, b):
            (listener,) = await b.open_tcp_listeners(7, host=B)
            sock = a.socket()
            with trio.move_on_after(1.5) as scope:  # the SYN is there, the answer not
                await sock.connect((B, 7))
            assert scope.cancelled_caught
            assert sock.fileno() == -1
            assert len(a.driver.owners) == 0
            await trio.sleep(3)
            assert a.stack.connections() == b.stack.connections() == []
            await listener.aclose()

    run(main)


def test_every_call_is_a_checkpoint() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            client, server = await stream_pair(a, b)
            udp = a.socket(type=socket.SOCK_DGRAM)
            with trio.testing.assert_checkpoints():
                await client.send_all(b"12")
            await server.socket.wait_readable()
            for call in (
                partial(server.socket.recv, 1),
                partial(server.socket.recv_into, bytearray(1)),
                server.socket.wait_writable,
                partial(udp.bind, ("0.0.0.0", 0)),
                partial(udp.connect, (B, 9)),
                partial(udp.send, b"x"),
                partial(udp.sendto, b"x", (B, 9)),
                partial(a.getaddrinfo, "b.test", 80),
            ):
                with trio.testing.assert_checkpoints():
                    await call()
            with trio.testing.assert_checkpoints(), pytest.raises(OSError):
                await a.socket().recv(1)
            client.socket.close()
            with trio.testing.assert_checkpoints(), pytest.raises(OSError):
                await client.socket.recv(1)
            udp.close()

    run(main)


def test_what_a_socket_says() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            client, server = await stream_pair(a, b)
            sock = client.socket
            assert (sock.family, sock.type, sock.proto) == (
                socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
            )
            assert sock.getsockname() == server.socket.getpeername()
            assert sock.getpeername() == server.socket.getsockname()
            assert sock.getsockname()[0] == A
            # SocketStream sets it
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert not sock.is_readable()
            await server.send_all(b"hello")
            await sock.wait_readable()
            assert sock.is_readable()
            assert await sock.recv(2, socket.MSG_PEEK) == b"he"
            assert await sock.recv(100, socket.MSG_PEEK) == b"hello"
            assert await sock.recv(2) == b"he"
            buffers = [bytearray(2), bytearray(5)]
            assert (await sock.recvmsg_into(buffers))[0] == 3
            assert buffers == [b"ll", b"o\0\0\0\0"]
            assert await sock.sendmsg([b"a", b"bc"]) == 3
            assert await server.receive_some() == b"abc"
            assert not sock.did_shutdown_SHUT_WR
            await client.send_eof()
            assert sock.did_shutdown_SHUT_WR
            with pytest.raises(BrokenPipeError):
                await sock.send(b"x")
            assert await server.receive_some() == b""
            await server.send_eof()
            await sock.wait_readable()
            assert await sock.recv(1) == b""
            for verb in (sock.dup, sock.detach):
                with pytest.raises(OSError, match="not supported"):
                    verb()

    run(main)


def test_bound_clients_and_both_families() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            both = b.socket(socket.AF_INET6)
            await both.bind(("::", 7))
            both.listen()
            assert both.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            assert both.getsockname() == ("::", 7, 0, 0)
            for family, host, local in (
                (socket.AF_INET, B, A),
                (socket.AF_INET6, B6, "fd00::1"),
                (socket.AF_INET6, f"::ffff:{B}", f"::ffff:{A}"),
            ):
                sock = a.socket(family)
                await sock.bind((local, 4567))
                assert sock.getsockname()[:2] == (local, 4567)
                await sock.connect((host, 7))
                served, peer = await both.accept()
                assert sock.getsockname()[:2] == (local, 4567)
                assert peer[0] == (local if ":" in local else f"::ffff:{A}")
                assert peer[1] == 4567
                served.close()
                sock.close()
            with pytest.raises(OSError) as caught:
                await b.socket(socket.AF_INET6).bind(("::", 7))
            assert caught.value.errno == errno.EADDRINUSE
            both.close()

    run(main)


def test_a_full_backlog_is_not_taken_from_the_stack() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            (listener,) = await b.open_tcp_listeners(7, host=B, backlog=3)
            clients = [a.socket() for _ in range(8)]

            async def connect(sock: trio.socket.SocketType) -> None:
                await sock.connect((B, 7))

            async with trio.open_nursery() as nursery:
                for sock in clients:
                    nursery.start_soon(connect, sock)
                await trio.sleep(10)  # those in vain try again
                # as many wait in the socket as may wait in the stack
                stand = [conn for conn in b.stack.connections() if conn.established]
                assert 3 <= len(stand) <= 6
                for _ in clients:
                    await listener.accept()
            await listener.aclose()

    run(main)


def test_listening_on_every_address_and_port() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            a.stack.add_route("default", via=B)
            b.stack.add_route("default", via=A)
            async with b.listen_any() as listener:
                client = await a.open_tcp_stream("192.0.2.77", 4711)
                server = await listener.accept()
                asked = server.socket.getsockname()
                assert asked[:2] == ("::ffff:192.0.2.77", 4711)
                await server.send_all(b"x")
                assert await client.receive_some() == b"x"

    run(main)
