"""Whoever reads slowly is waited for, and nobody's memory grows meanwhile.

Against the kernel and in the world's time: ``python -m tests.interop.slow_reader``.
"""

from __future__ import annotations

import asyncio

import pytest

from sansio_net.adapters.asyncio import Nic, StreamTransport
from sansio_net.stack import Connection

from .nics import B, client_context, run_virtually, server_context, two_nics

SIZE = 32_000_000
RATE = 4_000_000
CHUNK = 50_000

BUFFERS = 64 * 1024 + CHUNK
"""Of a transport whose writer waits in drain()."""

READER = 3 * 64 * 1024 + 256 * 1024
"""A StreamReader may hold twice its limit and one more `data_received`."""

TLS = 4 * 512 * 1024
"""What asyncio's own TLS keeps of each direction before it pauses, and its records."""


async def pour(writer: asyncio.StreamWriter) -> None:
    data = bytes(CHUNK)
    for _ in range(SIZE // CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()


async def sip(reader: asyncio.StreamReader) -> int:
    total = 0
    while data := await reader.read(CHUNK):
        total += len(data)
        await asyncio.sleep(len(data) / RATE)
    return total


def held(nic: Nic) -> tuple[int, int]:
    """What a NIC holds, in bytes, and what it may."""
    holds = bound = 0
    for conn in nic.stack.connections():
        assert isinstance(conn, Connection)
        holds += conn.pending + conn.sender.queued
        bound += conn.receiver.limit + conn.sender.limit
    for owner in nic.driver.owners:
        if isinstance(owner, StreamTransport):
            holds += owner.get_write_buffer_size()
            bound += BUFFERS
            reader = getattr(owner.get_protocol(), "_stream_reader", None)
            if reader is not None:
                holds += len(reader._buffer)
            bound += READER if reader is not None else TLS
    return holds, bound


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("role", ["the server pours", "the client pours"])
def test_memory_is_flat(role: str, encrypted: bool) -> None:
    """The most that both ends held in the second second, and in the seven after it."""

    async def main() -> None:
        async with two_nics(latency="5ms") as (a, b):
            served: asyncio.Future[int] = asyncio.Future()

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                if role == "the server pours":
                    await pour(writer)
                    served.set_result(SIZE)
                else:
                    served.set_result(await sip(reader))
                writer.close()

            tls = {"ssl": server_context()} if encrypted else {}
            await b.start_server(serve, B, 7, **tls)
            tls = {"ssl": client_context()} if encrypted else {}
            reader, writer = await a.open_connection("b.test", 7, **tls)
            drinking = asyncio.create_task(
                sip(reader) if role == "the server pours" else pour(writer)
            )
            loop = asyncio.get_running_loop()
            began = loop.time()
            early = late = 0
            while not served.done():
                await asyncio.sleep(0.01)
                holds = 0
                for nic in (a, b):
                    now, bound = held(nic)
                    assert now <= bound
                    holds += now
                if loop.time() - began < 2:
                    early = max(early, holds)
                else:
                    late = max(late, holds)
            total = await drinking
            assert (total if role == "the server pours" else await served) == SIZE
            assert loop.time() - began >= 0.9 * SIZE / RATE
            assert late <= 1.25 * early + CHUNK
            assert early < 8_000_000
            writer.close()

    run_virtually(main)


def test_a_reader_that_stops_is_waited_for() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            written = 0

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                nonlocal written
                for _ in range(400):
                    writer.write(bytes(CHUNK))
                    written += CHUNK
                    await writer.drain()
                writer.close()

            await b.start_server(serve, B, 7)
            reader, writer = await a.open_connection(B, 7)
            await asyncio.sleep(60)
            stopped_at = written
            assert not writer.transport.is_reading()
            await asyncio.sleep(300)  # the window is asked for again and again
            assert written == stopped_at
            for nic in (a, b):
                now, bound = held(nic)
                assert now <= bound
            assert len(await reader.read(-1)) == 400 * CHUNK
            writer.close()

    run_virtually(main)
