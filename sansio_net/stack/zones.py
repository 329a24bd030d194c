"""The zones of link-local addresses: one for each link, named by its interface.

RFC 4007 5, 6 and 11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.addresses import ZONED_SIZE, is_zoned, zone_of

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


class StackZones:
    """What the public edge asks (addresses.Zones)."""

    __slots__ = ("_stack",)

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def index(self, name: str) -> int:
        nic = self._stack.named(name)
        if nic is None:
            raise ValueError(f"no such interface: {name}")
        return nic.index

    def name(self, index: int) -> str:
        nic = by_index(self._stack, index)
        return nic.name if nic is not None else str(index)

    def default(self, ip: bytes, nic: str | None) -> int:
        """The link of the interface that is meant, the one where it is ours, or the
        only one there is (RFC 4007 6: a default zone)."""
        stack = self._stack
        meant = stack.named(nic)
        if meant is not None:
            return meant.index
        others = [one for one in stack.interfaces() if not one.is_loopback]
        ours = [one for one in others if ip + one.zone in one.local]
        return (ours or others)[0].index if 1 in (len(ours), len(others)) else 0


def by_index(stack: Stack, index: int) -> Interface | None:
    return next((nic for nic in stack.interfaces() if nic.index == index), None)


def interface_of(stack: Stack, ip: bytes) -> Interface | None:
    """Of an address with a zone."""
    return by_index(stack, zone_of(ip))


def with_zone(nic: Interface, ip: bytes) -> bytes:
    """An address from a packet on `nic`, as it is known above IP.

    On `lo` nobody can tell but by whose it is. Groups have no zone: the interface says
    where they were heard.
    """
    if ip[0] != 0xFE or len(ip) == ZONED_SIZE or not is_zoned(ip):
        return ip
    if nic.is_loopback:
        for other in nic.stack.interfaces():
            if ip + other.zone in other.local:
                return ip + other.zone
    return ip + nic.zone
