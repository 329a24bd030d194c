"""Memory while a peer on the kernel reads slowly, in both roles; by hand, as root:

ip netns add slow && ip -n slow link set lo up
ip netns exec slow python -m tests.interop.slow_reader [MB] [MB/s]      100 at 1
ip netns delete slow
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

from sansio_net.adapters.asyncio import Nic, open_nic

OURS, THEIRS = "10.0.0.2", "10.0.0.1"
CHUNK = 50_000


def resident() -> int:
    """KiB of this process."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0])


def sip(role: str, rate: int) -> None:
    """The kernel's side, in a process of its own."""
    if role == "client":
        listening = socket.create_server((THEIRS, 7))
        print("ready", flush=True)
        sock, _ = listening.accept()
    else:
        sock = socket.create_connection((OURS, 7))
    began, total = time.monotonic(), 0
    while data := sock.recv(CHUNK):
        total += len(data)
        time.sleep(max(0.0, began + total / rate - time.monotonic()))
    print(total, flush=True)


async def pour(writer: asyncio.StreamWriter, size: int) -> None:
    data = bytes(CHUNK)
    for _ in range(size // CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def role_of(nic: Nic, role: str, size: int, rate: int) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await pour(writer, size)

    server = await nic.start_server(serve, OURS, 7)
    peer = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __spec__.name, "sip", role, str(rate)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert peer.stdout is not None
    if role == "client":
        assert await peer.stdout.readline() == b"ready\n"
        _, writer = await nic.open_connection(THEIRS, 7)
        pouring = asyncio.create_task(pour(writer, size))
    reading = asyncio.create_task(peer.stdout.readline())
    began, said = time.monotonic(), []
    while not reading.done():
        await asyncio.wait([reading], timeout=size / rate / 10)
        said.append(resident())
    took = time.monotonic() - began
    assert int(reading.result()) == size // CHUNK * CHUNK
    if role == "client":
        await pouring
    await peer.wait()
    server.close()
    kib = ", ".join(map(str, said))
    print(f"our {role}: {size // 1000000} MB in {took:.1f} s; resident KiB: {kib}")


async def main(size: int, rate: int) -> None:
    link = open_nic("tap:tap0", [f"{OURS}/24"], host_address=f"{THEIRS}/24")
    async with link as nic:
        for role in ("client", "server"):
            await role_of(nic, role, size, rate)


if __name__ == "__main__":
    if sys.argv[1:2] == ["sip"]:
        sip(sys.argv[2], int(sys.argv[3]))
    else:
        given = dict(enumerate(map(float, sys.argv[1:])))
        numbers = given.get(0, 100.0), given.get(1, 1.0)
        asyncio.run(main(*(int(1_000_000 * number) for number in numbers)))
