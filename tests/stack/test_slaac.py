"""A stack that asks routers: addresses formed, renewed, deprecated, gone."""

from __future__ import annotations

import itertools

from sansio_net.addresses import format_ip, pack_ip
from sansio_net.protocols.ndp.frames import (
    ALL_NODES,
    frame,
    group_mac,
    solicited_node,
)
from sansio_net.stack import (
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    DnsServersChanged,
    StackConfig,
)
from sansio_net.units import SECOND
from sansio_net.wire import ndp

from .host6 import ROUTER, ROUTER_MAC, Host, advertisement


def test_solicitations_back_off() -> None:
    """RFC 7559 2"""
    host = Host()
    host.wait(120 * SECOND)
    times = host.solicitations()
    gaps = [later - at for at, later in itertools.pairwise(times)]
    assert len(gaps) >= 4
    assert 3.6 * SECOND <= gaps[0] <= 4.4 * SECOND
    assert all(1.8 * one <= two <= 2.2 * one for one, two in itertools.pairwise(gaps))
    host.wait(SECOND, advertisement())
    n = len(host.solicitations())
    host.wait(600 * SECOND)
    assert len(host.solicitations()) == n


def test_an_address_and_routes() -> None:
    host = Host()
    host.wait(5 * SECOND)
    (link_local,) = host.addresses()
    assert link_local.startswith("fe80::")
    servers = (ndp.DnsServers(300, (pack_ip("2001:db8::53"),)),)
    host.wait(5 * SECOND, advertisement(mtu=1400, dns_servers=servers))
    _, formed = host.addresses()
    assert formed.startswith("2001:db8:1:0:")
    assert [
        str(event.address) for event in host.events if isinstance(event, AddressAdded)
    ] == [
        link_local,
        formed,
    ]
    routes = [str(route) for route in host.stack.routes if route.metric]
    assert routes == ["2001:db8:1::/64 dev eth0", "default via fe80::1 dev eth0"]
    assert host.nic.mtu_for(ROUTER) == 1400
    (dns,) = [event for event in host.events if isinstance(event, DnsServersChanged)]
    assert dns.servers == ("2001:db8::53",)


def test_an_address_ends_with_its_lifetime() -> None:
    host = Host()
    host.wait(5 * SECOND)
    host.wait(5 * SECOND, advertisement(valid=20, preferred=10))
    (address,) = [one for one in host.nic.addresses if one.formed]
    assert not address.deprecated
    host.wait(6 * SECOND)
    assert address.deprecated
    host.wait(10 * SECOND)
    assert [one for one in host.nic.addresses if one.formed] == []
    removed = [event for event in host.events if isinstance(event, AddressRemoved)]
    assert [str(event.address) for event in removed] == [str(address)]


def test_nobody_ends_it_within_two_hours() -> None:
    """RFC 4862 5.5.3 (e)"""
    host = Host()
    host.wait(5 * SECOND)
    host.wait(5 * SECOND, advertisement(valid=86_400))
    host.wait(5 * SECOND, advertisement(valid=1, preferred=1))
    host.wait(7000 * SECOND)
    assert len([one for one in host.nic.addresses if one.formed]) == 1
    host.wait(300 * SECOND)
    assert [one for one in host.nic.addresses if one.formed] == []


def test_a_duplicate_gets_another_identifier() -> None:
    """RFC 7217 6"""
    host = Host()
    host.wait(5 * SECOND)
    host.wait(0, advertisement())
    (first,) = [one.ip for one in host.nic.addresses if one.formed]
    body = ndp.build_neighbour_advertisement(
        first, first, ALL_NODES, ROUTER_MAC, ndp.OVERRIDE
    )
    taken = frame(ROUTER_MAC, group_mac(ALL_NODES), first, ALL_NODES, body).join()
    host.wait(5 * SECOND, taken)
    (second,) = [one for one in host.nic.addresses if one.formed]
    assert second.ip != first
    assert second.usable
    assert format_ip(second.ip).startswith("2001:db8:1:0:")


def taken(ip: bytes) -> bytes:
    """Somebody else has it."""
    body = ndp.build_neighbour_advertisement(
        ip, ip, ALL_NODES, ROUTER_MAC, ndp.OVERRIDE
    )
    return frame(ROUTER_MAC, group_mac(ALL_NODES), ip, ALL_NODES, body).join()


def test_a_link_local_address_that_is_taken_is_followed_by_three_others() -> None:
    """RFC 7217 6"""
    host = Host()
    tried = []
    for _ in range(10):
        ips = [one.ip for one in host.nic.addresses]
        if not ips:
            break
        tried += ips
        host.wait(0, taken(ips[0]))
    assert len(tried) == len(set(tried)) == 4
    conflicts = [one for one in host.events if isinstance(one, AddressConflict)]
    assert len(conflicts) == 4
    # another link, another chance
    host.nic.carrier(False)
    host.nic.carrier(True)
    host.wait(5 * SECOND)
    assert [one.ip for one in host.nic.addresses if one.usable] == tried[:1]


