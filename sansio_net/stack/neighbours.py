"""What an interface and its neighbour caches tell each other, both families alike.

ARP claims and resolves IPv4 addresses, neighbour discovery IPv6's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from sansio_net.addresses import format_ip, format_mac, is_link_local
from sansio_net.errors import LimitError
from sansio_net.protocols.arp import ArpCache
from sansio_net.protocols.ndp import NeighbourDiscovery, RouterLost, solicited_node
from sansio_net.protocols.neighbours import (
    Claimed,
    Conflict,
    ResolutionFailed,
    Resolved,
)
from sansio_net.protocols.slaac import LINK_LOCAL, stable_identifier

from . import autoconf, faults, groups, linklocal, routing
from .events import AddressConflict, AddressRemoved
from .hops import forget_gateway

if TYPE_CHECKING:
    from .address import Address
    from .interface import Interface

Cache: TypeAlias = ArpCache | NeighbourDiscovery


def equip(nic: Interface) -> None:
    """Make the caches of an interface that has link addresses."""
    stack = nic.stack
    nic.arp = ArpCache(
        nic.mac,
        config=stack.config.arp,
        entropy=stack.entropy.child(f"arp.{nic.index}"),
        counters=stack.tally,
        trace=stack.trace,
    )
    nic.ndp = NeighbourDiscovery(
        nic.mac,
        config=stack.config.ndp,
        entropy=stack.entropy.child(f"ndp.{nic.index}"),
        counters=stack.tally,
        trace=stack.trace,
    )
    nic.ndp.is_router = stack.forwarding is not None


def caches(nic: Interface) -> tuple[Cache, ...]:
    """() where the medium has no link addresses."""
    if nic.arp is None or nic.ndp is None:
        return ()
    return nic.arp, nic.ndp


def cache_for(nic: Interface, ip: bytes) -> Cache | None:
    return nic.arp if len(ip) == 4 else nic.ndp


def claim(nic: Interface, address: Address) -> None:
    """Raises LimitError."""
    ip = address.ip
    cache = cache_for(nic, ip)
    if cache is None:
        return
    address.optimistic = _may_be_optimistic(nic, address)
    # RFC 4862 5.4.2: an advertisement to all made all form one; RFC 7217 6: so did a
    # duplicate that several hosts share
    tried = ip == nic.link_local and nic.n_link_locals_taken > 0
    _claim(cache, address, delay=address.formed or tried)
    if nic.stack.forwarding is not None:
        groups.join_routers(nic, len(ip))
    if len(ip) == 16:
        # RFC 4862 5.4.2: before the address is ours
        try:
            groups.join(nic, solicited_node(ip))
        except LimitError:
            cache.release(ip)
            raise


def _claim(cache: Cache, address: Address, *, delay: bool) -> None:
    if isinstance(cache, NeighbourDiscovery):
        wanted = address.optimistic
        cache.claim(address.ip, address.probe, delay, wanted)
    else:
        cache.claim(address.ip, probe=address.probe)


def _may_be_optimistic(nic: Interface, address: Address) -> bool:
    """RFC 4429 3.1 and 3.3: formed at random, on a host that knows its router's MAC."""
    stack = nic.stack
    return (
        stack.config.ndp.optimistic
        and address.probe
        and address.formed
        and stack.forwarding is None
        and nic.ndp is not None
        and nic.ndp.knows_router()
    )


def release(nic: Interface, ip: bytes) -> None:
    cache = cache_for(nic, ip)
    if cache is None:
        return
    if ip == nic.link_local4:
        nic.link_local4 = None  # by hand: no other one is wanted
    cache.release(ip)
    if len(ip) == 16:
        group = solicited_node(ip)
        # RFC 4861 7.2.1: another address may be asked for in the same group
        others = (one.ip for one in nic.addresses if len(one.ip) == 16)
        if all(solicited_node(other) != group for other in others):
            groups.leave(nic, group)


