"""TLS by asyncio's own protocol on our transports, in both roles."""

from __future__ import annotations

import asyncio
import random
import ssl
from contextlib import suppress

import pytest

from .nics import (
    A,
    B,
    client_context,
    echo,
    finish,
    run,
    server_context,
    two_nics,
)


def test_both_roles() -> None:
    async def main() -> None:
        data = random.Random(4).randbytes(400_000)
        async with two_nics() as (a, b):
            server = await b.start_server(echo, B, 443, ssl=server_context())
            reader, writer = await a.open_connection(
                "b.test", 443, ssl=client_context()
            )
            assert writer.get_extra_info("peername") == (B, 443)
            assert writer.get_extra_info("socket").fileno() == -1
            cipher = writer.get_extra_info("cipher")
            assert cipher[1].startswith("TLSv1")

            async def send() -> None:
                writer.write(data)
                await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(len(data)) == data
            await sending
            await finish(writer)
            server.close()
            await server.wait_closed()

    run(main())


def test_a_name_that_the_certificate_does_not_have() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(echo, B, 443, ssl=server_context())
            with pytest.raises(ssl.SSLCertVerificationError):
                await a.open_connection(
                    B, 443, ssl=client_context(), server_hostname="c.test"
                )
            # its address it does have
            _, writer = await a.open_connection(B, 443, ssl=client_context())
            await finish(writer)

    run(main())


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """STARTTLS in the middle of a conversation."""
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"go\n")
    await writer.drain()
    await writer.start_tls(server_context())
    writer.write(b"secret " + await reader.readline())
    await finish(writer)


def test_start_tls_by_streams() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(upgrade, B, 25)
            reader, writer = await a.open_connection("b.test", 25)
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(client_context(), server_hostname="b.test")
            assert writer.get_extra_info("ssl_object") is not None
            writer.write(b"word\n")
            assert await reader.readline() == b"secret word\n"
            await finish(writer)

    run(main())


@pytest.mark.parametrize("by", ["nic", "loop"])
def test_start_tls_by_transports(by: str) -> None:
    class Client(asyncio.Protocol):
        def __init__(self) -> None:
            self.lines: asyncio.Queue[bytes] = asyncio.Queue()

        def data_received(self, data: bytes) -> None:
            self.lines.put_nowait(data)

    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(upgrade, B, 25)
            transport, client = await a.create_connection(Client, "b.test", 25)
            transport.write(b"STARTTLS\n")
            assert await client.lines.get() == b"go\n"
            verbs = a if by == "nic" else asyncio.get_running_loop()
            over = await verbs.start_tls(
                transport, client, client_context(), server_hostname="b.test"
            )
            over.write(b"word\n")
            assert await client.lines.get() == b"secret word\n"
            over.close()
            with pytest.raises(TypeError):
                await a.start_tls(transport, client, None)  # type: ignore[arg-type]

    run(main())


def test_a_handshake_that_nobody_answers_ends() -> None:
    async def silent(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            await reader.read()
        writer.close()

    async def main() -> None:
        async with two_nics() as (a, b):
            await b.start_server(silent, B, 443)
            with pytest.raises(ConnectionAbortedError, match="handshake"):
                await a.open_connection(
                    B, 443, ssl=client_context(), ssl_handshake_timeout=0.05
                )
            # our side of a server likewise
            server = await a.start_server(
                silent, A, 443, ssl=server_context(), ssl_handshake_timeout=0.05
            )
            reader, _ = await b.open_connection(A, 443)
            assert await reader.read() == b""
            server.close()
            await server.wait_closed()

    run(main())


def test_misuse() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            for wrong in (
                {"server_hostname": "b.test"},
                {"ssl_handshake_timeout": 1.0},
            ):
                with pytest.raises(ValueError, match="ssl"):
                    await a.open_connection(B, 1, **wrong)
            with pytest.raises(TypeError):
                await b.start_server(echo, B, 1, ssl=True)

    run(main())
