"""The device that a link's name stands for; the command line's names, without VLANs."""

from __future__ import annotations

from sansio_net.addresses import pack_mac
from sansio_net.drivers import Device, RawSocketDevice, TapDevice
from sansio_net.packet import Medium


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
