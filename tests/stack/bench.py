"""A stack on a table: frames made by hand go in, frames come out."""

from __future__ import annotations

from collections.abc import Callable

from sansio_net import Capabilities, Entropy, Medium, Packet
from sansio_net.addresses import pack_ip, pack_mac
from sansio_net.protocols.tcp import Connection, State
from sansio_net.stack import Event, Interface, Stack, StackConfig
from sansio_net.units import SECOND
from sansio_net.wire.arp import REPLY, build_arp, parse_arp
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    build_ethernet,
    parse_ethernet,
)
from sansio_net.wire.ipv4 import PROTO_TCP, PROTO_UDP, build_ipv4
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, SYN, build_tcp, parse_tcp
from sansio_net.wire.udp import build_udp

MAC = pack_mac("02:00:00:00:00:02")
PEER_MAC = pack_mac("02:00:00:00:00:01")
US = pack_ip("10.0.0.2")
PEER = pack_ip("10.0.0.1")


class Bench:
    """One stack, 10.0.0.2/24 on eth0, and us playing 10.0.0.1 at 02:...:01."""

    def __init__(
        self,
        config: StackConfig | None = None,
        medium: Medium = Medium.ETHERNET,
        **interface: object,
    ) -> None:
        self.stack = Stack(config, bytes(32), trace=[])
        self.nic: Interface = self.stack.add_interface(
            mac=MAC,
            addresses=["10.0.0.2/24"],
            capabilities=Capabilities(medium=medium, **interface),  # type: ignore[arg-type]
        )
        self.now = SECOND
        self.events: list[Event] = []
        self.app: Callable[[list[Event]], None] = lambda events: None

    def turn(self, *frames: bytes | Packet) -> list[bytes]:
        """One turn; what came out, flattened."""
        if frames:
            self.nic.receive(frames, self.now)
        self.stack.handle_timeout(self.now)
        for _ in range(16):
            events = self.stack.events()
            if not events:
                break
            self.events += events
            self.app(events)
        out: list[bytes] = []
        while packets := self.nic.transmit(self.now):
            for packet in packets:
                out += flatten(packet)
            if len(packets) < 64:
                break
        return out

    def settle(self, *frames: bytes | Packet) -> list[bytes]:
        """Turns until nothing is left to do now; answers our ARP requests."""
        out = []
        pending: tuple[bytes | Packet, ...] = frames
        for _ in range(100):
            answers: list[bytes | Packet] = []
            for frame in self.turn(*pending):
                answer = self.arp_answer(frame)
                if answer:
                    answers.append(answer)
                elif parse_ethernet(frame).ethertype != ETHERTYPE_ARP:
                    out.append(frame)
            pending = tuple(answers)
            due = self.stack.next_timeout()
            if not pending and (due is None or due > self.now):
                return out
        raise AssertionError("never idle")

    def arp_answer(self, frame: bytes) -> bytes | None:
        header = parse_ethernet(frame)
        if header.ethertype != ETHERTYPE_ARP:
            return None
        arp = parse_arp(frame, header.size)
        if arp.op != 1 or arp.tpa != PEER:
            return None
        return arp_frame(REPLY, PEER_MAC, PEER, arp.sha, arp.spa)

    def wait(self, ns: int) -> list[bytes]:
        """Let virtual time pass, deadline by deadline."""
        out, end = self.settle(), self.now + ns
        while True:
            due = self.stack.next_timeout()
            if due is None or due > end:
                self.now = end
                return out
            self.now = max(self.now, due)
            out += self.settle()

    def established(self) -> Connection:
        """A connection of ours to port 80 of the peer, through its handshake."""
        connection = self.stack.tcp_connect(("10.0.0.1", 80))
        (syn,) = self.settle()
        header = parse_tcp(syn, 34)
        lport = header.source_port
        mss = b"\x02\x04\x05\xb4"
        answer = tcp_packet(80, lport, 1000, header.seq + 1, SYN | ACK, options=mss)
        self.settle(ethernet(answer))
        assert connection.state is State.ESTABLISHED
        return connection

    def dropped(self) -> dict[str, int]:
        """Drops so far, by reason."""
        return {
            name.removeprefix("drop."): n
            for name, n in self.stack.counters().items()
            if name.startswith("drop.")
        }

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def seeded(n: int = 0) -> Stack:
    return Stack(StackConfig(), Entropy.of(n).bytes(32))


def ethernet(
    packet: bytes, destination: bytes = MAC, source: bytes = PEER_MAC
) -> bytes:
    return build_ethernet(destination, source, ETHERTYPE_IPV4) + packet


def arp_frame(op: int, sha: bytes, spa: bytes, tha: bytes, tpa: bytes) -> bytes:
    destination = tha if op == REPLY else b"\xff" * 6
    return build_ethernet(destination, sha, ETHERTYPE_ARP) + build_arp(
        op, sha, spa, tha, tpa
    )


def ipv4_packet(
    payload: bytes, protocol: int, src: bytes = PEER, dst: bytes = US, **fields: int
) -> bytes:
    header = build_ipv4(src, dst, protocol, len(payload), **fields)  # type: ignore[arg-type]
    return header + payload


def udp_packet(
    data: bytes, sport: int, dport: int, src: bytes = PEER, dst: bytes = US
) -> bytes:
    length = 8 + len(data)
    head = build_udp(sport, dport, len(data))
    check = checksum(head + data, pseudo_sum(src, dst, PROTO_UDP, length)) or 0xFFFF
    return ipv4_packet(
        build_udp(sport, dport, len(data), check) + data, PROTO_UDP, src, dst
    )


def tcp_packet(
    sport: int,
    dport: int,
    seq: int,
    ack: int,
    flags: int,
    data: bytes = b"",
    window: int = 65535,
    options: bytes = b"",
    src: bytes = PEER,
    dst: bytes = US,
) -> bytes:
    head = build_tcp(sport, dport, seq, ack, flags, window, options=options)
    pseudo = pseudo_sum(src, dst, PROTO_TCP, len(head) + len(data))
    check = checksum(head + data, pseudo)
    head = build_tcp(
        sport, dport, seq, ack, flags, window, checksum=check, options=options
    )
    return ipv4_packet(head + data, PROTO_TCP, src, dst)
