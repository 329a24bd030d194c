"""Pair: virtual time, turns by law 6, livelock as a failure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sansio_net import ASAP, Packet
from sansio_net.errors import StateError
from sansio_net.testing import Link, Livelock, Pair, take_turn
from sansio_net.units import HOUR, MILLISECOND, SECOND


class Talker:
    """Sends what `say` got, answers every frame `answers` times, ticks on demand."""

    def __init__(self, answers: int = 0, tick: int = 0, ticks: int = 0) -> None:
        self.answers = answers
        self.tick = tick
        self.ticks = ticks
        self.tick_at: int | None = None
        self.heard: list[tuple[int, bytes]] = []
        self.times: list[int] = []
        self.outbox: list[Packet] = []
        self.happened: list[str] = []

    def say(self, text: bytes) -> None:
        self.outbox.append(Packet(text))

    def receive(self, items: Sequence[Packet], now: int) -> None:
        for packet in items:
            self.heard.append((now, packet.head))
            self.happened.append(f"heard {packet.head.decode()}")
            if self.answers:
                self.answers -= 1
                self.outbox.append(Packet(b"re:" + packet.head))

    def handle_timeout(self, now: int) -> None:
        self.times.append(now)
        if self.ticks and self.tick_at is None:
            self.tick_at = now + self.tick
        elif self.tick_at is not None and now >= self.tick_at:
            self.ticks -= 1
            self.tick_at = now + self.tick if self.ticks else None

    def next_timeout(self) -> int | None:
        return ASAP if self.outbox or self.happened else self.tick_at

    def events(self) -> list[str]:
        happened, self.happened = self.happened, []
        return happened

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        taken, self.outbox = self.outbox[:limit], self.outbox[limit:]
        return taken


def test_a_packet_arrives_after_the_latency() -> None:
    a, b = Talker(), Talker()
    pair = Pair(a, b, Link(latency="20ms"))
    a.say(b"hello")
    assert pair.run_until_idle() == SECOND + 20 * MILLISECOND
    assert b.heard == [(SECOND + 20 * MILLISECOND, b"hello")]
    assert pair.events == ([], ["heard hello"])
    assert not pair.step()


def test_only_the_ends_concerned_take_a_turn() -> None:
    a, b = Talker(), Talker()
    pair = Pair(a, b, Link(latency="20ms"))
    a.say(b"hello")
    pair.step()
    assert (a.times, b.times) == ([SECOND], [])


def test_an_hour_passes_without_waiting() -> None:
    a = Talker(tick=HOUR, ticks=3)
    pair = Pair(a, Talker())
    a.say(b"x")
    assert pair.run_until_idle() == SECOND + 3 * HOUR
    assert pair.steps == 5


def test_the_app_is_called_with_events_and_time_until_there_are_none() -> None:
    a, b = Talker(), Talker()
    seen: list[tuple[list[str], int]] = []

    def app(events: list[str], now: int) -> None:
        seen.append((events, now))
        if len(seen) < 3:
            b.happened.append("more")

    pair = Pair(a, b, app_b=app)
    a.say(b"hi")
    pair.run_until_idle()
    assert [events for events, _ in seen] == [["heard hi"], ["more"], ["more"]]
    assert {now for _, now in seen} == {SECOND}


def test_run_until_a_time_stops_there() -> None:
    a, b = Talker(), Talker()
    pair = Pair(a, b, Link(latency="20ms"))
    a.say(b"hello")
    pair.run_until(SECOND + 10 * MILLISECOND)
    assert (pair.now, b.heard) == (SECOND + 10 * MILLISECOND, [])
    pair.run_for(10 * MILLISECOND)
    assert len(b.heard) == 1
    with pytest.raises(StateError):
        pair.run_until(SECOND)


def test_run_until_a_condition() -> None:
    a, b = Talker(answers=1), Talker(answers=1)
    pair = Pair(a, b, Link(latency="1ms"))
    a.say(b"hello")
    assert pair.run_until(lambda: bool(a.heard))
    assert pair.now == SECOND + 2 * MILLISECOND
    assert not pair.run_until(lambda: len(a.heard) > 5)


def test_two_ends_that_answer_for_ever_are_a_livelock() -> None:
    a, b = Talker(answers=10**9), Talker(answers=10**9)
    pair = Pair(a, b, patience=100)
    a.say(b"hello")
    with pytest.raises(Livelock, match=r"100 steps at 1000000000 ns"):
        pair.run_until_idle()


def test_a_limit_of_steps_is_a_livelock_too() -> None:
    a, b = Talker(answers=10**9), Talker(answers=10**9)
    pair = Pair(a, b, Link(latency="1s"))
    a.say(b"hello")
    with pytest.raises(Livelock, match="still busy after 50 steps"):
        pair.run_until_idle(limit=50)
    with pytest.raises(Livelock, match="not met after 50 steps"):
        pair.run_until(lambda: False, limit=50)
    with pytest.raises(Livelock, match="still busy"):
        pair.run_for(HOUR, limit=50)


def test_a_machine_whose_output_has_no_end_is_a_livelock() -> None:
    class Fountain(Talker):
        def transmit(self, now: int, limit: int = 64) -> list[Packet]:
            return [Packet(b"drop")] * limit

    fountain = Fountain()
    with pytest.raises(Livelock, match="in one turn"):
        take_turn(fountain, fountain, [], 0, lambda events, now: None)


def test_an_app_without_end_gives_way_after_16_rounds() -> None:
    talker = Talker()
    rounds: list[int] = []

    def app(events: list[str], now: int) -> None:
        rounds.append(now)
        talker.happened.append("again")

    talker.happened.append("once")
    take_turn(talker, talker, [], 7, app)
    assert rounds == [7] * 16


def test_what_was_sent_is_kept_for_showing() -> None:
    a, b = Talker(answers=1), Talker()
    pair = Pair(a, b, Link(latency="20ms"), record=2)
    b.say(b"one")
    b.say(b"two")
    pair.run_until_idle()
    assert [(now, end) for now, end, _ in pair.sent] == [
        (SECOND, 1),
        (SECOND + 20 * MILLISECOND, 0),
    ]
    shown = pair.show([[(SECOND, "thought", 1)], None])
    lines = shown.splitlines()
    assert lines[0].split() == ["a:", "1.000000000", "thought", "1"]
    assert lines[1].startswith("1.000000000 b ")
    assert lines[2].startswith("1.020000000 a ")
