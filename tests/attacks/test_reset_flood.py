"""Counting what others were answered: idle scans by rate limits (Ensafi et al.), 2010.

SAD DNS (CVE-2020-25705) did the same with ICMP errors in 2020.

Elsewhere: a limit on resets or ICMP errors shared by all, with a number that never
changes, tells whoever counts his own answers what a spoofed packet earned elsewhere.

Here: resets to strangers are limited for the whole stack, and how many exactly is drawn
anew each second; a flood of segments for nobody earns no more than that.
"""

from __future__ import annotations

from sansio_net.stack import StackConfig
from sansio_net.testing.craft import tcp_packet, udp_packet
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, SYN

from .arena import VICTIM, Arena

LIMIT = 200


def flood(arena: Arena, n: int, flags: int) -> int:
    """So many segments to closed ports within a second."""
    said = 0
    for start in range(0, n, 50):
        packets = [
            tcp_packet(("10.5.5.5", 1024 + i), (VICTIM, 2000 + i), flags=flags)
            for i in range(start, start + 50)
        ]
        said += len(arena.turn(*packets))
    return said


def arena_with_limit() -> Arena:
    arena = Arena(config=StackConfig(resets_per_second=LIMIT))
    arena.now = 10 * SECOND
    return arena


def test_a_flood_earns_a_bounded_number() -> None:
    for flags in (SYN, ACK, SYN | ACK):
        arena = arena_with_limit()
        said = flood(arena, 5000, flags)
        assert said <= LIMIT
        assert arena.count("tcp.resets_limited") == 5000 - said


def test_how_many_is_another_number_each_second() -> None:
    """One answer more or less, which a spoofed segment may have cost, shows nothing."""
    arena = arena_with_limit()
    counts = []
    for _ in range(40):
        counts.append(flood(arena, 400, SYN))
        arena.now += SECOND
    assert len(set(counts)) > 15
    assert min(counts) >= LIMIT * 3 // 4
    assert max(counts) <= LIMIT


def test_connections_do_not_need_it() -> None:
    """The reset that an application asks for is not a stranger's."""
    arena = arena_with_limit()
    arena.listen()
    flood(arena, 1000, SYN)
    conn = arena.stack.tcp_connect(("10.0.0.1", 80))
    (syn,) = arena.turn()
    arena.turn(
        tcp_packet(
            ("10.0.0.1", 80),
            (VICTIM, conn.lport),
            flags=SYN | ACK,
            seq=5,
            ack=syn.seq + 1,
        )
    )
    conn.abort()
    flags = [one.flags for one in arena.turn()]
    assert "R" in flags[-1]


def test_icmp_errors_are_limited_too() -> None:
    """Whoever asks closed UDP ports gets a trickle; SAD DNS needed a constant 1000."""
    arena = Arena()
    counts = []
    for _ in range(30):
        packets = [
            udp_packet(("10.5.5.5", 53), (VICTIM, 2000 + i), b"?") for i in range(300)
        ]
        counts.append(len(arena.turn(*packets)))
        arena.now += SECOND
        arena.turn()
    assert max(counts[1:]) < 300
    arena.wait(MILLISECOND)
