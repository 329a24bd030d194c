"""IPv4 link-local addresses: when an interface has one, and what they may be used for.

RFC 3927. Probing, announcing and defending are ARP's (`protocols.arp`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.addresses import directed_broadcast, is_link_local, pack_ip
from sansio_net.errors import LimitError, StateError

from .address import Address
from .routes import Route

if TYPE_CHECKING:
    from sansio_net.addresses import IpAddress

    from .interface import Interface

PREFIXLEN: Final = 16
METRIC: Final = 1 << 16
"""Of the route to everybody: any other one is better."""

_ANY: Final = bytes(4)


def acquire(nic: Interface, first: IpAddress | None) -> None:
    """Have one whenever there is no other IPv4 address. Raises StateError, ValueError,
    LimitError.
    """
    if nic.arp is None:
        raise StateError("link-local addresses need Ethernet")
    if nic.link_local4 is not None:
        raise StateError(f"{nic.name} has a link-local address, or will have")
    nic.link_local4 = pack_ip(first) if first is not None else b""
    try:
        settle(nic)
    except (LimitError, StateError):
        nic.link_local4 = None
        raise


def release(nic: Interface) -> None:
    """Have none. Raises StateError."""
    if nic.link_local4 is None:
        raise StateError(f"{nic.name} was not told to have a link-local address")
    nic.link_local4 = None
    current = _current(nic)
    if current is not None:
        nic.remove_address(str(current))
    elif nic.arp is not None and nic.arp.link_local:
        nic.arp.release(nic.arp.link_local)


def settle(nic: Interface) -> None:
    """The interface's addresses changed.

    RFC 3927 1.9: an address that routes lead to is preferred. A link-local one that is
    there stays for the sake of what goes on, but nothing begins from it; without one
    it is used, or acquired.
    """
    arp = nic.arp
    if arp is None:
        return
    if nic.link_local4 is None:
        _reach_everybody(nic, False)
        return
    has_routable = any(
        one.usable and len(one.ip) == 4 and not is_link_local(one.ip)
        for one in nic.addresses
    )
    current = _current(nic)
    if current is not None:
        current.deprecated = has_routable
        _reach_everybody(nic, current.usable and not has_routable)
        return
    _reach_everybody(nic, False)
    if has_routable and arp.link_local:
        arp.release(arp.link_local)
    elif not has_routable and not arp.link_local:
        arp.claim_link_local(nic.link_local4)


def claimed(nic: Interface, ip: bytes) -> None:
    """Nobody else has it."""
    nic.link_local4 = ip  # RFC 3927 2.1: the first to be tried again
    broadcast = directed_broadcast(ip, PREFIXLEN)
    address = Address(ip, PREFIXLEN, False, broadcast, probe=True, known_as=ip)
    nic.addresses.append(address)
    nic.use(address)


def link_up(nic: Interface) -> None:
    """RFC 3927 2.2: who is on this link is not known."""
    if nic.arp is not None and nic.arp.link_local and _current(nic) is None:
        nic.arp.claim(nic.arp.link_local)


def _current(nic: Interface) -> Address | None:
    wanted = nic.arp.link_local if nic.arp is not None else b""
    return next((one for one in nic.addresses if one.ip == wanted), None)


def _reach_everybody(nic: Interface, wanted: bool) -> None:
    """RFC 3927 2.6.2: without another address, everybody is asked for by ARP."""
    routes = nic.stack.routes
    known = routes.find(_ANY, 0, nic, b"")
    if known is not None and known.metric != METRIC:
        return  # set by hand
    if wanted and known is None:
        try:
            routes.add(Route(_ANY, 0, nic, metric=METRIC))
        except LimitError:
            nic.stack.tally.count("link_local.routes_refused")
    elif not wanted and known is not None:
        routes.forget(known)
