"""Gateways as an administrator names them, and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.addresses import ZONED_SIZE, is_zoned, pack_ip

from .zones import interface_of

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


def gateway(
    stack: Stack, via: str | None, nic: Interface | None, *, guess: bool = True
) -> tuple[bytes, Interface | None]:
    """Its address as it is on the wire, b"" for none, and the interface it is on.

    guess: find out which one reaches it, where that is not said. Raises ValueError for
    a gateway that is on another link than `nic`, or may be on any; StateError.
    """
    stack.name_of(nic)
    hop = pack_ip(via, stack.zones) if via is not None else b""
    if len(hop) == ZONED_SIZE:
        link = interface_of(stack, hop)
        if link is None or nic not in (None, link):
            raise ValueError(f"{via} is not on the link of {nic and nic.name}")
        return hop[:16], link
    if nic is not None or not hop or not guess:
        return hop, nic
    if is_zoned(hop):
        return hop, interface_of(stack, stack.endpoints.pack_ip(hop))
    direct = stack.routes.lookup(hop)
    return hop, direct.nic if direct is not None and not direct.via else None


def lost(stack: Stack, nic: Interface, ip: bytes, now: int) -> None:
    """A neighbour does not answer: if it is a gateway, others come first."""
    if stack.routes.gateway_failed(nic, ip, now):
        stack.tally.count("gateways_lost")
        if stack.trace is not None:
            stack.trace.append((now, "gateway", nic.name, ip, "lost"))


def found(stack: Stack, nic: Interface, ip: bytes, now: int) -> None:
    """It speaks."""
    if stack.routes.gateway_answered(nic, ip):
        stack.tally.count("gateways_found")
        if stack.trace is not None:
            stack.trace.append((now, "gateway", nic.name, ip, "found"))
