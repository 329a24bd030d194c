from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.protocols.tcp.orphans import Orphans
from sansio_net.protocols.tcp.timers import STALL
from sansio_net.units import SECOND

from .dialogue import Talk

DAY = 24 * 3600 * SECOND


def shut(**options: int | None) -> Talk:
    """The peer's window is shut, and text waits."""
    talk = Talk.active(**options)
    talk.peer(".", seq=1, ack=1, wnd=0)
    talk.conn.send(b"a secret that nobody reads")
    talk.silent()
    return talk


def answers_probes(talk: Talk, until: int) -> str:
    """As a sockstress attacker does: a shut window, politely. Our last flags."""
    end, last = talk.now + until, ""
    while not talk.conn.done:
        due = talk.conn.deadline()
        if due is None or due > end:
            break
        talk.wait(due - talk.now)
        for said in talk.all_said():
            last = said.flags
            if said.data:
                talk.peer(".", seq=1, ack=1, wnd=0)
    return last


def test_so_many_and_no_more() -> None:
    orphans = Orphans(2)
    assert orphans.take(1)
    assert orphans.take(2)
    assert not orphans.take(3)
    orphans.let_go(1)
    orphans.let_go(1)
    assert orphans.take(3)
    assert len(orphans) == 2


def test_an_open_connection_stays_while_its_probes_are_answered() -> None:
    # RFC 9293 MUST-37
    talk = shut()
    answers_probes(talk, DAY)
    assert talk.conn.state is State.ESTABLISHED


def test_an_orphan_whose_probes_are_answered_ends() -> None:
    talk = shut(orphan_timeout=100 * SECOND)
    began = talk.now
    talk.conn.close()
    talk.silent()
    assert answers_probes(talk, DAY) == "R."
    assert talk.conn.state is State.CLOSED
    assert talk.now - began <= 200 * SECOND
    talk.events("ConnectionLost")
    assert talk.counters.as_dict()["tcp.stalled"] == 1


def test_an_orphan_that_makes_progress_lives() -> None:
    talk = shut(orphan_timeout=100 * SECOND)
    talk.conn.close()
    talk.silent()
    for n in range(20):
        talk.wait(90 * SECOND)
        talk.all_said()
        talk.peer(".", seq=1, ack=2 + n, wnd=0)
        talk.silent()
    assert not talk.conn.done


def test_an_orphan_that_is_not_heard_ends_sooner_than_an_open_connection() -> None:
    took = []
    for closes in (False, True):
        talk = Talk.active()
        talk.conn.send(b"x")
        if closes:
            talk.conn.close()
        talk.all_said()
        began = talk.now
        while not talk.conn.done:
            due = talk.conn.deadline()
            assert due is not None
            talk.wait(due - talk.now)
            talk.all_said()
        took.append(talk.now - began)
    assert took[1] <= 200 * SECOND < took[0]


@pytest.mark.parametrize("timeout", [10 * SECOND, 1000 * SECOND])
def test_an_application_may_bound_shut_windows(timeout: int) -> None:
    talk = shut(zero_window_timeout=timeout)
    began = talk.now
    answers_probes(talk, DAY)
    talk.events("ConnectionLost")
    assert timeout <= talk.now - began <= 2 * timeout


def test_a_window_that_opens_in_time_stops_the_clock() -> None:
    talk = shut(zero_window_timeout=100 * SECOND)
    talk.peer(".", seq=1, ack=1, wnd=65535)
    talk.us("P.", seq=1)
    talk.peer(".", seq=1, ack=27)
    talk.silent()
    talk.wait(300 * SECOND)
    assert talk.conn.timers.at(STALL) is None
    assert talk.conn.state is State.ESTABLISHED
