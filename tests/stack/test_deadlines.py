"""The heap of deadlines, alone."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.stack.deadlines import Deadlines


class Part:
    def __init__(self, at: int | None) -> None:
        self.at = at
        self.armed: list[object] | None = None

    def deadline(self) -> int | None:
        return self.at

    def handle_timeout(self, now: int) -> None:
        self.at = None


def test_earliest_and_due_in_order() -> None:
    deadlines = Deadlines()
    parts = [Part(at) for at in (30, 10, 20, 10)]
    for part in parts:
        deadlines.arm(part)
    assert deadlines.earliest() == 10
    assert deadlines.due(20) == [parts[1], parts[3], parts[2]]  # ties: older first
    assert deadlines.earliest() == 30


def test_a_deadline_that_moved_later_is_noticed() -> None:
    deadlines = Deadlines()
    part = Part(10)
    deadlines.arm(part)
    part.at = 50
    assert deadlines.due(10) == []
    assert deadlines.earliest() == 50


def test_a_deadline_that_moved_earlier_needs_arming() -> None:
    deadlines = Deadlines()
    part = Part(50)
    deadlines.arm(part)
    part.at = 5
    deadlines.arm(part)
    assert deadlines.earliest() == 5
    assert deadlines.due(5) == [part]
    part.at = None
    assert deadlines.earliest() is None


def test_a_part_that_goes_is_let_go() -> None:
    deadlines = Deadlines()
    part = Part(10)
    gone = weakref.ref(part)
    deadlines.arm(part)
    deadlines.disarm(part)
    del part
    gc.collect()
    assert gone() is None
    assert deadlines.earliest() is None


def test_dead_entries_do_not_pile_up() -> None:
    deadlines = Deadlines()
    for n in range(10_000):
        part = Part(10**18 + n)
        deadlines.arm(part)
        deadlines.disarm(part)
    assert len(deadlines._heap) < 200


@given(st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(1, 100))))
def test_against_a_model(moves: list[tuple[int, int | None]]) -> None:
    deadlines = Deadlines()
    parts = [Part(None) for _ in range(10)]
    for which, at in moves:
        parts[which].at = at
        deadlines.arm(parts[which])
        due = [part.at for part in parts if part.at is not None]
        assert deadlines.earliest() == min(due, default=None)
    due = deadlines.due(50)
    assert {id(part) for part in due} == {
        id(part) for part in parts if part.at is not None and part.at <= 50
    }


def test_the_earliest_is_not_asked_again_before_something_happens_to_it() -> None:
    asked: list[Part] = []

    class Asked(Part):
        def deadline(self) -> int | None:
            asked.append(self)
            return self.at

    deadlines = Deadlines()
    first, second = Asked(10), Asked(20)
    for part in (first, second):
        deadlines.arm(part)
    asked.clear()
    assert [deadlines.earliest() for _ in range(3)] == [10] * 3
    assert asked == [first]
    first.at = 30
    deadlines.arm(first)  # it moved later: to be looked at again
    assert deadlines.earliest() == 20
    first.at = 5
    deadlines.arm(first)
    assert deadlines.earliest() == 5
    deadlines.disarm(first)
    assert deadlines.earliest() == 20
    assert deadlines.due(20) == [second]
    second.at = None
    assert deadlines.earliest() is None
    gone = weakref.ref(second)
    asked.clear()
    del second, part
    gc.collect()
    assert gone() is None
