"""A stack on Ethernet under attack: everybody on the link is the attacker, but one.

10.0.0.2/24 and 2001:db8::2/64 at VICTIM_MAC; the honest neighbours are known to it.
Time is virtual, frames are made by hand.
"""

from __future__ import annotations

from typing import Any

from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Medium
from sansio_net.protocols.ndp.frames import group_mac, solicited_node
from sansio_net.stack import Event, Interface, Stack, StackConfig
from sansio_net.testing.craft import ip_packet
from sansio_net.units import SECOND
from sansio_net.wire import ndp
from sansio_net.wire.arp import REPLY, REQUEST, build_arp, parse_arp
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    build_ethernet,
    parse_ethernet,
)
from sansio_net.wire.icmpv6 import NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION
from sansio_net.wire.segment import flatten

VICTIM_MAC = pack_mac("02:00:00:00:00:02")
ATTACKER_MAC = pack_mac("02:00:00:00:66:66")
HONEST_MAC = pack_mac("02:00:00:00:00:01")
VICTIM4, VICTIM6 = pack_ip("10.0.0.2"), pack_ip("2001:db8::2")
HONEST4, HONEST6 = pack_ip("10.0.0.1"), pack_ip("2001:db8::1")
EVERYBODY = b"\xff" * 6


class Street:
    """One interface of one stack, and a turn at a time."""

    def __init__(self, config: StackConfig | None = None, **interface: Any) -> None:
        self.stack = Stack(config, Entropy.of(1).bytes(32))
        interface.setdefault("addresses", ["10.0.0.2/24", "2001:db8::2/64"])
        interface.setdefault("dad", False)
        self.nic: Interface = self.stack.add_interface(mac=VICTIM_MAC, **interface)
        self.now = SECOND
        self.events: list[Event] = []
        self.honest_answer = True
        self.asked = 0  # how often the honest neighbour answered
        self.turn()

    def turn(self, *frames: bytes) -> list[bytes]:
        """These arrive in one batch; what the victim sends then."""
        if frames:
            self.nic.receive(frames, self.now)
        self.stack.handle_timeout(self.now)
        self.events += self.stack.events()
        out: list[bytes] = []
        while packets := self.nic.transmit(self.now):
            out += [one for packet in packets for one in flatten(packet)]
        return out

    def settle(self, *frames: bytes) -> list[bytes]:
        """Turns until nothing is asked of the honest neighbours any more, who answer;
        what else the victim sent."""
        said: list[bytes] = []
        arriving = list(frames)
        while True:
            sent = self.turn(*arriving)
            arriving = [a for one in sent if (a := self._answered(one)) is not None]
            said += [one for one in sent if not is_discovery(one)]
            if not arriving:
                return said

    def wait(self, duration: int) -> list[bytes]:
        until, said = self.now + duration, self.settle()
        for _ in range(100_000):
            due = self.stack.next_timeout()
            if due is None or due > until:
                self.now = until
                return said + self.settle()
            self.now = max(self.now, due)
            said += self.settle()
        raise AssertionError("the stack does not come to rest")

    def _answered(self, frame: bytes) -> bytes | None:
        """What the honest neighbour says to a question about himself."""
        if not self.honest_answer:
            return None
        kind = parse_ethernet(frame).ethertype
        if kind == ETHERTYPE_ARP:
            asked = parse_arp(frame, 14)
            if asked.op == REQUEST and asked.tpa == HONEST4:
                self.asked += 1
                return arp(REPLY, HONEST_MAC, HONEST4, asked.sha, asked.spa)
        elif (
            kind == ETHERTYPE_IPV6
            and (frame[20], frame[54]) == (58, NEIGHBOUR_SOLICITATION)
            and frame[62:78] == HONEST6
        ):
            self.asked += 1
            return advertisement(HONEST6, HONEST_MAC, to=frame[22:38])
        return None

    def count(self, name: str) -> int:
        return self.stack.counters().get(name, 0)

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def neighbours(self) -> int:
        assert self.nic.arp is not None
        assert self.nic.ndp is not None
        return len(self.nic.arp.neighbours()) + len(self.nic.ndp.neighbours())

    def forget_honest(self) -> None:
        """He has to be found again, and others take his place at once."""
        assert self.nic.arp is not None
        assert self.nic.ndp is not None
        self.nic.arp.remove(HONEST4)
        self.nic.ndp.remove(HONEST6)
        sock = self.stack.udp_bind(("", 0))
        for n in range(100):
            sock.send_to(b"x", (f"10.0.0.{100 + n}", 9))
            sock.send_to(b"x", (f"2001:db8::{n:x}:1", 9))
        sock.close()
        self.settle()

    def reaches_honest(self) -> bool:
        """Do datagrams of both families go to the honest neighbour's MAC at once?"""
        sock = self.stack.udp_bind(("", 0))
        sock.send_to(b"x", ("10.0.0.1", 9))
        sock.send_to(b"x", ("2001:db8::1", 9))
        said = [one for one in self.settle() if one[12:14] != b"\x08\x06"]
        sock.close()
        self.settle()
        return [one[:6] for one in said] == [HONEST_MAC, HONEST_MAC]


def is_discovery(frame: bytes) -> bool:
    if frame[12:14] == b"\x08\x06":
        return True
    return frame[12:14] == b"\x86\xdd" and (
        (frame[20] == 58 and 133 <= frame[54] <= 137) or frame[20] == 0
    )


def ip_frame(packet: bytes, mac: bytes = ATTACKER_MAC, to: bytes = VICTIM_MAC) -> bytes:
    kind = ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else ETHERTYPE_IPV6
    return build_ethernet(to, mac, kind) + packet


def arp(
    op: int,
    sha: bytes,
    spa: bytes,
    tha: bytes = VICTIM_MAC,
    tpa: bytes = VICTIM4,
    to: bytes = VICTIM_MAC,
) -> bytes:
    return build_ethernet(to, sha, ETHERTYPE_ARP) + build_arp(op, sha, spa, tha, tpa)


def icmp6_frame(
    body: bytes,
    source: bytes,
    destination: bytes,
    *,
    mac: bytes = ATTACKER_MAC,
    hops: int = 255,
) -> bytes:
    to = group_mac(destination) if destination[0] == 0xFF else VICTIM_MAC
    return ip_frame(ip_packet(source, destination, 58, body, ttl=hops), mac, to)


def advertisement(
    target: bytes,
    mac: bytes,
    *,
    to: bytes = VICTIM6,
    flags: int = 0x60,
    source: bytes = b"",
    hops: int = 255,
) -> bytes:
    """`target` is at `mac`; 0x60: solicited, override."""
    source = source or target
    body = ndp.build_neighbour_advertisement(target, source, to, mac, flags)
    assert body[0] == NEIGHBOUR_ADVERTISEMENT
    return icmp6_frame(body, source, to, mac=mac, hops=hops)


def solicitation(
    source: bytes, mac: bytes | None, target: bytes = VICTIM6, hops: int = 255
) -> bytes:
    to = solicited_node(target)
    body = ndp.build_neighbour_solicitation(target, source, to, mac)
    return icmp6_frame(body, source, to, mac=mac or ATTACKER_MAC, hops=hops)


def on_ip(config: StackConfig | None = None) -> Street:
    """The same without a link layer: packets instead of frames."""
    return Street(config, capabilities=Capabilities(medium=Medium.IP))
