"""Our stack as a server in trio, on a TAP: trio's streams, a task per connection.

``python -m benchmarks.servers.trio INTERFACE ADDRESS/PREFIX``
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from sansio_net.adapters.trio import Nic, open_nic

from . import DISCARD, ECHO, PATTERN, PERIOD, SOURCE, count_message

Talk = Callable[[trio.SocketStream], Awaitable[None]]

STREAM = memoryview(PATTERN * 4)


async def echo(stream: trio.SocketStream) -> None:
    while data := await stream.receive_some(1 << 16):
        await stream.send_all(data)


async def discard(stream: trio.SocketStream) -> None:
    count = 0
    while data := await stream.receive_some(4 * PERIOD):
        count += len(data)
    await stream.send_all(count_message(count))


async def source(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(STREAM)


def until_reset(talk: Talk) -> Talk:
    async def whole(stream: trio.SocketStream) -> None:
        try:
            await talk(stream)
        except trio.BrokenResourceError:
            pass
        await stream.aclose()

    return whole


async def echo_datagrams(nic: Nic) -> None:
    with nic.use():
        sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        await sock.bind(("", ECHO))
    while True:
        await sock.sendto(*await sock.recvfrom(2048))


async def main(interface: str, address: str) -> None:
    async with (
        open_nic(f"tap:{interface}", [address]) as nic,
        trio.open_nursery() as nursery,
    ):
        for talk, port in ((echo, ECHO), (discard, DISCARD), (source, SOURCE)):
            serve = partial(nic.serve_tcp, until_reset(talk), port, backlog=512)
            await nursery.start(serve)
        nursery.start_soon(echo_datagrams, nic)
        print("ready", flush=True)


if __name__ == "__main__":
    trio.run(main, sys.argv[1], sys.argv[2])
