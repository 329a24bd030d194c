"""The eight laws of docs/contract.md, each as a check of one subject and one seed."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections import Counter
from collections.abc import Callable
from hashlib import blake2s
from typing import Any

from sansio_net import ASAP, Entropy
from sansio_net.packet import Packet
from sansio_net.trace import Trace

from .driving import Drive, Subject, Turn, plain

TURNS = 30


def arbitrary_packet(dice: Entropy) -> Packet:
    """Any bytes with any metadata."""
    head = dice.bytes(dice.below(80))
    body = tuple(dice.bytes(dice.below(50)) for _ in range(dice.below(3)))
    return Packet(
        head,
        body,
        dice.below(len(head) + 8),
        (0, 0, 1, 7, 1460)[dice.below(5)],
        dice.below(3),
        dice.below(90),
        (6, 16, 0, 200)[dice.below(4)],
    )


def law_1(subject: Subject, seed: int) -> None:
    """`receive` never raises; malformed input moves a counter."""
    drive = Drive.of(subject, seed)
    drive.run(seed % TURNS)
    dice = Entropy.of(seed).child("arbitrary")
    for _ in range(20):
        items = subject.wrap(dice.bytes(dice.below(100)), arbitrary_packet(dice))
        drive.machine.receive(items, drive.now)
    drive.complete([], dice)
    machine = subject.make(seed)
    for item in subject.malformed():
        before = sum(subject.counters(machine).values())
        machine.receive([item], drive.now)
        after = sum(subject.counters(machine).values())
        assert after > before, f"nothing was counted for {item!r}"


def law_2(subject: Subject, seed: int) -> None:
    """`events` and `transmit` hand over and forget; a full list means more."""

    def after(drive: Drive, turn: Turn) -> None:
        machine, now = drive.machine, drive.now
        events = machine.events()
        again = machine.events()
        assert events is not again
        assert again == []
        twin = copy.deepcopy(machine)
        size = 1 + seed % 3
        got: list[Any] = []
        while True:
            some = machine.transmit(now, size)
            assert len(some) <= size
            got += plain(some)
            if len(some) < size:
                break
        assert machine.transmit(now, 64) == []
        more: list[Any] = []
        while len(some := twin.transmit(now, 64)) == 64:
            more += plain(some)
        assert sorted(map(repr, got)) == sorted(map(repr, [*more, *plain(some)]))

    drive = Drive.of(subject, seed)
    for _ in range(TURNS):
        turn = drive.turn()
        drive.machine.receive(
            subject.items(drive.machine, drive.memory, drive.dice), drive.now
        )
        after(drive, turn)


def law_3(subject: Subject, seed: int) -> None:
    """Calls without `now` depend on no time, and asking changes nothing."""

    def names(method: Any) -> list[str]:
        return [name for name in inspect.signature(method).parameters if name != "self"]

    cls: Any = subject.cls
    assert names(cls.receive)[1:] == ["now"]
    assert names(cls.handle_timeout) == ["now"]
    assert names(cls.next_timeout) == []
    assert names(cls.events) == []
    assert names(cls.transmit) == ["now", "limit"]
    assert inspect.signature(cls.transmit).parameters["limit"].default == 64
    for verb in subject.verb_names:
        assert "now" not in names(getattr(cls, verb)), f"{verb} takes the time"

    def ask(drive: Drive) -> None:
        for _ in range(3):
            drive.machine.next_timeout()

    curious = Drive.of(subject, seed)
    curious.between = ask
    assert curious.run(TURNS) == Drive.of(subject, seed).run(TURNS)


def law_4(subject: Subject, seed: int) -> None:
    """`next_timeout` is never late, and after a turn it lies in the future."""

    def quiet(drive: Drive, turn: Turn) -> None:
        due, machine = turn.due, drive.machine
        for _ in range(64):
            if due != ASAP:
                break
            # an event that transmit made, or 16 rounds: later turns end it
            due = drive.complete([], None).due
        assert due is None or due > drive.now, f"due {due} at {drive.now}"
        twin = copy.deepcopy(machine)
        assert twin.events() == []
        assert twin.transmit(drive.now, 64) == []
        # early calls, up to a moment before the deadline, bring nothing
        later = drive.now + 1000 if due is None else due - 1
        for when in (drive.now, (drive.now + later) // 2, later):
            twin.handle_timeout(when)
            assert twin.events() == [], f"an event {due} ns was too late for"
            assert twin.transmit(when, 64) == [], "output before its time"
        assert twin.next_timeout() == due

    drive = Drive.of(subject, seed)
    drive.after = quiet
    drive.run(TURNS)

    def early(drive: Drive) -> None:
        """Turns at the latest moment before the one that counts."""
        due = drive.machine.next_timeout()
        if due is None or due > last[0]:
            when = drive.now - 1 if due is None else min(drive.now, due) - 1
            if when >= last[0]:
                drive.machine.handle_timeout(when)
                assert drive.machine.transmit(when, 64) == []
        last[0] = drive.now

    last = [0]
    eager = Drive.of(subject, seed)
    last[0] = eager.now
    eager.between = early
    assert eager.run(TURNS) == Drive.of(subject, seed).run(TURNS), "early calls matter"


def law_5(subject: Subject, seed: int) -> None:
    """The same calls give the same; copies and pickles go on alike."""
    traces: list[Trace] = [[], []]
    first = Drive.of(subject, seed, traces[0])
    second = Drive.of(subject, seed, traces[1])
    middle = seed % TURNS
    assert first.run(middle) == second.run(middle)
    assert traces[0] == traces[1]
    twins = [copy.deepcopy(first), copy.deepcopy(first)]
    pickled = pickle.dumps((first.machine, first.memory))
    twins[1].machine, twins[1].memory = pickle.loads(pickled)
    expected = first.run(TURNS)
    for twin in twins:
        assert twin.run(TURNS) == expected
        assert subject.counters(twin.machine) == subject.counters(first.machine)


def law_6(subject: Subject, seed: int) -> None:
    """A verb between turns shows in `next_timeout`, so a wake-up is enough."""
    drive = Drive.of(subject, seed)
    for _ in range(TURNS):
        drive.turn()
        subject.verb(drive.machine, drive.memory, drive.dice)
        twin = copy.deepcopy(drive.machine)
        due = drive.machine.next_timeout()
        if due is None or due > drive.now:
            assert twin.events() == [], "events wait, and nobody is told"
            assert twin.transmit(drive.now, 64) == [], "output waits"
            twin.handle_timeout(drive.now)
            assert twin.events() == []
            assert twin.transmit(drive.now, 64) == []


def law_7(subject: Subject, seed: int) -> None:
    """Sizes stay within bounds; one event per source and kind is pending."""

    def bounded(drive: Drive, turn: Turn | None = None) -> None:
        for what, size, bound in subject.sizes(drive.machine):
            assert size <= bound, f"{what}: {size} > {bound}"

    drive = Drive.of(subject, seed)
    drive.after = bounded
    for _ in range(TURNS):
        drive.turn()
        for _ in range(1 + seed % 4):
            items = subject.items(drive.machine, drive.memory, drive.dice)
            drive.machine.receive(items, drive.now)
            subject.verb(drive.machine, drive.memory, drive.dice)
        bounded(drive)
        events = drive.machine.events()
        counts: Counter[tuple[str, int]] = Counter()
        for event in events:
            kind = type(event).__name__
            if kind in subject.source_kinds:
                source = getattr(event, "conn", None) or event.sock
                counts[kind, id(source)] += 1
        assert max(counts.values(), default=1) == 1, counts
        drive.memory.saw((), events)


def law_8(subject: Subject, seed: int) -> None:
    """Tracing changes no output, and entries are plain values."""
    trace: Trace = []
    traced = Drive.of(subject, seed, trace)
    untraced = Drive.of(subject, seed)
    assert traced.run(TURNS) == untraced.run(TURNS)
    assert subject.counters(traced.machine) == subject.counters(untraced.machine)
    for entry in trace:
        now, kind, *values = entry
        assert isinstance(now, int)
        assert isinstance(kind, str)
        for value in values:
            assert value is None or isinstance(value, int | str | bytes), entry


LAWS: tuple[Callable[[Subject, int], None], ...] = (
    law_1,
    law_2,
    law_3,
    law_4,
    law_5,
    law_6,
    law_7,
    law_8,
)


def digest(subject: Subject, seeds: range = range(4)) -> str:
    """Everything that a machine does under these seeds: turns, counters, trace."""
    state = blake2s()
    for seed in seeds:
        trace: Trace = []
        drive = Drive.of(subject, seed, trace)
        for turn in drive.run(TURNS):
            state.update(repr((turn.now, turn.events, turn.sent, turn.due)).encode())
        counters = sorted(subject.counters(drive.machine).items())
        state.update(repr((counters, plain(trace))).encode())
    return state.hexdigest()
