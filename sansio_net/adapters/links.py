"""The device that a link's name stands for, and a stack on it; the command line's
names, without VLANs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sansio_net.addresses import pack_mac
from sansio_net.drivers import Device, RawSocketDevice, TapDevice
from sansio_net.packet import Medium
from sansio_net.stack import Interface, Stack, StackConfig


def open_device(
    link: str, mtu: int | None, host_address: str | None, mac: str | bytes | None
) -> Device:
    """As `open_nic` takes it. Raises DeviceError, ValueError."""
    kind, _, name = link.partition(":")
    if not name or kind not in ("tap", "tun", "veth"):
        raise ValueError(f"not a link: {link!r}; it is tap:NAME, tun:NAME or veth:NAME")
    if kind == "veth":
        if host_address is not None:
            raise ValueError("a veth's other side has its address already")
        return RawSocketDevice(name, mac=pack_mac(mac) if mac is not None else None)
    medium = Medium.ETHERNET if kind == "tap" else Medium.IP
    return TapDevice(name, medium=medium, mtu=mtu, host_address=host_address)


def plug(
    link: str | Device,
    addresses: Sequence[str],
    *,
    gateway: str | Sequence[str],
    mac: str | bytes | None,
    mtu: int | None,
    slaac: bool,
    link_local: bool,
    host_address: str | None,
    config: StackConfig | None,
    seed: bytes | None,
) -> tuple[Stack, Interface, Device]:
    """A stack with one interface, and the device for it; of what `open_nic` takes.

    Raises DeviceError, ValueError, Unreachable.
    """
    device = (
        open_device(link, mtu, host_address, mac) if isinstance(link, str) else link
    )
    try:
        stack = Stack(config, seed if seed is not None else os.urandom(32))
        interface = stack.add_interface(
            mac=mac,
            addresses=addresses,
            mtu=mtu,
            capabilities=device.capabilities,
            slaac=slaac,
            link_local=link_local,
        )
        for via in [gateway] if isinstance(gateway, str) else gateway:
            stack.add_route("default", via=via, nic=interface)
    except BaseException:
        device.close()
        raise
    return stack, interface, device
