"""Drives a machine through turns that its seed decides, and writes down what it does.

No hypothesis here and no package but our own: law 5 runs this under every Python.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any

from sansio_net import Entropy, Packet
from sansio_net.packet import Buffer
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND, SECOND

ROUNDS = 16
BATCHES = 1000


@dataclass
class Memory:
    """What the world outside remembers of a machine."""

    sent: list[Packet] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    objects: list[Any] = field(default_factory=list)

    def saw(self, sent: Sequence[Any], events: Sequence[Any]) -> None:
        self.sent = [*self.sent, *sent][-8:]
        self.events = [*self.events, *events][-8:]


class Subject:
    """How to make, feed and measure one kind of machine."""

    cls: type
    verb_names: tuple[str, ...] = ()
    """The public verbs: law 3 looks at their parameters."""
    counts_malformed = True
    """False: everything is well-formed to this machine."""
    source_kinds: tuple[str, ...] = ()
    """Events of which one per source is pending at most."""

    def __init__(self) -> None:
        self.name = type(self).__name__

    def __repr__(self) -> str:
        return self.name

    def make(self, seed: int, trace: Trace | None = None) -> Any:
        raise NotImplementedError

    def items(self, machine: Any, memory: Memory, dice: Entropy) -> list[Any]:
        raise NotImplementedError

    def malformed(self) -> list[Any]:
        """Items that must move a counter, one by one."""
        return []

    def wrap(self, data: bytes, packet: Packet) -> list[Any]:
        """Arbitrary bytes, and an arbitrary Packet, as items."""
        return [packet, Packet.received(data)]

    def verb(self, machine: Any, memory: Memory, dice: Entropy) -> None:
        """Call some verb, or none."""

    def counters(self, machine: Any) -> dict[str, int]:
        return {}

    def sizes(self, machine: Any) -> list[tuple[str, int, int]]:
        """What is bounded: (what, size, bound)."""
        return []


def plain(value: Any) -> Any:
    """A value that compares and prints alike in every process."""
    if isinstance(value, Enum):
        return str(value)
    if value is None or isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, Buffer):
        return [bytes(chunk) for chunk in value]
    if isinstance(value, Packet):
        numbers = (value.offset, value.gso_size, value.csum)
        return ("Packet", value.join(), *numbers, value.csum_start, value.csum_offset)
    if isinstance(value, BaseException):
        return (type(value).__name__, str(value))
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if is_dataclass(value):
        parts = [plain(getattr(value, part.name)) for part in fields(value)]
        return [type(value).__name__, *parts]
    return (type(value).__name__, getattr(value, "id", None))


@dataclass
class Turn:
    """One turn as seen from outside."""

    now: int
    events: list[Any]
    sent: list[Any]
    due: int | None


@dataclass
class Drive:
    """A machine under way. Two drives with one seed see the same world."""

    subject: Subject
    machine: Any
    dice: Entropy
    memory: Memory = field(default_factory=Memory)
    now: int = SECOND
    between: Callable[[Drive], None] | None = None
    """Called before each turn, when `now` is already the turn's."""
    after: Callable[[Drive, Turn], None] | None = None

    @classmethod
    def of(cls, subject: Subject, seed: int, trace: Trace | None = None) -> Drive:
        machine = subject.make(seed, trace)
        return cls(subject, machine, Entropy.of(seed).child("drive"))

    def run(self, turns: int) -> list[Turn]:
        return [self.turn() for _ in range(turns)]

    def turn(self) -> Turn:
        """Time moves on, something arrives, the app acts, output leaves."""
        self.now = self._later()
        if self.between is not None:
            self.between(self)
        dice, machine = self.dice, self.machine
        items = []
        if dice.below(4):
            items = self.subject.items(machine, self.memory, dice)
        if dice.below(3) == 0:
            self.subject.verb(machine, self.memory, dice)
        done = self.complete(items, dice)
        if self.after is not None:
            self.after(self, done)
        return done

    def complete(self, items: Sequence[Any], dice: Entropy | None) -> Turn:
        """Law 6; the app calls verbs if there are dice."""
        machine, now = self.machine, self.now
        if items:
            machine.receive(items, now)
        machine.handle_timeout(now)
        seen: list[Any] = []
        for _ in range(ROUNDS):
            events = machine.events()
            if not events:
                break
            seen += plain(events)
            self.memory.saw((), events)
            if dice is not None and dice.below(2):
                self.subject.verb(machine, self.memory, dice)
        limit = 1 + dice.below(64) if dice is not None else 64
        sent: list[Any] = []
        for _ in range(BATCHES):
            packets = machine.transmit(now, limit)
            assert len(packets) <= limit
            sent += packets
            if len(packets) < limit:
                break
        else:
            raise AssertionError("transmit has no end")
        self.memory.saw(sent, ())
        return Turn(now, seen, plain(sent), machine.next_timeout())

    def _later(self) -> int:
        """Often what is due, sometimes a while, now and then nothing."""
        dice, now = self.dice, self.now
        due: int | None = self.machine.next_timeout()
        kind = dice.below(8)
        if kind < 4 and due is not None:
            return max(now, due)
        step = (0, 1, MILLISECOND, 100 * MILLISECOND, 3 * SECOND, 500 * SECOND)[
            dice.below(6)
        ]
        later: int = now + (dice.below(step) if step > 1 else step)
        # nobody may come later than next_timeout() said
        return later if due is None else min(later, max(now, due))
