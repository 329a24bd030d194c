"""A connection and a scripted peer: tests that read like a trace.

Numbers are relative: `seq` of what the peer says and `ack` of what we say count from
the peer's initial sequence number, the others from ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sansio_net.counters import Counters
from sansio_net.entropy import Entropy
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import (
    Connection,
    IsnGenerator,
    Listener,
    TcpEvent,
    TcpOptions,
)
from sansio_net.protocols.tcp.timers import NAMES
from sansio_net.trace import Trace
from sansio_net.units import SECOND
from sansio_net.wire.checksum import pseudo_sum
from sansio_net.wire.tcp import (
    ACK,
    CWR,
    ECE,
    FIN,
    PSH,
    RST,
    SYN,
    URG,
    format_flags,
    parse_tcp,
)
from sansio_net.wire.tcp_options import (
    SegmentOptions,
    build_tcp_options,
    parse_tcp_options,
)

US, PEER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
US_PORT, PEER_PORT = 4000, 80
PEER_ISS = 0xFFFF_FFF0
"""Near the end of the space: it wraps after sixteen bytes of the peer's text."""

_BITS = {"F": FIN, "S": SYN, "R": RST, "P": PSH, ".": ACK, "U": URG, "E": ECE, "W": CWR}


def bits_of(flags: str) -> int:
    bits = 0
    for letter in flags:
        bits |= _BITS[letter]
    return bits


def isn(seed: int = 1) -> IsnGenerator:
    return IsnGenerator(Entropy.of(seed))


@dataclass
class Said:
    """A segment of ours, numbers relative."""

    flags: str
    seq: int
    ack: int
    wnd: int
    data: bytes
    options: SegmentOptions
    packet: Packet


class Talk:
    """`peer` says something, `us` is what we must say next, `silent` that we do not."""

    def __init__(
        self,
        conn: Connection | None = None,
        *,
        stamps: bool = False,
        peer_iss: int = PEER_ISS,
        mtu: int = 1500,
        gso_max: int = 0,
        **options: Any,
    ) -> None:
        self.now = SECOND
        self.counters = Counters()
        self.trace: Trace = []
        self.stamps = stamps
        self.peer_iss = peer_iss
        self.peer_clock = 1000
        options.setdefault("timestamps", stamps)
        # tests of the RTO see no probe before it
        options.setdefault("tail_loss_probe", False)
        # the plainest: its figures are easily foreseen
        options.setdefault("congestion", "reno")
        self.conn = conn or Connection(
            US,
            US_PORT,
            PEER,
            PEER_PORT,
            isn=isn(),
            options=TcpOptions(**options),
            mtu=mtu,
            gso_max=gso_max,
            counters=self.counters,
            trace=self.trace,
        )

    # Beginnings

    @classmethod
    def active(cls, *, mss: int = 1000, wnd: int = 65535, **kwargs: Any) -> Talk:
        """A connection that we opened and that stands."""
        talk = cls(**kwargs)
        talk.conn.connect()
        talk.us("S", seq=0)
        talk.peer("S.", seq=0, ack=1, wnd=wnd, mss=mss, sack_permitted=True)
        talk.us(".", seq=1, ack=1, data=b"")
        talk.events("Connected")
        return talk

    @classmethod
    def passive(cls, *, mss: int = 1000, wnd: int = 65535, **kwargs: Any) -> Talk:
        """A connection that a listener took."""
        talk = cls.half_open(mss=mss, **kwargs)
        talk.us("S.", seq=0, ack=1)
        talk.peer(".", seq=1, ack=1, wnd=wnd)
        talk.events("Accepted")
        return talk

    @classmethod
    def half_open(cls, *, mss: int = 1000, syn: str = "S", **kwargs: Any) -> Talk:
        talk = cls(**kwargs)
        listener = Listener(
            US, US_PORT, isn=isn(), options=talk.conn.options, trace=talk.trace
        )
        child = listener.segment_arrives(
            PEER,
            PEER_PORT,
            US,
            talk.peer_iss,
            0,
            bits_of(syn),
            65535,
            talk.peer_options(mss=mss, sack_permitted=True),
            b"",
            talk.now,
        )
        assert isinstance(child, Connection)
        child.counters = talk.counters
        talk.conn = child
        return talk

    # What is said

    def peer_options(self, **fields: Any) -> bytes:
        if self.stamps and "ts_val" not in fields:
            fields["ts_val"] = self.peer_clock
            fields["ts_ecr"] = (self.now // 1_000_000 + self.conn.ts_offset) % 2**32
        iss = self.conn.sender.iss
        if "sack" in fields:
            blocks = fields["sack"]
            fields["sack"] = [
                ((iss + left) % 2**32, (iss + right) % 2**32) for left, right in blocks
            ]
        return build_tcp_options(**fields)

    def peer(
        self,
        flags: str,
        seq: int,
        ack: int | None = None,
        data: bytes = b"",
        *,
        wnd: int = 65535,
        urgent: int = 0,
        cuts: int = 1,
        ecn: int = 0,
        raw: bytes | None = None,
        **options: Any,
    ) -> None:
        """The peer says ``"S."``, ``"P."``..."""
        self.conn.segment_arrives(
            (self.peer_iss + seq) % 2**32,
            (self.conn.sender.iss + (ack or 0)) % 2**32,
            bits_of(flags),
            wnd,
            urgent,
            self.peer_options(**options) if raw is None else raw,
            data,
            self.now,
            cuts,
            ecn,
        )

    def said(self) -> Said | None:
        """What we say next, its checksum checked."""
        packet = self.conn.emit(self.now)
        if packet is None:
            self.conn.queued = False
            return None
        head = packet.head
        header = parse_tcp(head)
        assert header.data_offset == len(head)
        assert (header.source_port, header.destination_port) == (US_PORT, PEER_PORT)
        assert header.checksum == pseudo_sum(US, PEER, 6, len(packet))
        data = b"".join(bytes(part) for part in packet.body)
        return Said(
            format_flags(header.flags),
            (header.seq - self.conn.sender.iss) % 2**32,
            (header.ack - self.peer_iss) % 2**32 if header.flags & ACK else 0,
            header.window,
            data,
            parse_tcp_options(header.options),
            packet,
        )

    def us(self, flags: str, **expected: Any) -> Said:
        """We say this next: flags and the fields given are compared."""
        said = self.said()
        assert said is not None, f"nothing was said, {flags} {expected} expected"
        found = {name: getattr(said, name) for name in expected}
        assert (said.flags, found) == (flags, expected)
        return said

    def silent(self) -> None:
        assert self.said() is None

    def all_said(self) -> list[Said]:
        found = []
        while (said := self.said()) is not None:
            found.append(said)
            assert len(found) < 1000
        return found

    def events(self, *names: str) -> list[TcpEvent]:
        out: list[TcpEvent] = []
        self.conn.drain(out)
        assert tuple(type(event).__name__ for event in out) == names
        return out

    # Time

    def wait(self, delay: int) -> None:
        self.now += delay
        self.conn.handle_timeout(self.now)

    def wait_timer(self, name: str) -> int:
        """Wait for the next timer, which must be this one; returns how long."""
        at = self.conn.deadline()
        assert at is not None
        assert at == self.conn.timers.at(NAMES.index(name))
        delay = at - self.now
        self.wait(delay)
        return delay
