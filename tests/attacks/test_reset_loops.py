"""Resets and simultaneous opens that go round in circles (RFC 793 3.4), 1981.

Elsewhere: two ends that answered each other's resets, or a SYN-ACK with a reset that
was answered again, filled the wire between them; a SYN flag on a reset did for some.

Here: a RST is never answered, in any state; a simultaneous open ends in one connection
or in none, in a bounded number of packets.
"""

from __future__ import annotations

import pytest

from sansio_net.packet import Medium
from sansio_net.testing import Link
from sansio_net.testing.script import parse_flags
from sansio_net.units import MILLISECOND, MINUTE, SECOND
from tests.property.conversation import Talk

from .arena import Arena, Peer

STATES = [
    "SYN_SENT",
    "SYN_RECEIVED",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "CLOSE_WAIT",
    "CLOSING",
    "LAST_ACK",
    "TIME_WAIT",
]


def standing(state: str) -> Peer:
    """A connection of the victim's in this state."""
    arena = Arena()
    if state == "SYN_SENT":
        conn = arena.stack.tcp_connect(("10.0.0.1", 80))
        peer = Peer(arena, port=80, to_port=conn.lport)
        peer.mine(arena.turn())
        return peer
    arena.listen()
    peer = Peer(arena)
    if state == "SYN_RECEIVED":
        peer.say("S", 0, mss=1460)
        return peer
    peer.connect()
    if state in ("CLOSE_WAIT", "LAST_ACK"):
        peer.say("F.")
    if state not in ("ESTABLISHED", "CLOSE_WAIT"):
        peer.conn.close()
        heard = peer.heard
        peer.mine(arena.turn())
        if state == "CLOSING":
            peer.say("F.", ack=heard)
        if state in ("FIN_WAIT_2", "TIME_WAIT"):
            peer.say(".")
        if state == "TIME_WAIT":
            peer.say("F.")
    if state != "TIME_WAIT":
        assert peer.conn.state.name == state
    return peer


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("seq", [0, 1, 2, 5000, 10**6])
def test_a_reset_is_never_answered_by_a_reset(state: str, seq: int) -> None:
    for flags in ("R", "R.", "RS", "RS.", "RF", "RP.", "RSFPU."):
        peer = standing(state)
        for one in peer.say(flags, seq, data=b"why"):
            assert not parse_flags(one.flags) & 0x04, one


@pytest.mark.parametrize("state", STATES)
def test_an_echo_of_all_we_say_dies_out(state: str) -> None:
    """Every packet of ours comes back as it is, ports exchanged: the worst mirror."""
    peer = standing(state)
    arena = peer.arena
    packets = 0
    said = peer.say("S.", 5, 5)
    for _ in range(2000):
        if not said:
            break
        packets += len(said)
        said = [
            answer
            for one in said
            for answer in peer.say(one.flags, one.seq, one.ack, one.data)
        ]
        arena.now += MILLISECOND
    assert packets < 50


@pytest.mark.parametrize("latency", [0, 1, 50])
def test_both_ends_open_at_once(latency: int) -> None:
    link = Link(3, medium=Medium.IP, latency=latency * MILLISECOND)
    talk = Talk(3, link, medium=Medium.IP, simultaneous=True)
    talk.pair.run_for(10 * SECOND)
    assert sum(link.counts(end).sent for end in (0, 1)) <= 10
    for side in talk.sides:
        assert "Connected" in side.kinds


def test_open_at_once_and_one_forgets() -> None:
    """A SYN for a connection that the peer has lost: a reset, and that is all."""
    peer = standing("ESTABLISHED")
    arena = peer.arena
    peer.conn.abort()
    arena.turn()
    before = arena.sent
    peer.say("P.", data=b"still there?")
    arena.wait(10 * MINUTE)
    assert arena.sent - before == 1


def test_split_handshake() -> None:
    """Beardsley and Qian, 2010: a SYN answered by a SYN makes the client a server; it
    is RFC 9293's simultaneous open, and the numbers still have to be right."""
    peer = standing("SYN_SENT")
    (answer,) = peer.say("S", 0, mss=1460)
    assert answer.flags == "S."
    assert peer.say(".", 1, 77)[0].flags == "R"
    peer.say(".", 1, 1)
    assert peer.arena.told() == ["Connected"]
