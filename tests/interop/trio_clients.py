"""trio on the kernel's network and, in one run, on a NIC on a TAP to it.

``python -m tests.interop.trio_clients URL HASH`` fetches by httpx and by anyio over the
NIC, talks to the kernel's side in both roles, by streams and by datagrams, and prints
"all well".
"""

from __future__ import annotations

import hashlib
import socket
import sys
from functools import partial

import anyio
import httpx
import trio

from sansio_net.adapters.trio import Nic, open_nic

from .lab import pattern

OURS, HOST = "10.0.0.2", "10.0.0.1"
SIZE = 3_000_000


async def fetch(url: str, digest: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(2):
            answer = await client.get(url)
            assert answer.status_code == 200
            assert hashlib.sha256(answer.content).hexdigest() == digest
    target = httpx.URL(url)
    async with await anyio.connect_tcp(target.host, target.port or 80) as stream:
        await stream.send(f"GET {target.path} HTTP/1.0\r\n\r\n".encode())
        got = bytearray()
        async for part in stream:
            got += part
    _, _, body = got.partition(b"\r\n\r\n")
    assert hashlib.sha256(body).hexdigest() == digest


async def echo(stream: trio.SocketStream) -> None:
    async for data in stream:
        await stream.send_all(data)
    await stream.send_eof()


async def exchange(stream: trio.SocketStream) -> None:
    data, got = pattern(SIZE), bytearray()

    async def pour() -> None:
        await stream.send_all(data)
        await stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pour)
        # nobody reads until everything is full on the way there and back
        await trio.sleep(0.5)
        async for part in stream:
            got += part
    assert got == data
    await stream.aclose()


async def both_roles(nic: Nic) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(nic.serve_tcp, echo, 7))
        await nursery.start(partial(trio.serve_tcp, echo, 7, host=HOST))
        await exchange(await trio.open_tcp_stream(OURS, 7))
        await exchange(await nic.open_tcp_stream("host.test", 7))
        nursery.cancel_scope.cancel()


async def datagrams(nic: Nic) -> None:
    ours, theirs = (
        nic.socket(type=socket.SOCK_DGRAM),
        trio.socket.socket(type=socket.SOCK_DGRAM),
    )
    await theirs.bind((HOST, 5000))
    await ours.bind((OURS, 5000))
    for size in (1, 1400, 9000):  # the last in fragments
        data = pattern(size)
        await theirs.sendto(data, (OURS, 5000))
        assert await ours.recvfrom(10_000) == (data, (HOST, 5000))
        await ours.sendto(data, (HOST, 5000))
        assert await theirs.recvfrom(10_000) == (data, (OURS, 5000))
    await ours.connect((HOST, 5001))
    await ours.send(b"nobody is there")
    try:
        await ours.recv(1)
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError
    ours.close()
    theirs.close()


async def main(url: str, digest: str) -> None:
    async with open_nic(
        "tap:lab0",
        [f"{OURS}/24"],
        host_address=f"{HOST}/24",
        hosts={"host.test": [HOST]},
    ) as nic:
        with nic.use():
            await fetch(url, digest)
        await both_roles(nic)
        await datagrams(nic)
        try:
            await nic.socket().connect(("host.test", 9))
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError
    print("all well", flush=True)


if __name__ == "__main__":
    trio.run(main, *sys.argv[1:])