def test_what_routers_say_of_the_link_ends_with_it() -> None:
    host = Host()
    host.wait(5 * SECOND)
    more = {"mtu": 1400, "hop_limit": 33, "retrans_time": 5000}
    host.wait(SECOND, advertisement(**more))
    assert (host.nic.mtu_for(ROUTER), host.nic.hop_limit) == (1400, 33)
    host.nic.set_mtu(1300)
    assert host.nic.mtu_for(ROUTER) == 1300
    host.nic.set_mtu(1500)
    # 0 and nothing leave things as they are (RFC 4861 6.3.4)
    host.wait(SECOND, advertisement(hop_limit=0))
    assert (host.nic.mtu_for(ROUTER), host.nic.hop_limit) == (1400, 33)
    host.nic.carrier(False)
    assert (host.nic.mtu_for(ROUTER), host.nic.hop_limit) == (1500, 64)


def hop_limits(host: Host, to: str, **options: int) -> set[int]:
    host.sent.clear()
    socket = host.stack.udp_bind(("", 0))
    socket.set(**options)
    socket.send_to(b"x", (to, 9))
    host.wait(SECOND)
    return {one[21] for _, one in host.sent if one[20] == 17}


def test_the_hop_limit_is_the_routers_unless_the_program_has_one() -> None:
    host = Host()
    host.wait(5 * SECOND)
    host.wait(5 * SECOND, advertisement(hop_limit=33))
    far = "2001:db8:f::1"
    assert hop_limits(host, far) == {33}
    assert hop_limits(host, far, ttl=7) == {7}
    host.stack.add_route("ff15::/16", nic=host.nic)
    assert hop_limits(host, "ff15::1", multicast_ttl=64) == {64}


def test_an_optimistic_address_is_used_while_it_is_checked() -> None:
    """RFC 4429 3"""
    config = StackConfig()
    config.ndp.optimistic = True
    host = Host(config)
    host.wait(5 * SECOND)
    assert len(host.addresses()) == 1  # 3.3: no router was known to the first one
    before = len(host.sent)
    host.wait(0, advertisement())
    (formed,) = [one for one in host.nic.addresses if one.formed]
    assert formed.usable
    assert formed.optimistic
    sock = host.stack.udp_bind(("", 5))
    sock.send_to(b"x", ("2001:db8:2::1", 9))
    host.wait(0)
    sent = [one for _, one in host.sent[before:]]
    (datagram,) = [one for one in sent if one[20] == 17]
    assert (datagram[:6], datagram[22:38]) == (ROUTER_MAC, formed.ip)
    host.nic.add_address("2001:db8:1::77/64", probe=False)
    sock.send_to(b"x", ("2001:db8:2::1", 9))
    host.wait(0)
    assert host.sent[-1][1][22:38] == pack_ip("2001:db8:1::77")  # 3.1: as deprecated
    asked = [one for one in sent if one[20] == 58 and one[54] == 135]
    assert [one[22:38] for one in asked] == [bytes(16)]  # the probe alone
    host.wait(3 * SECOND)
    assert not formed.optimistic
    assert formed.usable


def test_an_optimistic_address_is_given_up_to_another_host() -> None:
    """RFC 4429 3.3"""
    config = StackConfig()
    config.ndp.optimistic = True
    host = Host(config)
    host.wait(5 * SECOND)
    host.wait(0, advertisement())
    (formed,) = [one for one in host.nic.addresses if one.formed]
    group = solicited_node(formed.ip)
    body = ndp.build_neighbour_solicitation(formed.ip, bytes(16), group, None)
    host.wait(0, frame(ROUTER_MAC, group_mac(group), bytes(16), group, body).join())
    assert formed not in host.nic.addresses
    assert any(isinstance(one, AddressConflict) for one in host.events)


def test_without_its_routers_mac_a_host_is_no_optimist() -> None:
    """RFC 4429 3.3"""
    config = StackConfig()
    config.ndp.optimistic = True
    host = Host(config)
    host.wait(5 * SECOND)
    host.wait(0, advertisement(source_link=None))
    (formed,) = [one for one in host.nic.addresses if one.formed]
    assert not formed.usable
    host.wait(3 * SECOND)
    assert formed.usable


def test_a_manual_address_is_never_optimistic() -> None:
    """RFC 4429 3.1"""
    config = StackConfig()
    config.ndp.optimistic = True
    host = Host(config)
    host.wait(5 * SECOND)
    host.wait(0, advertisement())
    host.nic.add_address("2001:db8:1::77/64")
    manual = host.nic.addresses[-1]
    assert not manual.optimistic
    assert not manual.usable


def test_what_a_router_said_of_others_ends_with_it() -> None:
    """RFC 4861 6.3.5"""
    host = Host()
    host.wait(5 * SECOND)
    host.wait(0, advertisement())
    other = pack_ip("2001:db8:7::7")
    host.stack.redirects[other] = ROUTER
    host.wait(0, advertisement(lifetime=0))
    assert host.stack.redirects == {}
    assert [route for route in host.stack.routes if route.via] == []


def test_a_prefix_of_groups_is_no_prefix() -> None:
    """It would be the address of many: nothing is formed, and nothing raises."""
    host = Host()
    host.wait(5 * SECOND)
    prefixes = tuple(
        ndp.PrefixInformation(pack_ip(one), 64, True, True, 3600, 1800)
        for one in ("ff05::", "ff02::", "fe80::")
    )
    route = ndp.RouteInformation(pack_ip("fe80::"), 64, ndp.HIGH, 3600)
    before = len(host.nic.addresses)
    host.wait(SECOND, advertisement(prefixes=prefixes, routes=(route,)))
    assert len(host.nic.addresses) == before
    routes = [str(one) for one in host.stack.routes if one.metric]
    assert routes == ["default via fe80::1 dev eth0"]
