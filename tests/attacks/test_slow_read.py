"""Slow read and its kind (Shekyan), 2012.

Elsewhere: clients that open their window a few bytes at a time hold a server's threads
and send buffers for hours, or draw a packet for every byte from it.

Here: what waits is bounded by `send_buffer`; a window of a few bytes earns no segments
of a few bytes (silly window avoidance) but one at most every RTO; and an application
learns nothing new meanwhile, so it may close.
"""

from __future__ import annotations

from sansio_net.units import KIB, MINUTE, SECOND

from .arena import Arena, Peer


def test_tiny_windows_earn_few_segments() -> None:
    """RFC 9293 3.8.6.2.1: below a segment, and below half of the largest window."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect(win=4000, mss=1000)
    peer.conn.send(bytes(200_000))
    said = peer.wait(0)
    began, acked = arena.now, peer.heard
    for _ in range(600):
        # whatever came is acknowledged, and three bytes more are let in
        said += peer.say(".", ack=peer.heard, win=3)
        said += peer.wait(SECOND // 10)
    assert arena.now - began == MINUTE
    text = [one for one in said if one.data]
    # SWS avoidance's override comes every RTO, here 200 ms
    assert len(text) <= 310
    assert peer.heard - acked <= 310 * 3 + 4000


def test_what_waits_is_bounded() -> None:
    arena = Arena(send_buffer=64 * KIB)
    arena.listen()
    peer = Peer(arena).connect(win=1)
    taken = 0
    for _ in range(100):
        taken += peer.conn.send(bytes(10_000))
    assert taken == 64 * KIB
    peer.wait(10 * MINUTE)
    assert peer.conn.sender.queued <= 64 * KIB


def test_a_reader_on_our_side_that_never_reads() -> None:
    """The other way round: what a peer may push at us is what we offered."""
    arena = Arena(receive_buffer=16 * KIB)
    arena.listen()
    peer = Peer(arena).connect()
    for _ in range(1000):
        peer.say(".", data=bytes(1000), ack=1)
    assert peer.conn.pending <= 16 * KIB
    # and beyond the window it cannot put anything
    peer.say(".", 10**6, data=bytes(1000))
    assert peer.conn.receiver.reorder is None
