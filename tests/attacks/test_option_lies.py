"""Options that lie: AMNESIA:33 (CVE-2020-17437 to -17441, -13987), 2020.

Elsewhere: an option of length 0 made parsers loop for ever, a length beyond the header
made them read on, and shifts, MSS and offsets were believed as they came.

Here: an impossible length ends the parse; every value is clamped: shift 14, MSS 48 at
least; a data offset beside the segment drops it.
"""

from __future__ import annotations

import pytest

from sansio_net.entropy import Entropy
from sansio_net.protocols.tcp import State
from sansio_net.testing.craft import ip_packet
from sansio_net.wire.ipv4 import PROTO_TCP

from .arena import PORT, VICTIM, Arena, Peer, steps


def padded(raw: bytes) -> bytes:
    return (raw + bytes(-len(raw) % 4))[:40]


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 69, 253, 254, 255])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 10, 11, 40, 41, 255])
def test_every_length_of_every_kind(kind: int, size: int) -> None:
    arena = Arena(fast_open=True)
    arena.listen()
    raw = padded(bytes((kind, size)) + bytes(38))
    usual = steps(lambda: Peer(arena, port=1).say("S", 0, raw=bytes([1]) * 40))
    peer = Peer(arena, port=2)
    assert steps(lambda: peer.say("S", 0, raw=raw)) < 3 * usual
    peer.next = 1
    peer.say(".", raw=raw)
    peer.say("P.", data=b"text", raw=raw)
    (conn,) = arena.accepted
    assert conn.recv(10) == b"text"


@pytest.mark.parametrize("mss", [0, 1, 7, 8, 47, 48, 65_535])
def test_the_mss_has_a_floor(mss: int) -> None:
    """CVE-2019-11479's half of the story: at least 48, and the path's at most."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect(mss=mss)
    peer.conn.send(bytes(2000))
    said = [len(one.data) for one in peer.wait(0)]
    assert said
    assert max(said) <= 1460
    assert min(said[:-1], default=48) >= 48


@pytest.mark.parametrize("offset", [0, 1, 4, 6, 15])
def test_a_data_offset_beside_the_segment(offset: int) -> None:
    """Below the header, or beyond the end of what came."""
    arena = Arena()
    arena.listen()
    whole = bytearray(Peer(arena).segment("S", 0, raw=b""))
    whole[20 + 12] = offset << 4
    packet = ip_packet("10.0.0.1", VICTIM, PROTO_TCP, bytes(whole[20:]))
    assert arena.turn(packet) == []
    assert arena.count("drop.tcp_malformed") == 1


def test_the_same_option_twenty_times() -> None:
    """The last counts, the shift is clamped, nothing piles up."""
    arena = Arena()
    arena.listen()
    raw = padded(bytes((3, 3, 250)) * 13)
    peer = Peer(arena)
    peer.say("S", 0, raw=raw)
    peer.say(".")
    assert arena.accepted[0].info().snd_wscale == 14


def test_options_of_a_syn_on_a_connection_that_stands() -> None:
    """MSS and shift are agreed once: later ones change nothing."""
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect(mss=1000, wscale=2)
    before = peer.conn.info()
    peer.say(".", mss=48, wscale=14, sack_permitted=True)
    peer.say("P.", data=b"x", mss=48, wscale=14)
    after = peer.conn.info()
    assert (after.snd_mss, after.snd_wscale) == (before.snd_mss, before.snd_wscale)


def test_noise_for_options() -> None:
    dice = Entropy.of(4)
    arena = Arena(max_half_open=3000)
    arena.listen(backlog=3000)
    for n in range(1000):
        raw = padded(dice.bytes(dice.below(10) * 4))
        peer = Peer(arena, port=1024 + n)
        assert len(peer.say("S", 0, raw=raw)) <= 1
        arena.turn(peer.segment(".", 1, 1, raw=padded(dice.bytes(40))))
    states = {conn.state for conn in arena.stack.connections()}
    assert states <= {State.SYN_RECEIVED, State.ESTABLISHED}
    assert Peer(arena, port=9).connect().to_port == PORT
