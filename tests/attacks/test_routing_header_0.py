"""IPv6 routing header type 0 (CVE-2007-2242; RFC 5095), 2007.

Elsewhere: a packet that named two hosts fifty times over went to and fro between them:
eighty times the traffic; and firewalls were passed by way of an inner host.

Here: no host and no router of ours follows a routing header; with segments left its
sender is told so, without any it is passed over; IPv4's source routes are refused too.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.testing.craft import ip_packet
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.ipv4 import PROTO_ICMP
from tests.stack.crossroads import Crossroads

from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, on_ip

ECHO = build_icmpv6(128, 0, b"\0\1\0\1", b"echo", HONEST6, VICTIM6)


def routed(kind: int, left: int, *stops: bytes) -> bytes:
    header = bytes((58, 2 * len(stops), kind, left)) + bytes(4) + b"".join(stops)
    return ip_packet(HONEST6, VICTIM6, 43, header + ECHO)


@pytest.mark.parametrize("kind", [0, 2, 3, 4, 253])
def test_it_is_not_followed(kind: int) -> None:
    victim = on_ip()
    stops = [pack_ip("2001:db8::9"), VICTIM6] * 20
    (answer,) = victim.turn(routed(kind, 40, *stops))
    assert (answer[24:40], answer[40], answer[41]) == (HONEST6, 4, 0)
    assert int.from_bytes(answer[44:48], "big") == 42  # the routing type
    (answer,) = victim.turn(routed(kind, 0, *stops))
    assert answer[40] == 129


def test_a_router_follows_none_either() -> None:
    """To itself; what is for others passes as any packet does."""
    router = Crossroads()
    header = bytes((59, 2, 0, 1)) + bytes(4) + pack_ip("fd00:1::2")
    packet = ip_packet("fd00:0::2", "fd00:0::1", 43, header)
    out = router.send(0, packet)
    assert out[1:] == [[], []]
    assert [one.join()[14 + 40] for one in out[0]] == [4]


@pytest.mark.parametrize("kind", [131, 137])
def test_ipv4_source_routes(kind: int) -> None:
    victim = on_ip()
    options = bytes((kind, 7, 4)) + pack_ip("10.0.0.9") + b"\0"
    packet = ip_packet(HONEST4, VICTIM4, PROTO_ICMP, bytes(8), options=options)
    assert victim.turn(packet) == []
    assert victim.count("drop.ip_source_route") == 1
    router = Crossroads()
    packet = ip_packet("10.0.0.2", "10.0.0.1", 1, bytes(8), options=options)
    onward = ip_packet("10.0.0.2", "10.1.0.2", 1, bytes(8), options=options)
    out = router.send(0, packet, onward)
    assert out[1:] == [[], []]
