"""Off-path TCP exploits: the shared challenge-ACK counter (CVE-2016-5696), 2016.

Elsewhere: Linux counted challenge ACKs of all connections together, a hundred a second:
by spending the budget on a connection of his own, an attacker learnt whether a spoofed
segment on another one had cost an ACK, and so its ports and sequence numbers.

Here: every connection has a limit of its own: how many ACKs the attacker's connection
gets is the same whatever he sends to others, and whether they exist.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .arena import PORT, Arena, Peer


def budget_seen(spoof: Callable[[Peer, int], bytes] | None, guesses: int = 150) -> int:
    """ACKs that the attacker's own connection earns after he spoofed `guesses`."""
    arena = Arena()
    arena.listen()
    victim = Peer(arena, "10.0.0.1").connect()
    attacker = Peer(arena, "10.0.0.66").connect()
    if spoof is not None:
        arena.turn(*(spoof(victim, n) for n in range(guesses)))
    return sum(len(attacker.say("R", 2 + n)) for n in range(300))


def in_window(victim: Peer, n: int) -> bytes:
    return victim.segment("R", 2 + n)


def outside(victim: Peer, n: int) -> bytes:
    return victim.segment("R", 10**6 + n)


def wrong_port(victim: Peer, n: int) -> bytes:
    stranger = Peer(victim.arena, victim.address, victim.port + 1, to_port=PORT)
    return stranger.segment("S.", n)


def a_syn(victim: Peer, n: int) -> bytes:
    return victim.segment("S", n)


def bad_ack(victim: Peer, n: int) -> bytes:
    return victim.segment(".", 1, 10**6 + n)


@pytest.mark.parametrize("spoof", [in_window, outside, wrong_port, a_syn, bad_ack])
def test_nothing_is_learnt_on_another_connection(
    spoof: Callable[[Peer, int], bytes],
) -> None:
    assert budget_seen(spoof) == budget_seen(None)


def test_there_is_a_limit_to_be_seen_at_all() -> None:
    """Otherwise the test above shows nothing."""
    assert 0 < budget_seen(None) < 300
