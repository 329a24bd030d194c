"""RFC 4861 6.3: what a host makes of router advertisements."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.protocols.ndp.frames import ALL_NODES, frame, group_mac
from sansio_net.protocols.neighbours import NeighbourState
from sansio_net.stack.hops import find_hop
from sansio_net.units import SECOND
from sansio_net.wire import ndp
from sansio_net.wire.checksum import checksum, pseudo_sum
from tests.conformance.requirements import requirement
from tests.stack.host6 import (
    ROUTER,
    ROUTER_MAC,
    Host,
    advertisement,
    prefix,
)

RFC = "RFC 4861"

OTHER, OTHER_MAC = pack_ip("fe80::9"), pack_mac("02:00:00:00:00:09")


def settled() -> Host:
    host = Host()
    host.wait(5 * SECOND)
    return host


@requirement(RFC, "6.3.4-1", "An advertisement MUST NOT end what another one said")
def test_the_union_of_all() -> None:
    host = settled()
    host.wait(0, advertisement())
    other = advertisement(source=OTHER, mac=OTHER_MAC, prefixes=())
    host.wait(0, other)
    assert sorted(host.routes()) == [
        "2001:db8:1::/64 dev eth0",
        "default via fe80::1 dev eth0",
        "default via fe80::9 dev eth0",
    ]


@requirement(RFC, "6.3.4-2", "A value of zero MUST NOT bring the default back")
@requirement(RFC, "6.3.4-3", "CurHopLimit SHOULD be the one received")
@requirement(RFC, "6.3.4-4", "BaseReachableTime SHOULD be the one received")
@requirement(RFC, "6.3.4-5", "RetransTimer SHOULD be the one received")
@requirement(RFC, "6.3.4-6", "LinkMTU SHOULD be the one received, from 1280 up")
def test_parameters() -> None:
    host = settled()
    said = {"hop_limit": 33, "reachable_time": 7_000, "retrans_time": 2_500}
    host.wait(0, advertisement(mtu=1400, **said))
    assert host.nic.ndp is not None
    table = host.nic.ndp._table

    def known() -> tuple[int, int, int, int]:
        times = table.base_reachable_time, table.retrans_delay
        return host.nic.hop_limit, *times, host.nic.mtu_for(ROUTER)

    expected = (33, 7 * SECOND, 5 * SECOND // 2, 1400)
    assert known() == expected
    host.wait(0, advertisement(hop_limit=0))
    assert known() == expected
    for mtu in (0, 68, 1279, 1501, 9000):
        host.wait(0, advertisement(hop_limit=0, mtu=mtu))
        assert known() == expected


@requirement(RFC, "6.3.4-7", "At least two routers MUST be retained")
@requirement(RFC, "6.3.4-8", "A router with lifetime 0 ends as one at once")
@requirement(RFC, "6.3.5-1", "All that used a router MUST look for another one")
def test_routers_come_and_go() -> None:
    host = settled()
    there = pack_ip("2001:db8:7::7")
    host.wait(0, advertisement(), advertisement(source=OTHER, mac=OTHER_MAC))
    assert [name for name in host.routes() if "default" in name] == [
        "default via fe80::1 dev eth0",
        "default via fe80::9 dev eth0",
    ]
    hop = find_hop(host.stack, there)
    assert hop is not None
    assert hop.next_hop == ROUTER
    host.wait(0, advertisement(lifetime=0))
    hop = find_hop(host.stack, there)
    assert hop is not None
    assert hop.next_hop == OTHER
    host.wait(1801 * SECOND)  # 6.3.5: its time is over
    assert find_hop(host.stack, there) is None


@requirement(RFC, "6.3.4-9", "The router's MAC SHOULD be noted, IsRouter MUST be set")
def test_the_router_is_a_neighbour() -> None:
    host = settled()
    host.wait(0, advertisement())
    assert host.nic.ndp is not None
    (router,) = host.nic.ndp.neighbours()
    assert (router.ip, router.mac, router.is_router) == (ROUTER, ROUTER_MAC, True)
    assert router.state is NeighbourState.STALE  # 7.3.1: no confirmation


@requirement(RFC, "6.3.4-10", "Without the on-link flag a prefix says nothing")
@requirement(RFC, "4.6.2-1", "It MUST NOT end what another one said to be on-link")
def test_no_flag_no_news() -> None:
    host = settled()
    off = prefix(on_link=False, autonomous=False)
    host.wait(0, advertisement(prefixes=(off,)))
    assert host.routes() == ["default via fe80::1 dev eth0"]
    host.wait(0, advertisement())
    off = prefix(0, 0, on_link=False, autonomous=False)
    host.wait(0, advertisement(prefixes=(off,)))
    assert "2001:db8:1::/64 dev eth0" in host.routes()


@requirement(RFC, "4.6.2-2", "A host SHOULD ignore the link-local prefix")
def test_the_link_local_prefix() -> None:
    host = settled()
    ours = prefix(network=pack_ip("fe80::"))
    before = list(host.stack.routes)
    host.wait(0, advertisement(prefixes=(ours,), lifetime=0))
    assert list(host.stack.routes) == before
    host.wait(0, advertisement(prefixes=(prefix(0, 0, pack_ip("fe80::")),), lifetime=0))
    assert list(host.stack.routes) == before


@requirement(RFC, "4.6.2-3", "Bits beyond the prefix are ignored by the receiver")
@requirement(RFC, "6.3.4-11", "An on-link prefix is valid for its time, 0 ends it")
def test_prefixes() -> None:
    host = settled()
    sloppy = prefix(20, 10, pack_ip("2001:db8:1::77"), autonomous=False)
    host.wait(0, advertisement(prefixes=(sloppy,), lifetime=0))
    assert host.routes() == ["2001:db8:1::/64 dev eth0"]
    host.wait(15 * SECOND, advertisement(prefixes=(sloppy,), lifetime=0))
    host.wait(10 * SECOND)
    assert host.routes() == []
    host.wait(0, advertisement(lifetime=0))
    assert host.routes() != []
    host.wait(0, advertisement(prefixes=(prefix(0, 0),), lifetime=0))
    assert host.routes() == []


@requirement(RFC, "9-1", "Unknown options MUST be ignored, the others not for them")
@requirement(RFC, "9-2", "Options MUST be taken in any order")
@requirement(RFC, "6.1.2-1", "Options of other messages MUST be ignored")
def test_unknown_options_in_any_order() -> None:
    body = advertisement(mtu=1400)[54:]
    top, options = body[:16], body[16:]
    # of a type that nobody knows, and the header that redirects quote
    strange = bytes((200, 1)) + bytes(6) + bytes((4, 1)) + bytes(6)
    turned = b"".join(reversed(_split(options)))
    assert turned != options
    for order in (strange + options, turned + strange):
        host = settled()
        host.wait(0, _sealed(top + order))
        assert host.nic.mtu_for(ROUTER) == 1400
        assert len(host.formed()) == 1


def _split(options: bytes) -> list[bytes]:
    found = []
    while options:
        size = options[1] * 8
        found.append(options[:size])
        options = options[size:]
    return found


def _sealed(body: bytes) -> bytes:
    """With its checksum, as a frame."""
    body = body[:2] + b"\0\0" + body[4:]
    check = checksum(body, pseudo_sum(ROUTER, ALL_NODES, 58, len(body)))
    body = body[:2] + check.to_bytes(2, "big") + body[4:]
    return frame(ROUTER_MAC, group_mac(ALL_NODES), ROUTER, ALL_NODES, body).join()


@requirement(RFC, "4.6-1", "An option of length zero: the packet MUST be discarded")
@requirement(RFC, "6.1.2-2", "What is not valid MUST be discarded in silence")
@pytest.mark.parametrize("what", ["zero", "hops", "source", "code", "short", "sum"])
def test_what_is_not_valid(what: str) -> None:
    host = settled()
    good = advertisement(mtu=1400)
    body = good[54:]
    if what == "zero":
        frames = _sealed(body[:16] + bytes((200, 0)) + bytes(6) + body[16:])
    elif what == "hops":
        frames = good[:21] + b"\xfe" + good[22:]
    elif what == "source":
        frames = advertisement(source=pack_ip("2001:db8::1"), mtu=1400)
    elif what == "code":
        frames = _sealed(body[:1] + b"\1" + body[2:])
    elif what == "short":
        frames = _sealed(body[:12])
    else:
        frames = good[:-1] + bytes((good[-1] ^ 1,))
    host.sent.clear()
    host.wait(0, frames)
    assert (host.routes(), host.formed(), host.sent) == ([], [], [])
    assert host.nic.mtu_for(ROUTER) == 1500


@requirement(RFC, "6.3.7-1", "A host SHOULD ask up to three times; RFC 7559 goes on")
@requirement(RFC, "6.3.7-2", "The first question SHOULD wait a random second")
@requirement(RFC, "4.1-1", "No MAC MUST be said from the unspecified address")
def test_solicitations() -> None:
    host = Host()
    host.wait(30 * SECOND)
    times = host.solicitations()
    assert len(times) >= 3
    assert SECOND < times[0] <= 2 * SECOND  # the stack begins at one second
    asked = [one for _, one in host.sent if one[20] == 58 and one[54] == 133]
    for frame_sent in asked:
        has_source, has_mac = any(frame_sent[22:38]), len(frame_sent) == 70
        assert has_source is has_mac
        assert (frame_sent[38:54], frame_sent[21]) == (pack_ip("ff02::2"), 255)


@requirement(RFC, "6.2.4-1", "A host MUST NOT send router advertisements")
@requirement(RFC, "6.1.1-1", "A host MUST discard router solicitations")
@requirement(RFC, "8.3-6", "A host MUST NOT send redirects")
def test_a_host_is_no_router() -> None:
    host = settled()
    host.wait(0, advertisement())
    host.sent.clear()
    group = pack_ip("ff02::2")
    body = ndp.build_router_solicitation(ROUTER, group, ROUTER_MAC)
    asks = frame(ROUTER_MAC, group_mac(group), ROUTER, group, body)
    host.wait(10 * SECOND, asks.join())
    body = ndp.build_router_solicitation(ROUTER, ALL_NODES, ROUTER_MAC)
    to_all = frame(ROUTER_MAC, group_mac(ALL_NODES), ROUTER, ALL_NODES, body)
    host.wait(10 * SECOND, to_all.join())
    kinds = {message[0] for message in host.icmp()}
    assert not kinds & {134, 137}
