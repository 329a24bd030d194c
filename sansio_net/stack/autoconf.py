"""What routers say, put into an interface and the routing table.

RFC 4861 6.3, RFC 4862 5.5; RFC 4191 for preferences, which are metrics here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.addresses import format_ip, is_link_local
from sansio_net.errors import LimitError, StateError
from sansio_net.protocols.ndp.frames import frame, group_mac
from sansio_net.protocols.slaac import (
    AddressDeprecated,
    AddressExpired,
    AddressFormed,
    ParametersAdvertised,
    RouteChanged,
    SlaacEvent,
)
from sansio_net.units import HOUR, MILLISECOND, MINUTE
from sansio_net.wire.ndp import RouterAdvertisement

from . import routing
from .events import DnsServersChanged
from .hops import DEFAULT_HOP_LIMIT, forget_gateway
from .routes import Route
from .zones import with_zone

if TYPE_CHECKING:
    from .interface import Interface

METRIC: Final = 1024
"""Linux's for what routers advertise; a preference is worth half of it."""

REACHABLE_TIMES: Final = (100 * MILLISECOND, HOUR)
"""Linux's least; no router may say more (RFC 4861 6.2.1)."""
RETRANS_DELAYS: Final = (10 * MILLISECOND, MINUTE)
"""Linux's least, and what leaves a resolution and a duplicate's detection an end."""


def router_advertises(
    nic: Interface, message: RouterAdvertisement, source: bytes, now: int
) -> None:
    routing.found(nic.stack, nic, source, now)
    if nic.slaac is not None:
        nic.slaac.router_advertises(message, source, now)


def forget(nic: Interface) -> None:
    """The link is gone, and with it all that its routers said."""
    if nic.slaac is not None:
        nic.slaac.stop()
        nic.ipv6_mtu, nic.hop_limit = 0, DEFAULT_HOP_LIMIT
        if nic.ndp is not None:
            config = nic.stack.config.ndp
            nic.ndp.set_times(config.base_reachable_time, config.retrans_delay)


def settle(nic: Interface, now: int) -> None:
    """Act on what autoconfiguration found out; call it after all that feeds it."""
    slaac = nic.slaac
    if slaac is None:
        return
    if slaac.pending_kinds:
        for event in slaac.events():
            _act(nic, event)
    if slaac.queued:
        _solicit(nic, now)


def _solicit(nic: Interface, now: int) -> None:
    slaac = nic.slaac
    assert slaac is not None
    slaac.mac = nic.mac
    fit = [
        one.ip
        for one in nic.addresses
        if one.usable and not one.optimistic  # RFC 4429 3.2
    ]
    ours = (ip for ip in fit if len(ip) == 16 and is_link_local(ip))
    slaac.source = next(ours, bytes(16))
    for packet in slaac.transmit(now):
        info = packet.info
        assert info is not None
        to = group_mac(info.dst)
        nic.outbox.append(frame(nic.mac, to, info.src, info.dst, packet.join()))


def _act(nic: Interface, event: SlaacEvent) -> None:
    stack = nic.stack
    if isinstance(event, AddressFormed):
        try:
            text = f"{format_ip(event.ip)}/{event.prefixlen}"
            nic.add_address(text, formed=True, temporary=event.temporary)
        except (LimitError, StateError, ValueError):
            # ValueError: the MTU became too small for IPv6
            stack.tally.count("slaac.addresses_refused")
    elif isinstance(event, AddressExpired):
        if any(one.ip == event.ip and one.formed for one in nic.addresses):
            nic.remove_address(format_ip(event.ip))
    elif isinstance(event, AddressDeprecated):
        for address in nic.addresses:
            if address.ip == event.ip and address.formed:
                address.deprecated = not event.preferred
                stack.routes.version += 1  # others are chosen now
    elif isinstance(event, RouteChanged):
        _route(nic, event)
    elif isinstance(event, ParametersAdvertised):
        _parameters(nic, event)
    else:
        # RFC 8106 5.1: a link-local server is asked on its link
        known = (with_zone(nic, server) for server in event.servers)
        servers = tuple(map(stack.endpoints.format_ip, known))
        stack.report(DnsServersChanged(nic, servers, event.search))


def _route(nic: Interface, event: RouteChanged) -> None:
    """Routes set by hand stay as they are."""
    routes = nic.stack.routes
    known = routes.find(event.prefix, event.prefixlen, nic, event.via)
    if known is not None and known.metric >= METRIC // 2:
        routes.forget(known)
        known = None
    if not event.valid and not event.prefixlen:
        forget_gateway(nic.stack, event.via)  # RFC 4861 6.3.5: nothing goes there
    if event.valid and known is None:
        metric = METRIC - event.preference * (METRIC // 2)
        try:
            routes.add(Route(event.prefix, event.prefixlen, nic, event.via, metric))
        except LimitError:
            nic.stack.tally.count("slaac.routes_refused")


def _parameters(nic: Interface, event: ParametersAdvertised) -> None:
    """RFC 4861 6.3.4: what is 0 stays as it was. So does what would cut us off: a rogue
    needs one advertisement for that (CVE-2015-2922).
    """
    refused = nic.stack.tally
    if event.hop_limit >= nic.stack.config.slaac.min_hop_limit:
        nic.hop_limit = event.hop_limit
    elif event.hop_limit:
        refused.count("slaac.hop_limits_refused")
    if 1280 <= event.mtu <= nic.mtu and event.mtu != nic.ipv6_mtu:
        nic.ipv6_mtu = event.mtu
        nic.stack.routes.version += 1
    if nic.ndp is not None:
        reachable, retrans = event.reachable_time, event.retrans_delay
        if reachable and not REACHABLE_TIMES[0] <= reachable <= REACHABLE_TIMES[1]:
            refused.count("slaac.times_refused")
            reachable = 0
        if retrans and not RETRANS_DELAYS[0] <= retrans <= RETRANS_DELAYS[1]:
            refused.count("slaac.times_refused")
            retrans = 0
        nic.ndp.set_times(reachable, retrans)
