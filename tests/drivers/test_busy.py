from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sansio_net.drivers import BusyPollSelector
from sansio_net.units import MICROSECOND

KEY = selectors.SelectorKey(0, 0, selectors.EVENT_READ, None)
STEP = 10 * MICROSECOND


class Scripted(selectors.BaseSelector):
    """Finds something where `finds` says so; writes down how long it was to wait."""

    def __init__(self, finds: str) -> None:
        self.finds = list(finds)
        self.asked: list[float | None] = []

    def select(self, timeout: float | None = None) -> Any:
        self.asked.append(timeout)
        found = self.finds.pop(0) == "x"
        return [(KEY, selectors.EVENT_READ)] if found else []

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any:
        raise NotImplementedError

    def unregister(self, fileobj: Any) -> Any:
        raise NotImplementedError

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}


def clock() -> Iterator[int]:
    now = 10**9
    while True:
        yield now
        now += STEP


def busy(finds: str, busy_poll: int = 3 * STEP) -> tuple[BusyPollSelector, Scripted]:
    inner = Scripted(finds)
    return BusyPollSelector(inner, busy_poll, clock().__next__), inner


def test_it_sleeps_at_first() -> None:
    selector, inner = busy("x")
    assert selector.select(None)
    assert inner.asked == [None]


def test_after_something_came_it_asks_for_so_long_and_sleeps_then() -> None:
    selector, inner = busy("x" + "---" + "x" + "-x")
    selector.select(None)
    assert selector.select(None)
    assert inner.asked == [None, 0, 0, 0, None]
    assert selector.select(None)  # and again, for something came
    assert inner.asked[5:] == [0, 0]


def test_what_comes_meanwhile_is_found_at_once_and_begins_it_anew() -> None:
    selector, inner = busy("x" + "-x" + "--x")
    for _ in range(3):
        assert selector.select(None)
    assert inner.asked == [None, 0, 0, 0, 0, 0]


def test_who_slept_in_vain_sleeps_again() -> None:
    selector, inner = busy("x" + "----" + "-")
    selector.select(None)
    assert not selector.select(1.0)
    assert not selector.select(1.0)
    assert inner.asked[-1] == 1.0


def test_it_never_takes_longer_than_it_may() -> None:
    selector, inner = busy("x" + "---", 10**9)
    selector.select(None)
    assert not selector.select(2 * STEP / 10**9)
    assert inner.asked == [None, 0, 0, 0.0]
    selector, inner = busy("x" + "----")
    selector.select(None)
    selector.select(1.0)
    assert inner.asked[-1] == pytest.approx(1.0 - 3 * STEP / 10**9)


def test_a_question_is_no_wait() -> None:
    selector, inner = busy("x" + "--x")
    selector.select(None)
    for timeout in (0, -1.0):
        assert not selector.select(timeout)
    assert inner.asked == [None, 0, -1.0]
    assert selector.select(None)  # what came before still counts
    assert inner.asked[3:] == [0]


def test_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="busy_poll"):
        busy("", -1)


def test_it_is_a_selector_for_others() -> None:
    ours, peer = socket.socketpair()
    ours.setblocking(False)

    async def exchange() -> bytes:
        loop = asyncio.get_running_loop()
        for _ in range(3):
            peer.send(b"x")
            assert await loop.sock_recv(ours, 1) == b"x"
        loop.call_later(0, peer.send, b"y")
        return await loop.sock_recv(ours, 1)

    def factory() -> asyncio.AbstractEventLoop:
        selector = BusyPollSelector(selectors.DefaultSelector(), STEP)
        selector.register(peer, selectors.EVENT_READ, "data")
        assert selector.get_key(peer).data == "data"
        selector.modify(peer, selectors.EVENT_WRITE)
        assert len(selector.get_map()) == 1
        selector.unregister(peer)
        return asyncio.SelectorEventLoop(selector)

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(exchange()) == b"y"
    ours.close()
    peer.close()
