"""IP in IP that nobody asked for (CVE-2020-10136, Ripple20's CVE-2020-11896), 2020.

Elsewhere: hosts unpacked packets in packets from anybody: filters saw only the outer
one, the inner one's source was believed, and its length trusted.

Here: there are no tunnels, and nothing is unpacked: the protocols are unknown ones,
their senders are told, and what lies within is never looked at.
"""

from __future__ import annotations

import pytest

from sansio_net.testing.craft import ip_packet, udp_packet

from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, on_ip

IPIP, SIX_IN, GRE, ESP, AH, ETHER_IP, MPLS = 4, 41, 47, 50, 51, 97, 137


@pytest.mark.parametrize("protocol", [IPIP, SIX_IN, GRE, ESP, AH, ETHER_IP, MPLS])
@pytest.mark.parametrize("outer", [(HONEST4, VICTIM4), (HONEST6, VICTIM6)])
def test_nothing_is_unpacked(protocol: int, outer: tuple[bytes, bytes]) -> None:
    victim = on_ip()
    sock = victim.stack.udp_bind(("", 53))
    for inner in (
        udp_packet((HONEST4, 9), (VICTIM4, 53), b"inner"),
        udp_packet((HONEST6, 9), (VICTIM6, 53), b"inner"),
        udp_packet(("127.0.0.1", 9), ("127.0.0.1", 53), b"inner"),
        b"\x45\0\xff\xff" + bytes(40),
        bytes(4) + udp_packet((HONEST4, 9), (VICTIM4, 53), b"inner"),
    ):
        said = victim.turn(ip_packet(*outer, protocol, inner))
        assert len(said) <= 1
        assert all(outer[0] in one[:40] for one in said)  # to the outer sender
    assert sock.receive() is None
    assert victim.count("drop.unknown_protocol") == 5


def test_tunnels_in_tunnels() -> None:
    victim = on_ip()
    packet = udp_packet((HONEST4, 9), (VICTIM4, 53), b"inner")
    for _ in range(20):
        packet = ip_packet(HONEST4, VICTIM4, IPIP, packet)
    (answer,) = victim.turn(packet)
    assert answer[20:22] == bytes((3, 2))
