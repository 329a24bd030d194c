"""Blind ICMP attacks (CVE-2004-0790, -0791, -1060), 2004.

Elsewhere: an ICMP error with guessed addresses and ports ended connections, throttled
them (source quench), or shrank their segments to nothing (fragmentation needed).

Here: RFC 5927: only an error that quotes a sequence number in flight is heard; hard
errors never end a connection that stands; source quench is ignored; no path MTU below
552 is believed, and only what is smaller than what was sent.
"""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import State
from sansio_net.testing.craft import icmp_packet, tcp_packet
from sansio_net.units import MINUTE

from .arena import VICTIM, Arena, Peer

UNREACHABLE, QUENCH, EXCEEDED, PARAMETER = 3, 4, 11, 12
HARD = (1, 2, 3, 9, 10, 13)
FRAGMENTATION_NEEDED = 4


def sending() -> Peer:
    arena = Arena()
    arena.listen()
    peer = Peer(arena).connect()
    peer.conn.send(bytes(5000))
    peer.wait(0)
    return peer


def icmp(peer: Peer, kind: int, code: int, seq: int, mtu: int = 0) -> bytes:
    """An error from a router, about a segment of the victim's with this number."""
    quoted = tcp_packet(
        (VICTIM, peer.to_port),
        (peer.address, peer.port),
        seq=peer.their_isn + seq,
    )
    rest = mtu.to_bytes(4, "big")
    return icmp_packet("10.9.9.9", VICTIM, kind, code, rest=rest, body=quoted[:28])


GUESSES = [-(2**31) + 2, -70_000, 0, 5001, 70_000, 2**30]


@pytest.mark.parametrize("seq", GUESSES)
@pytest.mark.parametrize("kind", [UNREACHABLE, QUENCH, EXCEEDED, PARAMETER])
def test_what_is_not_in_flight_is_not_concerned(kind: int, seq: int) -> None:
    peer = sending()
    for code in range(16):
        assert peer.arena.turn(icmp(peer, kind, code, seq, 552)) == []
    info = peer.conn.info()
    assert info.state is State.ESTABLISHED
    assert info.pmtu == 1500
    drops = peer.arena.stack.counters()
    assert sum(n for name, n in drops.items() if name.startswith("drop.icmp")) == 16


@pytest.mark.parametrize("code", HARD)
def test_a_hard_error_in_flight_is_soft(code: int) -> None:
    """RFC 5927 5.2: CVE-2004-0790."""
    peer = sending()
    before = peer.conn.info()
    assert peer.arena.turn(icmp(peer, UNREACHABLE, code, 1)) == []
    assert peer.conn.info() == before
    peer.say(".", 1, 5001)
    peer.conn.send(b"goes on")
    assert peer.wait(0)[0].data == b"goes on"
    # it names the reason if the connection dies by itself
    peer.arena.wait(60 * MINUTE)
    assert peer.conn.done


def test_source_quench_is_ignored() -> None:
    """RFC 6633: CVE-2004-0791."""
    peer = sending()
    before = peer.conn.info()
    peer.arena.turn(*[icmp(peer, QUENCH, 0, 1)] * 50)
    assert peer.conn.info() == before


@pytest.mark.parametrize("mtu", [0, 1, 28, 68, 551, 552])
def test_a_path_mtu_has_a_floor(mtu: int) -> None:
    """CVE-2004-1060: in flight, so it may be true; but no packet below 552."""
    peer = sending()
    arena = peer.arena
    arena.turn(icmp(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, mtu))
    assert peer.conn.info().pmtu >= 552
    arena.turn(*[icmp(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, mtu)] * 20)
    peer.say(".", 1, 5001)
    peer.conn.send(bytes(5000))
    assert max(len(one.packet) for one in peer.wait(0)) >= 552 - 40


@pytest.mark.parametrize("mtu", [1500, 1501, 9000, 65_535, 0xFFFF_FFFF])
def test_a_path_mtu_never_grows_by_icmp(mtu: int) -> None:
    peer = sending()
    peer.arena.turn(icmp(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, mtu))
    assert peer.conn.info().pmtu == 1500


def test_a_smaller_path_costs_no_storm_of_retransmissions() -> None:
    """Each message again would send everything again: only a smaller one does."""
    peer = sending()
    arena = peer.arena
    before = arena.sent_bytes
    arena.turn(*[icmp(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, 1000)] * 100)
    for _ in range(100):
        arena.turn(icmp(peer, UNREACHABLE, FRAGMENTATION_NEEDED, 1, 1000))
    assert arena.sent_bytes - before <= 2 * 5000 + 1000


@pytest.mark.parametrize("code", HARD)
def test_half_open_with_the_wrong_number(code: int) -> None:
    """While connecting a hard error counts, but not one about another SYN."""
    arena = Arena()
    conn = arena.stack.tcp_connect(("10.0.0.1", 80))
    peer = Peer(arena, port=80, to_port=conn.lport)
    peer.mine(arena.turn())
    for seq in (-1, 1, 1000, 2**31 - 1):
        arena.turn(icmp(peer, UNREACHABLE, code, seq))
    assert conn.state is State.SYN_SENT
    arena.turn(icmp(peer, UNREACHABLE, code, 0))
    assert conn.state is (State.CLOSED if code in (2, 3) else conn.state)


def test_errors_about_others_are_counted() -> None:
    peer = sending()
    stranger = Peer(peer.arena, port=9)
    stranger.their_isn = peer.their_isn
    peer.arena.turn(icmp(stranger, UNREACHABLE, 3, 1))
    assert peer.arena.count("drop.icmp_not_concerning") == 1
