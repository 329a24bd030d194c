"""Datagram endpoints over a link in memory."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from .nics import A, B, run, two_nics


class Recorder(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.told: list[str] = []
        self.lost: asyncio.Future[Exception | None] = asyncio.Future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.got.put_nowait((data, addr))

    def error_received(self, error: Exception) -> None:
        self.errors.put_nowait(error)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


def test_question_and_answer() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            theirs, server = await b.create_datagram_endpoint(Recorder, (B, 53))
            mine, client = await a.create_datagram_endpoint(
                Recorder, remote_addr=("b.test", 53)
            )
            assert mine.get_extra_info("peername") == (B, 53)
            sock = mine.get_extra_info("socket")
            assert sock.type is socket.SOCK_DGRAM
            assert sock.fileno() == -1
            mine.sendto(b"?")
            data, address = await server.got.get()
            assert data == b"?"
            assert address == (A, sock.getsockname()[1])
            theirs.sendto(b"!", address)
            assert await client.got.get() == (b"!", (B, 53))
            mine.close()
            theirs.abort()
            assert await client.lost is None
            assert await server.lost is None

    run(main())


def test_errors_of_a_connected_one() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            mine, client = await a.create_datagram_endpoint(
                Recorder, remote_addr=(B, 9)
            )
            mine.sendto(b"?")
            error = await client.errors.get()
            assert isinstance(error, ConnectionRefusedError)
            # told once, and the transport goes on
            assert client.errors.empty()
            assert not mine.is_closing()
            mine.sendto(b"?")
            await client.errors.get()
            with pytest.raises(ValueError, match="Invalid address"):
                mine.sendto(b"?", (A, 9))
            with pytest.raises(TypeError):
                mine.sendto("text")  # type: ignore[arg-type]
            mine.close()

    run(main())


def test_too_large_and_unreachable_are_errors() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            mine, client = await a.create_datagram_endpoint(Recorder, (A, 0))
            mine.sendto(bytes(70_000), (B, 9))
            mine.sendto(b"?", ("192.0.2.1", 9))
            assert "long" in str(await client.errors.get())
            assert isinstance(await client.errors.get(), OSError)
            mine.close()

    run(main())


def test_what_does_not_fit_waits_and_all_of_it_arrives() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            _, server = await b.create_datagram_endpoint(Recorder, (B, 53))
            mine, client = await a.create_datagram_endpoint(
                Recorder, remote_addr=(B, 53)
            )
            mine.set_write_buffer_limits(high=20_000)  # type: ignore[attr-defined]
            # the neighbour is known, so that nothing is dropped while it is asked for
            mine.sendto(b"first")
            await server.got.get()
            n = 0
            while not client.told:
                mine.sendto(n.to_bytes(4, "big") + bytes(1000))
                n += 1
            assert mine.get_write_buffer_size() > 20_000  # type: ignore[attr-defined]
            mine.close()  # what was given still goes
            for expected in range(n):
                data, _ = await server.got.get()
                assert int.from_bytes(data[:4], "big") == expected
            assert await client.lost is None
            assert client.told == ["pause", "resume"]

    run(main())


def test_a_family_is_needed() -> None:
    async def main() -> None:
        async with two_nics() as (a, _):
            with pytest.raises(ValueError, match="family"):
                await a.create_datagram_endpoint(Recorder)
            mine, _ = await a.create_datagram_endpoint(Recorder, family=socket.AF_INET6)
            assert mine.get_extra_info("sockname")[0] == "::"
            mine.close()

    run(main())


def test_groups_are_joined_by_socket_options() -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            a.stack.add_route("224.0.0.0/4", nic=a.interface)
            place = ("0.0.0.0", 5353)
            theirs, server = await b.create_datagram_endpoint(Recorder, place)
            mine, _ = await a.create_datagram_endpoint(Recorder, (A, 0))
            sock = theirs.get_extra_info("socket")
            group = socket.inet_aton("224.0.0.251")
            option = (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP)
            sock.setsockopt(*option, group + socket.inet_aton("0.0.0.0"))
            mine.sendto(b"who?", ("224.0.0.251", 5353))
            assert (await server.got.get())[0] == b"who?"
            with pytest.raises(OSError, match="Invalid"):
                sock.setsockopt(*option, b"")
            with pytest.raises(OSError, match="not a"):
                sock.setsockopt(*option, socket.inet_aton(B) * 2)
            for value in (0, 1):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, value)
                got = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
                assert got == value
            mine.close()
            theirs.close()

    run(main())
