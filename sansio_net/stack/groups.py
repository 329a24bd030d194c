"""Groups: who listens where, what routers are told of it, what is heard at home.

RFC 1112 7, RFC 3376, RFC 3810; RFC 3590 for reports before there is an address.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import is_link_local, is_multicast, pack_ip
from sansio_net.counters import DropReason
from sansio_net.errors import Unreachable, WireError
from sansio_net.packet import Packet
from sansio_net.protocols.multicast import ANYTHING, NOTHING, Filter, Membership
from sansio_net.protocols.ndp.frames import group_mac
from sansio_net.wire import igmp, mld
from sansio_net.wire.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6
from sansio_net.wire.groups import GroupLeave, GroupQuery, GroupReport
from sansio_net.wire.icmp import Icmp as IcmpMessage

from .arrival import Arrival
from .hops import find_hop

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

HOST: Final = -1
"""The owner of what no socket asked for: solicited-node groups."""

MAX_LOOPED: Final = 64
"""Datagrams to a group of ours that wait to be heard at home."""

_ALL_HOSTS: Final = (b"\xe0\0\0\1", mld.ALL_NODES)


_ALL_ROUTERS: Final = {
    4: (b"\xe0\0\0\2",),
    16: (pack_ip("ff02::2"), pack_ip("ff05::2")),
}
"""By the size of an address (RFC 1112, RFC 4291 2.7.1)."""


def is_all_hosts(group: bytes) -> bool:
    """Every host is in these, and says so to nobody (RFC 1112 4, RFC 4291 2.7.1)."""
    return group in _ALL_HOSTS


def interface_for(stack: Stack, group: bytes, nic: str | None) -> Interface:
    """Where a group is joined. Raises Unreachable."""
    found = stack.named(nic)
    if found is None and nic is None:
        hop = find_hop(stack, group)
        found = hop.nic if hop is not None else None
    if found is None:
        raise Unreachable("no such interface", errno.ENODEV)
    return found


def listen(nic: Interface, owner: int, group: bytes, wanted: Filter) -> None:
    """Raises LimitError."""
    membership = nic.memberships.get(len(group))
    if membership is None:
        if wanted == NOTHING:
            return
        membership = _begin(nic, len(group))
    membership.listen(owner, group, wanted)


def _begin(nic: Interface, size: int) -> Membership:
    """Who speaks of groups of one family on one interface."""
    stack = nic.stack
    membership = nic.memberships[size] = Membership(
        size,
        config=stack.config.multicast,
        entropy=stack.entropy.child(f"groups.{nic.index}.{size}"),
        counters=stack.tally,
        trace=stack.trace,
        ready=nic.reporting,
    )
    refresh_source(nic, membership)
    return membership


def join(nic: Interface, group: bytes) -> None:
    listen(nic, HOST, group, ANYTHING)


def join_routers(nic: Interface, size: int) -> None:
    """RFC 4291 2.8: a router is in all of these, and says so."""
    for group in _ALL_ROUTERS[size]:
        join(nic, group)


def leave(nic: Interface, group: bytes) -> None:
    listen(nic, HOST, group, NOTHING)


def hears(nic: Interface, group: bytes, source: bytes) -> bool:
    """Is anybody here a member, who wants to hear this source?"""
    if is_all_hosts(group):
        return True
    membership = nic.memberships.get(len(group))
    return membership is not None and membership.wanted(group).admits(source)


def address_changed(nic: Interface) -> None:
    for membership in nic.memberships.values():
        refresh_source(nic, membership)


def refresh_source(nic: Interface, membership: Membership) -> None:
    """Reports leave from the first address that is fit for it."""
    size = len(membership.source)
    fit = [
        one.ip
        for one in nic.addresses
        if one.usable and len(one.ip) == size and (size == 4 or is_link_local(one.ip))
    ]
    source = fit[0] if fit else bytes(size)
    if source != membership.source:
        had_none = not any(membership.source)
        membership.source = source
        if had_none:
            membership.renew()  # RFC 3590 4


def speak(nic: Interface, membership: Membership, out: list[Packet], now: int) -> None:
    """A report, as a frame; one that has no more leaves the queue."""
    packet = membership.emit(now)
    nic.stack.deadlines.arm(nic)
    if packet is None:
        membership.queued = False
        nic.reporting.popleft()
        return
    if nic.is_loopback:
        return  # nobody is there to be told
    if nic.arp is not None:
        head = packet.head
        if head[0] >> 4 == 4:
            to, ethertype = head[16:20], ETHERTYPE_IPV4
            mac = b"\x01\x00\x5e" + bytes((to[1] & 0x7F,)) + to[2:]
        else:
            mac, ethertype = group_mac(head[24:40]), ETHERTYPE_IPV6
        packet.head = mac + nic.mac + ethertype.to_bytes(2, "big") + head
        packet.offset = 14
    out.append(packet)


def igmp_arrives(arrival: Arrival, at: int, now: int) -> None:
    """RFC 3376 4: only from the link itself."""
    try:
        message = igmp.parse_igmp(arrival.packet.head, at, arrival.end)
    except WireError:
        arrival.drop(DropReason.GROUP_MALFORMED)
        return
    if arrival.ttl != 1:
        arrival.drop(DropReason.GROUP_INVALID)
        return
    _arrives(arrival, message, now)


def mld_arrives(arrival: Arrival, message: IcmpMessage, now: int) -> None:
    """RFC 3810 5.1.14, 5.2.13, 6.2: from a link-local address, with a router alert."""
    try:
        found = mld.parse_mld(message)
    except WireError:
        arrival.drop(DropReason.GROUP_MALFORMED)
        return
    alerted = arrival.router_alert is not None
    if arrival.ttl != 1 or not is_link_local(arrival.src) or not alerted:
        arrival.drop(DropReason.GROUP_INVALID)
        return
    _arrives(arrival, found, now)


def _arrives(
    arrival: Arrival, message: GroupQuery | GroupReport | GroupLeave | None, now: int
) -> None:
    nic = arrival.nic
    src = arrival.src[:16]
    membership = nic.memberships.get(len(src))
    if membership is None:
        if not isinstance(message, GroupQuery):
            return
        # which version is spoken here must be known before the first join
        membership = _begin(nic, len(src))
    membership.message_arrives(message, src, now)
    nic.stack.deadlines.arm(nic)


def loop_back(nic: Interface, packet: bytes, source: bytes, group: bytes) -> None:
    """A datagram of ours to all, or to a group that we are in (RFC 1112 6.1): it is
    heard here.
    """
    if is_multicast(group) and not hears(nic, group, source):
        return
    if len(nic.looped) >= MAX_LOOPED:
        nic.stack.tally.drop(DropReason.OUTPUT_QUEUE_FULL)
        return
    nic.looped.append(packet)
