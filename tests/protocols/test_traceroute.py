"""Traceroute's course in virtual time: order, parallel probes, patience, the end."""

from __future__ import annotations

import copy
import pickle

import pytest

from sansio_net.machine import ASAP
from sansio_net.protocols.traceroute import (
    Answer,
    Probe,
    ProbeResult,
    Traceroute,
    TracerouteOptions,
    mark_of,
    mark_of6,
)
from sansio_net.units import MILLISECOND, SECOND

T0 = 10 * SECOND
MS = MILLISECOND


class Path:
    """Routers that answer after `delays` of their hop; None: never."""

    def __init__(self, delays: list[int | None], **options: int) -> None:
        self.delays = delays
        self.machine = Traceroute(TracerouteOptions(**options))
        self.now = T0
        self.sent: list[tuple[int, Probe]] = []
        self.told: list[tuple[int, ProbeResult]] = []
        self.coming: list[tuple[int, Answer]] = []
        self.most = 0

    def run(self) -> Path:
        machine = self.machine
        while not machine.is_over:
            due = machine.next_timeout()
            times = [at for at, _ in self.coming]
            if due is not None:
                times.append(due)
            self.now = max(self.now, min(times))
            arrived = [answer for at, answer in self.coming if at <= self.now]
            self.coming = [one for one in self.coming if one[0] > self.now]
            machine.receive(arrived, self.now)
            machine.handle_timeout(self.now)
            self.told += [(self.now, result) for result in machine.events()]
            for probe in machine.transmit(self.now):
                self.sent.append((self.now, probe))
                self.answer(probe)
            self.most = max(self.most, len(machine._under_way()))
            due = machine.next_timeout()
            assert due is None or due > self.now
        return self

    def answer(self, probe: Probe) -> None:
        hop = min(probe.ttl, len(self.delays))
        delay = self.delays[hop - 1]
        if delay is not None:
            final = probe.ttl >= len(self.delays)
            answer = Answer(probe.number, f"10.0.{hop}.1", "", final)
            self.coming.append((self.now + delay, answer))

    def lines(self) -> list[list[str]]:
        lines: list[list[str]] = []
        for _, one in self.told:
            if not one.query:
                lines.append([])
            lines[-1].append(one.source or "*")
        return lines


