"""Smurf and Fraggle: echoes to everybody (CVE-1999-0513, CERT CA-1998-01), 1997.

Elsewhere: one request to a broadcast address, in the victim's name, was answered by
every host of a network: two hundred answers for one; Fraggle did it by UDP's echo.

Here: no echo to an IPv4 broadcast or group is answered unless the option says so, no
error is sent about what came to many, and no router of ours passes on a directed
broadcast (RFC 2644).
"""

from __future__ import annotations

import pytest

from sansio_net.stack import StackConfig
from sansio_net.testing.craft import icmp_packet, ip_packet, udp_packet
from tests.stack.crossroads import Crossroads

from .link import EVERYBODY, HONEST4, Street, ip_frame

TARGETS = ("10.0.0.255", "255.255.255.255", "224.0.0.1")


def to_all(packet: bytes) -> bytes:
    return ip_frame(packet, to=EVERYBODY)


@pytest.mark.parametrize("target", TARGETS)
def test_echoes_to_everybody(target: str) -> None:
    victim = Street()
    for kind in (8, 13, 15, 17, 10):
        packet = icmp_packet(HONEST4, target, kind, body=bytes(20))
        assert victim.settle(to_all(packet)) == []
    assert victim.count("icmp.echo_requests_ignored") == 1


@pytest.mark.parametrize("target", TARGETS)
def test_errors_about_what_came_to_everybody(target: str) -> None:
    victim = Street()
    options = bytes((7, 7, 5)) + bytes(5)
    for packet in (
        udp_packet((HONEST4, 7), (target, 7), b"x"),
        ip_packet(HONEST4, target, 200, b"x"),
        ip_packet(HONEST4, target, 17, b"x", options=options),
        ip_packet(HONEST4, target, 17, bytes(8), flags=1),
    ):
        assert victim.settle(to_all(packet)) == []
    assert victim.wait(120 * 10**9) == []  # nor about a piece that stays alone


def test_unicast_in_a_link_broadcast() -> None:
    """RFC 1122 3.3.6: from a link that was tricked into sending it to all."""
    victim = Street()
    packet = icmp_packet(HONEST4, "10.0.0.2", 8)
    assert victim.settle(to_all(packet)) == []
    assert len(victim.settle(ip_frame(packet))) == 1


def test_the_option_that_says_so() -> None:
    config = StackConfig()
    config.icmp.echo_ignore_broadcasts = False
    victim = Street(config)
    packet = icmp_packet(HONEST4, "10.0.0.255", 8, body=bytes(100))
    (answer,) = victim.settle(to_all(packet))
    assert len(answer) - 14 == len(packet)


@pytest.mark.parametrize("target", ["10.1.0.255", "10.1.0.0", "10.2.0.255"])
def test_no_router_is_an_amplifier(target: str) -> None:
    """RFC 2644 3."""
    router = Crossroads()
    echo = icmp_packet("10.0.0.2", target, 8)
    datagram = udp_packet(("10.0.0.2", 7), (target, 7), b"x")
    out = router.send(0, echo, datagram)
    assert [one for one in out[1] + out[2] if one.join()[:6] == EVERYBODY] == []
    assert out[1:] == [[], []]
    assert router.dropped("directed_broadcast") == 2
