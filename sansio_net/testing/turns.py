"""One turn of a machine, without a device: law 6 for everything in this package.

The drivers have the same lines in `drivers/loop.py`, around devices; testing knows no
driver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias, TypeVar

from sansio_net.errors import SansioNetError

ROUNDS: Final = 16
"""Rounds of events a turn."""

ROOM: Final = 64
"""Packets asked for at once."""

MAX_BATCHES: Final = 4096
"""Full batches in one turn that no machine with bounded queues can give."""

In_contra = TypeVar("In_contra", contravariant=True)
Ev = TypeVar("Ev")
In = TypeVar("In")
Out = TypeVar("Out")

App: TypeAlias = Callable[[list[Ev], int], object]
"""Gets the events and the time of the turn, and calls verbs."""


class Livelock(SansioNetError, AssertionError):
    """A machine, or two of them, make each other work for ever."""


class Driven(Protocol[Ev]):
    """The half of a machine that has to do with time: a Stack."""

    def handle_timeout(self, now: int) -> None: ...
    def next_timeout(self) -> int | None: ...
    def events(self) -> list[Ev]: ...


class Port(Protocol[In_contra, Out]):
    """The half of a machine that has to do with packets: an Interface."""

    def receive(self, items: Sequence[In_contra], now: int) -> None: ...
    def transmit(self, now: int, limit: int = 64) -> list[Out]: ...


def take_turn(
    machine: Driven[Ev],
    port: Port[In, Out],
    arrived: Sequence[In],
    now: int,
    app: App[Ev],
) -> list[Out]:
    """One complete turn at `now`; what it sends. `port` may be the machine itself.

    Raises Livelock when `transmit` has no end.
    """
    if arrived:
        port.receive(arrived, now)
    machine.handle_timeout(now)
    for _ in range(ROUNDS):
        events = machine.events()
        if not events:
            break
        app(events, now)
    sent: list[Out] = []
    for _ in range(MAX_BATCHES):
        batch = port.transmit(now, ROOM)
        sent += batch
        if len(batch) < ROOM:
            return sent
    raise Livelock(f"transmit gave {len(sent)} packets in one turn and has more")
