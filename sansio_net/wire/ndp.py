"""Neighbour discovery messages and their options.

RFC 4861 4; RFC 4191 2 (preferences, more-specific routes), RFC 8106 5 (DNS), RFC 3971
5.3.2 and 7527 (nonce), RFC 5175 (flags are kept as they came).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from sansio_net.errors import MalformedError, TruncatedError

from . import icmpv6
from .icmp import Icmp

SOURCE_LINK: Final = 1
TARGET_LINK: Final = 2
PREFIX: Final = 3
REDIRECTED: Final = 4
MTU: Final = 5
NONCE: Final = 14
ROUTE: Final = 24
RDNSS: Final = 25
DNSSL: Final = 31

INFINITE: Final = 0xFFFFFFFF
"""A lifetime that does not end."""

# flags of a neighbour advertisement, in the first of the reserved bytes
ROUTER: Final = 0x80
SOLICITED: Final = 0x40
OVERRIDE: Final = 0x20

# preferences of routers and routes (RFC 4191 2.1); 2 is reserved
HIGH: Final = 1
MEDIUM: Final = 0
LOW: Final = 3

_PREFIX: Final = Struct("!BBBBIII16s")


@dataclass(slots=True)
class PrefixInformation:
    """Lifetimes in seconds, 0xFFFFFFFF without an end."""

    prefix: bytes
    prefixlen: int
    on_link: bool
    autonomous: bool
    valid_lifetime: int
    preferred_lifetime: int


@dataclass(slots=True)
class RouteInformation:
    """RFC 4191 2.3."""

    prefix: bytes
    prefixlen: int
    preference: int
    lifetime: int


@dataclass(slots=True)
class DnsServers:
    """RFC 8106 5.1."""

    lifetime: int
    servers: tuple[bytes, ...]


@dataclass(slots=True)
class DnsSearchList:
    """RFC 8106 5.2."""

    lifetime: int
    domains: tuple[str, ...]


@dataclass(slots=True)
class RouterSolicitation:
    source_link: bytes | None = None


@dataclass(slots=True)
class RouterAdvertisement:
    """hop_limit, reachable_time and retrans_time (ms): 0 says nothing. lifetime: s."""

    hop_limit: int
    managed: bool
    other: bool
    preference: int
    lifetime: int
    reachable_time: int
    retrans_time: int
    source_link: bytes | None = None
    mtu: int | None = None
    prefixes: tuple[PrefixInformation, ...] = ()
    routes: tuple[RouteInformation, ...] = ()
    dns_servers: tuple[DnsServers, ...] = ()
    dns_search: tuple[DnsSearchList, ...] = ()


@dataclass(slots=True)
class NeighbourSolicitation:
    target: bytes
    source_link: bytes | None = None
    nonce: bytes | None = None


@dataclass(slots=True)
class NeighbourAdvertisement:
    target: bytes
    router: bool
    solicited: bool
    override: bool
    target_link: bytes | None = None


@dataclass(slots=True)
class Redirect:
    """`target` is the better first hop to `destination`, or the same: on-link."""

    target: bytes
    destination: bytes
    target_link: bytes | None = None
    redirected: bytes = b""


NdpMessage: TypeAlias = (
    RouterSolicitation
    | RouterAdvertisement
    | NeighbourSolicitation
    | NeighbourAdvertisement
    | Redirect
)


# Parsing ----------------------------------------------------------------------------


def parse_ndp(message: Icmp) -> NdpMessage | None:
    """What an ICMPv6 message says; None for one that is no neighbour discovery.

    Lengths, code and options are checked (RFC 4861 6.1, 7.1, 8.1); what depends on the
    IP header or on what is known already is left to the caller.
    """
    kind, rest, body = message.type, message.rest, message.body
    if kind not in _KINDS:
        return None
    if message.code:
        raise MalformedError(f"neighbour discovery with code {message.code}")
    if len(body) < _KINDS[kind]:
        raise TruncatedError(f"{len(body)} bytes of neighbour discovery type {kind}")
    options = _options(body, _KINDS[kind])
    if kind == icmpv6.ROUTER_SOLICITATION:
        return RouterSolicitation(_link(options, SOURCE_LINK))
    if kind == icmpv6.ROUTER_ADVERTISEMENT:
        return _advertisement(rest, body, options)
    if kind == icmpv6.REDIRECT:
        redirected = next((d[6:] for k, d in options if k == REDIRECTED), b"")
        link = _link(options, TARGET_LINK)
        _no_group(body[16:32])
        return Redirect(body[:16], body[16:32], link, redirected)
    target = body[:16]
    _no_group(target)
    if kind == icmpv6.NEIGHBOUR_SOLICITATION:
        nonce = next((data for option, data in options if option == NONCE), None)
        return NeighbourSolicitation(target, _link(options, SOURCE_LINK), nonce)
    return NeighbourAdvertisement(
        target,
        bool(rest[0] & ROUTER),
        bool(rest[0] & SOLICITED),
        bool(rest[0] & OVERRIDE),
        _link(options, TARGET_LINK),
    )


_KINDS: Final = {
    icmpv6.ROUTER_SOLICITATION: 0,
    icmpv6.ROUTER_ADVERTISEMENT: 8,
    icmpv6.NEIGHBOUR_SOLICITATION: 16,
    icmpv6.NEIGHBOUR_ADVERTISEMENT: 16,
    icmpv6.REDIRECT: 32,
}
"""Types, and the bytes between the ICMPv6 header and the options."""


def _no_group(target: bytes) -> None:
    if target[0] == 0xFF:
        raise MalformedError("the target is a group")


def _options(body: bytes, at: int) -> list[tuple[int, bytes]]:
    """Type and data of each option (RFC 4861 4.6); a length of 0 voids them all."""
    options = []
    while at < len(body):
        if at + 2 > len(body):
            raise TruncatedError("an option is cut short")
        kind, size = body[at], body[at + 1] * 8
        if not size:
            raise MalformedError("an option of length 0")
        if at + size > len(body):
            raise TruncatedError("an option goes on beyond the message")
        options.append((kind, body[at + 2 : at + size]))
        at += size
    return options


def _link(options: list[tuple[int, bytes]], kind: int) -> bytes | None:
    """An Ethernet address option (RFC 2464 6): 6 bytes."""
    for option, data in options:
        if option == kind and len(data) == 6:
            return data
    return None


def _advertisement(
    rest: bytes, body: bytes, options: list[tuple[int, bytes]]
) -> RouterAdvertisement:
    flags = rest[1]
    preference = flags >> 3 & 3
    message = RouterAdvertisement(
        hop_limit=rest[0],
        managed=bool(flags & 0x80),
        other=bool(flags & 0x40),
        # RFC 4191 2.2: the reserved value counts as medium
        preference=MEDIUM if preference == 2 else preference,
        lifetime=int.from_bytes(rest[2:], "big"),
        reachable_time=int.from_bytes(body[:4], "big"),
        retrans_time=int.from_bytes(body[4:8], "big"),
        source_link=_link(options, SOURCE_LINK),
    )
    for kind, data in options:
        if kind == PREFIX and len(data) == 30:
            message.prefixes += (_prefix(data),)
        elif kind == MTU and len(data) == 6:
            message.mtu = int.from_bytes(data[2:], "big")
        elif kind == ROUTE:
            route = _route(data)
            if route is not None:
                message.routes += (route,)
        elif kind == RDNSS and len(data) >= 22 and len(data) % 16 == 6:
            servers = tuple(data[at : at + 16] for at in range(6, len(data), 16))
            lifetime = int.from_bytes(data[2:6], "big")
            message.dns_servers += (DnsServers(lifetime, servers),)
        elif kind == DNSSL and len(data) >= 14:
            lifetime = int.from_bytes(data[2:6], "big")
            domains = _domains(data[6:])
            if domains:
                message.dns_search += (DnsSearchList(lifetime, domains),)
    return message


def _prefix(data: bytes) -> PrefixInformation:
    length, flags = data[0], data[1]
    valid, preferred = (int.from_bytes(data[at : at + 4], "big") for at in (2, 6))
    return PrefixInformation(
        data[14:30], length, bool(flags & 0x80), bool(flags & 0x40), valid, preferred
    )


def _route(data: bytes) -> RouteInformation | None:
    """RFC 4191 2.3: as long as its prefix needs; a reserved preference voids it."""
    length, preference = data[0], data[1] >> 3 & 3
    size = len(data) - 6
    if length > 128 or size not in (0, 8, 16) or size * 8 < length or preference == 2:
        return None
    prefix = data[6:] + bytes(16 - size)
    lifetime = int.from_bytes(data[2:6], "big")
    return RouteInformation(prefix, length, preference, lifetime)


def _domains(data: bytes) -> tuple[str, ...]:
    """Names in DNS form, uncompressed, padded with zeros; () where they are bad."""
    names = []
    at = 0
    while at < len(data) and data[at]:
        labels = []
        while at < len(data) and data[at]:
            size = data[at]
            label = data[at + 1 : at + 1 + size]
            if size > 63 or len(label) < size or not label.isascii():
                return ()
            labels.append(label.decode())
            at += 1 + size
        if at >= len(data) or sum(map(len, labels)) + len(labels) > 254:
            return ()
        names.append(".".join(labels))
        at += 1
    return tuple(names)


# Building ---------------------------------------------------------------------------


def build_option(kind: int, data: bytes) -> bytes:
    """Padded with zeros to 8 bytes."""
    size = -(-(len(data) + 2) // 8)
    if size > 0xFF:
        raise MalformedError(f"an option of {len(data)} bytes")
    return bytes((kind, size)) + data + bytes(size * 8 - 2 - len(data))


def _link_option(kind: int, mac: bytes | None) -> bytes:
    return build_option(kind, mac) if mac is not None else b""


def build_router_solicitation(
    source: bytes, destination: bytes, mac: bytes | None
) -> bytes:
    body = _link_option(SOURCE_LINK, mac)
    kind = icmpv6.ROUTER_SOLICITATION
    return icmpv6.build_icmpv6(kind, 0, bytes(4), body, source, destination)


def build_neighbour_solicitation(
    target: bytes,
    source: bytes,
    destination: bytes,
    mac: bytes | None,
    nonce: bytes | None = None,
) -> bytes:
    body = target + _link_option(SOURCE_LINK, mac)
    if nonce is not None:
        body += build_option(NONCE, nonce)
    kind = icmpv6.NEIGHBOUR_SOLICITATION
    return icmpv6.build_icmpv6(kind, 0, bytes(4), body, source, destination)


def build_neighbour_advertisement(
    target: bytes, source: bytes, destination: bytes, mac: bytes | None, flags: int
) -> bytes:
    """flags: ROUTER, SOLICITED, OVERRIDE."""
    body = target + _link_option(TARGET_LINK, mac)
    rest = bytes((flags, 0, 0, 0))
    kind = icmpv6.NEIGHBOUR_ADVERTISEMENT
    return icmpv6.build_icmpv6(kind, 0, rest, body, source, destination)


def build_redirect(
    message: Redirect, source: bytes, destination: bytes, limit: int = 1280 - 40
) -> bytes:
    """With as much of the redirected packet as keeps it below `limit` bytes."""
    body = message.target + message.destination
    body += _link_option(TARGET_LINK, message.target_link)
    room = (limit - icmpv6.HEADER_SIZE - len(body) - 8) & ~7
    quoted = message.redirected[:room]
    if quoted:
        body += build_option(REDIRECTED, bytes(6) + quoted)
    kind = icmpv6.REDIRECT
    return icmpv6.build_icmpv6(kind, 0, bytes(4), body, source, destination)


def build_router_advertisement(
    message: RouterAdvertisement, source: bytes, destination: bytes
) -> bytes:
    """What a router says (RFC 4861 4.2)."""
    flags = message.managed << 7 | message.other << 6 | (message.preference & 3) << 3
    rest = bytes((message.hop_limit, flags)) + message.lifetime.to_bytes(2, "big")
    times = message.reachable_time, message.retrans_time
    body = b"".join(time.to_bytes(4, "big") for time in times)
    body += _link_option(SOURCE_LINK, message.source_link)
    if message.mtu is not None:
        body += build_option(MTU, bytes(2) + message.mtu.to_bytes(4, "big"))
    for prefix in message.prefixes:
        body += _PREFIX.pack(
            PREFIX,
            4,
            prefix.prefixlen,
            prefix.on_link << 7 | prefix.autonomous << 6,
            prefix.valid_lifetime,
            prefix.preferred_lifetime,
            0,
            prefix.prefix,
        )
    for route in message.routes:
        size = -(-route.prefixlen // 64) * 8
        head = bytes((route.prefixlen, (route.preference & 3) << 3))
        head += route.lifetime.to_bytes(4, "big")
        body += build_option(ROUTE, head + route.prefix[:size])
    for dns in message.dns_servers:
        head = bytes(2) + dns.lifetime.to_bytes(4, "big")
        body += build_option(RDNSS, head + b"".join(dns.servers))
    for search in message.dns_search:
        head = bytes(2) + search.lifetime.to_bytes(4, "big")
        body += build_option(DNSSL, head + _dns_names(search.domains))
    kind = icmpv6.ROUTER_ADVERTISEMENT
    return icmpv6.build_icmpv6(kind, 0, rest, body, source, destination)


def _dns_names(domains: Sequence[str]) -> bytes:
    out = b""
    for domain in domains:
        for label in domain.rstrip(".").encode("ascii").split(b"."):
            if not 0 < len(label) < 64:
                raise MalformedError(f"no domain name: {domain!r}")
            out += bytes((len(label),)) + label
        out += b"\0"
    return out
