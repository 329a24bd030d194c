"""A link with a bad router in it: what middle-boxes do to TCP, from a seed.

It shrinks windows, withdraws them, strips options of SYNs, bleaches ECN, says by ICMP
that packets were too big or hosts unreachable, truly or about numbers it invented, and
lets nothing through that is larger than its MTU. Everything stops when it is `tame`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sansio_net.entropy import Entropy
from sansio_net.packet import Medium, Packet
from sansio_net.testing import Link
from sansio_net.testing.craft import icmp_packet, tcp_packet
from sansio_net.testing.link import LinkItem
from sansio_net.wire.ipv4 import DF, PROTO_TCP, parse_ipv4
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, RST, SYN, parse_tcp

HABITS = ("shrink", "shut", "strip", "bleach", "unreachable", "too_big", "lies", "mtu")

NOP = 1
_STRIPPED = (2, 3, 4, 8)  # MSS, window scale, SACK permitted, timestamps
_KIND = 3
_TOO_BIG = 4


class Meddler(Link):
    """`habits`: some of HABITS. One packet in `seldom` is meddled with."""

    __slots__ = ("dice", "habits", "mtu", "seldom", "tame", "their_strip")

    def __init__(
        self, entropy: Entropy, habits: frozenset[str], seldom: int = 8, mtu: int = 600
    ) -> None:
        super().__init__(entropy.child("link"), medium=Medium.IP)
        self.dice = entropy.child("meddler")
        self.habits = habits
        self.seldom = seldom
        self.mtu = mtu if "mtu" in habits else 0
        # the same option of every SYN, or ends would agree on different things
        self.their_strip = _STRIPPED[self.dice.below(len(_STRIPPED))]
        self.tame = False

    def receive(self, items: Sequence[LinkItem], now: int) -> None:
        if self.tame:
            super().receive(items, now)
            return
        for end, packet in items:
            for frame in flatten(packet):
                passed = self._meddle(end, frame, now)
                if passed is not None:
                    super().receive([(end, Packet.received(passed))], now)

    def _happens(self, habit: str) -> bool:
        return habit in self.habits and not self.dice.below(self.seldom)

    def _meddle(self, end: int, frame: bytes, now: int) -> bytes | None:
        ip = parse_ipv4(frame)
        if ip.protocol != PROTO_TCP or ip.is_fragment:
            return frame
        if self.mtu and len(frame) > self.mtu and ip.flags & DF:
            self._complain(end, frame, now, _TOO_BIG, self.mtu)
            return None
        tcp = parse_tcp(frame, ip.header_length, len(frame))
        if tcp.flags & RST:
            return frame
        if not tcp.flags & SYN:
            if self._happens("unreachable"):
                self._complain(end, frame, now, self.dice.below(16), 0)
            if self._happens("too_big"):
                self._complain(end, frame, now, _TOO_BIG, 560 + self.dice.below(1000))
            if self._happens("lies"):
                self._complain(
                    end,
                    frame,
                    now,
                    self.dice.below(16),
                    560,
                    1 << 20 | self.dice.below(1 << 30),
                )
        window, options, tos = tcp.window, tcp.options, ip.tos
        if tcp.flags & SYN:
            if "strip" in self.habits:
                options = without(options, self.their_strip)
        elif tcp.flags & ACK:
            if self._happens("shrink"):
                window = self.dice.below(window + 1)
            if self._happens("shut"):
                window = 0
        if "bleach" in self.habits:
            tos &= ~3
        return tcp_packet(
            (ip.source, tcp.source_port),
            (ip.destination, tcp.destination_port),
            seq=tcp.seq,
            ack=tcp.ack,
            flags=tcp.flags,
            window=window,
            urgent=tcp.urgent,
            options=options,
            payload=frame[ip.header_length + tcp.data_offset :],
            ttl=ip.ttl,
            tos=tos,
        )

    def _complain(
        self, end: int, frame: bytes, now: int, code: int, mtu: int, off: int = 0
    ) -> None:
        """An ICMP error back to who sent the packet; `off`: about another number."""
        ip = parse_ipv4(frame)
        quoted = bytearray(frame[:28])
        place = ip.header_length + 4
        seq = int.from_bytes(quoted[place : place + 4], "big")
        quoted[place : place + 4] = ((seq + off) % (1 << 32)).to_bytes(4, "big")
        error = icmp_packet(
            "10.0.0.254",
            ip.source,
            _KIND,
            code,
            rest=mtu.to_bytes(4, "big"),
            body=bytes(quoted),
        )
        super().receive([(1 - end, Packet.received(error))], now)


def without(options: bytes, kind: int) -> bytes:
    """The option replaced by NOPs, as some firewalls do."""
    out = bytearray(options)
    at = 0
    while at < len(out) and out[at]:
        size = 1 if out[at] == NOP else out[at + 1]
        if out[at] == kind:
            out[at : at + size] = bytes([NOP]) * size
        at += size
    return bytes(out)
