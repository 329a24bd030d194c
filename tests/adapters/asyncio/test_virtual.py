"""Virtual time, and many hosts in one loop."""

from __future__ import annotations

import asyncio
import contextvars
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import pytest

from sansio_net.adapters.asyncio import (
    Nic,
    VirtualClock,
    VirtualLoop,
    open_nic,
    using,
)
from sansio_net.drivers import MemoryDevice, memory_pair, memory_ports
from sansio_net.protocols.bridge import Bridge
from sansio_net.testing.link import Link
from sansio_net.units import SECOND

from .nics import A, B, echo, finish
from .test_datagram import Recorder

T = TypeVar("T")


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    clock = VirtualClock()

    async def watched() -> T:
        told: list[dict[str, Any]] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(context))
        result = await main(clock)
        assert told == []
        return result

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(watched())


def plug(device: MemoryDevice, n: int, clock: VirtualClock) -> Any:
    seed = n.to_bytes(32, "big")
    return open_nic(device, [f"10.0.0.{n}/24"], seed=seed, clock=clock)


async def a_day(n: int, n_hosts: int, log: list[str]) -> None:
    """Every host serves, sleeps, and calls another, ten times."""
    loop = asyncio.get_running_loop()

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        name = await reader.readline()
        log.append(f"{loop.time():.9f} {n} hears {name.decode().strip()}")
        assert isinstance(loop, VirtualLoop)
        assert loop.nic is not None
        (mine,) = loop.nic.interface.addresses[:1]
        writer.write(f"{mine}\n".encode())  # whose context is this?
        writer.close()

    await asyncio.start_server(answer, port=7)
    for i in range(10):
        await asyncio.sleep(60)
        other = (n + i * 7) % n_hosts + 1
        reader, writer = await asyncio.open_connection(f"10.0.0.{other}", 7)
        assert writer.get_extra_info("sockname")[0] == f"10.0.0.{n}"
        writer.write(b"%d\n" % n)
        line = await reader.readline()
        assert line.decode().split("/")[0].strip() == f"10.0.0.{other}"
        await finish(writer)


def hosts_for_a_day(n_hosts: int) -> tuple[float, list[str]]:
    async def main(clock: VirtualClock) -> tuple[float, list[str]]:
        log: list[str] = []
        loop = asyncio.get_running_loop()
        began = loop.time()
        ports = memory_ports(Bridge(n_hosts), n_hosts)
        async with AsyncExitStack() as stack:
            tasks = []
            for n, port in enumerate(ports, 1):
                nic = await stack.enter_async_context(plug(port, n, clock))
                with using(nic):
                    tasks.append(asyncio.create_task(a_day(n, n_hosts, log)))
            await asyncio.gather(*tasks)
            return loop.time() - began, log

    return run(main)


def test_a_hundred_hosts_and_six_hundred_seconds() -> None:
    seconds, log = hosts_for_a_day(100)
    assert 600 <= seconds < 602
    assert len(log) == 1000


def test_the_same_program_does_the_same_things() -> None:
    assert hosts_for_a_day(20) == hosts_for_a_day(20)


def test_contexts_choose_the_nic_of_everything() -> None:
    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        one, other = memory_pair(Link(1))
        async with plug(one, 1, clock) as a, plug(other, 2, clock) as b:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.use(a)
            with using(b):
                serving, server = await loop.create_datagram_endpoint(Recorder, (B, 53))
                sock = socket.socket()
                sock.bind(("0.0.0.0", 0))
                sock.setblocking(False)
                place = B, sock.getsockname()[1]
                accepting = asyncio.create_task(loop.sock_accept(sock))
            sending, client = await loop.create_datagram_endpoint(
                Recorder, remote_addr=(B, 53)
            )
            sending.sendto(b"?")
            data, source = await server.got.get()
            assert (data, source[0]) == (b"?", A)
            serving.sendto(b"!", source)
            assert (await client.got.get())[0] == b"!"
            reader, writer = await asyncio.open_connection(*place)
            accepted, peer = await accepting
            assert peer[0] == A
            # what it stands for is b's, whoever asks
            await loop.sock_sendall(accepted, b"word")
            assert await reader.readexactly(4) == b"word"
            assert len(b.stack.connections()) == 1
            writer.close()
            accepted.close()
            sending.close()
            serving.close()

    run(main)


def test_an_hour_of_silence_and_a_slow_path() -> None:
    async def main(clock: VirtualClock) -> None:
        one, other = memory_pair(Link(1, latency="300ms", loss="10%"))
        async with plug(one, 1, clock) as a, plug(other, 2, clock) as b:
            await b.start_server(echo, B, 7)
            reader, writer = await a.open_connection(B, 7)
            data = bytes(range(256)) * 400
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            before = clock()
            await asyncio.sleep(3600)
            assert clock() - before == 3600 * SECOND
            writer.write(data)
            assert await reader.readexactly(len(data)) == data
            await finish(writer)

    run(main)


def test_what_is_due_at_once_comes_in_the_order_in_which_it_was_asked_for() -> None:
    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        came: list[int] = []
        for n in range(200):
            loop.call_at(100.0, came.append, n)
            loop.call_later(50.0, came.append, -n)
        await asyncio.sleep(100)
        assert came == [-n for n in range(200)] + [*range(200)]

    run(main)


def test_what_is_not_virtual_is_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        one, other = socket.socketpair()
        with one, other:
            with pytest.raises(RuntimeError, match="no descriptors"):
                loop.add_reader(one.fileno(), print)
            with pytest.raises(RuntimeError, match="no descriptors"):
                await asyncio.open_connection(sock=one)
        with pytest.raises(RuntimeError, match="no threads"):
            await asyncio.to_thread(print)
        with pytest.raises(RuntimeError, match="no subprocesses"):
            await asyncio.create_subprocess_exec(sys.executable)

    run(main)


def test_waiting_for_ever_is_an_error() -> None:
    async def main(clock: VirtualClock) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="never comes"):
        run(main)


def test_using_ends_with_its_block() -> None:
    async def main(clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        one, other = memory_pair(Link(1))
        async with plug(one, 1, clock) as a, plug(other, 2, clock) as b:
            inner: list[Nic | None] = []
            with using(a):
                with using(b):
                    assert loop.nic is b
                    context = contextvars.copy_context()
                assert loop.nic is a
            assert loop.nic is None
            loop.call_soon(lambda: inner.append(loop.nic), context=context)
            await asyncio.sleep(0)
            assert inner == [b]

    run(main)
