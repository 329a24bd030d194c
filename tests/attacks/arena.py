"""A stack under attack: a victim on bare IP, remote ends that lie, and scales.

Time is virtual, packets are made by hand, and cost is counted in what does not depend
on the machine: bytecode instructions, bytes of objects, packets.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import FrameType, FunctionType, ModuleType
from typing import Any

from sansio_net.addresses import pack_ip
from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.protocols.tcp import Connection, Listener, TcpOptions
from sansio_net.protocols.tcp.events import Accepted
from sansio_net.stack import Event, Stack, StackConfig
from sansio_net.testing import take_turn
from sansio_net.testing.craft import tcp_packet
from sansio_net.testing.script import parse_flags
from sansio_net.units import SECOND
from sansio_net.wire.ipv4 import PROTO_ICMP, PROTO_TCP, parse_ipv4
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import ACK, FIN, SYN, format_flags, parse_tcp
from sansio_net.wire.tcp_options import (
    SegmentOptions,
    build_tcp_options,
    parse_tcp_options,
)

VICTIM = "10.0.0.2"
PORT = 80
MODULUS = 1 << 32


class Seen:
    """An IP packet of the victim's, taken apart as far as TCP goes."""

    __slots__ = (
        "ack",
        "at",
        "data",
        "destination",
        "dport",
        "flags",
        "options",
        "packet",
        "protocol",
        "seq",
        "sport",
        "tos",
        "urgent",
        "win",
    )

    def __init__(self, packet: bytes, now: int) -> None:
        ip = parse_ipv4(packet)
        self.at, self.packet = now, packet
        self.protocol, self.destination, self.tos = ip.protocol, ip.destination, ip.tos
        self.seq = self.ack = self.win = self.urgent = self.sport = self.dport = 0
        self.flags, self.data, self.options = "", b"", SegmentOptions()
        if ip.protocol == PROTO_TCP and not ip.is_fragment:
            start = ip.header_length
            header = parse_tcp(packet, start, len(packet))
            self.sport, self.dport = header.source_port, header.destination_port
            self.seq, self.ack, self.win = header.seq, header.ack, header.window
            self.urgent = header.urgent
            self.flags = format_flags(header.flags)
            self.data = packet[start + header.data_offset :]
            self.options = parse_tcp_options(header.options)

    @property
    def is_icmp(self) -> bool:
        return self.protocol == PROTO_ICMP

    def __repr__(self) -> str:
        return f"<{self.flags} {self.seq} ack {self.ack} {len(self.data)} bytes>"


class Arena:
    """One stack at 10.0.0.2/8; everybody else is the attacker or an honest `Peer`."""

    def __init__(
        self,
        *,
        config: StackConfig | None = None,
        seed: int = 0,
        mtu: int = 1500,
        gso_max: int = 0,
        **options: Any,
    ) -> None:
        config = StackConfig() if config is None else config
        if options:
            config = replace(config, tcp=TcpOptions(**options))
        self.stack = Stack(config, Entropy.of(seed).bytes(32))
        capabilities = Capabilities(
            mtu=mtu, medium=Medium.IP, gso_max=gso_max, checksum=bool(gso_max)
        )
        self.stack.add_interface(addresses=["10.0.0.2/8"], capabilities=capabilities)
        self.now = SECOND
        self.events: list[Event] = []
        self.accepted: list[Connection] = []
        self.app: Callable[[Event], object] = lambda event: None
        self.sent = 0
        self.sent_bytes = 0
        self.turn()

    def listen(self, backlog: int = 128) -> Listener:
        return self.stack.tcp_listen(("", PORT), backlog=backlog)

    def turn(self, *packets: bytes) -> list[Seen]:
        """These arrive in one batch; what the victim says then."""
        sent = take_turn(
            self.stack,
            self.stack,
            [Packet.received(packet) for packet in packets],
            self.now,
            self._app,
        )
        frames = [frame for packet in sent for frame in flatten(packet)]
        self.sent += len(frames)
        self.sent_bytes += sum(map(len, frames))
        return [Seen(frame, self.now) for frame in frames]

    def wait(self, duration: int) -> list[Seen]:
        """Time passes, deadline by deadline, and nobody says anything."""
        until = self.now + duration
        seen: list[Seen] = []
        for _ in range(1_000_000):
            due = self.stack.next_timeout()
            if due is None or due > until:
                self.now = until
                return seen + self.turn()
            self.now = max(self.now, due)
            seen += self.turn()
        raise AssertionError("the stack does not come to rest")

    def _app(self, events: list[Event], now: int) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Accepted):
                self.accepted.append(event.conn)
            self.app(event)

    def count(self, name: str) -> int:
        """A counter of the stack; ``drop.xxx`` for drops."""
        return self.stack.counters().get(name, 0)

    def told(self) -> list[str]:
        """The names of the events so far, but for those of addresses."""
        names = [type(event).__name__ for event in self.events]
        return [name for name in names if not name.startswith("Address")]