def claim_again(nic: Interface) -> None:
    """Another network may lie behind the link: RFC 5227 2.1, 2.3; RFC 4862 5.4."""
    for membership in nic.memberships.values():
        membership.renew()
    if nic.slaac is not None:
        nic.slaac.start()
    for address in list(nic.addresses):
        cache = cache_for(nic, address.ip)
        if cache is None:
            continue
        if address.probe and address.usable:
            nic.disuse(address)
            nic.stack.report(AddressRemoved(nic, str(address)))
        address.optimistic = False
        _claim(cache, address, delay=False)
    if nic.link_local:
        nic.n_link_locals_taken = 0
        _form_link_local(nic)
    linklocal.link_up(nic)


def flush(nic: Interface) -> None:
    """The link is gone: who is there when it returns is unknown."""
    autoconf.forget(nic)
    for cache in caches(nic):
        cache.flush()


def settle(nic: Interface, now: int) -> None:
    """Act on what the caches found out; call it after all that feeds one."""
    nic.stack.deadlines.arm(nic)
    for cache in caches(nic):
        if cache.pending_kinds:
            for event in cache.events():
                _act(nic, event, now)
    autoconf.settle(nic, now)


def _act(
    nic: Interface,
    event: Resolved | ResolutionFailed | Claimed | Conflict | RouterLost,
    now: int,
) -> None:
    if isinstance(event, Resolved):
        routing.found(nic.stack, nic, event.ip, now)
        nic.ready.extend(nic.parked.pop(event.ip, {}).values())
    elif isinstance(event, ResolutionFailed):
        faults.neighbour_failed(nic.stack, nic, event.ip, event.packets, now)
    elif isinstance(event, Claimed):
        _claimed(nic, event.ip)
    elif isinstance(event, Conflict):
        _conflict(nic, event, now)
    else:
        forget_gateway(nic.stack, event.ip)
        if nic.slaac is not None:
            nic.slaac.router_lost(event.ip)


def _claimed(nic: Interface, ip: bytes) -> None:
    for address in nic.addresses:
        if address.ip == ip:
            if not address.usable:
                nic.use(address)
            elif address.optimistic:
                address.optimistic = False
                nic.stack.routes.version += 1  # it is as good as the others now
            return
    if nic.arp is not None and ip == nic.arp.link_local:
        linklocal.claimed(nic, ip)


def _conflict(nic: Interface, event: Conflict, now: int) -> None:
    for address in nic.addresses:
        if address.ip == event.ip:
            mac = format_mac(event.mac)
            nic.stack.report(AddressConflict(nic, str(address), mac))
            if event.lost:  # RFC 5227 2.1.1, 2.4: never used, or given up
                if address.usable:
                    faults.address_lost(nic, address.ip, now)
                nic.remove_address(str(address))
                if address.formed and nic.slaac is not None:
                    nic.slaac.duplicate(address.ip)
                elif address.ip == nic.link_local:
                    _link_local_taken(nic)
            return


def _link_local_taken(nic: Interface) -> None:
    """RFC 7217 6: another identifier, a few times."""
    nic.n_link_locals_taken += 1
    if nic.n_link_locals_taken <= nic.stack.config.slaac.idgen_retries:
        _form_link_local(nic)


def _form_link_local(nic: Interface) -> None:
    try:
        ensure_link_local(nic, probe=True)
    except LimitError:
        nic.stack.tally.count("slaac.addresses_refused")


def ensure_link_local(nic: Interface, probe: bool) -> None:
    """Every interface that speaks IPv6 has one (RFC 4291 2.8), by RFC 7217."""
    if any(is_link_local(one.ip) for one in nic.addresses if len(one.ip) == 16):
        return
    secret, n_taken = nic.stack.stable_secret, nic.n_link_locals_taken
    identifier = stable_identifier(LINK_LOCAL, nic.name, secret, n_taken)
    nic.link_local = LINK_LOCAL + identifier
    nic.add_address(f"{format_ip(nic.link_local)}/64", probe=probe)
