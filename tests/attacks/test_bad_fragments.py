"""Teardrop (CVE-1999-0015), Ping of Death (CVE-1999-0128) and FragmentSmack, 1997.

FragmentSmack (CVE-2018-5391) is the last of that family, 2018.

Elsewhere: fragments that overlapped gave negative lengths, one that ended beyond 65 535
bytes overflowed the buffer, and thousands of first fragments held memory and time.

Here: an overlap drops the whole datagram (RFC 5722), nothing ends beyond 65 535, and
fragments are bounded in bytes, datagrams and pieces; one more costs a search.
"""

from __future__ import annotations

import pytest

from sansio_net.protocols.reassembly import ReassemblyConfig
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import ip_packet
from sansio_net.units import KIB, MIB, MINUTE
from sansio_net.wire.icmp import ECHO_REQUEST, build_icmp
from sansio_net.wire.ipv4 import MF, PROTO_ICMP, PROTO_UDP

from .arena import VICTIM, Arena, steps, weight

ECHO = build_icmp(ECHO_REQUEST, 0, b"\0\7\0\1", bytes(2000))


def piece(start: int, end: int, *, more: bool, ident: int = 1) -> bytes:
    return ip_packet(
        "10.0.0.1",
        VICTIM,
        PROTO_ICMP,
        ECHO[start:end],
        identification=ident,
        flags=MF if more else 0,
        fragment_offset=start,
    )


def test_right_fragments_are_put_together() -> None:
    """Otherwise what follows shows nothing."""
    arena = Arena()
    first, second = piece(0, 1000, more=True), piece(1000, 2008, more=False)
    assert arena.turn(second) == []
    assert sum(one.is_icmp for one in arena.turn(first)) == 2  # the reply, in two


@pytest.mark.parametrize(
    "spans",
    [
        [(0, 1000), (496, 2008)],
        [(0, 1000), (8, 16)],
        [(0, 1000), (992, 1000), (1000, 2008)],
        [(1000, 2008), (0, 1008)],
    ],
)
def test_teardrop(spans: list[tuple[int, int]]) -> None:
    arena = Arena()
    said = arena.turn(*(piece(a, b, more=b < 2008) for a, b in spans))
    assert said == []
    assert arena.count("drop.fragment_overlap") >= 1


def test_ping_of_death() -> None:
    arena = Arena()
    for offset in (65_528, 65_000, 65_512):
        packet = ip_packet(
            "10.0.0.1",
            VICTIM,
            PROTO_ICMP,
            bytes(1400),
            identification=offset & 0xFFFF,
            fragment_offset=offset,
        )
        assert arena.turn(packet) == []
    assert arena.count("drop.fragment_malformed") == 3


def scattered(n: int, config: ReassemblyConfig | None = None) -> Arena:
    """`n` datagrams, of each one small fragment in the middle."""
    config = config or ReassemblyConfig()
    arena = Arena(config=StackConfig(reassembly=config))
    for start in range(0, n, 100):
        arena.turn(*(lone(i) for i in range(start, start + 100)))
    return arena


def lone(n: int) -> bytes:
    return ip_packet(
        f"10.{1 + n // 60_000}.0.1",
        VICTIM,
        PROTO_UDP,
        bytes(8),
        identification=n % 60_000,
        flags=MF,
        fragment_offset=800,
    )


def test_fragment_smack_datagrams() -> None:
    arena = scattered(10_000, ReassemblyConfig(max_bytes=256 * KIB, max_datagrams=128))
    assert arena.count("drop.reassembly_limit") == 10_000 - 128
    assert weight(arena.stack.reassembler) < MIB
    arena.wait(2 * MINUTE)
    assert arena.stack.next_timeout() is None


def test_fragment_smack_costs_a_search() -> None:
    few, many = scattered(100), scattered(2000)
    costs = [steps(lambda a=arena: a.turn(lone(50_000))) for arena in (few, many)]  # type: ignore[misc]
    assert costs[1] < 2 * costs[0]


def test_one_datagram_in_very_many_pieces() -> None:
    def cut(n: int) -> Arena:
        arena = Arena()
        for i in range(n):
            arena.turn(piece(16 * i + 8, 16 * i + 16, more=True))
        return arena

    few, many = cut(5), cut(120)
    packet = piece(1992, 2000, more=True)
    costs = [steps(lambda a=arena: a.turn(packet)) for arena in (few, many)]  # type: ignore[misc]
    assert costs[1] < 2 * costs[0]
