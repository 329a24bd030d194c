"""Lengths that lie: AMNESIA:33, Ripple20 (CVE-2020-11896), BadAlloc's kind, 2020.

Elsewhere: a length of the outer header, the inner one and what had come were three
numbers, each trusted once: bytes of somebody else's were read, or sent back.

Here: the shortest of them counts, and what contradicts it is dropped; an answer never
has a byte that its question had not.
"""

from __future__ import annotations

import pytest

from sansio_net.entropy import Entropy
from sansio_net.testing.craft import icmp_packet, udp_packet
from sansio_net.wire.checksum import checksum

from .arena import steps
from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, Street, on_ip

SECRET = b"somebody else's secret"


def resummed(packet: bytearray) -> bytes:
    packet[10:12] = bytes(2)
    size = min(max((packet[0] & 15) * 4, 20), len(packet))
    packet[10:12] = checksum(bytes(packet[:size])).to_bytes(2, "big")
    return bytes(packet)


def echo() -> Street:
    victim = on_ip()
    victim.stack.udp_bind(("", 53))
    return victim


@pytest.mark.parametrize("total", [0, 1, 19, 20, 27, 28, 33, 34, 35, 60, 1500, 65535])
def test_total_lengths_of_ipv4(total: int) -> None:
    """Behind the packet lies what the link added (Etherleak, CVE-2003-0001)."""
    packet = bytearray(icmp_packet(HONEST4, VICTIM4, 8, body=b"asked?") + SECRET)
    packet[2:4] = total.to_bytes(2, "big")
    victim = echo()
    for answer in victim.turn(resummed(packet)):
        assert total == 34
        assert SECRET[:4] not in answer
    assert victim.count("icmp.echo_replies_sent") == (total == 34)


@pytest.mark.parametrize("ihl", range(16))
def test_header_lengths_of_ipv4(ihl: int) -> None:
    packet = bytearray(icmp_packet(HONEST4, VICTIM4, 8, body=b"asked?"))
    packet[0] = 0x40 | ihl
    victim = echo()
    said = victim.turn(resummed(packet))
    assert (len(said) == 1 and said[0][20] == 0) is (ihl == 5)


@pytest.mark.parametrize("family", [4, 6])
def test_lengths_of_udp(family: int) -> None:
    ends = (
        ((HONEST4, 9), (VICTIM4, 53)) if family == 4 else ((HONEST6, 9), (VICTIM6, 53))
    )
    start = 20 if family == 4 else 40
    for length in (*range(40), 255, 256, 1500, 65535):
        victim = echo()
        packet = bytearray(udp_packet(*ends, b"data") + b"")
        packet[start + 4 : start + 6] = length.to_bytes(2, "big")
        victim.turn(bytes(packet))
        (sock,) = victim.stack.sockets()
        datagram = sock.receive()  # type: ignore[union-attr]
        assert (datagram is not None) is (length == 12)
        assert victim.count("drop.udp_malformed") == (length < 8 or length > 12)


def test_every_prefix_of_what_is_right() -> None:
    victim = echo()
    for packet in (
        icmp_packet(HONEST4, VICTIM4, 8, body=b"asked?"),
        udp_packet((HONEST4, 9), (VICTIM4, 53), b"data"),
        udp_packet((HONEST6, 9), (VICTIM6, 53), b"data"),
    ):
        for size in range(len(packet)):
            assert victim.turn(packet[:size]) == []


def test_errors_that_quote_nothing_right() -> None:
    """RFC 792: a header and eight bytes; of less nothing can be told."""
    victim = echo()
    quoted = udp_packet((VICTIM4, 53), (HONEST4, 9), b"data")
    for kind in (3, 4, 5, 11, 12):
        for size in range(len(quoted)):
            packet = icmp_packet(HONEST4, VICTIM4, kind, 1, body=quoted[:size])
            assert victim.turn(packet) == []
        for first in (0x40, 0x44, 0x4F, 0x60, 0xFF):
            body = bytes((first,)) + quoted[1:]
            assert victim.turn(icmp_packet(HONEST4, VICTIM4, kind, 1, body=body)) == []


def test_black_nurse() -> None:
    """Port unreachable in a flood (2016): each costs as little as the first."""
    victim = echo()
    quoted = udp_packet((VICTIM4, 999), ("192.0.2.9", 9), b"data")
    flood = [icmp_packet(HONEST4, VICTIM4, 3, 3, body=quoted)] * 100
    first = steps(lambda: victim.turn(*flood))
    for _ in range(10):
        assert victim.turn(*flood) == []
    assert steps(lambda: victim.turn(*flood)) < 1.2 * first
    assert victim.count("drop.icmp_not_concerning") == 1200


def test_noise() -> None:
    """Of every packet one or two bytes are others; the victim goes on."""
    dice = Entropy.of(11)
    victim = echo()
    good = [
        icmp_packet(HONEST4, VICTIM4, 8, body=b"asked?"),
        udp_packet((HONEST4, 9), (VICTIM4, 53), b"data"),
        udp_packet((HONEST6, 9), (VICTIM6, 53), b"data"),
    ]
    for n in range(3000):
        packet = bytearray(good[n % 3])
        for _ in range(1 + dice.below(2)):
            packet[dice.below(len(packet))] = dice.below(256)
        made = resummed(packet) if packet[0] >> 4 == 4 else bytes(packet)
        assert len(victim.turn(made)) <= 1
    (answer,) = victim.turn(good[0])
    assert answer[20] == 0
