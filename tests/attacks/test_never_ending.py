"""Connections that never end: FIN-WAIT-2, keep-alives answered for ever, 1996.

Elsewhere: web servers' tables filled with ends whose peers had vanished: an end in FIN-
WAIT-2 has no timer in RFC 793, an answered probe counted as life whatever it said, and
a half-closed peer could trickle a byte an hour.

Here: FIN-WAIT-2 of a closed connection ends in a minute, text for an application that
is gone is refused with a reset, and a keep-alive costs the peer's answer in sequence.
"""

from __future__ import annotations

from sansio_net.protocols.tcp import State
from sansio_net.units import HOUR, MINUTE, SECOND

from .arena import Arena, Peer


def closed_by_us() -> Peer:
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect()
    peer.conn.close()
    peer.wait(0)
    peer.say(".")
    assert peer.conn.state is State.FIN_WAIT_2
    return peer


def test_fin_wait_2_ends() -> None:
    peer = closed_by_us()
    # ACKs do not keep it
    for _ in range(70):
        peer.say(".")
        peer.wait(SECOND)
    assert peer.arena.stack.connections() == []


def test_text_for_nobody_is_refused() -> None:
    """RFC 9293 3.6.1, SHLD-3."""
    peer = closed_by_us()
    (answer,) = peer.say("P.", data=b"trickle")
    assert "R" in answer.flags
    assert peer.arena.stack.connections() == []


def test_a_half_closed_connection_is_the_applications() -> None:
    """Only shutdown(): reading goes on, so it may take as long as the peer likes."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect()
    peer.conn.shutdown()
    peer.wait(0)
    peer.say(".")
    for _ in range(5):
        peer.wait(HOUR)
        peer.say("P.", data=b"still here")
    assert peer.conn.recv(100) == b"still here" * 5


def test_keep_alives_that_nobody_answers() -> None:
    arena = Arena(keepalive=True, keepalive_idle=MINUTE)
    arena.listen()
    peer = Peer(arena).connect()
    said = peer.wait(HOUR)
    assert peer.conn.done
    assert len(said) <= 10


def test_keep_alives_answered_from_elsewhere_are_not_answered() -> None:
    """Segments beside the window are no sign of life that would go on for ever."""
    arena = Arena(keepalive=True, keepalive_idle=MINUTE)
    arena.listen()
    peer = Peer(arena).connect()
    answers = 0
    for _ in range(120):
        answers += len(peer.wait(MINUTE))
        answers += len(peer.say(".", 10**6, 10**6))
    # a probe a minute and a challenge each at most
    assert answers <= 2 * 120 + 10


def test_last_ack_and_closing_end() -> None:
    """Both ends' last states retransmit a FIN, and R2 or the orphans' limit ends it."""
    for simultaneous in (True, False):
        arena = Arena()
        arena.listen()
        peer = Peer(arena).connect()
        if simultaneous:
            peer.conn.close()
            arena.turn()
            peer.say("F.", ack=1)
        else:
            peer.say("F.")
            peer.conn.close()
        arena.wait(2 * HOUR)
        assert arena.stack.connections() == []
