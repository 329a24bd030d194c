"""PyTCP 3 (pmd-pytcp) as a server on a TAP, inside its own process: its embedded form.

Runs in the virtual environment that peers/pytcp.py makes, which has nothing of ours:
``python -m benchmarks.servers.pytcp INTERFACE ADDRESS/PREFIX``
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from pmd_net_addr import Ip4IfAddr
from pmd_pytcp import stack
from pmd_pytcp.socket import AF_INET, SOCK_DGRAM, SOCK_STREAM, socket

from . import DISCARD, ECHO, PATTERN, PERIOD, SOURCE, count_message

Talk = Callable[[socket], Awaitable[None]]

QUEUED = 4 * PERIOD


async def echo(sock: socket) -> None:
    while data := await sock.recv(1 << 16):
        await sock.send(data)


async def discard(sock: socket) -> None:
    count = 0
    while data := await sock.recv(1 << 18):
        count += len(data)
    await sock.send(count_message(count))


async def source(sock: socket) -> None:
    # send takes everything and never waits; what is queued is nowhere public
    queue = sock.tcp_session._tx.buffer
    while True:
        while len(queue) < QUEUED:
            await sock.send(PATTERN)
        await asyncio.sleep(0.002)


async def serve(port: int, conversation: Talk) -> None:
    listener = socket(AF_INET, SOCK_STREAM)
    listener.bind(("0.0.0.0", port))
    listener.listen(backlog=512)
    tasks = set()

    async def talk(sock: socket) -> None:
        try:
            await conversation(sock)
        except OSError:
            pass
        sock.close()

    while True:
        sock, _ = await listener.accept()
        task = asyncio.create_task(talk(sock))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def echo_datagrams() -> None:
    sock = socket(AF_INET, SOCK_DGRAM)
    sock.bind(("0.0.0.0", ECHO))
    while True:
        await sock.sendto(*await sock.recvfrom())


async def main(interface: str, address: str) -> None:
    stack.init()
    stack.add_interface(
        **stack.initialize_interface__tap(interface_name=interface),
        ip4_host=Ip4IfAddr(address),
        ip6_support=False,
    )
    await stack.start()
    services = [
        asyncio.create_task(one)
        for one in (
            serve(ECHO, echo),
            serve(DISCARD, discard),
            serve(SOURCE, source),
            echo_datagrams(),
        )
    ]
    print("ready", flush=True)
    await asyncio.gather(*services)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
