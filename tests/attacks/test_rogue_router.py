"""Rogue routers and floods of them (flood_router6, CVE-2010-4669; CVE-2015-2922), 2010.

Elsewhere: advertisements of ever new routers and prefixes took all memory and time of
every host on a link; one that said "hop limit 1" cut off all of them.

Here: routers, routes, prefixes, addresses and name servers have bounds; only what comes
from a link-local address with hop limit 255 counts, and a host that does not ask
listens to none; hop limits, MTUs and times that would cut us off are refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.protocols.ndp.frames import ALL_NODES
from sansio_net.stack import DnsServersChanged, StackConfig
from sansio_net.units import HOUR, MIB, MINUTE, SECOND
from sansio_net.wire import ndp

from .arena import steps, weight
from .link import HONEST6, Street, icmp6_frame

ROGUE = pack_ip("fe80::bad")


def rogue(n: int = 0, source: bytes = b"", hops: int = 255, **more: Any) -> bytes:
    source = source or ROGUE[:8] + (0xBAD + n).to_bytes(8, "big")
    fields = {"hop_limit": 64, "lifetime": 9000, **more}
    message = ndp.RouterAdvertisement(
        managed=False,
        other=False,
        preference=fields.pop("preference", ndp.HIGH),
        reachable_time=fields.pop("reachable_time", 0),
        retrans_time=fields.pop("retrans_time", 0),
        **fields,
    )
    body = ndp.build_router_advertisement(message, source, ALL_NODES)
    return icmp6_frame(body, source, ALL_NODES, hops=hops)


def prefix(n: int, size: int = 64, **more: Any) -> ndp.PrefixInformation:
    ip = (0x2001_0DB8_0000_0000 + n).to_bytes(8, "big") + bytes(8)
    lifetimes = more.get("valid", 3600), more.get("preferred", 1800)
    return ndp.PrefixInformation(ip, size, True, True, *lifetimes)


def numbered(n: int) -> bytes:
    return HONEST6[:12] + n.to_bytes(4, "big")


def asking(config: StackConfig | None = None) -> Street:
    street = Street(config, slaac=True)
    street.wait(5 * SECOND)
    return street


def test_a_flood_of_routers_and_prefixes() -> None:
    street = asking()
    before = weight(street.stack)
    for n in range(2000):
        street.turn(
            rogue(
                n,
                prefixes=tuple(prefix(4 * n + i) for i in range(4)),
                routes=tuple(
                    ndp.RouteInformation(prefix(n).prefix, 48 + i, ndp.HIGH, 900)
                    for i in range(4)
                ),
                dns_servers=(
                    ndp.DnsServers(900, (HONEST6[:12] + n.to_bytes(4, "big"),)),
                ),
                dns_search=(ndp.DnsSearchList(900, (f"d{n}.example",)),),
            )
        )
    config = street.stack.config.slaac
    assert len(street.nic.addresses) <= 4 + config.max_addresses
    assert street.stack.routes.n_routes <= 8 + config.max_routes
    (told,) = [one for one in street.events if isinstance(one, DnsServersChanged)][-1:]
    assert len(told.servers) <= config.max_dns
    assert len(told.search) <= config.max_dns
    assert weight(street.stack) - before < MIB
    for name in ("routes", "addresses", "resolvers"):
        assert street.count(f"slaac.{name}_refused") > 0
    street.wait(3 * HOUR)
    assert [route for route in street.stack.routes if route.metric] == []
    assert [one for one in street.nic.addresses if one.formed] == []


def test_one_more_costs_no_more() -> None:
    few, many = asking(), asking()
    for n in range(1000):
        many.turn(rogue(n, prefixes=(prefix(n),)))
    few.turn(rogue(0, prefixes=(prefix(0),)))
    costs = [
        steps(lambda v=street: v.turn(rogue(5000, prefixes=(prefix(5000),))))  # type: ignore[misc]
        for street in (few, many)
    ]
    assert costs[1] < 10 * costs[0]


@pytest.mark.parametrize("hops", [0, 1, 64, 254])
def test_from_beyond_the_link(hops: int) -> None:
    street = asking()
    street.turn(rogue(hops=hops, prefixes=(prefix(1),)))
    assert [route for route in street.stack.routes if route.metric] == []
    assert street.count("drop.ndp_invalid") == 1


def test_from_no_router() -> None:
    """RFC 4861 6.1.2: a router has a link-local address."""
    street = asking()
    street.turn(rogue(source=HONEST6, prefixes=(prefix(1),)))
    assert [route for route in street.stack.routes if route.metric] == []


def test_who_does_not_ask_listens_to_none() -> None:
    street = Street()
    street.turn(rogue(prefixes=(prefix(1),), hop_limit=1, mtu=1280))
    assert [route for route in street.stack.routes if route.via] == []
    assert (street.nic.hop_limit, street.nic.ipv6_mtu) == (64, 0)


def test_what_would_cut_us_off() -> None:
    street = asking()
    assert street.reaches_honest()
    for limit in (1, 2, 31):
        street.turn(rogue(hop_limit=limit))
    for mtu in (0, 68, 1279, 1501, 0xFFFFFFFF):
        street.turn(rogue(mtu=mtu))
    for time in (1, 9, 61_000, 0xFFFFFFFF):
        street.turn(rogue(reachable_time=time, retrans_time=time))
    assert (street.nic.hop_limit, street.nic.ipv6_mtu) == (64, 0)
    assert street.count("slaac.hop_limits_refused") == 3
    assert street.count("slaac.times_refused") >= 6
    sock = street.stack.udp_bind(("", 0))
    sock.send_to(b"x", ("2001:db8::77", 9))
    asked = len(street.turn())
    for _ in range(50):
        street.now += SECOND // 10
        asked += len(street.turn())
    assert asked <= 6  # a question a second, and who asks for a router
    assert street.reaches_honest()
    street.turn(rogue(hop_limit=255))
    assert street.nic.hop_limit == 255


def test_an_address_is_not_taken_by_a_short_lifetime() -> None:
    """RFC 4862 5.5.3 (e): two hours are left, whatever is said."""
    street = asking()
    street.turn(rogue(prefixes=(prefix(1, valid=86400, preferred=86400),)))
    street.wait(5 * SECOND)
    (formed,) = [one for one in street.nic.addresses if one.formed]
    street.turn(rogue(prefixes=(prefix(1, valid=1, preferred=0),)))
    street.wait(MINUTE)
    assert formed.usable
    street.wait(2 * HOUR)
    assert [one for one in street.nic.addresses if one.formed] == []
