"""One device for several interfaces, each on VLANs of its own.

IEEE 802.1Q: a trunk carries the frames of many VLANs. What comes in is sorted by its
tags; what goes out has them already, from its interface (`Stack.add_interface`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import DeviceGone, StateError
from sansio_net.machine import ASAP
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.wire.vlan import read_tags

from .loop import Device

QUEUE_FRAMES: Final = 512
"""Frames kept for one port until the loop asks for them."""


class Trunk:
    """`port` makes the devices to give to the loop, in place of `device`.

        trunk = Trunk(TapDevice("tap0"))
        for vlan in (7, 8):
            nic = stack.add_interface(vlan=vlan, addresses=[f"10.0.{vlan}.2/24"])
            devices[nic] = trunk.port(vlan)

    Frames of VLANs that no port has are dropped and counted. The ports end together:
    `device` is closed with the last of them.
    """

    __slots__ = ("_device", "_lost", "_ports", "counters")

    def __init__(self, device: Device) -> None:
        if device.capabilities.medium is not Medium.ETHERNET:
            raise ValueError("VLAN tags belong to Ethernet frames")
        self._device = device
        self._ports: dict[tuple[int, ...], TrunkPort] = {}
        self._lost: DeviceGone | None = None
        self.counters = Counters()
        """Drops of the trunk's own."""

    def port(self, vlan: int | tuple[int, ...] = ()) -> TrunkPort:
        """The device of the frames with these tags, outermost first; () for those
        without. Raises StateError for tags that another port has.
        """
        vlans = (vlan,) if isinstance(vlan, int) else vlan
        if vlans in self._ports:
            raise StateError(f"there is a port for VLAN {vlans} already")
        port = self._ports[vlans] = TrunkPort(self, self._device, not self._ports)
        return port

    # -- what the ports ask

    def collect(self, first: TrunkPort, now: int) -> list[Packet]:
        """Read a batch, give the frames of the first port, keep those of others."""
        own: list[Packet] = []
        for packet in self._device.receive(now):
            found = read_tags(packet.head, packet.info)
            port = self._ports.get(found[0]) if found is not None else None
            if port is first:
                own.append(packet)
            elif port is None:
                self.counters.drop(DropReason.VLAN)
            elif len(port.inbox) >= QUEUE_FRAMES:
                self.counters.drop(DropReason.DEVICE_QUEUE_FULL)
            else:
                port.inbox.append(packet)
        return own

    def ask_link(self) -> None:
        up = self._device.link()
        if up is not None:
            for port in self._ports.values():
                port.news = up

    def check(self) -> None:
        """Raises DeviceGone once one of the ports heard it."""
        if self._lost is not None:
            raise self._lost

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    def lose(self, error: DeviceGone) -> None:
        self._lost = error

    def close(self, port: TrunkPort) -> None:
        for vlans, one in list(self._ports.items()):
            if one is port:
                del self._ports[vlans]
                if not self._ports:
                    self._device.close()


class TrunkPort:
    """A Device; made by `Trunk.port`. The first one reads, for all of them."""

    __slots__ = ("_device", "_reads", "_trunk", "capabilities", "inbox", "news")

    capabilities: Capabilities

    def __init__(self, trunk: Trunk, device: Device, reads: bool) -> None:
        self._trunk = trunk
        self._device = device
        self._reads = reads
        self.capabilities = device.capabilities
        self.inbox: deque[Packet] = deque()
        self.news: bool | None = None

    def fileno(self) -> int | None:
        return self._device.fileno() if self._reads else None

    def readable(self) -> bool:
        return self._device.readable() if self._reads else bool(self.inbox)

    def receive(self, now: int) -> list[Packet]:
        self._trunk.check()
        if not self._reads:
            packets = list(self.inbox)
            self.inbox.clear()
            return packets
        try:
            return self._trunk.collect(self, now)
        except DeviceGone as error:
            self._trunk.lose(error)
            raise

    def room(self) -> int:
        self._trunk.check()
        try:
            return self._device.room()
        except DeviceGone as error:
            self._trunk.lose(error)
            raise

    def send(self, packets: Sequence[Packet], now: int) -> None:
        try:
            self._device.send(packets, now)
        except DeviceGone as error:
            self._trunk.lose(error)
            raise

    def next_timeout(self) -> int | None:
        if self.inbox or self.news is not None or self._trunk.is_lost:
            return ASAP
        return self._device.next_timeout() if self._reads else None

    def link(self) -> bool | None:
        self._trunk.check()
        try:
            self._trunk.ask_link()
        except DeviceGone as error:
            self._trunk.lose(error)
            raise
        news, self.news = self.news, None
        return news

    def close(self) -> None:
        """The device goes with the last port."""
        self._trunk.close(self)
