"""TIME-WAIT assassination and exhaustion (RFC 1337), 1992.

Elsewhere: an old duplicate makes TIME-WAIT answer, the answer draws a reset, and the
reset ends TIME-WAIT before old text has died out; or tens of thousands of such ends
fill a server's tables.

Here: old text draws an ACK, at most two a second where it is beside the window; only a
RST at exactly RCV.NXT ends it; a record costs some hundred bytes and the oldest makes
room, counted.
"""

from __future__ import annotations

from sansio_net.stack import StackConfig
from sansio_net.units import MINUTE, SECOND

from .arena import Arena, Peer, weight


def ended(arena: Arena, port: int = 4000) -> Peer:
    """A connection that the victim closed first, in TIME-WAIT."""
    peer = Peer(arena, port=port).connect()
    peer.conn.close()
    peer.mine(arena.turn())
    peer.say("F.")
    return peer


def waiting(arena: Arena) -> int:
    return len(arena.stack.time_wait)


def test_assassination() -> None:
    """RFC 1337 figure 1: old text, the ACK it draws, and a reset for that ACK."""
    arena = Arena()
    arena.listen()
    peer = ended(arena)
    assert waiting(arena) == 1
    (answer,) = peer.say("P.", 1, 1, b"old duplicate")
    assert (answer.flags, answer.seq, answer.ack) == (".", 2, 2)
    # resets for other numbers than the next: 2**32 - 1 of them
    for seq in (0, 1, 3, 1000, 2**30):
        assert peer.say("R", seq) == []
        assert waiting(arena) == 1
    arena.wait(61 * SECOND)
    assert waiting(arena) == 0


def test_hazards_of_old_duplicates() -> None:
    """RFC 1337 2: neither their text nor their ACKs reach the next incarnation."""
    arena = Arena()
    arena.listen()
    peer = ended(arena)
    # a new incarnation, allowed because its number is above (RFC 9293 MUST-13)
    again = Peer(arena, isn=peer.isn + 100_000)
    known = len(arena.accepted)
    again.connect()
    assert len(arena.accepted) == known + 1
    assert waiting(arena) == 0
    answers = peer.say("P.", 1, 1, b"old text of the last one")
    assert again.conn.pending == 0
    assert len(answers) <= 1


def test_a_flood_at_a_record_is_answered_seldom() -> None:
    arena = Arena()
    arena.listen()
    peer = ended(arena)
    said = 0
    for n in range(1000):
        said += len(peer.say("S", -1000 - n))
        arena.now += SECOND // 100
    # ten seconds, an answer each half
    assert said <= 21


def test_the_table_is_bounded() -> None:
    limit = 200
    arena = Arena(config=StackConfig(max_time_wait=limit))
    arena.listen()
    for n in range(50):
        ended(arena, 1024 + n)
    small = weight(arena.stack.time_wait)
    for n in range(50, 1000):
        ended(arena, 1024 + n)
        arena.accepted.clear()
        arena.events.clear()
    assert waiting(arena) == limit
    assert arena.count("drop.tcp_time_wait_full") == 1000 - limit
    assert weight(arena.stack.time_wait) < small * limit / 50 * 1.5
    # full or not, a new client connects
    Peer(arena, port=60_000).connect()
    arena.wait(5 * MINUTE)
    assert waiting(arena) == 0
