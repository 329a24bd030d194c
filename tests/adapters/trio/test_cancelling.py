"""Cancelled wherever it waits, a program leaves nothing; nor do many that end."""

from __future__ import annotations

import gc
import socket
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sansio_net.adapters.trio import Nic
from tests.adapters.asyncio.nics import client_context, server_context

from .nics import B, echo, run, two_nics

Program = Callable[[Nic], Awaitable[None]]


async def plain(a: Nic) -> None:
    async with await a.open_tcp_stream("b.test", 7) as stream:
        await stream.send_all(bytes(1000))
        got = 0
        while got < 1000:
            got += len(await stream.receive_some())


async def bulk(a: Nic) -> None:
    async with await a.open_tcp_stream(B, 9) as stream:  # nobody reads there
        while True:
            await stream.send_all(bytes(200_000))


async def encrypted(a: Nic) -> None:
    stream = await a.open_ssl_over_tcp_stream(
        "b.test", 443, ssl_context=client_context()
    )
    async with stream:
        await stream.send_all(bytes(1000))
        await stream.receive_some()


async def racing(a: Nic) -> None:
    a.hosts["slow.test"] = ["10.0.0.99", B]
    stream = await a.open_tcp_stream("slow.test", 7, happy_eyeballs_delay=0.01)
    await stream.aclose()


async def datagrams(a: Nic) -> None:
    with a.socket(type=socket.SOCK_DGRAM) as sock:
        await sock.connect(("b.test", 9))
        await sock.send(b"?")
        try:
            await sock.recv(1)
        except ConnectionRefusedError:
            pass


async def listening(a: Nic) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(a.serve_tcp, echo, 7)
        async with await a.open_tcp_stream("a.test", 7) as stream:  # of its own
            await stream.send_all(b"x")
            await stream.receive_some()
        nursery.cancel_scope.cancel()


PROGRAMS = [plain, bulk, encrypted, racing, datagrams, listening]


async def serve_all(b: Nic, nursery: trio.Nursery) -> None:
    async def deaf(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async def echo_tls(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            async for data in stream:
                await stream.send_all(data)
        except trio.BrokenResourceError:
            pass

    await nursery.start(b.serve_tcp, echo, 7)
    await nursery.start(b.serve_tcp, deaf, 9)
    await nursery.start(b.serve_ssl_over_tcp, echo_tls, 443, server_context())


def counted() -> Counter[str]:
    kinds = ("Socket", "StreamEndpoint", "DatagramEndpoint", "SSLStream", "Connection")
    gc.collect()
    names = Counter(type(one).__name__ for one in gc.get_objects())
    return Counter({kind: names[kind] for kind in kinds if names[kind]})


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@settings(max_examples=25, deadline=None)
@given(steps=st.integers(0, 60), later=st.integers(0, 120))
@example(steps=0, later=0)
@example(steps=1, later=0)
@example(steps=0, later=30)
def test_cancelled_at_any_wait(program: Program, steps: int, later: int) -> None:
    """steps: of the scheduler, then ms of time."""

    async def main() -> None:
        async with (
            two_nics(latency="10ms") as (a, b),
            trio.open_nursery() as nursery,
        ):
            await serve_all(b, nursery)
            scope = trio.CancelScope()

            async def body() -> None:
                with scope:
                    await program(a)

            async with trio.open_nursery() as inner:
                inner.start_soon(body)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                await trio.sleep(later / 1000)
                scope.cancel()
            assert len(a.driver.owners) == 0
            assert a.stack.sockets() == []
            await trio.sleep(600)  # what was closed in good order
            assert a.stack.connections() == []
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize("program", [plain, encrypted, datagrams, listening])
def test_many_that_end_leave_nothing_behind(program: Program) -> None:
    n = 300 if program is plain else 60
    at_once = 20 if program in (plain, encrypted) else 1

    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await serve_all(b, nursery)
            # the first: a server of trio keeps hold of its last connection
            await program(a)
            await trio.sleep(600)
            before = counted()
            for _ in range(n // at_once):
                async with trio.open_nursery() as inner:
                    for _ in range(at_once):
                        inner.start_soon(program, a)
                await trio.sleep(1)  # ICMP errors are few a second
            await trio.sleep(600)
            assert a.stack.connections() == b.stack.connections() == []
            assert len(a.driver.owners) == 0
            assert counted() == before
            nursery.cancel_scope.cancel()

    run(main)


def test_a_dropped_socket_is_closed() -> None:
    async def main() -> None:
        async with two_nics() as (a, b), trio.open_nursery() as nursery:
            await serve_all(b, nursery)
            stream = await a.open_tcp_stream("b.test", 7)
            await trio.testing.wait_all_tasks_blocked()
            dropped = [stream]
            del stream
            with pytest.warns(ResourceWarning, match="unclosed"):
                dropped.clear()
            await trio.sleep(1)
            assert a.stack.connections() == []
            nursery.cancel_scope.cancel()

    run(main)
