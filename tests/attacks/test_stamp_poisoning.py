"""Timestamp poisoning (CVE-2005-0356), 2005.

Elsewhere: one spoofed segment with a large timestamp made the receiver believe it and
drop everything that its real peer said afterwards, for up to 24 days.

Here: RFC 7323 4.3 and 5.3: only a segment in the window that starts at or before the
last ACK is believed; a stamp may wrap, and after 24 idle days it is not believed.
"""

from __future__ import annotations

import pytest

from sansio_net.units import SECOND

from .arena import MODULUS, Arena, Peer

DAY = 24 * 3600 * SECOND


def connected(start: int = 1000) -> Peer:
    arena = Arena()
    arena.listen()
    peer = Peer(arena, stamps=True)
    peer.say("S", 0, stamp=start, mss=1460)
    peer.say(".", stamp=start)
    peer.conn = arena.accepted[0]
    return peer


@pytest.mark.parametrize("seq", [-70_000, 70_000, 2**30])
@pytest.mark.parametrize("ahead", [1, 2**20, 2**31 - 1])
def test_a_stamp_from_outside_the_window(seq: int, ahead: int) -> None:
    peer = connected()
    peer.say("P.", 1 + seq, data=b"x", stamp=(1000 + ahead) % MODULUS)
    peer.next = 1
    peer.say("P.", 1, data=b"real", stamp=1001)
    assert peer.conn.recv(100) == b"real"


@pytest.mark.parametrize("flags", ["S", "S.", "R"])
def test_a_stamp_on_a_syn_or_a_reset(flags: str) -> None:
    peer = connected()
    peer.say(flags, 500, stamp=2**31)
    peer.next = 1
    peer.say("P.", 1, data=b"real", stamp=1001)
    assert peer.conn.recv(100) == b"real"


def test_a_stamp_on_text_that_is_early() -> None:
    """RFC 7323 4.3 (2): SEG.SEQ =< Last.ACK.sent, or it is not remembered."""
    peer = connected()
    peer.say(".", 100, data=b"early", stamp=2**31 - 1)
    peer.next = 1
    peer.say("P.", 1, data=b"real", stamp=1001)
    assert peer.conn.recv(100) == b"real"


def test_a_stamp_with_an_ack_that_cannot_be() -> None:
    """Exactly in sequence but with a guessed ACK: one blind chance in many."""
    peer = connected()
    peer.say(".", 1, 2**30, stamp=2**31 - 1)
    peer.say("P.", 1, data=b"real", stamp=1001)
    assert peer.conn.recv(100) == b"real"


@pytest.mark.parametrize("start", [2**31 - 2, 2**31 + 5, MODULUS - 2, MODULUS - 1, 0])
def test_stamps_wrap(start: int) -> None:
    peer = connected(start)
    text = b""
    for n in range(8):
        peer.say("P.", data=bytes([n]), stamp=(start + n) % MODULUS)
        text += bytes([n])
    assert peer.conn.recv(100) == text
    # and an old one is still old
    peer.say("P.", data=b"old", stamp=(start - 1) % MODULUS)
    assert peer.conn.recv(100) is None
    assert peer.arena.count("drop.tcp_paws") == 1


def test_after_24_idle_days_any_stamp_is_believed() -> None:
    """RFC 7323 5.5: the peer's clock may have gone half way round."""
    peer = connected()
    peer.arena.wait(25 * DAY)
    peer.say("P.", data=b"long ago", stamp=(1000 + 2**31 + 7) % MODULUS)
    assert peer.conn.recv(100) == b"long ago"


def test_an_echo_from_the_future_or_the_past_measures_nothing_absurd() -> None:
    """TSecr is the peer's word: no round trip above the time since we began."""
    for echo in (0, 1, 2**31, MODULUS - 1):
        peer = connected()
        arena = peer.arena
        arena.now += SECOND
        peer.conn.send(b"question")
        peer.mine(arena.turn())
        arena.now += SECOND // 100
        peer.say(".", stamp=2000, echo=(peer.their_stamp + echo) % MODULUS)
        info = peer.conn.info()
        assert 0 <= info.rtt <= 2 * SECOND
        assert info.rto <= 120 * SECOND