class Peer:
    """A remote end of TCP. Numbers are relative to each end's first, as in scripts.

    `conn` is the victim's end once the handshake is through.
    """

    def __init__(
        self,
        arena: Arena,
        address: str = "10.0.0.1",
        port: int = 4000,
        *,
        isn: int = 1_000_000,
        to_port: int = PORT,
        stamps: bool = False,
    ) -> None:
        self.arena = arena
        self.address, self.port, self.to_port = address, port, to_port
        self.isn = isn
        self.their_isn = 0
        self.next = 0  # the next relative number of ours
        self.heard = 0  # the highest relative number of theirs
        self.stamps = stamps
        self.their_stamp = 0
        self.conn: Connection = None  # type: ignore[assignment]

    def segment(
        self,
        flags: str,
        seq: int | None = None,
        ack: int | None = None,
        data: bytes = b"",
        *,
        win: int = 65535,
        urgent: int = 0,
        sack: Sequence[tuple[int, int]] = (),
        stamp: int | None = None,
        echo: int | None = None,
        raw: bytes | None = None,
        tos: int = 0,
        **offered: Any,
    ) -> bytes:
        """The packet. Without `seq` and `ack` it goes on and acknowledges all."""
        bits = parse_flags(flags)
        seq = self.next if seq is None else seq
        ack = self.heard if ack is None else ack
        if self.stamps and stamp is None:
            stamp = (self.arena.now // 1_000_000) % MODULUS
        blocks = [
            ((a + self.their_isn) % MODULUS, (b + self.their_isn) % MODULUS)
            for a, b in sack
        ]
        options = raw
        if options is None:
            options = build_tcp_options(
                sack=blocks,
                ts_val=stamp,
                ts_ecr=None
                if stamp is None
                else (self.their_stamp if echo is None else echo),
                **offered,
            )
        size = len(data) + bool(bits & SYN) + bool(bits & FIN)
        self.next = max(self.next, seq + size)
        return tcp_packet(
            (self.address, self.port),
            (VICTIM, self.to_port),
            seq=self.isn + seq,
            ack=self.their_isn + ack if bits & ACK else 0,
            flags=bits,
            window=win,
            urgent=urgent,
            options=options,
            payload=data,
            tos=tos,
        )

    def say(self, flags: str, *args: Any, **fields: Any) -> list[Seen]:
        """Send a segment; what the victim says to us then."""
        return self.mine(self.arena.turn(self.segment(flags, *args, **fields)))

    def mine(self, seen: Iterable[Seen]) -> list[Seen]:
        """Those to us, numbers made relative, and the highest of them noted."""
        found = []
        us = pack_ip(self.address)
        for one in seen:
            if (one.destination, one.dport) != (us, self.port) or not one.flags:
                continue
            if "S" in one.flags:
                self.their_isn = one.seq
            one.seq = relative(one.seq, self.their_isn)
            one.ack = relative(one.ack, self.isn) if "." in one.flags else 0
            if one.options.ts_val is not None:
                self.their_stamp = one.options.ts_val
            size = len(one.data) + ("S" in one.flags) + ("F" in one.flags)
            if "R" not in one.flags:
                self.heard = max(self.heard, one.seq + size)
            found.append(one)
        return found

    def connect(
        self, *, win: int = 65535, syn_win: int = 65535, **offered: Any
    ) -> Peer:
        """The whole handshake; `conn` is the accepted connection."""
        offered.setdefault("mss", 1460)
        answers = self.say("S", 0, win=syn_win, **offered)
        assert [one.flags for one in answers] == ["S."], answers
        known = len(self.arena.accepted)
        self.say(".", win=win)
        assert len(self.arena.accepted) == known + 1, "not accepted"
        self.conn = self.arena.accepted[-1]
        return self

    def wait(self, duration: int) -> list[Seen]:
        return self.mine(self.arena.wait(duration))


def relative(number: int, start: int) -> int:
    """Near the start also below it."""
    distance = (number - start) % MODULUS
    return distance - MODULUS if distance > MODULUS // 2 else distance


# Scales -----------------------------------------------------------------------------


def steps(work: Callable[[], object]) -> int:
    """The bytecode instructions that `work` takes: a cost that is always the same."""
    n = 0

    def local(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal n
        if event == "opcode":
            n += 1
        return local

    def each(frame: FrameType, event: str, arg: object) -> Any:
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return local

    before = sys.gettrace()
    sys.settrace(each)
    try:
        work()
    finally:
        sys.settrace(before)
    return n


def weight(*things: object) -> int:
    """Bytes of all objects that hang on these, each counted once."""
    stack: list[object] = list(things)
    seen: set[int] = set()
    total = 0
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | FunctionType):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        stack += gc.get_referents(thing)
    return total
