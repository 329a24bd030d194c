"""A router on a table: three interfaces, neighbours known, frames made by hand."""

from __future__ import annotations

from sansio_net import Capabilities, Entropy, Packet
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.stack import Interface, Stack, StackConfig
from sansio_net.units import SECOND
from sansio_net.wire.arp import REQUEST, build_arp
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    build_ethernet,
)
from sansio_net.wire.segment import flatten

ROUTER_MACS = [pack_mac(f"02:00:00:00:ff:0{n}") for n in range(3)]
HOST_MACS = [pack_mac(f"02:00:00:00:00:0{n}") for n in range(3)]


class Crossroads:
    """eth0, eth1, eth2: 10.N.0.1/24 and fd00:N::1/64; host N is .2 and ::2 there.

    Behind host 2, a router itself (fe80::2), lie 192.0.2.0/24 and 2001:db8::/32. Below
    1280 bytes of MTU there is no IPv6.
    """

    def __init__(
        self,
        config: StackConfig | None = None,
        mtus: tuple[int, int, int] = (1500, 1500, 1500),
        capabilities: tuple[Capabilities | None, ...] = (None, None, None),
    ) -> None:
        config = config if config is not None else StackConfig(forward=True)
        self.stack = Stack(config, Entropy.of(1).bytes(32), trace=[])
        self.nics: list[Interface] = [
            self.stack.add_interface(
                mac=ROUTER_MACS[n],
                addresses=[f"10.{n}.0.1/24", f"fd00:{n}::1/64"][
                    : 1 + (mtus[n] >= 1280)
                ],
                dad=False,
                mtu=mtus[n],
                capabilities=capabilities[n],
            )
            for n in range(3)
        ]
        for n, nic in enumerate(self.nics):
            assert nic.arp is not None
            assert nic.ndp is not None
            nic.arp.add_static(f"10.{n}.0.2", HOST_MACS[n])
            nic.arp.add_static(f"10.{n}.0.3", HOST_MACS[n])
            nic.ndp.add_static(f"fd00:{n}::2", HOST_MACS[n])
            nic.ndp.add_static("fe80::2", HOST_MACS[n])
        self.stack.add_route("192.0.2.0/24", via="10.2.0.2")
        self.stack.add_route("2001:db8::/32", via="fe80::2", nic=self.nics[2])
        self.now = SECOND
        self.turn()

    def turn(self) -> list[list[Packet]]:
        """What leaves by each interface now."""
        self.stack.handle_timeout(self.now)
        self.stack.events()
        out = []
        for nic in self.nics:
            packets: list[Packet] = []
            while batch := nic.transmit(self.now):
                packets += batch
            out.append(packets)
        return out

    def send(self, n: int, *packets: bytes | Packet) -> list[list[Packet]]:
        """IP packets from host `n`, as frames to the router."""
        return self.frames(n, *(self.framed(n, packet) for packet in packets))

    def frames(self, n: int, *frames: bytes | Packet) -> list[list[Packet]]:
        self.nics[n].receive(frames, self.now)
        return self.turn()

    def framed(self, n: int, packet: bytes | Packet, to: bytes = b"") -> Packet:
        made = Packet(packet) if isinstance(packet, bytes) else packet
        version = made.head[0] >> 4
        kind = ETHERTYPE_IPV4 if version == 4 else ETHERTYPE_IPV6
        made.head = build_ethernet(to or ROUTER_MACS[n], HOST_MACS[n], kind) + made.head
        made.csum_start += 14
        return made

    def wait(self, delay: int) -> list[list[Packet]]:
        """Let time pass; what leaves meanwhile."""
        end, out = self.now + delay, self.turn()
        while True:
            due = self.stack.next_timeout()
            if due is None or due > end:
                self.now = end
                return out
            self.now = max(self.now, due)
            for gathered, more in zip(out, self.turn(), strict=True):
                gathered += more

    def dropped(self, reason: str) -> int:
        return self.stack.counters().get(f"drop.{reason}", 0)

    def counted(self, name: str) -> int:
        return self.stack.counters().get(name, 0)


def on_wire(packets: list[Packet]) -> list[bytes]:
    """Their IP packets, checksums complete, super-segments cut."""
    return [frame[14:] for packet in packets for frame in flatten(packet)]


def arp_request(n: int, ip: str, target: str) -> bytes:
    mac, spa, tpa = HOST_MACS[n], pack_ip(ip), pack_ip(target)
    frame = build_ethernet(b"\xff" * 6, mac, ETHERTYPE_ARP)
    return frame + build_arp(REQUEST, mac, spa, bytes(6), tpa)
