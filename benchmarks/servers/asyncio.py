"""Our stack as a server in asyncio, through the adapter, on a TAP.

``python -m benchmarks.servers.asyncio protocols|streams INTERFACE ADDRESS/PREFIX``:
with protocols, as servers for speed are written, or with a task and a pair of streams
for each connection.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from sansio_net.adapters.asyncio import Nic, open_nic

from . import DISCARD, ECHO, PATTERN, PERIOD, SOURCE, count_message

STREAM = memoryview(PATTERN * 5)


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Discard(Echo):
    count = 0

    def data_received(self, data: bytes) -> None:
        self.count += len(data)

    def eof_received(self) -> bool:
        self.transport.write(count_message(self.count))
        return False  # closes


class Source(Echo):
    at = 0
    paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.fill()

    def fill(self) -> None:
        while not self.paused and not self.transport.is_closing():
            self.transport.write(STREAM[: 4 * PERIOD])

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.fill()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def until_reset(talk: Talk) -> Talk:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        writer.close()

    return whole


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def discard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    count = 0
    while data := await reader.read(1 << 18):
        count += len(data)
    writer.write(count_message(count))


async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(STREAM[: 4 * PERIOD])
        await writer.drain()


async def serve(nic: Nic, style: str) -> None:
    if style == "protocols":
        await nic.create_server(Echo, None, ECHO, backlog=512)
        await nic.create_server(Discard, None, DISCARD, backlog=512)
        await nic.create_server(Source, None, SOURCE, backlog=512)
    else:
        await nic.start_server(until_reset(echo), None, ECHO, backlog=512)
        await nic.start_server(until_reset(discard), None, DISCARD, backlog=512)
        await nic.start_server(until_reset(source), None, SOURCE, backlog=512)
    await nic.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", ECHO))


async def main(style: str, interface: str, address: str) -> None:
    async with open_nic(f"tap:{interface}", [address]) as nic:
        await serve(nic, style)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
