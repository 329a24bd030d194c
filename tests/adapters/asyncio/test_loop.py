"""NetworkLoop: the loop's own verbs go over the NIC, and sockets are tokens."""

from __future__ import annotations

import asyncio
import gc
import io
import random
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from sansio_net.adapters.asyncio import NetworkLoop, Nic, StreamTransport, open_nic
from sansio_net.adapters.asyncio import run as run_on
from sansio_net.drivers import BusyPollSelector, memory_pair
from sansio_net.testing.link import Link

from .nics import client_context, echo, finish, server_context
from .test_datagram import Recorder

OURS = "10.200.0.9"
T = TypeVar("T")


def run(main: Coroutine[Any, Any, T], **options: Any) -> T:
    """On a NIC whose address exists nowhere else."""
    device, _ = memory_pair(Link(1))
    hosts = {"b.test": [OURS]}

    async def in_time() -> T:
        async with asyncio.timeout(30):
            return await main

    nic = open_nic(device, [f"{OURS}/24"], hosts=hosts, close_timeout=0)
    return run_on(in_time(), nic=nic, **options)


def the_nic() -> Nic:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, NetworkLoop)
    assert loop.nic is not None
    return loop.nic


async def echoed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"word")
    data = await reader.readexactly(4)
    await finish(writer)
    return data


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_asyncio_s_own_functions(encrypted: bool) -> None:
    async def main() -> None:
        tls: Any = {"ssl": server_context()} if encrypted else {}
        server = await asyncio.start_server(echo, OURS, 7, **tls)
        assert server.sockets[0].getsockname() == (OURS, 7)
        tls = {"ssl": client_context()} if encrypted else {}
        reader, writer = await asyncio.open_connection("b.test", 7, **tls)
        assert await echoed(reader, writer) == b"word"
        server.close()
        await server.wait_closed()

    run(main())


def test_datagrams() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        serving, server = await loop.create_datagram_endpoint(Recorder, (OURS, 53))
        sending, _ = await loop.create_datagram_endpoint(
            Recorder, remote_addr=("b.test", 53)
        )
        sending.sendto(b"?")
        assert (await server.got.get())[0] == b"?"
        serving.close()
        sending.close()

    run(main())


def test_busy_polling_is_an_option() -> None:
    async def main() -> Any:
        return the_nic().driver.loop._selector  # type: ignore[attr-defined]

    assert isinstance(run(main(), busy_poll=50_000), BusyPollSelector)
    assert not isinstance(run(main()), BusyPollSelector)


def test_a_socket_that_somebody_else_made_is_a_token() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.start_server(echo, OURS, 7)
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, (OURS, 7))
        reader, writer = await asyncio.open_connection(sock=sock)
        assert isinstance(writer.transport, StreamTransport)
        assert sock.getpeername() == (OURS, 7)
        with pytest.raises(RuntimeError, match="used by a transport"):
            await asyncio.open_connection(sock=sock)
        assert await echoed(reader, writer) == b"word"
        assert sock.fileno() == -1  # its transport is gone

    run(main())


def test_a_listening_socket_is_a_token() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        sock.setblocking(False)
        port = sock.getsockname()[1]
        accepting = asyncio.create_task(loop.sock_accept(sock))
        await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection(OURS, port)
        accepted, peer = await accepting
        assert peer == writer.get_extra_info("sockname")
        transport, other = await loop.connect_accepted_socket(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), echo), accepted
        )
        assert transport.get_extra_info("sockname") == (OURS, port)
        assert await echoed(reader, writer) == b"word"
        # dropped, it takes the listener along
        del accepted, transport, other
        sock.close()
        del sock, accepting
        gc.collect()
        await asyncio.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(OURS, port)

    run(main())


def test_a_token_that_is_dropped_resets_its_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.start_server(echo, OURS, 7)
        sock = socket.socket()
        sock.setblocking(False)
        await loop.sock_connect(sock, (OURS, 7))
        sock.close()
        del sock
        async with asyncio.timeout(10):
            while the_nic().stack.connections():
                await asyncio.sleep(0.001)

    run(main())


