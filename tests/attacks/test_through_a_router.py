"""Through a router: LAND, loops of routes, and packets that live for ever, 1997.

Elsewhere: a packet from a router's own address was passed on to itself; two routers
that each held the other for the way sent packets to and fro; broadcasts went round.

Here: a router passes on nothing from its own, a loopback, group or broadcast address;
each hop takes one from the TTL, so that a loop ends after 255, with one error at most
for a packet and none for an error; what came as a link broadcast goes no further.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.packet import Packet
from sansio_net.testing.craft import icmp_packet, tcp_packet, udp_packet
from sansio_net.units import MINUTE
from sansio_net.wire.tcp import SYN
from tests.stack.crossroads import HOST_MACS, ROUTER_MACS, Crossroads, on_wire

EVERYBODY = b"\xff" * 6


@pytest.mark.parametrize(
    "source",
    [
        *("10.0.0.1", "10.1.0.1", "127.0.0.1", "224.0.0.9", "255.255.255.255"),
        *("10.0.0.255", "0.0.0.0", "240.1.1.1"),
        *("fd00:1::1", "::1", "ff02::1", "::", "::ffff:10.0.0.2"),
    ],
)
def test_land_and_its_kind(source: str) -> None:
    router = Crossroads()
    target = "10.1.0.2" if "." in source[:4] else "fd00:1::2"
    ends = ((source, 80), (target, 80))
    out = router.send(0, tcp_packet(*ends, flags=SYN), udp_packet(*ends, b"x"))
    assert out == [[], [], []]
    dropped = router.dropped("ip_bad_source") + router.dropped("forward_address")
    assert dropped == 2


@pytest.mark.parametrize("target", ["10.1.0.1", "fd00:1::1"])
def test_a_connection_of_the_router_to_itself(target: str) -> None:
    """From outside, with the address of another interface of its own."""
    router = Crossroads()
    router.stack.tcp_listen(("", 80))
    source = "10.2.0.1" if "." in target else "fd00:2::1"
    out = router.send(0, tcp_packet((source, 80), (target, 80), flags=SYN))
    assert out == [[], [], []]
    assert router.stack.connections() == []


def bounce(router: Crossroads, packet: bytes) -> tuple[int, list[bytes]]:
    """Host 2 sends back whatever comes for 192.0.2.0/24: how often it came, and what
    else was said.
    """
    n, said = 0, []
    nic, packets = 0, [packet]
    while packets:
        out = [on_wire(one) for one in router.send(nic, *packets)]
        said += out[0] + out[1]
        # what goes on to host 2 comes back, as if the way were here
        packets, nic = out[2], 2
        n += len(packets)
        assert n < 1000
    return n, said


@pytest.mark.parametrize("ttl", [255, 64, 2, 1, 0])
def test_a_loop_of_routes_ends(ttl: int) -> None:
    router = Crossroads()
    packet = udp_packet(("10.0.0.2", 9), ("192.0.2.1", 9), b"x", ttl=ttl)
    n, said = bounce(router, packet)
    assert n == max(0, ttl - 1)
    assert [one[20] for one in said if one[9] == 1].count(11) <= 1


@pytest.mark.parametrize("ttl", [255, 64, 2])
def test_a_loop_of_routes_ends_in_ipv6(ttl: int) -> None:
    router = Crossroads()
    packet = udp_packet(("fd00:0::2", 9), ("2001:db8::1", 9), b"x", ttl=ttl)
    n, said = bounce(router, packet)
    assert n == ttl - 1
    assert [one[40] for one in said if one[6] == 58].count(3) <= 1


def test_an_error_in_a_loop_earns_none() -> None:
    router = Crossroads()
    quoted = udp_packet(("192.0.2.1", 9), ("10.0.0.2", 9), b"x")
    packet = icmp_packet("10.0.0.2", "192.0.2.1", 11, body=quoted, ttl=64)
    n, said = bounce(router, packet)
    assert n == 63
    assert said == []


def test_what_came_to_all_goes_no_further() -> None:
    """RFC 1812 5.3.4: else a broadcast would go round, once for each router."""
    router = Crossroads()
    packet = udp_packet(("10.0.0.2", 9), ("10.1.0.2", 9), b"x")
    for to in (EVERYBODY, b"\x01\0\x5e\0\0\1"):
        framed = router.framed(0, packet, to)
        assert router.frames(0, framed) == [[], [], []]
    assert router.dropped("forward_link_group") == 2


def test_our_own_frame_that_comes_back() -> None:
    router = Crossroads()
    out = router.send(0, udp_packet(("10.0.0.2", 9), ("10.1.0.2", 9), b"x"))
    (forwarded,) = out[1]
    frame = Packet(forwarded.join())
    assert router.frames(1, frame) == [[], [], []]  # its MAC is the host's
    again = ROUTER_MACS[1] + HOST_MACS[1] + forwarded.join()[12:]
    packets = router.frames(1, Packet(again))
    assert sum(map(len, packets)) <= 2  # passed on once more, and a redirect


def test_a_scan_of_a_subnet_behind_us() -> None:
    """RFC 6583: who is there is reached, and what waits is bounded."""
    router = Crossroads()
    for n in range(3000):
        router.send(0, udp_packet(("fd00:0::2", 9), (f"fd00:1::{n + 16:x}", 9), b"x"))
        if n % 100 == 0:
            out = router.send(0, udp_packet(("fd00:0::2", 9), ("fd00:1::2", 9), b"y"))
            assert [one[-1:] for one in on_wire(out[1]) if one[6] == 17] == [b"y"]
    nic = router.nics[1]
    assert nic.ndp is not None
    assert len(nic.ndp.neighbours()) <= router.stack.config.ndp.table_limit
    said = router.wait(MINUTE)
    # RFC 4443 2.4 (f): errors have a rate
    errors = [one for one in on_wire(said[0]) if one[6:7] == b"\x3a" and one[40] == 1]
    assert len(errors) < 100
    assert pack_ip("fd00:1::2") in {one.ip for one in nic.ndp.neighbours()}
