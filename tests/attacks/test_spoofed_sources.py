"""Sources that nobody outside has: loopback, groups, our own (CVE-2020-8558), 1996.

Elsewhere: what came from 127.0.0.1 or ::1 was trusted, or could reach what listened on
it alone; answers to a broadcast or a group went to everybody; `Spank` and its kind.

Here: such a packet is dropped and counted before anything looks into it, and nothing is
answered; and 127/8 or ::1 as a destination from outside is nobody.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.stack import StackConfig
from sansio_net.testing.craft import icmp_packet, ip_packet, tcp_packet, udp_packet
from sansio_net.wire.icmpv6 import build_icmpv6
from sansio_net.wire.tcp import ACK, SYN

from .link import HONEST4, HONEST6, VICTIM4, VICTIM6, Street, on_ip

NOBODY4 = (
    *("127.0.0.1", "127.255.255.254", "224.0.0.1", "239.1.2.3", "255.255.255.255"),
    *("10.0.0.255", "0.0.0.0", "0.1.2.3", "240.0.0.1", "10.0.0.2"),
)
NOBODY6 = (
    *("::1", "ff02::1", "ff0e::1234", "2001:db8::2", "::"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.2", "::ffff:192.0.2.1"),
)


def listening(weak: bool) -> Street:
    victim = on_ip(StackConfig(weak_host=weak))
    victim.stack.udp_bind(("", 53))
    victim.stack.tcp_listen(("", 80))
    return victim


def arrivals(source: str | bytes, destination: bytes) -> list[bytes]:
    src, dst = source if isinstance(source, bytes) else pack_ip(source), destination
    probes = [
        udp_packet((src, 7), (dst, 53), b"x"),
        udp_packet((src, 7), (dst, 54), b"x"),
        tcp_packet((src, 7), (dst, 80), flags=SYN, seq=5),
        tcp_packet((src, 80), (dst, 80), flags=SYN, seq=5),
        tcp_packet((src, 7), (dst, 81), flags=ACK, seq=5),
        ip_packet(src, dst, 200, b"x"),
    ]
    if len(dst) == 4:
        return [*probes, icmp_packet(src, dst, 8), icmp_packet(src, dst, 13)]
    echo = build_icmpv6(128, 0, bytes(4), b"x", src, dst)
    return [*probes, ip_packet(src, dst, 58, echo)]


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("source", [*NOBODY4, *NOBODY6])
def test_nothing_is_answered(source: str, weak: bool) -> None:
    victim = listening(weak)
    packets = arrivals(source, VICTIM4 if "." in source[:4] else VICTIM6)
    for packet in packets:
        assert victim.turn(packet) == []
    assert victim.count("drop.ip_bad_source") == len(packets)
    assert victim.stack.connections() == []


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize("target", ["127.0.0.1", "127.1.2.3", "::1"])
def test_what_listens_on_loopback_is_not_reached(target: str, weak: bool) -> None:
    victim = listening(weak)
    alone = victim.stack.udp_bind((target, 99))
    source = HONEST4 if "." in target else HONEST6
    for packet in arrivals(source, pack_ip(target)):
        assert victim.turn(packet) == []
    assert victim.turn(udp_packet((source, 7), (target, 99), b"x")) == []
    assert alone.receive() is None


def test_a_group_is_answered_by_nobody() -> None:
    """RFC 9293 MUST-57; RFC 1122 3.2.2: no error about what came to many."""
    victim = listening(False)
    for target in ("224.0.0.1", "255.255.255.255", "10.0.0.255"):
        for packet in arrivals(HONEST4, pack_ip(target)):
            assert victim.turn(packet) == []
    assert victim.stack.connections() == []
