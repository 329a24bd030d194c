"""Streams and protocols over a link in memory, in both roles."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress

import pytest

from sansio_net.adapters.asyncio import StreamTransport

from .nics import A, B, echo, finish, run, run_virtually, two_nics


@pytest.mark.parametrize("conditions", [{}, {"latency": "2ms", "loss": "2%"}])
def test_streams_echo(conditions: dict[str, str]) -> None:
    async def main() -> None:
        data = random.Random(1).randbytes(300_000)
        async with two_nics(**conditions) as (a, b):
            server = await b.start_server(echo, B, 7)
            reader, writer = await a.open_connection("b.test", 7)
            assert writer.get_extra_info("peername") == (B, 7)
            writer.write(data)
            writer.write_eof()
            assert await reader.read() == data
            await finish(writer)
            server.close()
            await server.wait_closed()

    run(main())


def test_both_ends_may_speak_first() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        assert await reader.readline() == b"EHLO\r\n"
        await finish(writer)

    async def main() -> None:
        async with two_nics() as (a, b):
            # the one that dials is the end 1 this time
            await a.start_server(greet, A, 25)
            reader, writer = await b.open_connection(A, 25)
            assert await reader.readline() == b"220 hello\r\n"
            writer.write(b"EHLO\r\n")
            assert await reader.read() == b""
            await finish(writer)

    run(main())


def test_a_slow_reader_holds_memory_flat() -> None:
    """pause_reading shuts the window; the writer's drain() waits."""
    total = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal total
        transport = writer.transport
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(50_000))
                total += 50_000
                await writer.drain()
                assert transport.get_write_buffer_size() <= 64 * 1024 + 50_000

    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(pour, B, 7)
            reader, writer = await a.open_connection(B, 7)
            seen = -1
            while seen != total:  # until nothing moves any more
                seen = total
                await asyncio.sleep(1)
            assert not writer.transport.is_reading()
            (mine,), (theirs,) = a.stack.connections(), b.stack.connections()
            # what our reader holds, the window, their send buffer, their transport
            bound = 64 * 1024 * 2 + 256 * 1024 + mine.receiver.limit
            bound += theirs.sender.limit + 64 * 1024 + 50_000
            assert total <= bound
            got = 0
            while got < 2 * bound:
                got += len(await reader.readexactly(40_000))
                assert mine.pending <= mine.receiver.limit
            assert total >= got
            writer.transport.abort()

    run_virtually(main)


class Recorder(asyncio.Protocol):
    """What a protocol is told, in order."""

    def __init__(self, keep_open: bool = False) -> None:
        self.told: list[str] = []
        self.data = b""
        self.keep_open = keep_open
        self.lost: asyncio.Future[Exception | None] = asyncio.Future()
        self.eof = asyncio.Event()
        self.transport: StreamTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, StreamTransport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.told.append("data")
        self.data += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        self.eof.set()
        return self.keep_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set_result(error)


async def joined(a, b, **options):  # type: ignore[no-untyped-def]
    """Two recorders, connected: the client's and the server's."""
    theirs: asyncio.Future[Recorder] = asyncio.Future()

    def factory() -> Recorder:
        recorder = Recorder(**options)
        theirs.set_result(recorder)
        return recorder

    server = await b.create_server(factory, B, 9)
    _, mine = await a.create_connection(lambda: Recorder(**options), B, 9)
    other = await theirs
    while not other.told:
        await asyncio.sleep(0)
    return mine, other, server


def test_half_close_keeps_the_other_half() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b, keep_open=True)
            assert mine.transport.can_write_eof()
            mine.transport.write(b"question")
            mine.transport.write_eof()
            await theirs.eof.wait()
            assert theirs.data == b"question"
            with pytest.raises(RuntimeError, match="write_eof"):
                mine.transport.write(b"more")
            assert not theirs.transport.is_closing()
            theirs.transport.write(b"answer")
            theirs.transport.close()
            await mine.eof.wait()
            assert mine.data == b"answer"
            assert await theirs.lost is None
            assert not mine.lost.done()
            mine.transport.close()
            assert await mine.lost is None
            assert mine.told == ["made", "data", "eof", "lost"]

    run(main())


def test_eof_closes_who_does_not_keep_it() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            mine.transport.close()
            assert mine.transport.is_closing()
            assert await theirs.lost is None
            assert theirs.told == ["made", "eof", "lost"]
            assert await mine.lost is None

    run(main())


def test_abort_resets_the_peer_if_something_is_lost() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            theirs.transport.pause_reading()
            mine.transport.write(bytes(5_000_000))
            mine.transport.abort()
            assert mine.transport.get_write_buffer_size() == 0
            assert await mine.lost is None
            assert isinstance(await theirs.lost, ConnectionResetError)
            theirs.transport.write(b"to nobody")  # as asyncio: it is not an error
            assert theirs.transport.get_write_buffer_size() == 0

    run(main())


def test_abort_leaves_what_the_connection_has_taken() -> None:
    """As asyncio's own: anyio closes no other way."""

    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            mine.transport.write(b"last words")
            mine.transport.abort()
            assert await mine.lost is None
            assert await theirs.lost is None
            assert theirs.data == b"last words"

    run(main())


