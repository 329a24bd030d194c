"""ACK division, DupACK spoofing, optimistic ACKs (Savage et al.; VU#102014), 1999.

Elsewhere: a receiver that acknowledged a segment in a hundred pieces, repeated ACKs, or
acknowledged what had not come yet made the sender flood the network: "Daytona".

Here: cwnd grows with bytes acknowledged, never with ACKs (RFC 3465); a duplicate lets
no more leave than it says has arrived, and nothing where SACK would say what; an ACK
beyond SND.NXT is refused and challenged.
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp.congestion import CONTROLLERS
from sansio_net.units import MILLISECOND

from .arena import Arena, Peer, Seen

MSS = 1000
IW = 10 * MSS


def sending(congestion: str, size: int = 400_000, **offered: Any) -> Peer:
    """A connection in slow start that has sent its initial window."""
    arena = Arena(congestion=congestion, send_buffer=1 << 20)
    arena.listen()
    peer = Peer(arena).connect(mss=MSS, **offered)
    arena.now += 100 * MILLISECOND
    peer.conn.send(bytes(size))
    first = peer.mine(arena.turn())
    assert sum(len(one.data) for one in first) == IW
    arena.now += 100 * MILLISECOND
    return peer


controllers = pytest.mark.parametrize("congestion", sorted(CONTROLLERS))


@controllers
def test_ack_division(congestion: str) -> None:
    honest, divider = sending(congestion), sending(congestion)
    honest.say(".", ack=1 + MSS)
    for n in range(1, 101):
        divider.say(".", ack=1 + n * MSS // 100)
    assert divider.conn.info().snd_cwnd <= honest.conn.info().snd_cwnd
    assert divider.heard <= honest.heard


@controllers
def test_dupack_spoofing(congestion: str) -> None:
    """Three hundred duplicates: one recovery, one segment for each at most, and never
    more than the window that the liar himself has offered."""
    peer = sending(congestion)
    sent: list[Seen] = []
    for _ in range(300):
        sent += peer.say(".", ack=1)
    again = sum(len(one.data) for one in sent if one.seq <= IW)
    assert len(sent) <= 300
    assert max(one.seq + len(one.data) for one in sent) <= 1 + 65_535
    assert again <= 2 * IW
    assert peer.conn.congestion.cwnd <= 2 * IW
    # and none of it made the window grow once they are over
    peer.say(".", ack=peer.heard)
    assert peer.conn.congestion.cwnd <= 2 * IW


@controllers
def test_dupack_spoofing_where_sack_was_agreed(congestion: str) -> None:
    """A duplicate that does not say what arrived says nothing: fast retransmit, and no
    new text beyond limited transmit."""
    peer = sending(congestion, sack_permitted=True)
    sent: list[Seen] = []
    for _ in range(300):
        sent += peer.say(".", ack=1)
    fresh = sum(len(one.data) for one in sent if one.seq > IW)
    assert fresh <= 2 * MSS
    assert len(sent) <= 10


@controllers
@pytest.mark.parametrize("ahead", [1, MSS, IW, 2**30, 2**31 - 20_000])
def test_an_ack_of_what_was_never_sent(congestion: str, ahead: int) -> None:
    peer = sending(congestion)
    before = peer.conn.info()
    (answer,) = peer.say(".", ack=1 + IW + ahead)
    assert (answer.flags, answer.data) == (".", b"")
    after = peer.conn.info()
    assert (after.snd_cwnd, after.unacked) == (before.snd_cwnd, before.unacked)
    assert peer.arena.count("drop.tcp_bad_ack") == 1


@controllers
def test_optimistic_acks_do_not_outrun_the_flight(congestion: str) -> None:
    """ACKs of what is on its way look honest; but each of what is not there yet is
    refused, and the growth is that of an honest receiver with a short round trip."""
    peer = sending(congestion)
    arena = peer.arena
    cwnd, acked = peer.conn.info().snd_cwnd, 0
    for _ in range(20):
        arena.now += MILLISECOND
        newest = peer.heard
        peer.say(".", ack=newest)
        acked = newest - 1
        # one window beyond what the attacker could see is never there to be acked
        peer.say(".", ack=peer.heard + 50 * MSS)
        # slow start: a byte for a byte acknowledged
        assert peer.conn.info().snd_cwnd <= cwnd + acked
    assert arena.count("drop.tcp_bad_ack") == 20


@controllers
def test_the_same_ack_again_grows_nothing(congestion: str) -> None:
    peer = sending(congestion)
    peer.say(".", ack=1 + IW)
    cwnd = peer.conn.info().snd_cwnd
    for _ in range(50):
        # other windows: no duplicates, and nothing new
        peer.say(".", ack=1 + IW, win=65_000)
        peer.say(".", ack=1 + IW, win=64_000)
    assert peer.conn.info().snd_cwnd <= cwnd


@controllers
def test_acks_without_text_in_flight_grow_nothing(congestion: str) -> None:
    """An idle connection keeps the window it had."""
    arena = Arena(congestion=congestion)
    arena.listen()
    peer = Peer(arena).connect(mss=MSS)
    cwnd = peer.conn.info().snd_cwnd
    for _ in range(100):
        peer.say(".", ack=1)
    assert peer.conn.info().snd_cwnd == cwnd == IW
