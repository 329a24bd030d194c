"""Driver beside a program that has its own part of the stack, as `sansio-net up` is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sansio_net.adapters.asyncio import Nic
from sansio_net.adapters.asyncio.driver import Driver
from sansio_net.drivers import memory_pair
from sansio_net.entropy import Entropy
from sansio_net.errors import DeviceGone
from sansio_net.stack import Accepted, DataReceived, Event, Stack
from sansio_net.testing.link import Link

from .nics import echo, finish, run


def test_what_has_no_owner_is_heard_by_others() -> None:
    heard: list[Event] = []
    clocked: list[int] = []

    def turn_clock() -> int:
        clocked.append(time.monotonic_ns())
        return clocked[-1]

    def others(events: list[Event], now: int) -> None:
        assert now == clocked[-1]  # within the turn
        heard.extend(events)
        for event in events:
            if isinstance(event, DataReceived):
                event.conn.send((event.conn.recv(100) or b"").upper())

    async def main() -> None:
        device, _ = memory_pair(Link(1))
        stack = Stack(seed=Entropy.of(1).bytes(32))
        nic = stack.add_interface(addresses=["10.0.0.1/24"])
        loop: Any = asyncio.get_running_loop()
        place = (stack, {nic: device}, loop, time.monotonic_ns)
        driver = Driver(*place, turn_clock=turn_clock, others=others)
        listener = stack.tcp_listen(("", 7))
        verbs = Nic(driver, nic)
        await verbs.start_server(echo, port=8)
        driver.start()
        for port, answer in ((7, b"WORD"), (8, b"word")):
            reader, writer = await verbs.open_connection("10.0.0.1", port)
            writer.write(b"word")
            assert await reader.readexactly(4) == answer
            await finish(writer)
        await driver.close(0)
        accepted = [event.listener for event in heard if isinstance(event, Accepted)]
        assert accepted == [listener]

    run(main())


class Unplugged:
    """A device that goes away on demand."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.is_gone = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.device, name)

    def link(self) -> bool | None:
        if self.is_gone:
            raise DeviceGone("unplugged")
        up: bool | None = self.device.link()
        return up


def test_who_asked_hears_of_a_device_that_went_away() -> None:
    told: list[str] = []

    async def main() -> None:
        stack = Stack(seed=Entropy.of(1).bytes(32))
        nic = stack.add_interface(addresses=["10.0.0.1/24"])
        device = Unplugged(memory_pair(Link(1))[0])
        driver = Driver(
            *(stack, {nic: device}, asyncio.get_running_loop(), time.monotonic_ns),
            gone=lambda which, error: told.append(f"{which.name}: {error}"),
        )
        driver.start()
        await asyncio.sleep(0.01)
        device.is_gone = True
        driver.wake()
        await asyncio.sleep(0.01)
        await driver.close(0)

    run(main())
    assert told == ["eth0: unplugged"]