def test_a_short_path() -> None:
    path = Path([MS, 2 * MS, 3 * MS]).run()
    assert path.lines() == [[f"10.0.{n}.1"] * 3 for n in (1, 2, 3)]
    assert [one.took for _, one in path.told] == [MS] * 3 + [2 * MS] * 3 + [3 * MS] * 3
    assert path.machine.is_final
    # sixteen at once, three of each hop, and more while the answers come
    assert [probe.ttl for _, probe in path.sent[:16]] == [n // 3 + 1 for n in range(16)]
    assert path.most == 16
    assert path.machine.next_timeout() is None
    assert path.machine.transmit(path.now) == []


def test_never_more_than_so_many_at_once() -> None:
    path = Path([MS] * 5, parallel=4).run()
    assert path.most == 4
    assert [at for at, _ in path.sent[:5]] == [T0] * 4 + [T0 + MS]
    one = Path([MS, MS], parallel=1).run()
    assert len(one.sent) == 6  # and none beyond the target


def test_results_keep_their_order_whatever_comes_first() -> None:
    path = Path([50 * MS, 20 * MS, 30 * MS]).run()
    assert path.lines() == [[f"10.0.{n}.1"] * 3 for n in (1, 2, 3)]
    assert {at for at, _ in path.told} == {T0 + 50 * MS}


def test_silence_lasts_as_long_as_it_is_waited_for() -> None:
    path = Path([None, None], hops=2, queries=1).run()
    assert path.lines() == [["*"], ["*"]]
    assert [at for at, _ in path.told] == [T0 + 5 * SECOND] * 2
    assert not path.machine.is_final


def test_later_hops_that_answer_shorten_the_wait() -> None:
    """traceroute's NEAR: ten times as long as they took, and a millisecond."""
    path = Path([None, 20 * MS], queries=1).run()
    assert path.lines() == [["*"], ["10.0.2.1"]]
    assert path.told[0][0] == T0 + 10 * 21 * MS
    patient = Path([None, 20 * MS], queries=1, near=0).run()
    assert patient.told[0][0] == T0 + 5 * SECOND
    slow = Path([None, SECOND], queries=1).run()
    assert slow.told[0][0] == T0 + 5 * SECOND  # never longer than that


def test_the_same_hop_shortens_it_more() -> None:
    """HERE: three times."""

    class Deaf(Path):
        def answer(self, probe: Probe) -> None:
            if probe.number != 1:
                super().answer(probe)

    path = Deaf([20 * MS]).run()
    assert path.lines() == [["10.0.1.1", "*", "10.0.1.1"]]
    assert path.told[1][0] == T0 + 3 * 21 * MS


def test_between_first_and_last() -> None:
    path = Path([MS] * 9, first=3, hops=5, queries=2).run()
    assert [one.ttl for _, one in path.told] == [3, 3, 4, 4, 5, 5]
    assert not path.machine.is_final


def test_an_interval_between_probes() -> None:
    path = Path([MS, MS], queries=1, interval=100 * MS).run()
    assert [at for at, _ in path.sent] == [T0, T0 + 100 * MS]


def test_the_hop_that_is_final_is_finished_and_nothing_beyond() -> None:
    """Also when a nearer one turns out to be final later."""
    machine = Traceroute(TracerouteOptions(queries=2, parallel=8))
    assert len(machine.transmit(T0)) == 8
    machine.receive([Answer(6, "far", "", True)], T0 + 1)
    machine.receive([Answer(2, "near", "!H", True)], T0 + 2)
    assert machine.transmit(T0 + 2) == []
    assert not machine.is_waiting(2)
    assert machine.is_waiting(3)
    machine.receive([Answer(n, "x") for n in (0, 1, 3, 4)], T0 + 3)
    assert [(one.ttl, one.source, one.mark) for one in machine.events()] == [
        (1, "x", ""),
        (1, "x", ""),
        (2, "near", "!H"),
        (2, "x", ""),
    ]
    assert machine.is_over


def test_what_is_no_answer_to_anything() -> None:
    machine = Traceroute(TracerouteOptions(hops=1, queries=2))
    machine.receive([Answer(0, "early")], T0)
    machine.transmit(T0)
    machine.receive([Answer(n, "x", "", True) for n in (-1, 99, 5)], T0)
    machine.receive([Answer(0, "first"), Answer(0, "second")], T0 + 1)
    machine.handle_timeout(T0 + 5 * SECOND)
    machine.receive([Answer(1, "late")], T0 + 6 * SECOND)
    assert [one.source for one in machine.events()] == ["first", None]
    assert not machine.is_final


def test_a_limit_and_a_copy() -> None:
    machine = Traceroute()
    assert machine.next_timeout() == ASAP
    assert [probe.number for probe in machine.transmit(T0, 2)] == [0, 1]
    for twin in (copy.deepcopy(machine), pickle.loads(pickle.dumps(machine))):
        assert twin.next_timeout() == ASAP
        assert [probe.number for probe in twin.transmit(T0, 2)] == [2, 3]


@pytest.mark.parametrize(
    "options",
    [
        {"hops": 0},
        {"hops": 256},
        {"first": 0},
        {"first": 3, "hops": 2},
        {"queries": 11},
        {"parallel": 0},
        {"wait": 0},
        {"here": -1},
        {"interval": -1},
    ],
)
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is "):
        TracerouteOptions(**options)


def test_marks() -> None:
    """Those of traceroute(8)."""
    assert mark_of(11, 0, 0) == ("", False)
    assert mark_of(3, 3, 0) == ("", True)
    codes = [mark_of(3, code, 1400)[0] for code in range(17)]
    shown = "!N !H !P - !F-1400 !S !N !H !N !X !X !N !H !X !V !C !<16>"
    assert [code or "-" for code in codes] == shown.split()
    assert mark_of(12, 0, 0) == ("!<12-0>", True)
    assert mark_of(11, 1, 0) == ("!<11-1>", True)
    assert mark_of6(3, 0, 0) == ("", False)
    codes = [mark_of6(1, code, 0)[0] for code in range(6)]
    assert [code or "-" for code in codes] == ["!N", "!X", "!H", "!H", "-", "!<5>"]
    assert mark_of6(2, 0, 1280) == ("!F-1280", True)
    assert mark_of6(4, 1, 0) == ("!<4-1>", True)
