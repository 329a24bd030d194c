"""A Linux router and ours, alike: the hosts' link, and another with a smaller MTU."""

from __future__ import annotations

from sansio_net.addresses import format_ip, pack_ip, pack_mac
from sansio_net.protocols.icmp import IcmpOptions
from sansio_net.stack import Stack, StackConfig

from .hosts import (
    ADDRESSES,
    NEIGHBOURS,
    SENTINEL4,
    SYSCTLS,
    Frozen,
    Wired,
    add_interface,
)
from .lab import Lab
from .odd import Answer, Odd
from .odd.tools import GATE4, GATE6, PEER4, PEER6, PEER_MAC, frame, icmp4, ip4, udp
from .odd.transit import NEIGHBOURS as SENDERS
from .odd.transit import NEXT4, NEXT6

MTU = 1280
OTHER_MAC = pack_mac("02:00:00:00:00:03")
OTHER_ADDRESSES = ("10.8.0.2/24", "fe80::3/64", "fd08::2/64")
OTHER_GATE4, OTHER_GATE6 = map(pack_ip, ("10.8.0.1", "fd08::1"))
OTHER_SENTINEL4 = pack_ip("10.8.0.66")

LINK = [
    *((ip, PEER_MAC) for ip in NEIGHBOURS),
    *((pack_ip(f"10.9.0.{130 + n}"), PEER_MAC) for n in range(SENDERS)),
    *((pack_ip(f"fd09::{130 + n:x}"), PEER_MAC) for n in range(SENDERS)),
    *((pack_ip(f"fd09::{1000 + n:x}"), PEER_MAC) for n in range(SENDERS)),
]
OTHER_LINK = [
    (OTHER_GATE4, pack_mac("02:00:00:00:00:11")),
    (OTHER_GATE6, pack_mac("02:00:00:00:00:11")),
    (NEXT4, pack_mac("02:00:00:00:00:12")),
    (NEXT6, pack_mac("02:00:00:00:00:12")),
    (OTHER_SENTINEL4, PEER_MAC),
    *((pack_ip(text), PEER_MAC) for text in ("10.8.0.0", "10.8.0.255", "fd08::")),
]

ROUTES = (
    *(("10.20.0.0/16", GATE4), ("2001:db8:20::/48", GATE6)),
    *(("192.0.2.0/24", GATE4), ("2001:db8::/64", GATE6)),
    *(("198.51.100.0/24", OTHER_GATE4), ("2001:db8:51::/48", OTHER_GATE6)),
    *(("203.0.113.0/24", PEER4), ("2001:db8:203::/48", PEER6)),
)


class KernelRouter(Wired):
    def __init__(self, lab: Lab) -> None:
        super().__init__(lab, {**SYSCTLS, "net.ipv4.conf.all.shared_media": 0})
        self.wires = [
            self.interface(0, ADDRESSES, LINK),
            self.interface(1, OTHER_ADDRESSES, OTHER_LINK, OTHER_MAC, MTU),
        ]
        for name in ("eth0", "eth1"):
            self.host.sysctl(f"net.ipv4.conf.{name}.shared_media", 0)
        self.host.sysctl("net.ipv4.ip_forward", 1)
        self.host.sysctl("net.ipv6.conf.all.forwarding", 1)
        for network, gateway in ROUTES:
            family = "-6 " if len(gateway) == 16 else ""
            self.host.ip(f"{family}route add {network} via {format_ip(gateway)}")

    def ask(self, odd: Odd) -> list[Answer]:
        """What leaves on either link, until what follows does."""
        self.asked += 1
        rest = self.asked.to_bytes(4, "big")
        near, _ = self.wires
        for one in odd.frames:
            near.send(one)
        near.send(frame(ip4(icmp4(8, 0, rest), 1, SENTINEL4)))
        passed = udp(9, 9, rest, SENTINEL4, OTHER_SENTINEL4)
        near.send(frame(ip4(passed, 17, SENTINEL4, OTHER_SENTINEL4)))
        answers: list[Answer] = []
        for n, end in ((0, SENTINEL4), (1, OTHER_SENTINEL4)):
            while True:
                answer = self.wires[n].recv(65536)
                if answer[30:34] == end and rest in answer[38:46]:
                    break
                answers.append((n, answer))
        return answers


class OurRouter(Frozen):
    def __init__(self) -> None:
        config = StackConfig(forward=True, icmp=IcmpOptions(limited=False))
        stack = Stack(config, seed=bytes(32))
        add_interface(stack, ADDRESSES, LINK)
        add_interface(stack, OTHER_ADDRESSES, OTHER_LINK, OTHER_MAC, MTU)
        for network, gateway in ROUTES:
            stack.add_route(network, via=format_ip(gateway))
        super().__init__(stack)
