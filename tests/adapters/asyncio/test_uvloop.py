"""Under uvloop, a loop that is not asyncio's: what works there, and what does not."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Coroutine
from typing import Any

import pytest
import uvloop

from sansio_net.adapters.asyncio import Nic

from .nics import (
    B,
    client_context,
    echo,
    finish,
    server_context,
    two_nics,
)
from .test_datagram import Recorder


def run(main: Coroutine[Any, Any, None]) -> None:
    async def watched() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, uvloop.Loop)
        told: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: told.append(context))
        async with asyncio.timeout(50):
            await main
        assert told == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(watched())


async def echoed(a: Nic, size: int, **kwds: Any) -> None:
    reader, writer = await a.open_connection("b.test", 7, **kwds)
    data = bytes(range(256)) * (size // 256)
    sending = asyncio.create_task(asyncio.to_thread(bytes))  # its threads go on
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    await sending
    await finish(writer)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_streams(encrypted: bool) -> None:
    async def main() -> None:
        async with two_nics(latency="1ms") as (a, b):
            tls: Any = {"ssl": server_context()} if encrypted else {}
            server = await b.start_server(echo, B, 7, **tls)
            tls = {"ssl": client_context()} if encrypted else {}
            await asyncio.gather(*(echoed(a, 100_000, **tls) for _ in range(5)))
            server.close()
            await server.wait_closed()
            with pytest.raises(ConnectionRefusedError):
                await a.open_connection(B, 7)

    run(main())


def test_datagrams() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            serving, server = await b.create_datagram_endpoint(Recorder, (B, 53))
            sending, client = await a.create_datagram_endpoint(
                Recorder, remote_addr=(B, 53)
            )
            sending.sendto(b"?")
            data, source = await server.got.get()
            serving.sendto(data + b"!", source)
            assert (await client.got.get())[0] == b"?!"
            sending.close()
            serving.close()

    run(main())


def test_tls_that_begins_later_is_the_nics_own() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):

            async def upgrade(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter
            ) -> None:
                assert await reader.readline() == b"STARTTLS\r\n"
                writer.write(b"220 go ahead\r\n")
                await starttls(b, reader, writer, server_side=True)
                writer.write(await reader.readexactly(4))
                writer.close()

            await b.start_server(upgrade, B, 25)
            reader, writer = await a.open_connection(B, 25)
            writer.write(b"STARTTLS\r\n")
            assert await reader.readline() == b"220 go ahead\r\n"
            with pytest.raises(TypeError, match="not supported"):
                await asyncio.get_running_loop().start_tls(
                    writer.transport, writer.transport.get_protocol(), client_context()
                )
            await starttls(a, reader, writer, server_hostname="b.test")
            writer.write(b"word")
            assert await reader.readexactly(4) == b"word"
            await finish(writer)

    run(main())


async def starttls(
    nic: Nic,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    **kind: Any,
) -> None:
    """What `StreamWriter.start_tls` does, by the NIC's verb."""
    context = server_context() if kind.get("server_side") else client_context()
    protocol: Any = writer.transport.get_protocol()
    transport = await nic.start_tls(writer.transport, protocol, context, **kind)
    inside: Any = writer
    inside._transport = transport
    if sys.version_info >= (3, 13):
        protocol._replace_transport(transport)
    else:
        protocol._replace_writer(writer)


def test_files_are_written_by_hand() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(echo, B, 7)
            _, writer = await a.open_connection(B, 7)
            with pytest.raises((TypeError, NotImplementedError, RuntimeError)):
                await asyncio.get_running_loop().sendfile(
                    writer.transport, io.BytesIO(b"x")
                )
            await finish(writer)

    run(main())
