"""Two NICs of one trio run on a link in memory, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import trio
import trio.testing

from sansio_net.adapters.trio import Nic, open_nic
from sansio_net.drivers import memory_pair
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

A, B = "10.0.0.1", "10.0.0.2"
A6, B6 = "fd00::1", "fd00::2"
HOSTS = {"a.test": [A, A6], "b.test": [B, B6]}

T = TypeVar("T")

START = 0


def run(main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """In virtual time; an hour of it is too long."""

    async def limited() -> T:
        with trio.fail_after(3600):
            return await main(*args)

    clock = trio.testing.MockClock(autojump_threshold=0)
    return trio.run(limited, clock=clock)


@asynccontextmanager
async def two_nics(
    close_timeout: int = SECOND, **conditions: int | str
) -> AsyncIterator[tuple[Nic, Nic]]:
    ends = memory_pair(Link(1, **conditions))
    opened = partial(open_nic, hosts=HOSTS, close_timeout=close_timeout)
    async with (
        opened(ends[0], [f"{A}/24", f"{A6}/64"], seed=b"a" * 32) as one,
        opened(ends[1], [f"{B}/24", f"{B6}/64"], seed=b"b" * 32) as other,
    ):
        yield one, other


async def echo(stream: trio.abc.HalfCloseableStream) -> None:
    """Everything back, then the end."""
    try:
        async for data in stream:
            await stream.send_all(data)
        await stream.send_eof()
    except trio.BrokenResourceError:
        pass


async def stream_pair(
    a: Nic, b: Nic, host: str = B
) -> tuple[trio.SocketStream, trio.SocketStream]:
    """A connection from A to B."""
    made: list[trio.SocketStream] = []
    (listener,) = await b.open_tcp_listeners(0, host=host)
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            made.append(await listener.accept())

        nursery.start_soon(accept)
        client = await a.open_tcp_stream(host, port)
    await listener.aclose()
    return client, made[0]
