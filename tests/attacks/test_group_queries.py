"""Floods of group queries and reports (CVE-2012-0207; fake_mldrouter6), 2012.

Elsewhere: a query with a response time of zero was a division by zero in Linux; each of
a flood of queries had every host report all its groups, and records without end were
walked.

Here: a query earns one report of all groups at most, none while one waits that comes
sooner; an old one moves each group's answer only forward; what is not from this link,
or has no router alert, is nothing (RFC 3376 4, RFC 3810 6.2), and lengths end where the
message does.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.protocols.multicast.packets import reports
from sansio_net.testing.craft import ip_packet
from sansio_net.units import SECOND
from sansio_net.wire import igmp, mld
from sansio_net.wire.checksum import checksum
from sansio_net.wire.groups import MODE_IS_EXCLUDE, GroupQuery, GroupRecord
from sansio_net.wire.ipv4 import OPT_ROUTER_ALERT, build_options
from sansio_net.wire.ipv6_extensions import ROUTER_ALERT
from sansio_net.wire.ipv6_extensions import build_options as options6

from .link import HONEST4, Street, on_ip

ALL4, ALL6 = pack_ip("224.0.0.1"), pack_ip("ff02::1")
ROUTER6 = pack_ip("fe80::1")
ALERT4 = build_options([(OPT_ROUTER_ALERT, b"\0\0")])
ALERT6 = options6(58, [(ROUTER_ALERT, b"\0\0")])
N_GROUPS = 20


def query(version: int, response: int, ttl: int = 1, family: int = 4) -> bytes:
    asked = GroupQuery(version, b"", response)
    if family == 4:
        body = igmp.build_query(asked)
        return ip_packet(HONEST4, ALL4, 2, body, ttl=ttl, options=ALERT4)
    body = mld.build_query(asked, ROUTER6, ALL6)
    return ip_packet(ROUTER6, ALL6, 0, ALERT6 + body, ttl=ttl)


def member() -> Street:
    victim = on_ip()
    sock = victim.stack.udp_bind(("", 5000))
    for n in range(N_GROUPS):
        sock.join(f"239.1.2.{n + 1}", nic=victim.nic.name)
        sock.join(f"ff05::{n + 1:x}", nic=victim.nic.name)
    victim.wait(60 * SECOND)
    return victim


def flood(victim: Street, packet: bytes, seconds: int = 10) -> list[bytes]:
    """A hundred a second; what is said to them."""
    said = []
    for _ in range(100 * seconds):
        said += victim.turn(packet)
        due = victim.stack.next_timeout()
        until = victim.now + SECOND // 100
        while due is not None and due <= until:
            victim.now = max(victim.now, due)
            said += victim.turn()
            due = victim.stack.next_timeout()
        victim.now = until
    return said


@pytest.mark.parametrize("response", [0, 100, 1000, 10_000])
@pytest.mark.parametrize(("version", "family"), [(3, 4), (2, 6)])
def test_a_flood_of_queries(version: int, family: int, response: int) -> None:
    victim = member()
    said = flood(victim, query(version, response, family=family))
    assert len(said) <= 1000
    if response >= 100:
        # of ever new random times the soonest counts (RFC 3376 5.2, 1)
        assert len(said) <= 3 * 10 * (1000 / response * 100) ** 0.5
    assert max(map(len, said)) <= 1280


def test_answers_to_old_queries_are_no_more() -> None:
    """Versions 1 and 2 report each group by itself, about twice in ten seconds."""
    victim = member()
    for version in (1, 2):
        said = flood(victim, query(version, 10_000), seconds=20)
        assert len(said) <= N_GROUPS * 8


@pytest.mark.parametrize("family", [4, 6])
def test_from_beyond_the_link(family: int) -> None:
    victim = member()
    for ttl in (0, 2, 64, 255):
        assert flood(victim, query(3 if family == 4 else 2, 100, ttl, family), 1) == []
    assert victim.count("drop.group_invalid") >= 300


def test_records_without_end() -> None:
    """Counts that promise more than there is (RFC 3376 4.2)."""
    victim = member()
    record = GroupRecord(MODE_IS_EXCLUDE, pack_ip("239.1.2.3"))
    (good,) = reports([record], HONEST4)
    body = bytearray(good[24:])
    for n in (1, 2, 255, 65535):
        body[6:8] = n.to_bytes(2, "big")
        body[2:4] = bytes(2)
        body[2:4] = checksum(bytes(body)).to_bytes(2, "big")
        packet = ip_packet(HONEST4, "224.0.0.22", 2, bytes(body), ttl=1, options=ALERT4)
        assert victim.turn(packet) == []
    for sources in (1, 300, 65535):
        asked = bytearray(igmp.build_query(GroupQuery(3, b"", 100)))
        asked[10:12] = sources.to_bytes(2, "big")
        asked[2:4] = bytes(2)
        asked[2:4] = checksum(bytes(asked)).to_bytes(2, "big")
        packet = ip_packet(HONEST4, ALL4, 2, bytes(asked), ttl=1, options=ALERT4)
        assert victim.turn(packet) == []
    assert victim.count("drop.group_malformed") >= 3
