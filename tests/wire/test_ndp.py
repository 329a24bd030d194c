"""Neighbour discovery messages, against tshark's reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire import icmpv6, ipv6, ndp
from sansio_net.wire.icmp import Icmp
from sansio_net.wire.ndp import parse_ndp

from .malformed import dissect

MAC = bytes.fromhex("02005e000001")
US, ROUTER, ALL = map(pack_ip, ("fe80::1", "fe80::2", "ff02::1"))
TARGET = pack_ip("2001:db8::5")
ADVERTISEMENT = ndp.RouterAdvertisement(
    hop_limit=64,
    managed=True,
    other=False,
    preference=ndp.HIGH,
    lifetime=1800,
    reachable_time=30_000,
    retrans_time=1000,
    source_link=MAC,
    mtu=1400,
    prefixes=(
        ndp.PrefixInformation(pack_ip("2001:db8::"), 64, True, True, 2592000, 604800),
    ),
    routes=(ndp.RouteInformation(pack_ip("2001:db8:1::"), 48, ndp.LOW, 600),),
    dns_servers=(ndp.DnsServers(300, (pack_ip("2001:db8::53"),)),),
    dns_search=(ndp.DnsSearchList(300, ("example.org", "a.example")),),
)


def parsed(message: bytes, source: bytes, destination: bytes) -> object:
    end = len(message)
    return parse_ndp(icmpv6.parse_icmpv6(message, 0, end, source, destination))


def packet(message: bytes, source: bytes, destination: bytes) -> bytes:
    header = ipv6.build_ipv6(source, destination, 58, len(message), hop_limit=255)
    return header + message


def test_round_trips() -> None:
    made = ndp.build_router_advertisement(ADVERTISEMENT, ROUTER, ALL)
    assert parsed(made, ROUTER, ALL) == ADVERTISEMENT
    made = ndp.build_neighbour_solicitation(TARGET, US, ALL, MAC, b"nonce!")
    assert parsed(made, US, ALL) == ndp.NeighbourSolicitation(TARGET, MAC, b"nonce!")
    made = ndp.build_neighbour_advertisement(
        TARGET, US, ROUTER, MAC, ndp.SOLICITED | ndp.OVERRIDE
    )
    assert parsed(made, US, ROUTER) == ndp.NeighbourAdvertisement(
        TARGET, False, True, True, MAC
    )
    made = ndp.build_router_solicitation(US, ALL, None)
    assert parsed(made, US, ALL) == ndp.RouterSolicitation(None)
    redirect = ndp.Redirect(ROUTER, TARGET, MAC, bytes(range(48)))
    made = ndp.build_redirect(redirect, ROUTER, US)
    assert parsed(made, ROUTER, US) == redirect


def test_a_redirect_quotes_no_more_than_fits() -> None:
    redirect = ndp.Redirect(ROUTER, TARGET, MAC, bytes(2000))
    made = ndp.build_redirect(redirect, ROUTER, US)
    assert 1232 <= len(made) <= 1240


@pytest.mark.programs("tshark")
def test_tshark_reads_the_same(tmp_path: Path) -> None:
    solicited = ndp.SOLICITED | ndp.OVERRIDE
    packets = [
        packet(ndp.build_router_advertisement(ADVERTISEMENT, ROUTER, ALL), ROUTER, ALL),
        packet(ndp.build_neighbour_solicitation(TARGET, US, ALL, MAC), US, ALL),
        packet(
            ndp.build_neighbour_advertisement(TARGET, US, ROUTER, MAC, solicited),
            US,
            ROUTER,
        ),
        packet(ndp.build_router_solicitation(US, ALL, MAC), US, ALL),
        packet(
            ndp.build_redirect(ndp.Redirect(ROUTER, TARGET, MAC), ROUTER, US),
            ROUTER,
            US,
        ),
    ]
    rows = dissect(
        tmp_path,
        packets,
        "icmpv6.type",
        "icmpv6.checksum.status",
        "icmpv6.opt.linkaddr",
        "icmpv6.opt.prefix",
        "icmpv6.opt.rdnss",
        "icmpv6.opt.dnssl",
        "icmpv6.nd.ns.target_address",
        "icmpv6.nd.na.flag.s",
    )
    mac = "02:00:5e:00:00:01"
    names = "example.org,a.example"
    dns = "2001:db8::53"
    assert rows == [
        ["134", "1", mac, "2001:db8::,2001:db8:1::", dns, names, "", ""],
        ["135", "1", mac, "", "", "", "2001:db8::5", ""],
        ["136", "1", mac, "", "", "", "", "1"],
        ["133", "1", mac, "", "", "", "", ""],
        ["137", "1", mac, "", "", "", "", ""],
    ]


def test_what_is_refused() -> None:
    kind = icmpv6.NEIGHBOUR_SOLICITATION
    with pytest.raises(MalformedError, match="code"):
        parse_ndp(Icmp(kind, 1, bytes(4), TARGET))
    with pytest.raises(TruncatedError):
        parse_ndp(Icmp(kind, 0, bytes(4), TARGET[:15]))
    with pytest.raises(MalformedError, match="group"):
        parse_ndp(Icmp(kind, 0, bytes(4), ALL))
    with pytest.raises(MalformedError, match="length 0"):
        parse_ndp(Icmp(kind, 0, bytes(4), TARGET + b"\1\0" + bytes(6)))
    with pytest.raises(TruncatedError, match="beyond"):
        parse_ndp(Icmp(kind, 0, bytes(4), TARGET + b"\1\2" + bytes(6)))
    assert parse_ndp(Icmp(icmpv6.ECHO_REQUEST, 0, bytes(4), b"")) is None


def test_options_that_do_not_fit_are_left_out() -> None:
    body = TARGET + ndp.build_option(200, bytes(14)) + ndp.build_option(1, bytes(14))
    message = parse_ndp(Icmp(icmpv6.NEIGHBOUR_SOLICITATION, 0, bytes(4), body))
    assert message == ndp.NeighbourSolicitation(TARGET, None, None)


def test_bad_names_void_a_search_list() -> None:
    rest = bytes((64, 0, 0, 0))
    for names in (b"\x08example", b"\x40" + b"a" * 64 + b"\0", b"\x01\xff\0", b"\0"):
        body = bytes(8) + ndp.build_option(ndp.DNSSL, bytes(6) + names)
        message = parse_ndp(Icmp(icmpv6.ROUTER_ADVERTISEMENT, 0, rest, body))
        assert isinstance(message, ndp.RouterAdvertisement)
        assert message.dns_search == ()


def test_the_reserved_preference() -> None:
    # RFC 4191 2.2: of the router it counts as medium; 2.3: of a route it voids it
    flags = 2 << 3
    route = bytes((64, flags)) + bytes(4) + bytes(8)
    body = bytes(8) + ndp.build_option(ndp.ROUTE, route)
    message = parse_ndp(
        Icmp(icmpv6.ROUTER_ADVERTISEMENT, 0, bytes((64, flags, 0, 0)), body)
    )
    assert isinstance(message, ndp.RouterAdvertisement)
    assert (message.preference, message.routes) == (ndp.MEDIUM, ())
