"""Forged redirects (Bellovin 1989; WinFreeze, CVE-1999-1254; redir6), 1989.

Elsewhere: a router that was none sent traffic through the attacker, or back to its own
sender, and a flood of redirects took all time and memory of routing tables.

Here: one is believed of the first hop in use alone, by the interface in use, about what
goes there, to a neighbour; IPv6's from its link-local address with hop limit 255; their
number has a bound, a gateway that does not answer is forgotten, routers hear none.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import icmp_packet, udp_packet
from sansio_net.wire import ndp
from tests.stack.crossroads import Crossroads

from .arena import steps
from .link import (
    ATTACKER_MAC,
    HONEST4,
    HONEST_MAC,
    VICTIM4,
    VICTIM6,
    Street,
    icmp6_frame,
    ip_frame,
)

ROUTER6 = pack_ip("fe80::1")
FAR4, FAR6 = "192.0.2.1", "2001:db8:ffff::1"


def routed(config: StackConfig | None = None) -> Street:
    street = Street(config)
    street.stack.add_route("default", via="10.0.0.1")
    street.stack.add_route("default", via="fe80::1", nic=street.nic)
    assert street.nic.arp is not None
    assert street.nic.ndp is not None
    street.nic.arp.add_static(HONEST4, HONEST_MAC)
    street.nic.ndp.add_static(ROUTER6, HONEST_MAC)
    return street


def to_honest(street: Street) -> bool:
    return ways(street) == [HONEST_MAC, HONEST_MAC]


def ways(street: Street) -> list[bytes]:
    """The MACs that datagrams of both families go to."""
    sock = street.stack.udp_bind(("", 9))
    sock.send_to(b"x", (FAR4, 9))
    sock.send_to(b"x", (FAR6, 9))
    said = street.settle()
    sock.close()
    street.settle()
    return [one[:6] for one in said]


def redirect4(
    source: str = "10.0.0.1",
    gateway: str = "10.0.0.66",
    about: str = FAR4,
) -> bytes:
    quoted = udp_packet((VICTIM4, 9), (about, 9), b"x")
    packet = icmp_packet(source, VICTIM4, 5, 1, rest=pack_ip(gateway), body=quoted)
    return ip_frame(packet, ATTACKER_MAC)


def redirect6(
    source: str = "fe80::1",
    target: str = "fe80::66",
    about: str = FAR6,
    hops: int = 255,
) -> bytes:
    src = pack_ip(source)
    quoted = udp_packet((VICTIM6, 9), (about, 9), b"x")
    message = ndp.Redirect(pack_ip(target), pack_ip(about), ATTACKER_MAC, quoted)
    body = ndp.build_redirect(message, src, VICTIM6)
    return icmp6_frame(body, src, VICTIM6, hops=hops)


def test_the_right_ones_are_believed() -> None:
    """Otherwise what follows shows nothing. Who speaks for the first hop has won."""
    street = routed()
    assert to_honest(street)
    street.turn(redirect4(), redirect6())
    assert ways(street) == [ATTACKER_MAC]  # IPv4's is still asked for


@pytest.mark.parametrize(
    "forged",
    [
        redirect4(source="10.0.0.66"),
        redirect4(source=FAR4),
        redirect4(gateway="192.0.2.66"),  # no neighbour
        redirect4(gateway="10.0.0.2"),  # we ourselves
        redirect4(gateway="127.0.0.1"),
        redirect4(gateway="224.0.0.1"),
        redirect4(gateway="255.255.255.255"),
        redirect4(gateway="10.0.0.255"),
        redirect4(gateway="0.0.0.0"),
        redirect6(source="fe80::66"),
        redirect6(source="2001:db8::1"),
        redirect6(hops=254),
        redirect6(hops=64),
        redirect6(target="2001:db8::66"),  # neither a router's nor the destination
        redirect6(target="ff02::1"),
        redirect6(target="::1"),
    ],
)
def test_others_are_not(forged: bytes) -> None:
    street = routed()
    assert to_honest(street)
    street.turn(forged)
    assert to_honest(street)
    assert street.stack.redirects == {}


def test_about_what_we_did_not_send() -> None:
    street = routed()
    quoted = udp_packet(("10.0.0.99", 9), (FAR4, 9), b"x")
    gateway = pack_ip("10.0.0.66")
    packet = icmp_packet("10.0.0.1", VICTIM4, 5, 1, rest=gateway, body=quoted)
    street.turn(ip_frame(packet))
    assert street.stack.redirects == {}
    # a neighbour's own way is no router's to say
    street.turn(redirect4(about="10.0.0.5"))
    assert street.stack.redirects == {}


def test_a_flood() -> None:
    config = StackConfig(max_hops=64)
    street = routed(config)
    few = routed(config)
    for n in range(5000):
        street.turn(redirect4(about=f"192.0.{n // 250}.{1 + n % 250}"))
    assert len(street.stack.redirects) <= 64
    assert len(street.stack.hops) <= 64
    frame = redirect4(about="198.51.100.1")
    costs = [steps(lambda v=victim: v.turn(frame)) for victim in (few, street)]  # type: ignore[misc]
    assert costs[1] < 2 * costs[0]


def test_a_router_hears_none() -> None:
    """RFC 1812 5.2.7.2, RFC 4861 8.1."""
    router = Crossroads()
    router.stack.add_route("default", via="10.0.0.2")
    quoted = udp_packet(("10.0.0.1", 9), (FAR4, 9), b"x")
    gateway = pack_ip("10.0.0.3")
    packet = icmp_packet("10.0.0.2", "10.0.0.1", 5, 1, rest=gateway, body=quoted)
    router.send(0, packet)
    assert router.stack.redirects == {}
