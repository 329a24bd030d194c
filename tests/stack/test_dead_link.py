"""A link that goes down in mid-transfer: R2 in virtual time, and nothing is held."""

from __future__ import annotations

import gc

import pytest

from sansio_net.errors import TimedOut, Unreachable
from sansio_net.packet import Capabilities, Medium
from sansio_net.protocols.tcp import Connection, State
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.events import (
    Accepted,
    ConnectionLost,
    DataReceived,
    Event,
    SpaceFreed,
)
from sansio_net.testing import Link, Pair
from sansio_net.units import HOUR, MINUTE, SECOND


class Filler:
    """Sends without an end on every connection it opens or accepts, and reads all."""

    def __init__(self, n: int, medium: Medium, user_timeout: int | None) -> None:
        config = StackConfig()
        config.tcp.user_timeout = user_timeout
        self.stack = Stack(config, bytes([n]) * 32)
        capabilities = Capabilities(medium=medium)
        self.stack.add_interface(
            addresses=[f"10.0.0.{n}/24"], capabilities=capabilities
        )
        self.lost: list[tuple[int, Exception]] = []

    def fill(self, conn: Connection) -> None:
        while conn.send(bytes(65536)) == 65536:
            pass

    def __call__(self, events: list[Event], now: int) -> None:
        for event in events:
            if isinstance(event, Accepted | SpaceFreed):
                self.fill(event.conn)
            elif isinstance(event, DataReceived):
                event.conn.recv_chunks()
            elif isinstance(event, ConnectionLost):
                self.lost.append((now, event.error))


def broken_transfer(
    medium: Medium, user_timeout: int | None
) -> tuple[Filler, Filler, Pair[Event]]:
    """Both ends have megabytes to send when the link stops carrying."""
    one, other = (Filler(n, medium, user_timeout) for n in (1, 2))
    other.stack.tcp_listen(("", 80))
    link = Link(1, medium=medium, latency="10ms", rate="10mbit")
    pair = Pair(one.stack, other.stack, link, app_a=one, app_b=other)
    one.fill(one.stack.tcp_connect(("10.0.0.2", 80)))
    pair.run_for(SECOND)
    assert one.stack.connections()[0].state is State.ESTABLISHED
    link.partition()
    return one, other, pair


@pytest.mark.parametrize(
    ("medium", "user_timeout", "error", "earliest", "latest"),
    [
        (Medium.IP, None, TimedOut, 13 * MINUTE, 35 * MINUTE),
        # the neighbour did not answer either: the better reason, as Linux gives it
        (Medium.ETHERNET, None, Unreachable, 13 * MINUTE, 35 * MINUTE),
        (Medium.IP, 3 * SECOND, TimedOut, 2 * SECOND, 4 * SECOND),
        (Medium.ETHERNET, 3 * SECOND, TimedOut, 2 * SECOND, 4 * SECOND),
    ],
)
def test_both_ends_give_up(
    medium: Medium,
    user_timeout: int | None,
    error: type[Exception],
    earliest: int,
    latest: int,
) -> None:
    """RFC 9293 3.8.3: R2 is at least 100 s; ours is Linux's fifteen doublings."""
    one, other, pair = broken_transfer(medium, user_timeout)
    broken_at = pair.now
    pair.run_until(lambda: bool(one.lost and other.lost))
    for filler in (one, other):
        assert len(filler.lost) == 1
        when, what = filler.lost[0]
        assert type(what) is error
        assert earliest <= when - broken_at <= latest
    # and nothing is left to do, for ever
    idle_at = pair.run_until_idle()
    assert idle_at - broken_at < HOUR


def test_nothing_is_held_afterwards() -> None:
    one, other, pair = broken_transfer(Medium.ETHERNET, 5 * SECOND)
    gc.collect()
    gc.disable()  # what is over goes by itself
    try:
        pair.run_until(lambda: bool(one.lost and other.lost))
        pair.run_until_idle()
        stacks = (one.stack, other.stack)
        assert [stack.connections() for stack in stacks] == [[], []]
        held = [o for o in gc.get_objects() if type(o) is Connection]
        assert not held
    finally:
        gc.enable()
