"""A small machine that keeps every law, and one that breaks each of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sansio_net import ASAP, Entropy, Packet
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND

from .driving import Memory, Subject

BOUND = 8


@dataclass(slots=True)
class Heard:
    """Something came; `conn` is the source, as in TCP's events."""

    conn: Echo
    count: int


class Echo:
    """Sends what came back after a millisecond; what is said leaves at once."""

    def __init__(self, seed: int, trace: Trace | None = None) -> None:
        self.dice = Entropy.of(seed)
        self.trace = trace
        self.waiting: list[tuple[int, bytes]] = []
        self.outbox: list[bytes] = []
        self.heard = 0
        self.counts = {"in": 0, "short": 0, "full": 0}

    def say(self, data: bytes) -> None:
        if len(self.outbox) < BOUND:
            self.outbox.append(data)

    def receive(self, items: Sequence[bytes | Packet], now: int) -> None:
        for item in items:
            data = item if isinstance(item, bytes) else item.join()
            if len(data) < 4:
                self.malformed(data)
            elif len(self.waiting) < BOUND:
                self.counts["in"] += 1
                self.heard += 1
                self.waiting.append((now + MILLISECOND, data + self.dice.bytes(1)))
                self.note(now, len(data))
            else:
                self.counts["full"] += 1

    def malformed(self, data: bytes) -> None:
        self.counts["short"] += 1

    def note(self, now: int, size: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "heard", size))

    def handle_timeout(self, now: int) -> None:
        while self.waiting and self.waiting[0][0] <= now:
            self.outbox.append(self.waiting.pop(0)[1])

    def next_timeout(self) -> int | None:
        if self.heard or self.outbox:
            return ASAP
        return self.waiting[0][0] if self.waiting else None

    def events(self) -> list[Heard]:
        if not self.heard:
            return []
        events = [Heard(self, self.heard)]
        self.heard = 0
        return events

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        sent = [Packet(data) for data in self.outbox[:limit]]
        del self.outbox[:limit]
        return sent


class TheEcho(Subject):
    cls: type[Any] = Echo
    verb_names = ("say",)
    source_kinds = ("Heard",)

    def __init__(self, cls: type[Any] = Echo) -> None:
        super().__init__()
        self.cls = cls
        self.name = cls.__name__

    def make(self, seed: int, trace: Trace | None = None) -> Any:
        return self.cls(seed, trace)

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        return [dice.bytes(dice.below(20)) for _ in range(1 + dice.below(6))]

    def malformed(self) -> list[Any]:
        return [b"", b"abc"]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        machine.say(dice.bytes(8))

    def counters(self, machine: Any) -> dict[str, int]:
        return dict(machine.counts)

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        return [
            ("outbox", len(machine.outbox), 2 * BOUND),
            ("waiting", len(machine.waiting), BOUND),
        ]


class RaisesOnShortItems(Echo):
    def malformed(self, data: bytes) -> None:
        raise ValueError("too short")


class CountsNothing(Echo):
    def malformed(self, data: bytes) -> None:
        pass


class KeepsItsEvents(Echo):
    def events(self) -> list[Heard]:
        return [Heard(self, self.heard)] if self.heard else []


class IgnoresTheLimit(Echo):
    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        return super().transmit(now, 64)


class SendsTwice(Echo):
    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        sent = [Packet(data) for data in self.outbox[:limit]]
        del self.outbox[1:limit]
        if len(self.outbox) == 1 and len(sent) < 2:
            self.outbox.clear()
        return sent


class SpeaksOfTime(Echo):
    def say(self, data: bytes, now: int = 0) -> None:
        super().say(data)


class ChangesWhenAsked(Echo):
    def next_timeout(self) -> int | None:
        self.dice.bytes(1)
        return super().next_timeout()


class AlwaysAsap(Echo):
    def next_timeout(self) -> int | None:
        return ASAP


class ForgetsItsDeadline(Echo):
    def next_timeout(self) -> int | None:
        return ASAP if self.heard or self.outbox else None


class ActsEarly(Echo):
    def handle_timeout(self, now: int) -> None:
        super().handle_timeout(now + MILLISECOND // 2)


class CountsItsCalls(Echo):
    """Early calls are not harmless to it."""

    def handle_timeout(self, now: int) -> None:
        self.dice.bytes(1)
        super().handle_timeout(now)


class LooksAround(Echo):
    """Depends on what else ran in this process."""

    calls = itertools.count()

    def note(self, now: int, size: int) -> None:
        self.counts["in"] += next(self.calls) % 2


class ForgetsInPickles(Echo):
    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "waiting": []}


class SpeaksOnlyWhenCalled(Echo):
    """A verb that `next_timeout` does not tell of."""

    def next_timeout(self) -> int | None:
        if self.heard:
            return ASAP
        return self.waiting[0][0] if self.waiting else None


class GrowsForEver(Echo):
    def say(self, data: bytes) -> None:
        self.outbox += [data] * 9


class RepeatsItself(Echo):
    def events(self) -> list[Heard]:
        return [event for event in super().events() for _ in range(2)]


class TracingMatters(Echo):
    def note(self, now: int, size: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "heard", size))
            self.waiting[-1] = now + 1, self.waiting[-1][1]


class TracesObjects(Echo):
    def note(self, now: int, size: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "heard", self))  # type: ignore[arg-type]


BREAKERS: dict[int, tuple[type[Echo], ...]] = {
    1: (RaisesOnShortItems, CountsNothing),
    2: (KeepsItsEvents, IgnoresTheLimit, SendsTwice),
    3: (SpeaksOfTime, ChangesWhenAsked),
    4: (AlwaysAsap, ForgetsItsDeadline, ActsEarly, CountsItsCalls),
    5: (LooksAround, ForgetsInPickles),
    6: (SpeaksOnlyWhenCalled,),
    7: (GrowsForEver, RepeatsItself),
    8: (TracingMatters, TracesObjects),
}
