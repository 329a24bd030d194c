"""The scoreboard against a model that keeps every number by itself."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.protocols.tcp import scoreboard
from sansio_net.protocols.tcp.scoreboard import NEVER, Scoreboard

UNIT = 10

KINDS = (
    *("send", "send", "sack", "sack", "ack", "lose", "again", "all", "renege"),
    *("late", "point", "tail"),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 40),
        st.integers(1, 12),
    ),
    max_size=60,
)


class Model:
    """What is known of each number in flight."""

    def __init__(self) -> None:
        self.una = self.nxt = 0
        self.sacked: set[int] = set()
        self.lost: set[int] = set()
        self.again: set[int] = set()

    def leave(self, ack: int) -> int:
        new = sum(n not in self.sacked for n in range(self.una, ack))
        for marks in (self.sacked, self.lost, self.again):
            marks.difference_update(range(self.una, ack))
        self.una = ack
        return new

    def sack(self, start: int, end: int) -> int:
        new = set(range(start, end)) - self.sacked
        self.sacked |= new
        self.lost -= new
        self.again -= new
        return len(new)

    def lose(self, start: int, end: int, again: bool) -> None:
        lost = set(range(start, end)) - self.sacked
        self.lost |= lost
        if again:
            self.again -= lost

    def point(self, threshold: int, mss: int) -> int:
        """RFC 6675 4, IsLost, number by number: the first that is not lost."""
        for number in range(self.nxt - 1, self.una - 1, -1):
            above = sorted(n for n in self.sacked if n > number)
            ranges = sum(n - 1 not in self.sacked or n == number + 1 for n in above)
            if number in self.sacked:
                continue
            if ranges >= threshold or len(above) > (threshold - 1) * mss:
                return number + 1
        return self.una


def check(board: Scoreboard, model: Model) -> None:
    records = board.records
    assert all(record.start < record.end for record in records)
    for one, other in itertools.pairwise(records):
        assert one.end == other.start
        assert not (one.sacked and other.sacked)
    if records:
        assert (records[0].start, records[-1].end) == (model.una, model.nxt)
    else:
        assert model.una == model.nxt
    assert [one for one in records if one.sacked] == board.islands
    assert board.sacked == len(model.sacked)
    assert board.lost == len(model.lost)
    assert board.retransmitted == len(model.again)
    assert board.waiting == len(model.lost - model.again)
    for record in records:
        for marks, mark in (
            (model.sacked, record.sacked),
            (model.lost, record.lost),
            (model.again, record.retransmitted),
        ):
            assert all((n in marks) == mark for n in range(record.start, record.end))
    waiting = sorted(model.lost - model.again)
    start, end = board.next_lost(1 << 30)
    assert (start if end else None) == (waiting[0] if waiting else None)
    assert all(n in model.lost - model.again for n in range(start, end))
    # RFC 6675 4, SetPipe
    pipe = model.nxt - model.una - board.sacked - board.lost + board.retransmitted
    assert pipe >= 0


def play(board: Scoreboard, model: Model, step: tuple[str, int, int], now: int) -> None:
    kind, at, size = step
    una, nxt = model.una, model.nxt
    start = min(una + at * UNIT, nxt)
    end = min(start + size * UNIT, nxt)
    board.begin(now)
    if kind == "send":
        board.sent(nxt, nxt + size * UNIT, nxt - una, now)
        model.nxt += size * UNIT
    elif kind == "sack" and una < start < end:
        new = model.sack(start, end)
        board.sack(start, end)
        assert board.delivered == board.newly_sacked == new
    elif kind == "ack":
        board.acknowledge(start)
        assert board.delivered == model.leave(start)
    elif kind == "lose":
        model.lose(start, end, again=True)
        if start < end:
            board.lose_range(start, end)
    elif kind == "point":
        point = board.loss_point(una, 3, UNIT)
        assert point >= model.point(3, UNIT)
        assert all(n in model.sacked for n in range(model.point(3, UNIT), point))
        model.lose(una, point, again=False)
        before = board.lost
        assert board.lose_before(point) == len(model.lost) - before
    elif kind == "again":
        start, end = board.next_lost(size * UNIT)
        end = min(end, start + size * UNIT)
        if end:
            board.resent(start, end, nxt - una, now)
            model.again.update(range(start, end))
    elif kind == "tail" and board.records:
        start, end = board.last_hole()
        if end:
            board.resent(max(start, end - UNIT), end, nxt - una, now)
            model.again.update(range(max(start, end - UNIT), end))
    elif kind == "all" and una < nxt:
        board.lose_range(una, nxt)
        model.lose(una, nxt, again=True)
    elif kind == "renege" and una < nxt:
        board.renege()
        model.sacked.clear()
        board.lose_range(una, nxt)
        model.lose(una, nxt, again=True)
    elif kind == "late":
        board.find_none_lost()
        model.lost.clear()


@given(steps, st.booleans())
def test_the_board_knows_what_a_model_knows(
    script: list[tuple[str, int, int]], by_time: bool
) -> None:
    board, model = Scoreboard(), Model()
    if by_time:
        board.by_time = []
    for now, step in enumerate(script):
        play(board, model, step, now // 2)
        check(board, model)


@given(steps)
def test_rtts_only_of_what_left_once(script: list[tuple[str, int, int]]) -> None:
    """RFC 6298 3, Karn: a model of when each number left, and whether again."""
    board, model = Scoreboard(), Model()
    left: dict[int, int] = {}
    again: set[int] = set()
    for now, step in enumerate(script):
        una, nxt, resent = model.una, model.nxt, set(model.again)
        sacked = set(model.sacked)
        play(board, model, step, now)
        left.update(dict.fromkeys(range(nxt, model.nxt), now))
        again |= model.again - resent
        if step[0] in ("renege",):
            again |= sacked
        if step[0] == "ack":
            new = [n for n in range(una, model.una) if n not in sacked]
            sure = [left[n] for n in new if n not in again]
            assert board.first_at == (sure[0] if sure else NEVER)
            assert board.last_at == (sure[-1] if sure else NEVER)
            assert board.again_acked == (len(sure) < len(new))


def test_many_holes_are_bounded() -> None:
    """CVE-2019-11478: a peer that SACKs every second byte of many."""
    board = Scoreboard()
    board.sent(0, 100_000, 0, 0)
    board.begin(1)
    for start in range(1, 99_999, 2):
        board.sack(start, start + 1)
    assert len(board.records) <= scoreboard.MAX_RECORDS
    assert board.ignored > 0
    assert board.lose_before(board.loss_point(0, 3, 1)) > 0
    board.acknowledge(100_000)
    assert not board.records
    assert (board.sacked, board.lost, board.waiting, board.retransmitted) == (0,) * 4


def test_many_turns_are_bounded() -> None:
    board = Scoreboard()
    for now in range(20_000):
        board.sent(now, now + 1, now, now)
    assert len(board.records) <= scoreboard.MAX_RECORDS
    board.begin(20_000)
    board.acknowledge(20_000)
    # what was joined left at no one time
    assert board.again_acked
    assert board.last_at == scoreboard.MAX_RECORDS - 2
