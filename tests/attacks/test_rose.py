"""Rose and New Dawn: fragments that never become a datagram (W. Hollis), 2004.

Elsewhere: a first and a last piece of ever new datagrams filled the table that put
them together, so that no fragment of anybody's was of use; or took all the time.

Here: the oldest incomplete datagram makes room, in bytes and in number; an honest
datagram whose pieces come together is whole during all of it; a piece more costs a
search; after a minute nothing is left, and the errors about it are few.
"""

from __future__ import annotations

import pytest

from sansio_net.protocols.reassembly import ReassemblyConfig
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import ip_packet, udp_packet
from sansio_net.units import KIB, MINUTE
from sansio_net.wire.ipv4 import MF
from sansio_net.wire.ipv6_extensions import build_fragment

from .arena import steps, weight
from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, Street, on_ip

CONFIG = ReassemblyConfig(max_bytes=128 * KIB, max_datagrams=64)


def piece(family: int, ident: int, offset: int, data: bytes, more: bool) -> bytes:
    if family == 4:
        return ip_packet(
            HONEST4 if ident < 1 << 16 else bytes((10, 0, 0, 3 + (ident >> 16))),
            VICTIM4,
            17,
            data,
            identification=ident & 0xFFFF,
            flags=MF if more else 0,
            fragment_offset=offset,
        )
    head = build_fragment(17, offset, more, ident)
    return ip_packet(HONEST6, VICTIM6, 44, head + data)


def rose(family: int, n: int) -> list[bytes]:
    first = b"\0\7\0\x35\xff\xff\0\0" + bytes(24)
    return [
        piece(family, n, 0, first, True),
        piece(family, n, 65_408 if family == 4 else 65_400, bytes(32), False),
    ]


def honest(family: int, data: bytes) -> list[bytes]:
    ends = ((HONEST4, 9), (VICTIM4, 53)) if family == 4 else None
    if ends is not None:
        whole = udp_packet(*ends, data)[20:]
    else:
        whole = udp_packet((HONEST6, 9), (VICTIM6, 53), data)[40:]
    half = len(whole) // 2 & ~7
    ident = 0x5555
    return [
        piece(family, ident, half, whole[half:], False),
        piece(family, ident, 0, whole[:half], True),
    ]


def flooded(family: int, n: int, start: int = 0) -> Street:
    victim = on_ip(StackConfig(reassembly=CONFIG))
    for i in range(start, start + n):
        victim.turn(*rose(family, 100_000 + i))
    return victim


@pytest.mark.parametrize("family", [4, 6])
def test_the_honest_datagram_gets_through(family: int) -> None:
    victim = flooded(family, 500)
    sock = victim.stack.udp_bind(("", 53))
    assert len(victim.stack.reassembler) <= 64
    for n in range(20):
        data = bytes((n,)) * 2000
        victim.turn(*rose(family, 200_000 + 2 * n), *honest(family, data))
        victim.turn(*rose(family, 200_001 + 2 * n))
        datagram = sock.receive()
        assert datagram is not None
        assert datagram.data == data
    assert victim.count("drop.reassembly_limit") >= 500 - 64
    assert weight(victim.stack.reassembler) < 512 * KIB


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_is_left_and_few_are_told(family: int) -> None:
    """RFC 792, RFC 4443 3.3: time exceeded, at the rate of errors."""
    victim = flooded(family, 300)
    said = victim.wait(2 * MINUTE)
    assert len(victim.stack.reassembler) == 0
    assert victim.stack.next_timeout() is None
    assert 0 < len(said) <= 10


def test_a_piece_more_costs_a_search() -> None:
    few, many = flooded(4, 4), flooded(4, 60)
    costs = [
        steps(lambda v=victim: v.turn(*rose(4, 300_000)))  # type: ignore[misc]
        for victim in (few, many)
    ]
    assert costs[1] < 2 * costs[0]


def test_jolt2() -> None:
    """CVE-2000-0305: the same piece for ever, beyond the end or not."""
    victim = on_ip()
    beyond = piece(4, 7, 65_520, bytes(29), False)
    inside = piece(4, 8, 800, bytes(32), True)
    few = steps(lambda: victim.turn(*[inside] * 10))
    assert victim.turn(*[beyond, inside] * 500) == []
    assert len(victim.stack.reassembler) == 1
    assert steps(lambda: victim.turn(*[inside] * 10)) < 2 * few
    assert victim.stack.reassembler.held_bytes < 2 * KIB


def test_groups_in_fragments() -> None:
    """CVE-1999-0918: IGMP in pieces ended Windows 98."""
    victim = on_ip()
    for ident in range(50):
        for start in (0, 1480, 8, 0):
            victim.turn(
                ip_packet(
                    HONEST4,
                    "224.0.0.1",
                    2,
                    bytes(1480),
                    ttl=1,
                    identification=ident,
                    flags=MF if start != 8 else 0,
                    fragment_offset=start,
                )
            )
    assert victim.count("drop.fragment_overlap") >= 50
    assert len(victim.stack.reassembler) <= 50
