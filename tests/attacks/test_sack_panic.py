"""SACK Panic and its siblings (CVE-2019-11477, -11478, -11479), 2019.

Elsewhere: SACKs for slivers of a send queue in segments of 8 bytes overflowed a counter
(a panic), shredded the queue into fragments that were walked for each ACK, and an MSS
of 48 multiplied packets and work.

Here: what SACKs shred are records, `MAX_RECORDS` at most, beyond which they are not
heard, and counted; an ACK more costs less than three times the steps with the
scoreboard full of what it costs with ten holes; a block beside what is in flight is
nothing; the MSS is at least 48 whatever the peer says.
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.protocols.tcp.scoreboard import MAX_RECORDS
from sansio_net.units import MIB, MILLISECOND, SECOND

from .arena import MODULUS, Arena, Peer, steps, weight

flavours = pytest.mark.parametrize(
    "options",
    [{"congestion": "reno"}, {"congestion": "cubic", "rack": True}, {"rack": False}],
    ids=lambda options: "-".join(f"{k}={v}" for k, v in options.items()),
)


def in_flight(size: int, mss: int = 48, **options: Any) -> Peer:
    """Very much text in flight to a peer that takes tiny segments."""
    options.setdefault("initial_window", 1024)
    options.setdefault("nodelay", True)
    arena = Arena(send_buffer=4 * MIB, **options)
    arena.listen()
    peer = Peer(arena).connect(mss=mss, sack_permitted=True, wscale=7)
    peer.conn.send(bytes(4 * MIB))
    # an honest peer until the window is large
    for _ in range(400):
        said = peer.wait(MILLISECOND)
        if peer.conn.sender.in_flight >= size:
            break
        if said:
            peer.say(".", 1, peer.heard, win=65535)
    assert peer.conn.sender.in_flight >= size
    return peer


def holes(peer: Peer, n: int, first: int = 100, stride: int = 20) -> int:
    """`n` more ranges of a byte SACKed, four an ACK; where the next begins."""
    una = peer.conn.sender.snd_una - peer.conn.sender.iss
    for i in range(0, n, 4):
        blocks = [
            (una + first + stride * k, una + first + stride * k + 1)
            for k in range(i, i + 4)
        ]
        peer.say(".", 1, una, win=65535, sack=blocks)
    return first + stride * n


def cost(peer: Peer, at: int) -> int:
    """Of an ACK with four new ranges, all that leaves because of it included."""
    una = peer.conn.sender.snd_una - peer.conn.sender.iss
    blocks = [(una + at + 20 * k, una + at + 20 * k + 1) for k in range(4)]
    packet = peer.segment(".", 1, una, win=65535, sack=blocks)
    return steps(lambda: peer.arena.turn(packet))


@flavours
def test_records_are_bounded(options: dict[str, Any]) -> None:
    """CVE-2019-11477: however many ranges, and however long one waits in between."""
    peer = in_flight(50_000, **options)
    holes(peer, 9000, stride=5)
    board = peer.conn.recovery.scoreboard
    assert board is not None
    assert len(board.records) <= MAX_RECORDS
    assert peer.arena.count("tcp.sack_ignored") > 0
    assert weight(board) < 6 * MIB
    for _ in range(10):
        peer.wait(SECOND)
        assert len(board.records) <= MAX_RECORDS + 2
        assert weight(board) < 6 * MIB


@flavours
def test_an_ack_costs_no_more_with_a_scoreboard_full_of_holes(
    options: dict[str, Any],
) -> None:
    """CVE-2019-11478."""
    few, many = in_flight(50_000, **options), in_flight(50_000, **options)
    at = max(holes(few, 12), 2000)
    usual = max(cost(few, at + 200 * n) for n in range(5))
    at = holes(many, 900)
    for n in range(20):
        assert cost(many, at + 100 * n) < 3 * usual
    # and full
    at = holes(many, 1500)
    for n in range(20):
        assert cost(many, at + 100 * n) < 3 * usual


@flavours
def test_an_ack_of_all_of_it_is_in_proportion(options: dict[str, Any]) -> None:
    """The attack's end: what is acknowledged is forgotten, once."""
    peer = in_flight(50_000, **options)
    holes(peer, 2000)
    packet = peer.segment(".", 1, peer.heard, win=0)
    assert steps(lambda: peer.arena.turn(packet)) < 100 * MAX_RECORDS
    board = peer.conn.recovery.scoreboard
    assert board is None or len(board.records) <= 2


@pytest.mark.parametrize("mss", [0, 1, 8, 47, 48])
def test_tiny_segments_have_a_floor(mss: int) -> None:
    """CVE-2019-11479: text of 48 bytes at least, less the options that were agreed."""
    arena = Arena(nodelay=True)
    arena.listen()
    peer = Peer(arena, stamps=True).connect(mss=mss, sack_permitted=True)
    peer.conn.send(bytes(1000))
    sizes = [len(one.data) for one in peer.wait(0)]
    assert sizes
    assert min(sizes) >= 48 - 12


BESIDE = [
    (0, MODULUS - 1),
    (5, 5),
    (500, 100),
    (-100, 50),
    (10**6, 10**6 + 10),
    (2**31, 2**31 + 1),
    (100, 10**7),
    (-(2**31) + 1, 60_000),
]


@pytest.mark.parametrize("block", BESIDE)
def test_blocks_that_cannot_be(block: tuple[int, int]) -> None:
    """RFC 2018 3: above the cumulative ACK, not empty, nothing that was never sent."""
    peer = in_flight(20_000, mss=1000, initial_window=20)
    una = peer.conn.sender.snd_una - peer.conn.sender.iss
    start, end = block
    for _ in range(10):
        peer.say(".", 1, una, win=65535, sack=[(una + start, una + end)] * 3)
    board = peer.conn.recovery.scoreboard
    assert board is not None
    assert board.sacked == 0
    assert board.lost <= 1000


def test_all_is_sacked_but_never_acknowledged() -> None:
    """The peer says it has everything but the first byte, for ever: no growth, and the
    first byte goes again with longer and longer pauses, until R2."""
    peer = in_flight(20_000, mss=1000, initial_window=20)
    sender = peer.conn.sender
    una, nxt = sender.snd_una - sender.iss, sender.snd_nxt - sender.iss
    cwnd = peer.conn.congestion.cwnd
    said = 0
    for _ in range(100):
        sack = [(una + 1, peer.conn.sender.snd_nxt - sender.iss)]
        said += len(peer.say(".", 1, una, win=1000, sack=sack))
        said += len(peer.wait(SECOND))
    assert peer.conn.congestion.cwnd <= 2 * cwnd
    assert nxt - una <= sender.in_flight <= 1000 << 7
    assert said < 250
