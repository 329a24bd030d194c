"""Connecting, listening, names, and the end of it all."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket

import pytest

from sansio_net.adapters.asyncio import open_nic
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

from .nics import A, B, echo, finish, run, two_nics


def test_errors_are_asyncio_s() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            with pytest.raises(ConnectionRefusedError) as refused:
                await a.open_connection(B, 1)
            assert refused.value.errno == errno.ECONNREFUSED
            with pytest.raises(OSError) as unreachable:
                await a.open_connection("192.0.2.1", 1)
            assert unreachable.value.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
            with pytest.raises(socket.gaierror):
                await a.open_connection("nobody.test", 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await a.open_connection("10.0.0.99", 1)
            await b.start_server(echo, B, 7)
            with pytest.raises(OSError) as used:
                await b.start_server(echo, B, 7)
            assert used.value.errno == errno.EADDRINUSE
            with pytest.raises(OSError) as foreign:
                await b.start_server(echo, A, 7)
            assert foreign.value.errno == errno.EADDRNOTAVAIL
            with pytest.raises(ValueError):
                await a.create_connection(asyncio.Protocol)

    run(main())


def test_all_errors() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            a.hosts["both.test"] = [B, "10.0.0.1"]
            with pytest.raises(ExceptionGroup) as group:
                await a.open_connection("both.test", 1, all_errors=True)
            assert len(group.value.exceptions) == 2
            with pytest.raises(ConnectionRefusedError):
                await a.open_connection("both.test", 1)

    run(main())


def test_happy_eyeballs_pass_over_who_does_not_answer() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(echo, B, 7)
            a.hosts["slow.test"] = ["10.0.0.99", B]
            _, writer = await a.open_connection(
                "slow.test", 7, happy_eyeballs_delay=0.02
            )
            assert writer.get_extra_info("peername") == (B, 7)
            await finish(writer)
            # the loser was taken back
            peers = [conn.peer[0] for conn in a.stack.connections()]
            assert "10.0.0.99" not in peers

    run(main())


def test_names() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            found = await a.getaddrinfo("B.test.", "http", type=socket.SOCK_STREAM)
            assert found == [(*stream, (B, 80))]
            assert len(await a.getaddrinfo("127.0.0.1", 80)) == 2
            six = await a.getaddrinfo("::1", 80, proto=socket.IPPROTO_UDP)
            assert six[0][0] == socket.AF_INET6
            assert six[0][4] == ("::1", 80, 0, 0)
            local = await a.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
            assert {info[4][0] for info in local} == {"127.0.0.1", "::1"}
            with pytest.raises(socket.gaierror):
                await a.getaddrinfo(B, 80, family=socket.AF_INET6)
            with pytest.raises(socket.gaierror):
                await a.getaddrinfo("b.test", 80, flags=socket.AI_NUMERICHOST)
            with pytest.raises(socket.gaierror):
                await a.getaddrinfo(B, "no-such-service")

    run(main())


def test_listen_any_tells_what_was_asked_for() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("sockname")
        writer.write(f"{host} {port}".encode())
        await finish(writer)

    async def main() -> None:
        async with two_nics() as (a, b):
            a.stack.add_route("default", via=B)
            server = await b.listen_any(say)
            for place in (("198.51.100.7", 4711), ("203.0.113.1", 1)):
                reader, writer = await a.open_connection(*place)
                assert await reader.read() == "{} {}".format(*place).encode()
                await finish(writer)
            server.close()
            await b.listen_any(say, 25)
            with pytest.raises(ConnectionRefusedError):
                await a.open_connection(B, 26)
            reader, writer = await a.open_connection("198.51.100.7", 25)
            assert await reader.read() == b"198.51.100.7 25"
            await finish(writer)

    run(main())


def test_both_families_share_an_ephemeral_port() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            server = await b.start_server(echo, None, 0)
            four, six = (sock.getsockname() for sock in server.sockets)
            assert four[0] == "0.0.0.0"
            assert six[0] == "::"
            assert four[1] == six[1] != 0
            reader, writer = await a.open_connection(B, four[1])
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await finish(writer)
            # to ourselves, through lo
            reader, writer = await b.open_connection("::1", four[1])
            assert writer.get_extra_info("peername") == ("::1", four[1], 0, 0)
            writer.write(b"y")
            assert await reader.read(1) == b"y"
            await finish(writer)

    run(main())


def test_local_addr() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(echo, B, 7)
            _, writer = await a.open_connection(B, 7, local_addr=(A, 12345))
            assert writer.get_extra_info("sockname") == (A, 12345)
            await finish(writer)

    run(main())


def test_a_server_as_asyncio_has_them() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            server = await b.start_server(echo, B, 7, start_serving=False)
            assert not server.is_serving()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.03):
                    await a.open_connection(B, 7)
            forever = asyncio.create_task(server.serve_forever())
            reader, writer = await a.open_connection(B, 7)
            assert server.is_serving()
            assert server.get_loop() is asyncio.get_running_loop()
            forever.cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever
            assert server.sockets == ()
            with pytest.raises(ConnectionRefusedError):
                await a.open_connection(B, 7)
            # who was connected stays so
            writer.write(b"still here")
            assert await reader.read(10) == b"still here"
            waiting = asyncio.create_task(server.wait_closed())
            await asyncio.sleep(0)
            assert not waiting.done()
            server.close_clients()
            assert await reader.read() == b""
            await waiting
            await finish(writer)
            with pytest.raises(RuntimeError):
                await server.start_serving()

    run(main())


def test_a_server_s_callbacks_run_in_its_context() -> None:
    host = contextvars.ContextVar("host", default="nobody")

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(host.get().encode())
        await finish(writer)

    async def main() -> None:
        async with two_nics() as (a, b):
            host.set("server")
            await b.start_server(say, B, 7)
            host.set("client")
            reader, writer = await a.open_connection(B, 7)
            assert await reader.read() == b"server"
            await finish(writer)

    run(main())


def test_leaving_wakes_everybody() -> None:
    async def main() -> None:
        async with two_nics() as (_, b):
            await b.start_server(echo, B, 7)
            device, _ = memory_pair(Link(2))
            async with open_nic(device, ["10.0.0.3/24"], close_timeout=0) as c:
                # nobody is there to answer
                connecting = asyncio.create_task(c.open_connection(B, 7))
                server = await c.start_server(echo, "10.0.0.3", 7)
                reader, _ = await c.open_connection("10.0.0.3", 7)
                reading = asyncio.create_task(reader.read(1))
                serving = asyncio.create_task(server.serve_forever())
                await asyncio.sleep(0.01)
            with pytest.raises(ConnectionAbortedError):
                await connecting
            await asyncio.wait([reading, serving])
            assert serving.cancelled()
            assert reading.exception() is not None or reading.result() == b""
            with pytest.raises(RuntimeError, match="closed"):
                await c.open_connection(B, 7)
            assert device.next_timeout() is None  # it is closed as well

    run(main())


def test_leaving_delivers_what_was_written() -> None:
    got = bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(10_000):
            got.extend(data)
        await finish(writer)

    async def main() -> None:
        link = memory_pair(Link(3, latency="1ms"))
        async with open_nic(link[1], [f"{B}/24"]) as b:
            await b.start_server(take, B, 7)
            async with open_nic(link[0], [f"{A}/24"], close_timeout=5 * SECOND) as a:
                _, writer = await a.open_connection(B, 7)
                writer.write(bytes(3_000_000))
                writer.close()
            assert len(got) == 3_000_000

    run(main())


def test_links_that_do_not_exist() -> None:
    async def main() -> None:
        for wrong in ("eth0", "ppp:0", "tap:"):
            with pytest.raises(ValueError, match="not a link"):
                async with open_nic(wrong, ["10.0.0.1/24"]):
                    pass

    run(main())


def test_a_listener_that_nobody_hears_of_resets_who_connects() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            b.stack.tcp_listen((B, 99))
            reader, _ = await a.open_connection(B, 99)
            with pytest.raises(ConnectionResetError):
                await reader.read()

    run(main())


def test_ipv6_is_usable_at_once() -> None:
    async def main() -> None:
        ends = memory_pair(Link(4))
        async with (
            open_nic(ends[0], ["fd00::1/64"], close_timeout=0) as a,
            open_nic(ends[1], ["fd00::2/64"], close_timeout=0) as b,
        ):
            server = await b.start_server(echo, "fd00::2", 7)
            assert server.sockets[0].getsockname() == ("fd00::2", 7, 0, 0)
            reader, writer = await a.open_connection("fd00::2", 7)
            assert writer.get_extra_info("peername") == ("fd00::2", 7, 0, 0)
            assert writer.get_extra_info("socket").family == socket.AF_INET6
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await finish(writer)

    run(main())