def test_reset_leaves_nothing() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            mine.transport.reset()
            assert await mine.lost is None
            assert isinstance(await theirs.lost, ConnectionResetError)

    run(main())


def test_a_paused_reader_gets_all_of_it_before_the_end() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            theirs.transport.pause_reading()
            mine.transport.write(b"x" * 1000)
            mine.transport.close()
            assert await mine.lost is None
            while not b.stack.connections()[0].receiver.fin_reached:
                await asyncio.sleep(0.01)
            assert theirs.told == ["made"]
            theirs.transport.resume_reading()
            assert theirs.told == ["made"]  # never from within
            assert await theirs.lost is None
            assert theirs.told == ["made", "data", "eof", "lost"]
            assert theirs.data == b"x" * 1000

    run(main())


def test_write_buffer_limits() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            transport = mine.transport
            transport.set_write_buffer_limits(high=1000, low=100)
            assert transport.get_write_buffer_limits() == (100, 1000)
            theirs.transport.pause_reading()
            while "pause" not in mine.told:
                transport.write(bytes(10_000))
                await asyncio.sleep(0)
            assert 1000 < transport.get_write_buffer_size() <= 10_000
            transport.close()  # all that was written still arrives
            theirs.transport.resume_reading()
            assert await mine.lost is None
            assert mine.told == ["made", "pause", "resume", "lost"]
            assert await theirs.lost is None
            assert len(theirs.data) % 10_000 == 0

    run(main())


def test_what_is_written_may_change_afterwards() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            theirs.transport.pause_reading()
            data = bytearray(b"a" * 1_000_000)
            mine.transport.writelines([data, memoryview(data)[::2], b"", b"z"])
            data[:] = b"b" * len(data)
            theirs.transport.resume_reading()
            mine.transport.close()
            await theirs.lost
            assert theirs.data == b"a" * 1_500_000 + b"z"
            with pytest.raises(TypeError):
                mine.transport.write("text")  # type: ignore[arg-type]

    run(main())


def test_buffered_protocol() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(700)
            self.data = b""
            self.done: asyncio.Future[None] = asyncio.Future()

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, n: int) -> None:
            self.data += self.buffer[:n]

        def connection_lost(self, error: Exception | None) -> None:
            self.done.set_result(None)

    async def main() -> None:
        data = random.Random(2).randbytes(20_000)

        async def send(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            writer.write(data)
            await finish(writer)

        async with two_nics() as (a, b):
            await b.start_server(send, B, 9)
            _, mine = await a.create_connection(Buffered, B, 9)
            await mine.done
            assert mine.data == data

    run(main())


def test_sendfile_falls_back_to_reading(tmp_path) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        data = random.Random(3).randbytes(700_000)
        (tmp_path / "file").write_bytes(data)
        async with two_nics() as (a, b):
            mine, theirs, _ = await joined(a, b)
            with (tmp_path / "file").open("rb") as file:
                loop = asyncio.get_running_loop()
                assert await loop.sendfile(mine.transport, file) == len(data)
            mine.transport.close()
            await theirs.lost
            assert theirs.data == data

    run(main())


def test_a_protocol_that_raises_loses_its_connection() -> None:
    class Broken(Recorder):
        def data_received(self, data: bytes) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        told = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with two_nics() as (a, b):
            await b.create_server(Broken, B, 9)
            _, mine = await a.create_connection(Recorder, B, 9)
            mine.transport.write(b"x")
            assert await mine.lost is None  # the peer's error is none of ours
            # the others go on
            await b.start_server(echo, B, 7)
            reader, writer = await a.open_connection(B, 7)
            writer.write(b"y")
            assert await reader.read(1) == b"y"
            await finish(writer)
        assert [type(one["exception"]) for one in told] == [ZeroDivisionError]

    asyncio.run(main())


def test_what_looks_like_a_socket() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            mine, theirs, server = await joined(a, b)
            sock = mine.transport.get_extra_info("socket")
            assert (sock.family, sock.type, sock.proto) == (
                *(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP),
            )
            assert sock.fileno() == -1
            assert sock.getpeername() == (B, 9)
            other = theirs.transport.get_extra_info("socket")
            assert sock.getsockname() == other.getpeername()
            assert server.sockets[0].getsockname() == (B, 9)
            tcp = socket.IPPROTO_TCP
            assert sock.getsockopt(tcp, socket.TCP_NODELAY) == 1
            sock.setsockopt(tcp, socket.TCP_NODELAY, 0)
            sock.setsockopt(tcp, socket.TCP_KEEPIDLE, 11)
            sock.setsockopt(tcp, socket.TCP_USER_TIMEOUT, 1500)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"12345678")
            (conn,) = a.stack.connections()
            assert not conn.options.nodelay
            assert conn.options.keepalive_idle == 11_000_000_000
            assert conn.options.user_timeout == 1_500_000_000
            assert conn.receiver.limit == 100_000
            assert sock.getsockopt(tcp, socket.TCP_KEEPIDLE) == 11
            linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
            assert linger == b"12345678"
            with pytest.raises(OSError):
                sock.setsockopt(tcp, socket.TCP_KEEPCNT, 100_000)

    run(main())
