"""Sockstress (CVE-2008-4609) and Netkill (2000), 2008.

Elsewhere: a client that asked for a file and shut its window for ever held buffers,
timers and sockets of a server whose application had long closed; a few thousand such
connections held all of its memory.

Here: an idle or stalled connection costs a few KiB and what the application gave it;
probes back off to two minutes; and once the application has closed, a peer that takes
nothing is reset after R2, however politely it answers probes (RFC 6429 allows it).
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.protocols.tcp.events import Accepted
from sansio_net.stack import StackConfig
from sansio_net.units import MINUTE, SECOND

from .arena import Arena, Peer, Seen, weight

HOUR = 60 * MINUTE


def patient(peer: Peer, duration: int) -> list[Seen]:
    """The attacker keeps answering probes: nothing taken, window shut."""
    arena = peer.arena
    until = arena.now + duration
    said: list[Seen] = []
    while not peer.conn.done:
        due = arena.stack.next_timeout()
        if due is None or due > until:
            break
        arena.now = max(arena.now, due)
        for one in peer.mine(arena.turn()):
            said.append(one)
            if "R" not in one.flags:
                said += peer.say(".", 1, 1, win=0)
    arena.now = max(arena.now, until) if not peer.conn.done else arena.now
    return said


def stalled(text: int, **options: Any) -> Peer:
    arena = Arena(**options)
    arena.listen()
    peer = Peer(arena).connect(win=0)
    peer.conn.send(bytes(text))
    return peer


def test_probes_are_few() -> None:
    """Exponentially fewer, up to one in two minutes (RFC 9293 MUST-38)."""
    peer = stalled(100_000)
    said = patient(peer, 10 * HOUR)
    assert 10 * 30 - 20 <= len(said) <= 10 * 30 + 20
    # MUST-37: as long as it answers, the connection of an application that is still
    # there stays
    assert peer.conn.state is State.ESTABLISHED
    assert sum(len(one.data) for one in said) <= len(said)
    peer.conn.abort()
    assert [one.flags for one in peer.mine(peer.arena.turn())] == ["R."]
    assert peer.arena.stack.connections() == []


@pytest.mark.parametrize("text", [1, 100_000])
def test_an_orphan_does_not_wait_for_ever(text: int) -> None:
    peer = stalled(text)
    peer.conn.close()
    said = patient(peer, 2 * HOUR)
    assert peer.conn.state is State.CLOSED
    assert peer.arena.stack.connections() == []
    assert len(said) < 40


def test_the_application_may_say_how_long() -> None:
    """RFC 5482's limit is about what the peer does not acknowledge, and silence."""
    peer = stalled(100_000, user_timeout=30 * SECOND)
    peer.arena.wait(2 * MINUTE)  # this one does not even answer
    assert peer.conn.done


def test_thousands_of_them_cost_what_they_were_given() -> None:
    arena = Arena()
    arena.listen()
    page = bytes(50_000)

    def serve(event: object) -> None:
        if isinstance(event, Accepted):
            event.conn.send(page)

    arena.app = serve
    for n in range(50):
        Peer(arena, port=1024 + n).connect(win=0)
    before = weight(arena.stack)
    for n in range(50, 1050):
        Peer(arena, port=1024 + n).connect(win=0)
    arena.accepted.clear()
    arena.events.clear()
    # the text itself is one object, referred to by all
    assert weight(arena.stack) - before < 1000 * 4096


def test_the_table_is_bounded() -> None:
    arena = Arena(config=StackConfig(max_connections=100))
    arena.listen(backlog=1000)
    for n in range(200):
        Peer(arena, port=1024 + n).say("S", 0, mss=1460)
    assert len(arena.stack.connections()) <= 100
    assert arena.count("drop.tcp_backlog_full") >= 100 - 100


def test_no_answer_at_all_ends_by_r2() -> None:
    """The cheapest sockstress: handshakes, and silence from then on."""
    peer = stalled(1000)
    peer.arena.wait(2 * HOUR)
    assert peer.conn.done
    assert peer.arena.stack.connections() == []
