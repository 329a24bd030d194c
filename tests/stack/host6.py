"""A host that asks routers, and what routers say to it."""

from __future__ import annotations

from sansio_net import Entropy
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.protocols.ndp.frames import ALL_NODES, frame, group_mac
from sansio_net.stack import Event, Stack, StackConfig
from sansio_net.units import SECOND
from sansio_net.wire import ndp
from sansio_net.wire.segment import flatten

MAC, ROUTER_MAC = pack_mac("02:00:00:00:00:02"), pack_mac("02:00:00:00:00:01")
ROUTER = pack_ip("fe80::1")
PREFIX = pack_ip("2001:db8:1::")


def prefix(
    valid: int = 3600,
    preferred: int = 1800,
    network: bytes = PREFIX,
    length: int = 64,
    on_link: bool = True,
    autonomous: bool = True,
) -> ndp.PrefixInformation:
    return ndp.PrefixInformation(network, length, on_link, autonomous, valid, preferred)


def advertisement(
    valid: int = 3600,
    preferred: int = 1800,
    *,
    source: bytes = ROUTER,
    mac: bytes = ROUTER_MAC,
    **more: object,
) -> bytes:
    """With one prefix, unless `prefixes` says otherwise."""
    message = ndp.RouterAdvertisement(
        64,
        False,
        False,
        ndp.MEDIUM,
        1800,
        0,
        0,
        mac,
        prefixes=(prefix(valid, preferred),),
    )
    for name, value in more.items():
        setattr(message, name, value)
    body = ndp.build_router_advertisement(message, source, ALL_NODES)
    return frame(mac, group_mac(ALL_NODES), source, ALL_NODES, body).join()


class Host:
    """Its stack, what it tells and what it sends."""

    def __init__(self, config: StackConfig | None = None) -> None:
        self.stack = Stack(config, Entropy.of(1).bytes(32))
        self.nic = self.stack.add_interface(mac=MAC, slaac=True)
        self.now = SECOND
        self.events: list[Event] = []
        self.sent: list[tuple[int, bytes]] = []

    def wait(self, delay: int, *frames: bytes) -> None:
        end = self.now + delay
        if frames:
            self.nic.receive(frames, self.now)
        while True:
            for _ in range(50):
                self.stack.handle_timeout(self.now)
                self.events += self.stack.events()
                for packet in self.nic.transmit(self.now):
                    self.sent += [(self.now, one) for one in flatten(packet)]
                due = self.stack.next_timeout()
                if due is None or due > self.now:
                    break
            else:
                raise AssertionError("never idle")
            if due is None or due > end:
                self.now = end
                return
            self.now = due

    def addresses(self) -> list[str]:
        return [str(one) for one in self.nic.addresses if one.usable]

    def formed(self) -> list[str]:
        return [str(one) for one in self.nic.addresses if one.formed]

    def routes(self) -> list[str]:
        """Those that routers gave."""
        return [str(route) for route in self.stack.routes if route.metric]

    def solicitations(self) -> list[int]:
        return [at for at, one in self.sent if one[20] == 58 and one[54] == 133]

    def icmp(self) -> list[bytes]:
        """The ICMPv6 messages sent so far and not taken."""
        taken, self.sent = self.sent, []
        return [one[54:] for _, one in taken if one[20] == 58]
