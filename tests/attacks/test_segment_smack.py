"""SegmentSmack (CVE-2018-5390), 2018.

Elsewhere: tiny segments out of order made Linux walk and prune its reassembly queue for
every one: 2 kbit/s of traffic held a core.

Here: the queue is bounded in chunks, in memory and by the window; a segment more costs
a search and one ACK: with a thousand ranges less than twice the steps of ten.
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp import State

from .arena import Arena, Peer, steps, weight

LIMIT = 1024
ROOM = {"receive_buffer": 1 << 20, "reorder_segments": LIMIT}


def smacked(n: int, stride: int = 2, **options: Any) -> Peer:
    """A connection with `n` one-byte ranges beyond a hole."""
    arena = Arena(**options)
    arena.listen()
    peer = Peer(arena).connect(sack_permitted=True, wscale=7)
    for start in range(0, n, 64):
        arena.turn(
            *(
                peer.segment(".", 10 + stride * i, data=b"x")
                for i in range(start, min(start + 64, n))
            )
        )
    return peer


def cost(peer: Peer, seq: int) -> int:
    packet = peer.segment(".", seq, data=b"x")
    return steps(lambda: peer.arena.turn(packet))


def test_a_segment_costs_no_more_when_many_are_waiting() -> None:
    few, many = smacked(10), smacked(1000, **ROOM)
    for behind in (True, False):
        seq = 10 if not behind else 10 + 2 * 5000
        assert cost(many, seq) < 2 * cost(few, seq)
    assert cost(many, 10 + 2 * 500 + 1) < 2 * cost(few, 10 + 2 * 5 + 1)


def test_a_full_queue_costs_less_still() -> None:
    few, full = smacked(10), smacked(LIMIT, **ROOM)
    assert cost(full, 10 + 2 * 5000) < 2 * cost(few, 10 + 2 * 5000)
    assert full.arena.count("drop.tcp_reorder_limit") >= 1


@pytest.mark.parametrize("n", [5000, 20_000])
def test_memory_is_bounded(n: int) -> None:
    peer = smacked(n)
    reorder = peer.conn.receiver.reorder
    assert reorder is not None
    assert reorder.n_chunks <= LIMIT
    dropped = peer.arena.count("drop.tcp_reorder_limit")
    assert dropped == n - reorder.n_chunks
    assert weight(reorder) < 1024 * 1024


def test_what_is_small_does_not_pin_what_is_large() -> None:
    """Text that overlaps all but a byte keeps the byte, not the packet around it."""
    peer = smacked(1)
    arena = peer.arena
    before = weight(peer.conn)
    for i in range(500):
        # each brings 1400 bytes, of which the last is new
        arena.turn(peer.segment(".", 3000 + i, data=bytes(1400)))
    reorder = peer.conn.receiver.reorder
    assert reorder is not None
    assert reorder.size == 1 + 1400 + 499
    assert weight(peer.conn) - before < 16 * 1024


def test_the_hole_is_filled_and_all_is_there() -> None:
    """The real text still arrives, once, after the attack."""
    peer = smacked(LIMIT)
    arena = peer.arena
    text = bytes(range(1, 256)) * 10
    for start in range(0, len(text), 1000):
        peer.say(".", 1 + start, data=text[start : start + 1000])
    got = peer.conn.recv(1 << 20)
    assert got is not None
    # what came first stays; the first nine bytes and every second are the real ones
    assert len(got) == len(text)
    assert got[:9] == text[:9]
    assert got[10:2000:2] == text[10:2000:2]
    assert peer.conn.receiver.reorder is None
    assert arena.accepted[0].state is State.ESTABLISHED


def test_filling_costs_in_proportion() -> None:
    """One segment over a thousand ranges: once through them, not once for each."""
    few, many = smacked(100, 2), smacked(1000, 2)
    costs = []
    for peer, n in ((few, 100), (many, 1000)):
        packet = peer.segment(".", 1, data=bytes(1400))
        costs.append((steps(lambda p=peer, x=packet: p.arena.turn(x)), n))  # type: ignore[misc]
    (small, _), (large, _) = costs
    assert large < 15 * small
