"""Loops of services that answer (CERT CA-1996-01; Loop DoS, CVE-2024-2169), 1996.

Elsewhere: one datagram from echo's port of one host to chargen's of another, or to its
own, went to and fro for ever; whoever answers an error with an error does it still.

Here: the small services answer no port below 1024, nor their own; an ICMP
error is never answered, and a datagram to a closed port earns one error, at a rate.
"""

from __future__ import annotations

import pytest

from sansio_net.cli.services import Services
from sansio_net.entropy import Entropy
from sansio_net.testing.craft import icmp_packet, udp_packet

from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, Street, on_ip

OFFERED = [("echo", 7), ("discard", 9), ("chargen", 19), ("echo", 7007)]


def serving() -> tuple[Street, Services]:
    victim = on_ip()
    services = Services(victim.stack, Entropy.of(1))
    services.open(OFFERED)
    return victim, services


def said(victim: Street, services: Services, packet: bytes) -> list[bytes]:
    victim.events.clear()
    out = victim.turn(packet)
    services(victim.events, victim.now)
    victim.events.clear()
    return out + victim.turn()


@pytest.mark.parametrize("ends", [(HONEST4, VICTIM4), (HONEST6, VICTIM6)])
def test_no_service_answers_another(ends: tuple[bytes, bytes]) -> None:
    victim, services = serving()
    peer, us = ends
    for kind, port in OFFERED:
        honest = udp_packet((peer, 40_000), (us, port), b"hello")
        assert len(said(victim, services, honest)) == (kind != "discard")
        for source in (7, 13, 17, 19, 37, 53, 69, 123, 7007, port):
            packet = udp_packet((peer, source), (us, port), b"loop")
            assert said(victim, services, packet) == []


def test_not_even_itself() -> None:
    """From our own address and port, by way of `lo` (RFC 1122 lets nobody else)."""
    victim, services = serving()
    sock = victim.stack.udp_bind(("10.0.0.2", 0))
    packet = udp_packet((VICTIM4, 7), (VICTIM4, 7), b"loop")
    assert said(victim, services, packet) == []
    sock.send_to(b"once", ("10.0.0.2", 7))
    for _ in range(20):
        victim.turn()
        served = [
            one for one in victim.events if getattr(one, "sock", None) is not sock
        ]
        services(served, victim.now)
        victim.events.clear()
    assert sock.count == 1
    assert victim.stack.next_timeout() is None


def test_errors_end_where_they_arrive() -> None:
    victim = on_ip()
    packet = udp_packet((HONEST4, 40_000), (VICTIM4, 40_000), b"closed")
    (error,) = victim.turn(packet)
    assert error[20:22] == bytes((3, 3))
    for kind in (3, 4, 5, 11, 12):
        answer = icmp_packet(HONEST4, VICTIM4, kind, 3, body=error[:28])
        assert victim.turn(answer) == []
