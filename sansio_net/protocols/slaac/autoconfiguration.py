"""Router discovery and stateless address autoconfiguration of one interface.

RFC 4861 6.3, RFC 4862 5.5, RFC 7559 (solicitations), RFC 4191, RFC 8106.

In are packets at their ICMPv6 header, `info` with their addresses and hop limit; out
are router solicitations. What routers said is told as events:

>>> from sansio_net import Entropy
>>> made = Autoconfiguration("eth0", bytes(32), entropy=Entropy.of(1))
>>> made.start()
>>> made.handle_timeout(0)
>>> made.handle_timeout(made.next_timeout())
>>> [packet.head[0] for packet in made.transmit(10**9)]
[133]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, TypeVar

from sansio_net.addresses import is_link_local, is_multicast
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import WireError
from sansio_net.machine import ASAP, Sink, earliest, restore_state, versioned_state
from sansio_net.packet import CSUM_NONE, Packet, PacketInfo
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND
from sansio_net.wire import ndp
from sansio_net.wire.icmpv6 import parse_icmpv6

from .addresses import Addresses, AddressEvent, Formed, until
from .config import (
    DnsAdvertised,
    ParametersAdvertised,
    RouteChanged,
    SlaacConfig,
)
from .table import Lifetimes

SlaacEvent: TypeAlias = (
    AddressEvent | RouteChanged | ParametersAdvertised | DnsAdvertised
)

ALL_ROUTERS: Final = bytes.fromhex("ff020000000000000000000000000002")
_UNSPECIFIED: Final = bytes(16)
_DEFAULT: Final = bytes(16)
_NEWS: Final = 1
_ORDER: Final = {ndp.HIGH: 1, ndp.MEDIUM: 0, ndp.LOW: -1}

RouteKey: TypeAlias = tuple[bytes, int, bytes]  # prefix, length, via
Name = TypeVar("Name", bytes, str)


class Autoconfiguration:
    """Made by an interface; alone it is a machine.

    secret: what stable identifiers are made of (RFC 7217). `source` and `mac` of its
    solicitations may be set once there is a link-local address.
    """

    __slots__ = (
        "_addresses",
        "_config",
        "_counters",
        "_dns",
        "_entropy",
        "_interval",
        "_news",
        "_routes",
        "_search",
        "_solicit_at",
        "_taken",
        "_wants_start",
        "armed",
        "mac",
        "notified",
        "pending_kinds",
        "queued",
        "ready",
        "source",
        "trace",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        interface: str,
        secret: bytes,
        *,
        config: SlaacConfig | None = None,
        entropy: Entropy,
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[Autoconfiguration] | None = None,
        notified: Sink[Autoconfiguration] | None = None,
    ) -> None:
        self._config = config = config or SlaacConfig()
        self._counters = counters if counters is not None else Counters()
        self._entropy = entropy.child("solicitations")
        children = entropy.child("addresses")
        self._addresses = Addresses(config, interface, secret, children, self._counters)
        self._routes: Lifetimes[RouteKey, int] = Lifetimes(config.max_routes)
        self._dns: Lifetimes[bytes, None] = Lifetimes(config.max_dns)
        self._search: Lifetimes[str, None] = Lifetimes(config.max_dns)
        self._news: dict[tuple[str, object], SlaacEvent] = {}  # one of each kind
        self._wants_start = False
        self._taken: dict[bytes, None] = {}  # duplicate() was called, no time yet
        self._interval = 0
        self._solicit_at: int | None = None
        self.source = _UNSPECIFIED
        self.mac: bytes | None = None
        self.trace = trace
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    # -- the five methods

    def receive(self, items: Sequence[Packet], now: int) -> None:
        for packet in items:
            info, data, start = packet.info, packet.join(), packet.offset
            if info is None or info.ttl != 255 or not is_link_local(info.src):
                self._counters.drop(DropReason.NDP_INVALID)
                continue
            verify = packet.csum == CSUM_NONE
            try:
                icmp = parse_icmpv6(data, start, len(data), info.src, info.dst, verify)
                message = ndp.parse_ndp(icmp)
            except WireError:
                self._counters.drop(DropReason.NDP_MALFORMED)
                continue
            if isinstance(message, ndp.RouterAdvertisement):
                self.router_advertises(message, info.src, now)
            else:
                self._counters.drop(DropReason.NDP_NOT_CONCERNING)

    def handle_timeout(self, now: int) -> None:
        self._begin(now)
        if self._solicit_at is not None and self._solicit_at <= now:
            self._solicit_at = None
            self._wake()
        for key in self._routes.expired(now):
            self._forget_route(key)
        self._addresses.handle_timeout(now)
        gone = [self._dns.drop(key) for key in self._dns.expired(now)]
        gone += [self._search.drop(key) for key in self._search.expired(now)]
        if gone:
            self._tell_dns()
        self._tell()

    def next_timeout(self) -> int | None:
        if self.queued or self.pending_kinds or self._wants_start or self._taken:
            return ASAP
        return self.deadline()

    def events(self) -> list[SlaacEvent]:
        out: list[SlaacEvent] = []
        self.drain(out)
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        self._begin(now)
        packet = self.emit(now) if limit > 0 else None
        if limit > 0:
            self.queued = False
        return [packet] if packet is not None else []

    # -- verbs

    def start(self) -> None:
        """The interface came up, perhaps on another link: ask for routers."""
        self.stop()
        self._wants_start = True

    def stop(self) -> None:
        """The link is gone, and with it all that its routers said."""
        self._solicit_at = None
        self.queued = False
        self._wants_start = False
        self._taken.clear()
        for key in self._routes.names():
            self._forget_route(key)
        self._addresses.clear()
        had_dns = len(self._dns) + len(self._search)
        for server in self._dns.names():
            self._dns.drop(server)
        for domain in self._search.names():
            self._search.drop(domain)
        if had_dns:
            self._tell_dns()
        self._tell()

    def duplicate(self, ip: bytes) -> None:
        """An address that was formed belongs to somebody else: another follows, a few
        times."""
        if self._addresses.get(ip) is not None:
            self._taken[ip] = None

    def addresses(self) -> list[Formed]:
        return self._addresses.all()

    # -- inner doors

    def router_advertises(
        self, message: ndp.RouterAdvertisement, source: bytes, now: int
    ) -> None:
        """A valid advertisement (RFC 4861 6.1.2) from a link-local address."""
        self._counters.count("ndp.router_advertisements")
        if self.trace is not None:
            self.trace.append((now, "router", source, message.lifetime))
        if message.lifetime:
            # RFC 7559 2.1: there is a router, so the questions end
            self._solicit_at = None
            self.queued = False
        self._route(_DEFAULT, 0, source, message.preference, message.lifetime, now)
        for route in message.routes:
            if not _may_be_told(route.prefix):
                continue
            self._route(
                *(route.prefix, route.prefixlen, source, route.preference),
                *(route.lifetime, now),
            )
        self._parameters(message)
        for option in message.prefixes:
            self._prefix(option, now)
        self._dns_options(message, now)
        self._tell()

    def _parameters(self, message: ndp.RouterAdvertisement) -> None:
        """What this router does not say, an earlier one may have said (6.3.4)."""
        told = ParametersAdvertised(
            message.hop_limit,
            message.mtu or 0,
            message.reachable_time * MILLISECOND,
            message.retrans_time * MILLISECOND,
        )
        earlier = self._news.get((ParametersAdvertised.__name__, None))
        if isinstance(earlier, ParametersAdvertised):
            told.hop_limit = told.hop_limit or earlier.hop_limit
            told.mtu = told.mtu or earlier.mtu
            told.reachable_time = told.reachable_time or earlier.reachable_time
            told.retrans_delay = told.retrans_delay or earlier.retrans_delay
        self._note(None, told)

    def _prefix(self, option: ndp.PrefixInformation, now: int) -> None:
        if option.prefixlen > 128 or not _may_be_told(option.prefix):
            return
        if option.on_link:
            lifetime = option.valid_lifetime
            self._route(option.prefix, option.prefixlen, b"", ndp.MEDIUM, lifetime, now)
        if option.autonomous:
            self._addresses.advertised(option, now)

    def _route(
        self,
        prefix: bytes,
        prefixlen: int,
        via: bytes,
        preference: int,
        lifetime: int,
        now: int,
    ) -> None:
        """RFC 4861 6.3.4, RFC 4191 3.1: add, renew or end."""
        value = int.from_bytes(prefix, "big") >> 128 - prefixlen << 128 - prefixlen
        key = (value.to_bytes(16, "big"), prefixlen, via)
        if not lifetime:
            if key in self._routes:
                self._forget_route(key)
            return
        order = _ORDER[preference]
        known = self._routes.get(key)
        # a 16-bit lifetime of a router has no "for ever"
        if not self._routes.put(key, order, until(lifetime, now)):
            self._counters.count("slaac.routes_refused")
        elif known != order:
            self._note(key, RouteChanged(*key, order, True))

    def _forget_route(self, key: RouteKey) -> None:
        order = self._routes.drop(key)
        self._note(key, RouteChanged(*key, order or 0, False))

    def router_lost(self, ip: bytes) -> None:
        """It is no router any more (RFC 4861 7.2.5)."""
        for key in self._routes.names():
            if key[2] == ip:
                self._forget_route(key)
        self._tell()

    def _dns_options(self, message: ndp.RouterAdvertisement, now: int) -> None:
        changed = False
        for dns in message.dns_servers:
            for server in dns.servers:
                changed |= self._hold(self._dns, server, dns.lifetime, now)
        for search in message.dns_search:
            for domain in search.domains:
                changed |= self._hold(self._search, domain, search.lifetime, now)
        if changed:
            self._tell_dns()

    def _hold(
        self, table: Lifetimes[Name, None], key: Name, lifetime: int, now: int
    ) -> bool:
        """Renew or end; did the list change?"""
        was = key in table
        if not lifetime:
            table.drop(key)
            return was
        if not table.put(key, None, until(lifetime, now)):
            self._counters.count("slaac.resolvers_refused")
            return False
        return not was

    def _tell_dns(self) -> None:
        servers, search = tuple(self._dns.names()), tuple(self._search.names())
        self._note(None, DnsAdvertised(servers, search))

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """A router solicitation, when one is due (RFC 4861 6.3.7, RFC 7559 2)."""
        if not self.queued:
            return None
        config = self._config
        interval = self._interval
        if not interval:
            interval = self._spread(config.solicit_interval, 0)
        else:
            interval = self._spread(interval, interval)
            if interval > config.max_solicit_interval:
                interval = self._spread(config.max_solicit_interval, 0)
        self._interval = interval
        self._solicit_at = now + interval
        self._counters.count("ndp.router_solicitations")
        # 4.1: no link-layer address with the unspecified address
        mac = self.mac if any(self.source) else None
        body = ndp.build_router_solicitation(self.source, ALL_ROUTERS, mac)
        return Packet(body, info=PacketInfo(self.source, ALL_ROUTERS, 0, 255))

    def _spread(self, base: int, more: int) -> int:
        """`base` and `more`, and up to a tenth of `base` less or more."""
        tenth = base // 10
        return base + more + self._entropy.below(2 * tenth + 1) - tenth

    # -- the part's edge

    def drain(self, out: list[SlaacEvent]) -> None:
        self.pending_kinds = 0
        out.extend(self._news.values())
        self._news.clear()

    def deadline(self) -> int | None:
        return earliest(
            self._solicit_at,
            self._routes.earliest(),
            self._addresses.deadline(),
            self._dns.earliest(),
            self._search.earliest(),
        )

    def _begin(self, now: int) -> None:
        """Start what verbs asked for before there was a time."""
        if self._taken:
            taken, self._taken = self._taken, {}
            for ip in taken:
                self._addresses.duplicate(ip, now)
            self._tell()
        if self._wants_start:
            self._wants_start = False
            self._interval = 0
            # RFC 4861 6.3.7: not all hosts at once
            self._solicit_at = now + self._entropy.below(self._config.solicit_delay + 1)

    def _note(self, about: object, event: SlaacEvent) -> None:
        """Of several of a kind about the same thing the last one says it all."""
        key = type(event).__name__, about
        self._news.pop(key, None)
        self._news[key] = event

    def _tell(self) -> None:
        for event in self._addresses.news:
            self._note(event.ip, event)
        self._addresses.news.clear()
        if self._news and not self.pending_kinds:
            self.pending_kinds = _NEWS
            if self.notified is not None:
                self.notified.append(self)

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)


def _may_be_told(prefix: bytes) -> bool:
    """Groups are no hosts, and what is link-local is on the link (RFC 4861 6.3.4)."""
    return not (is_link_local(prefix) or is_multicast(prefix))
