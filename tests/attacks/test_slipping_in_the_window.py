"""Slipping in the Window (CVE-2004-0230), 2004.

Elsewhere: any RST or SYN inside the receive window ended a connection, so that a few
thousand guesses did: BGP sessions above all. Data could be put in the same way.

Here: RFC 5961: only a RST at exactly RCV.NXT resets; one elsewhere in the window, a
SYN, and an ACK out of range change nothing but for challenge ACKs, ten in five seconds.
"""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.units import SECOND

from .arena import Arena, Peer

LIMIT = 10
INSIDE = (1, 2, 1000, 30_000, 65_000)


@pytest.fixture
def peer() -> Peer:
    arena = Arena()
    arena.listen()
    return Peer(arena).connect()


@pytest.mark.parametrize("offset", INSIDE)
def test_a_reset_in_the_window_is_challenged(peer: Peer, offset: int) -> None:
    (answer,) = peer.say("R", 1 + offset)
    # RFC 5961 3.2: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>
    assert (answer.flags, answer.seq, answer.ack) == (".", 1, 1)
    assert not peer.conn.done
    # the real peer of such an ACK answers with the exact number
    peer.say("R", 1)
    assert peer.conn.state is State.CLOSED


@pytest.mark.parametrize(
    "offset", [-(2**31) + 1, -70_000, -1, 70_000, 2**30, 2**31 - 1]
)
def test_a_reset_outside_is_dropped_in_silence(peer: Peer, offset: int) -> None:
    assert peer.say("R", 1 + offset) == []
    assert peer.conn.state is State.ESTABLISHED
    assert peer.arena.count("drop.tcp_unacceptable") == 1


@pytest.mark.parametrize("flags", ["S", "S.", "SP"])
@pytest.mark.parametrize("offset", [-1, 0, 1, 30_000, 2**30])
def test_a_syn_is_challenged_wherever_it_lies(
    peer: Peer, flags: str, offset: int
) -> None:
    """RFC 5961 4.2: irrespective of the sequence number."""
    (answer,) = peer.say(flags, 1 + offset)
    assert (answer.flags, answer.seq, answer.ack) == (".", 1, 1)
    assert peer.conn.state is State.ESTABLISHED


@pytest.mark.parametrize("ack", [2, 1000, 2**30, 2**31 - 1, -70_000, -(2**31) + 5])
def test_text_with_an_ack_out_of_range_is_not_taken(peer: Peer, ack: int) -> None:
    """RFC 5961 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT."""
    answers = peer.say("P.", 1, ack, b"injected")
    assert [answer.ack for answer in answers] == [1]
    assert peer.conn.pending == 0
    assert peer.arena.count("drop.tcp_bad_ack") == 1


def test_text_needs_an_ack_at_all(peer: Peer) -> None:
    assert peer.say("P", 1, data=b"injected") == []
    assert peer.conn.pending == 0


def test_a_flood_of_guesses_earns_few_answers_and_changes_nothing(peer: Peer) -> None:
    arena, said = peer.arena, 0
    for guess in range(2000):
        flags = ("R", "S", ".")[guess % 3]
        said += len(peer.say(flags, 2 + guess * 29, 2**30))
        arena.now += SECOND // 1000
    # two seconds: in no five of them more than the limit
    assert said <= LIMIT
    assert arena.count("tcp.challenge_ack_limited") >= 2000 - 2 * LIMIT
    assert peer.conn.state is State.ESTABLISHED
    peer.next = 1
    peer.say("P.", data=b"the real one")
    assert peer.conn.recv(100) == b"the real one"


def test_before_it_is_established_too() -> None:
    """A half-open connection survives resets and SYNs beside the point."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena)
    peer.say("S", 0, mss=1460)
    for offset in INSIDE:
        peer.say("R", 1 + offset)
        peer.say("S", 1 + offset)
    peer.next = 1
    peer.say(".")
    assert arena.told() == ["Accepted"]
