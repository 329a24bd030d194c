"""How interfaces come and go: what `Stack.add_interface` and its inverse do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

from sansio_net.addresses import pack_interface
from sansio_net.errors import StateError
from sansio_net.packet import Capabilities, Medium
from sansio_net.wire.vlan import mtu_within

from . import upkeep
from .interface import Interface, InterfaceAddress, mac_of

if TYPE_CHECKING:
    from .stack import Stack


def plug(
    stack: Stack,
    name: str | None,
    mac: str | bytes | None,
    mtu: int | None,
    capabilities: Capabilities | None,
    vlans: tuple[int, ...],
    addresses: Sequence[InterfaceAddress],
    probe: bool,
    dad: bool,
    slaac: bool,
    link_local: bool,
) -> Interface:
    capabilities = capabilities if capabilities is not None else Capabilities()
    index = max(nic.index for nic in stack.nics.values()) + 1
    if name is None:
        free = (f"eth{n}" for n in count(index - 2))
        name = next(one for one in free if one not in stack.nics)
    if name in stack.nics:
        raise StateError(f"there is an interface {name} already")
    packed = b""
    if capabilities.medium is Medium.ETHERNET:
        packed = mac_of(mac, stack.entropy.child(f"mac.{index}"))
    size = mtu if mtu is not None else mtu_within(capabilities.mtu, vlans)
    nic = Interface(stack, index, name, packed, size, capabilities, vlans=vlans)
    stack.nics[name] = nic
    stack.endpoints.forget()
    stack.routes.version += 1
    try:
        for address in addresses:
            size = len(pack_interface(address)[0])
            nic.add_address(address, probe=probe if size == 4 else dad)
        if slaac:
            nic.autoconfigure()
        if link_local:
            nic.acquire_link_local()
    except Exception:
        unplug(stack, nic)
        stack.reports.drop(nic)
        raise
    return nic


def unplug(stack: Stack, nic: Interface) -> None:
    if nic is stack.lo or stack.nics.get(nic.name) is not nic:
        raise StateError(f"{nic.name} is not a removable interface of this stack")
    nic.link_local4 = None
    for address in list(nic.addresses):
        nic.remove_address(str(address))
    stack.routes.remove_interface(nic)
    stack.routes.version += 1
    del stack.nics[nic.name]
    stack.endpoints.forget()
    nic.is_up = False
    upkeep.interface_gone(stack, nic)