def test_servers_and_datagrams_of_a_bound_socket() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.bind(("0.0.0.0", 0))
        port = sock.getsockname()[1]
        await asyncio.start_server(echo, sock=sock)
        reader, writer = await asyncio.open_connection(OURS, port)
        assert await echoed(reader, writer) == b"word"
        # as aioquic has them: one IPv6 socket for both families
        udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        udp.bind(("::", 0))
        sending, client = await loop.create_datagram_endpoint(Recorder, sock=udp)
        serving, server = await loop.create_datagram_endpoint(Recorder, (OURS, 53))
        sending.sendto(b"?", (f"::ffff:{OURS}", 53, 0, 0))
        _, address = await server.got.get()
        serving.sendto(b"!", address)
        assert await client.got.get() == (b"!", (f"::ffff:{OURS}", 53, 0, 0))
        sending.close()
        serving.close()

    run(main())


def test_prefixes_leave_the_rest_to_the_kernel() -> None:
    async def main() -> None:
        kernel = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = kernel.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert not isinstance(writer.transport, StreamTransport)
        assert await echoed(reader, writer) == b"word"
        await asyncio.start_server(echo, OURS, 7)
        reader, writer = await asyncio.open_connection("b.test", 7)
        assert isinstance(writer.transport, StreamTransport)
        assert await echoed(reader, writer) == b"word"
        loop = asyncio.get_running_loop()
        assert await loop.getnameinfo((OURS, 80)) == (OURS, "80")
        kernel.close()

    run(main(), route=["10.200.0.0/16"])


def test_everything_means_names_as_well() -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror):
            await asyncio.open_connection("localhost.example", 7)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("localhost", 7)

    run(main())


def test_without_a_nic_it_is_asyncio_s_own() -> None:
    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        place = server.sockets[0].getsockname()
        assert await echoed(*await asyncio.open_connection(*place)) == b"word"
        server.close()

    with asyncio.Runner(loop_factory=NetworkLoop) as runner:
        runner.run(main())


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "tls"])
def test_files_are_sent_in_large_parts(encrypted: bool) -> None:
    """asyncio's own fallback goes through a thread for each 16 KB."""

    class Counted(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1) -> bytes:
            self.reads += 1
            return super().read(size)

    data = random.Random(3).randbytes(3_000_000)

    async def main() -> None:
        async def send(reader: asyncio.StreamReader, writer: Any) -> None:
            file = Counted(data)
            loop = asyncio.get_running_loop()
            transport = writer.transport
            assert await loop.sendfile(transport, file, 1000, 1_500_000) == 1_500_000
            assert file.tell() == 1_501_000
            assert file.reads < 10
            assert await loop.sendfile(transport, file, 2_000_000) == 1_000_000
            await finish(writer)

        tls: Any = {"ssl": server_context()} if encrypted else {}
        await asyncio.start_server(send, OURS, 7, **tls)
        tls = {"ssl": client_context()} if encrypted else {}
        reader, writer = await asyncio.open_connection("b.test", 7, **tls)
        assert await reader.read() == data[1000:1_501_000] + data[2_000_000:]
        await finish(writer)

    run(main())


def test_who_sends_a_file_is_told_of_full_buffers_in_pairs() -> None:
    told: list[str] = []

    class Sender(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport
            small = (socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            transport.get_extra_info("socket").setsockopt(*small)
            asyncio.get_running_loop().create_task(self.send())

        async def send(self) -> None:
            loop = asyncio.get_running_loop()
            await loop.sendfile(self.transport, io.BytesIO(bytes(256 * 1024)))
            told.append("sent")

        def pause_writing(self) -> None:
            told.append("paused")

        def resume_writing(self) -> None:
            told.append("resumed")
            self.transport.close()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_server(Sender, OURS, 7)
        reader, writer = await asyncio.open_connection("b.test", 7)
        assert len(await reader.read()) == 256 * 1024
        await finish(writer)

    run(main())
    assert told in (["paused", "sent", "resumed"], ["sent", "paused", "resumed"])
