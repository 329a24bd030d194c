"""ICMP redirects: believed from the gateway in use, and forgotten when it is dead."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.stack import StackConfig
from sansio_net.stack.hops import find_hop
from sansio_net.units import SECOND
from sansio_net.wire.arp import REPLY, parse_arp
from sansio_net.wire.icmp import REDIRECT, REDIRECT_HOST, build_icmp

from .bench import MAC, PEER, US, Bench, arp_frame, ethernet, ipv4_packet, udp_packet

FAR = pack_ip("192.0.2.7")
OTHER, OTHER_MAC = pack_ip("10.0.0.9"), b"\x02\0\0\0\0\x09"


def routed() -> Bench:
    """10.0.0.1 is the gateway, and a datagram went over it."""
    bench = Bench(StackConfig(max_hops=2))
    bench.stack.add_route("default", via="10.0.0.1")
    bench.stack.udp_bind(("", 5)).send_to(b"x", ("192.0.2.7", 9))
    bench.settle()
    return bench


def redirect(gateway: bytes = OTHER, src: bytes = PEER, about: bytes = FAR) -> bytes:
    quoted = udp_packet(b"x", 5, 9, src=US, dst=about)
    message = build_icmp(REDIRECT, REDIRECT_HOST, gateway, quoted)
    return ethernet(ipv4_packet(message, 1, src=src))


def next_mac(bench: Bench, host: str = "192.0.2.7") -> bytes:
    """Where a datagram to the far host is sent."""
    sock = bench.stack.sockets()[0]
    sock.send_to(b"x", (host, 9))  # type: ignore[union-attr, call-arg, arg-type]
    for frame in bench.turn():
        if frame[12:14] == b"\x08\x06" and parse_arp(frame, 14).tpa == OTHER:
            bench.nic.receive([arp_frame(REPLY, OTHER_MAC, OTHER, MAC, US)], bench.now)
            (frame,) = bench.turn()
        if frame[12:14] == b"\x08\0":
            return frame[:6]
    raise AssertionError("nothing was sent")


def test_the_nearer_gateway_is_taken() -> None:
    bench = routed()
    bench.settle(redirect())
    assert next_mac(bench) == OTHER_MAC
    assert next_mac(bench, "192.0.2.8") != OTHER_MAC  # nobody else is meant


@pytest.mark.parametrize(
    "forged",
    [
        redirect(src=pack_ip("10.0.0.66")),  # not the gateway in use
        redirect(gateway=pack_ip("172.16.0.1")),  # not on our subnet
        redirect(gateway=US),
        redirect(about=pack_ip("10.0.0.1")),  # a neighbour needs no gateway
    ],
)
def test_others_are_not_believed(forged: bytes) -> None:
    bench = routed()
    bench.settle(forged)
    assert bench.dropped() == {"icmp_not_concerning": 1}
    assert bench.stack.redirects == {}


def test_a_dead_gateway_is_forgotten() -> None:
    bench = routed()
    bench.settle(redirect())
    sock = bench.stack.sockets()[0]
    sock.send_to(b"x", ("192.0.2.7", 9))  # type: ignore[union-attr, call-arg, arg-type]
    assert bench.wait(5 * SECOND) == []
    assert bench.stack.redirects == {}
    assert next_mac(bench) != OTHER_MAC


def test_they_are_bounded() -> None:
    bench = routed()
    for n in range(5):
        bench.settle(redirect(about=pack_ip(f"192.0.2.{n}")))
        assert len(bench.stack.redirects) <= 2
    assert bench.stack.counters()["redirects_forgotten"] == 3


def test_another_route_is_not_led_to_a_gateway_of_the_old_one() -> None:
    bench = routed()
    bench.settle(redirect())
    other = bench.stack.add_interface(addresses=["10.1.0.2/24"])
    bench.stack.add_route("192.0.2.0/24", via="10.1.0.1")
    hop = find_hop(bench.stack, FAR)
    assert hop is not None
    assert (hop.nic, hop.next_hop) == (other, pack_ip("10.1.0.1"))


def test_a_redirect_about_a_packet_of_somebody_else_is_nothing_to_us() -> None:
    bench = routed()
    quoted = udp_packet(b"x", 5, 9, src=pack_ip("10.0.0.77"), dst=FAR)
    message = build_icmp(REDIRECT, REDIRECT_HOST, OTHER, quoted)
    bench.settle(ethernet(ipv4_packet(message, 1)))
    assert bench.stack.redirects == {}
    assert bench.dropped() == {"icmp_not_concerning": 1}
