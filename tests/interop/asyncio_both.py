"""One asyncio program with two networks: the kernel's, and a NIC on a TAP to it.

``python -m tests.interop.asyncio_both CERT KEY`` lets the two ends talk in both roles,
plain and over TLS, by streams and by datagrams, and prints "all well".
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

from sansio_net.adapters.asyncio import Nic, open_nic

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
SIZE = 3_000_000


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    writer.close()


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, slow: bool = False
) -> None:
    data = pattern(SIZE)
    if not slow:
        writer.write(data)
        if writer.can_write_eof():
            writer.write_eof()
        assert await reader.readexactly(SIZE) == data
    else:
        async with asyncio.TaskGroup() as group:
            group.create_task(pour(writer, data))
            # nobody reads until everything is full on the way there and back
            await asyncio.sleep(0.5)
            assert await reader.readexactly(SIZE) == data
    if writer.can_write_eof():
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def pour(writer: asyncio.StreamWriter, data: bytes) -> None:
    for at in range(0, len(data), 50_000):
        writer.write(data[at : at + 50_000])
        await writer.drain()
        _, high = writer.transport.get_write_buffer_limits()
        assert writer.transport.get_write_buffer_size() <= high + 60_000
    if writer.can_write_eof():
        writer.write_eof()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, answer: bool = False) -> None:
        self.answer = answer
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.answer:
            self.transport.sendto(data, addr)
        self.got.put_nowait(data)

    def error_received(self, error: Exception) -> None:
        self.errors.put_nowait(error)


async def datagrams(server: Any, client: Any, address: str) -> None:
    """server, client: the verbs of either network."""
    serving, _ = await server(lambda: Datagrams(answer=True), (address, 53))
    sending, protocol = await client(Datagrams, remote_addr=(address, 53))
    for size in (1, 1400, 20_000):
        sending.sendto(pattern(size))
        assert await protocol.got.get() == pattern(size)
    serving.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sending.sendto(b"anybody there?")
    assert isinstance(await protocol.errors.get(), ConnectionRefusedError)
    sending.close()


async def talk(nic: Nic, cert: str, key: str) -> None:
    loop = asyncio.get_running_loop()
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server_side.load_cert_chain(cert, key)
    client_side = ssl.create_default_context(cafile=cert)
    tls = {"ssl": client_side, "server_hostname": "b.test"}
    await nic.start_server(echo, OURS, 7)
    await nic.start_server(echo, OURS, 443, ssl=server_side)
    await asyncio.start_server(echo, HOST, 7)
    await asyncio.start_server(echo, HOST, 443, ssl=server_side)
    for connect, address in (
        (asyncio.open_connection, OURS),
        (nic.open_connection, HOST),
    ):
        await exchange(*await connect(address, 7))
        await exchange(*await connect(address, 7), slow=True)
        await exchange(*await connect(address, 443, **tls))
        await exchange(*await connect(address, 443, **tls), slow=True)
        await asyncio.gather(*[exchange(*await connect(address, 7)) for _ in range(10)])
        try:
            await connect(address, 1)
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError("port 1 is closed")
    ours, theirs = nic.create_datagram_endpoint, loop.create_datagram_endpoint
    await datagrams(ours, theirs, OURS)
    await datagrams(theirs, ours, HOST)


async def main(cert: str, key: str) -> None:
    async with open_nic("tap:both0", [f"{OURS}/24"], host_address=f"{HOST}/24") as nic:
        await talk(nic, cert, key)
    print("all well")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
