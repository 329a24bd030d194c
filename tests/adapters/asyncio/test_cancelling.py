"""Cancelled wherever it waits, a program leaves nothing."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sansio_net.adapters.asyncio import DnsConfig, Nic, using
from sansio_net.adapters.asyncio.opening import resolver_of

from .nics import (
    A,
    B,
    client_context,
    echo,
    finish,
    run_virtually,
    server_context,
    two_nics,
)
from .test_datagram import Recorder
from .test_names import Server


class CancelledAt:
    """Awaits a coroutine and cancels the task at its n-th wait, some turns later."""

    def __init__(self, coro: Coroutine[Any, Any, Any], n: int, later: int) -> None:
        self.coro, self.n, self.later = coro, n, later
        self.n_waits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        inner = self.coro.__await__()
        error: BaseException | None = None
        while True:
            try:
                waiting = inner.send(None) if error is None else inner.throw(error)
            except StopIteration as stop:
                return stop.value
            self.n_waits += 1
            if self.n_waits == self.n:
                asyncio.get_running_loop().create_task(self._cancel(task))
            try:
                yield waiting
                error = None
            except BaseException as raised:
                error = raised

    async def _cancel(self, task: asyncio.Task[Any]) -> None:
        for _ in range(self.later):
            await asyncio.sleep(0)
        task.cancel()


async def plain(a: Nic) -> None:
    reader, writer = await a.open_connection("b.test", 7)
    try:
        writer.write(bytes(1000))
        await reader.readexactly(1000)
    finally:
        await finish(writer)


async def bulk(a: Nic) -> None:
    _, writer = await a.open_connection("b.test", 9)  # nobody reads there
    try:
        while True:
            writer.write(bytes(200_000))
            await writer.drain()
    finally:
        writer.transport.abort()


async def encrypted(a: Nic) -> None:
    reader, writer = await a.open_connection("b.test", 443, ssl=client_context())
    try:
        writer.write(bytes(1000))
        await reader.readexactly(1000)
    finally:
        writer.close()
        with suppress(OSError):  # asyncio's, where the peer's text crossed our close
            await writer.wait_closed()


async def upgraded(a: Nic) -> None:
    reader, writer = await a.open_connection("b.test", 25)
    try:
        await writer.start_tls(client_context(), server_hostname="b.test")
        writer.write(b"x")
        await reader.readexactly(1)
    finally:
        writer.transport.abort()


async def racing(a: Nic) -> None:
    a.hosts["slow.test"] = ["10.0.0.99", B]
    _, writer = await a.open_connection("slow.test", 7, happy_eyeballs_delay=0.001)
    await finish(writer)


async def datagrams(a: Nic) -> None:
    transport, client = await a.create_datagram_endpoint(Recorder, remote_addr=(B, 9))
    try:
        transport.sendto(b"?")
        await client.errors.get()
    finally:
        transport.close()


async def tokens(a: Nic) -> None:
    """By the loop's own verbs, on sockets that the program made itself."""
    loop = asyncio.get_running_loop()
    with using(a), socket.socket() as sock, socket.socket() as listening:
        for one in (sock, listening):
            one.setblocking(False)
        await loop.sock_connect(sock, (B, 7))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
        sending = asyncio.create_task(loop.sock_sendall(sock, bytes(60_000)))
        try:
            left = 60_000
            while left:
                left -= len(await loop.sock_recv(sock, left))
            await sending
        finally:
            sending.cancel()
        listening.bind(("0.0.0.0", 0))
        accepting = asyncio.create_task(loop.sock_accept(listening))
        try:
            await asyncio.sleep(0)
            place = A, listening.getsockname()[1]
            _, writer = await asyncio.open_connection(*place)
            try:
                accepted, _ = await accepting  # lost with its token if cancelled here
                accepted.close()
            finally:
                writer.close()
        finally:
            accepting.cancel()


async def taken_over(a: Nic) -> None:
    """A token that becomes a transport."""
    loop = asyncio.get_running_loop()
    with using(a), socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("b.test", 443))
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=client_context(), server_hostname="b.test"
        )
        try:
            writer.write(b"x")
            await reader.readexactly(1)
        finally:
            writer.transport.abort()


async def named(a: Nic) -> None:
    """A name that only a server knows; it says nothing to half of the questions."""
    a.resolver = resolver_of(a, DnsConfig(servers=[B], search=["test"]))
    _, writer = await a.open_connection("www", 7)
    await finish(writer)


PROGRAMS = [
    *(plain, bulk, encrypted, upgraded, racing, datagrams),
    *(tokens, taken_over, named),
]


async def serve_all(b: Nic) -> None:
    kept = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()
        kept.append(writer)  # since Python 3.13 it closes when it is dropped

    async def upgrade(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            await writer.start_tls(server_context())
            writer.write(await reader.read(1))
        writer.close()

    await b.start_server(echo, B, 7)
    asked = 0

    def half(query: dns.message.Message) -> list[bytes]:
        nonlocal asked
        asked += 1
        if asked % 2:
            return []
        reply = dns.message.make_response(query)
        name = query.question[0].name
        if query.question[0].rdtype == dns.rdatatype.A:
            reply.answer.append(dns.rrset.from_text(name, 9, "IN", "A", B))
        return [reply.to_wire()]

    await b.create_datagram_endpoint(lambda: Server(half), (B, 53))
    await b.start_server(deaf, B, 9)
    await b.start_server(upgrade, B, 25)
    await b.start_server(echo, B, 443, ssl=server_context())


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 12), later=st.integers(0, 12))
@example(n=1, later=0)
@example(n=2, later=0)  # when the connection stands and its transport is being made
def test_cancelled_at_any_wait(
    program: Callable[[Nic], Coroutine[Any, Any, None]], n: int, later: int
) -> None:
    async def main() -> None:
        async with two_nics() as (a, b):
            await serve_all(b)
            before = len(asyncio.all_tasks())

            async def begin() -> None:
                await CancelledAt(program(a), n, later)

            task = asyncio.create_task(begin())
            await asyncio.wait([task], timeout=60)
            task.cancel()  # where there are fewer waits than that
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()
            del task  # its traceback holds what it had
            await gone(lambda: not a.driver.owners)
            await gone(lambda: not a.stack.connections() and not a.stack.sockets())
            await gone(lambda: len(asyncio.all_tasks()) <= before + n_servants(b))

    run_virtually(main)


def n_servants(b: Nic) -> int:
    """Tasks of connections that B still serves: the peer's end is not our matter."""
    return len(b.stack.connections()) + 2


async def gone(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            gc.collect()
            await asyncio.sleep(0.01)
