"""Packet scripts: a test of TCP that reads like a trace.

The other end is the script itself. Flags are tcpdump's letters, sequence numbers are
relative to each end's first, time is virtual and starts at 0.

>>> t = Script()
>>> listener = t.listen()
>>> t.peer("S", seq=0, win=65535, mss=1460)
>>> t.us("S.", seq=0, ack=1)
>>> t.peer(".", seq=1, ack=1)
>>> t.happened()
['Accepted']
>>> t.conn.send(b"hello")
5
>>> t.us("P.", seq=1, ack=1, data=b"hello")
>>> t.at(100 * MILLISECOND)
>>> t.silent()
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sansio_net.addresses import format_ip, pack_interface
from sansio_net.entropy import Entropy
from sansio_net.errors import StateError
from sansio_net.packet import Capabilities, Medium, Packet
from sansio_net.protocols.tcp import Connection, Listener, TcpOptions
from sansio_net.protocols.tcp.events import Accepted
from sansio_net.stack import Event, Stack, StackConfig
from sansio_net.trace import Trace, format_entry
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.ipv4 import PROTO_TCP
from sansio_net.wire.segment import flatten
from sansio_net.wire.summary import Flows, summary
from sansio_net.wire.tcp import ACK, SYN, format_flags
from sansio_net.wire.tcp_options import build_tcp_options

from .craft import tcp_packet
from .seen import Seen, quote
from .turns import take_turn

__all__ = ["MILLISECOND", "Script", "ScriptError", "Seen", "parse_flags"]

_BITS: Final = {
    "F": 0x01,
    "S": 0x02,
    "R": 0x04,
    "P": 0x08,
    ".": 0x10,
    "U": 0x20,
    "E": 0x40,
    "W": 0x80,
}
_START: Final = SECOND
_MODULUS: Final = 1 << 32


class ScriptError(AssertionError):
    """The stack did something else. The text has what was expected, and both traces."""


def parse_flags(letters: str) -> int:
    """tcpdump's letters -> flags: ``"S."`` is SYN and ACK. Raises ValueError."""
    flags = 0
    for letter in letters.replace("none", ""):
        if letter not in _BITS:
            raise ValueError(f"no flag of TCP: {letter!r} in {letters!r}")
        flags |= _BITS[letter]
    return flags


class Script:
    """One Stack on bare IP, and the script as the host that it talks to.

    `us`: the stack's address with prefix; `peer`: the script's (either family).
    `peer_isn`: what relative 0 of the peer is on the wire. After `connect` or the
    first Accepted, `conn` is the connection.

    A timestamp of ours is relative too: the milliseconds that had passed when it was
    made; the peer's stand as they are. With `stamps` each segment of the peer carries
    timestamps: `peer_clock` and the milliseconds since, and the last of ours it saw.
    """

    def __init__(
        self,
        *,
        options: TcpOptions | None = None,
        config: StackConfig | None = None,
        us: str = "10.0.0.2/24",
        peer: str = "10.0.0.1",
        port: int = 80,
        peer_port: int = 4000,
        peer_isn: int = 1_000_000,
        mtu: int = 1500,
        seed: int = 0,
        stamps: bool = False,
    ) -> None:
        chosen = StackConfig() if config is None else config
        if options is not None:
            chosen = replace(chosen, tcp=options)
        self.trace: Trace = []
        self.stack = Stack(chosen, Entropy.of(seed).bytes(32), trace=self.trace)
        self.stack.add_interface(
            addresses=[us], capabilities=Capabilities(mtu=mtu, medium=Medium.IP)
        )
        self.address = format_ip(pack_interface(us)[0])
        self.peer_address = peer
        self.port = port
        self.peer_port = peer_port
        self.peer_isn = peer_isn
        self.our_isn: int | None = None
        self.stamps = stamps
        self.peer_clock = 1
        self.last: Seen | None = None
        self.now = _START
        self.events: list[Event] = []
        self._told = 0  # events that `happened` gave
        self._conn: Connection | None = None
        self._unseen: deque[Seen] = deque()
        self._held: list[bytes] = []
        self._lines: list[tuple[int, str]] = []
        self._flows = Flows()
        self._peer_next = 0  # the peer's next relative number
        self._our_next = 0
        self._our_clock: int | None = None  # what our timestamp 0 is on the wire
        self._our_stamp = 0  # as it came last
        self._turn([])

    # verbs

    def listen(self, *, backlog: int = 128) -> Listener:
        return self.stack.tcp_listen(("", self.port), backlog=backlog)

    def connect(self) -> Connection:
        """Open a connection to the peer; its SYN is for `us` to see."""
        self._conn = self.stack.tcp_connect(
            (self.peer_address, self.peer_port), local=(self.address, self.port)
        )
        return self._conn

    @property
    def conn(self) -> Connection:
        """The connection. Raises StateError before there is one."""
        if self._conn is None:
            raise StateError("neither connected nor accepted yet")
        return self._conn

    @property
    def elapsed(self) -> int:
        return self.now - _START

    # the script

    def peer(
        self,
        flags: str,
        *,
        seq: int | None = None,
        ack: int | None = None,
        win: int = 65535,
        data: bytes = b"",
        urgent: int = 0,
        mss: int | None = None,
        wscale: int | None = None,
        sack_ok: bool = False,
        sack: Sequence[tuple[int, int]] = (),
        ts: tuple[int, int] | None = None,
        options: bytes = b"",
        ecn: int = 0,
        hold: bool = False,
    ) -> None:
        """The peer sends a segment now.

        Without `seq` and `ack` it goes on where it was and acknowledges everything.
        `sack` blocks are relative; `options` are raw, after the others. `ecn`: the two
        bits of the IP header. `hold`: it arrives with the next one, in one batch.
        """
        bits = parse_flags(flags)
        seq = self._peer_next if seq is None else seq
        ours = self.our_isn or 0
        acked = 0
        if bits & ACK:
            acked = ours + (self._our_next if ack is None else ack)
        ts_val, ts_ecr = self._peer_stamps(bits, ts)
        built = build_tcp_options(
            mss=mss,
            wscale=wscale,
            sack_permitted=sack_ok,
            sack=[((a + ours) % _MODULUS, (b + ours) % _MODULUS) for a, b in sack],
            ts_val=ts_val,
            ts_ecr=ts_ecr,
        )
        end = seq + len(data) + bool(bits & _BITS["S"]) + bool(bits & _BITS["F"])
        self._peer_next = max(self._peer_next, end)
        packet = tcp_packet(
            (self.peer_address, self.peer_port),
            (self.address, self.port),
            seq=self.peer_isn + seq,
            ack=acked,
            flags=bits,
            window=win,
            urgent=urgent,
            options=built + options,
            payload=data,
            tos=ecn,
        )
        self._held.append(packet)
        if not hold:
            held, self._held = self._held, []
            self.arrive(*held)

    def _peer_stamps(
        self, bits: int, ts: tuple[int, int] | None
    ) -> tuple[int | None, int | None]:
        """As they stand on the wire."""
        if ts is not None:
            return ts[0], (ts[1] + (self._our_clock or 0)) % _MODULUS
        if not self.stamps:
            return None, None
        echo = self._our_stamp if bits & ACK else 0
        return self.peer_clock + self.elapsed // MILLISECOND, echo

    def arrive(self, *packets: bytes) -> None:
        """IP packets arrive now, in one batch; see `sansio_net.testing.craft`."""
        for packet in packets:
            self._note("peer", packet)
        self._turn(packets)

    def router(
        self, kind: int, code: int, *, mtu: int = 0, about: bytes | None = None
    ) -> None:
        """An ICMP error about the last segment that `us` saw, or another packet."""
        if about is None:
            assert self.last is not None
            about = self.last.packet
        packet = quote(self.peer_address, self.address, about, kind, code, mtu)
        self.arrive(packet)

    def us(
        self,
        flags: str,
        *,
        seq: int | None = None,
        ack: int | None = None,
        win: int | None = None,
        length: int | None = None,
        data: bytes | None = None,
        mss: int | None = None,
        wscale: int | None = None,
        sack_ok: bool | None = None,
        sack: Sequence[tuple[int, int]] | None = None,
        ts: tuple[int, int] | bool | None = None,
        urgent: int | None = None,
        ecn: int | None = None,
        at: int | None = None,
    ) -> None:
        """The next segment of ours is this one. What is not given may be anything.

        `ts`: False, if it must have no timestamps. `at`: when it was sent, in the
        script's time. The segment itself is `last` then. Raises ScriptError.
        """
        if not self._unseen:
            self._turn([])
        if not self._unseen:
            raise self._error(f"{flags}: nothing was sent")
        seen = self.last = self._unseen.popleft()
        header, options = seen.header, seen.options
        ours = self.our_isn or 0
        edges = tuple(
            (self._relative(a, self.peer_isn), self._relative(b, self.peer_isn))
            for a, b in options.sack
        )
        checks: tuple[tuple[str, object, object], ...] = (
            ("seq", seq, self._relative(header.seq, ours)),
            ("ack", ack, self._relative(header.ack, self.peer_isn)),
            ("win", win, header.window),
            ("length", length, len(seen.data)),
            ("data", data, seen.data),
            ("mss", mss, options.mss),
            ("wscale", wscale, options.wscale),
            ("sack_ok", sack_ok, options.sack_permitted),
            ("sack", None if sack is None else tuple(sack), edges),
            ("ts", ts, self._stamps_of(seen, ts)),
            ("urgent", urgent, header.urgent),
            ("ecn", ecn, seen.ecn),
            ("at", at, seen.now - _START),
        )
        wrong = [
            f"{name} {got}, not {wanted}"
            for name, wanted, got in checks
            if wanted is not None and wanted != got
        ]
        if parse_flags(flags) != header.flags:
            wrong.insert(0, f"flags {format_flags(header.flags)}, not {flags}")
        if wrong:
            raise self._error(f"{'; '.join(wrong)}\nin {seen.line}")

    def at(self, elapsed: int) -> None:
        """Time goes on to this point, counted from the start; timers run in between.

        What we send meanwhile is for `us` to see. Raises StateError to go back.
        """
        until = _START + elapsed
        if until < self.now:
            raise StateError("time does not go back")
        self._turn([])
        for _ in range(100_000):
            due = self.stack.next_timeout()
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self._turn([])
        else:
            raise self._error("the stack does not come to rest")
        self.now = until
        self._turn([])

    def wait(self, duration: int) -> None:
        self.at(self.elapsed + duration)

    def sent(self) -> list[Seen]:
        """Everything that we sent and `us` did not see yet; it has been seen now."""
        self._turn([])
        seen = list(self._unseen)
        self._unseen.clear()
        return seen

    def silent(self) -> None:
        """Nothing else was sent. Raises ScriptError."""
        self._turn([])
        if self._unseen:
            raise self._error(f"silence was expected\nnot {self._unseen[0].line}")

    def happened(self) -> list[str]:
        """The names of the events since last asked, but for those of addresses."""
        new = self.events[self._told :]
        self._told = len(self.events)
        names = [type(event).__name__ for event in new]
        return [name for name in names if not name.startswith("Address")]

    def show(self) -> str:
        """Both traces: the packets, and between them what the stack thought."""
        lines = list(self._lines)
        for entry in self.trace:
            now = entry[0]
            assert isinstance(now, int)
            shown = format_entry((now - _START, *entry[1:]))
            lines.append((now, f"{' ' * 17}| {shown}"))
        lines.sort(key=lambda line: line[0])
        return "\n".join(text for _, text in lines)

    # inside

    def _turn(self, arrived: Sequence[bytes]) -> None:
        sent = take_turn(
            self.stack,
            self.stack,
            [Packet.received(packet) for packet in arrived],
            self.now,
            self._app,
        )
        for packet in sent:
            for frame in flatten(packet):
                self._sent(frame)

    def _app(self, events: list[Event], now: int) -> None:
        self.events += events
        for event in events:
            if isinstance(event, Accepted) and self._conn is None:
                self._conn = event.conn

    def _sent(self, frame: bytes) -> None:
        line = self._note("us", frame)
        if frame[6 if frame[0] >> 4 == 6 else 9] != PROTO_TCP:
            return
        seen = Seen(self.now, frame, line)
        header = seen.header
        if header.flags & SYN:
            self.our_isn = header.seq
        if self.our_isn is not None:
            at = self._relative(header.seq, self.our_isn)
            end = at + len(seen.data) + bool(header.flags & SYN) + (header.flags & 1)
            self._our_next = max(self._our_next, end)
        stamp = seen.options.ts_val
        if stamp is not None:
            self._our_stamp = stamp
            if self._our_clock is None:
                elapsed = (self.now - _START) // MILLISECOND
                self._our_clock = (stamp - elapsed) % _MODULUS
        self._unseen.append(seen)

    def _stamps_of(
        self, seen: Seen, wanted: tuple[int, int] | bool | None
    ) -> tuple[int, int] | bool:
        val, ecr = seen.options.ts_val, seen.options.ts_ecr
        if val is None or ecr is None or not isinstance(wanted, tuple):
            return val is not None
        return (self._relative(val, self._our_clock or 0), ecr)

    def relative(self, seen: Seen) -> int:
        """Where a segment of ours begins."""
        return self._relative(seen.header.seq, self.our_isn or 0)

    def _note(self, who: str, frame: bytes) -> str:
        elapsed = self.now - _START
        stamp = f"{elapsed // SECOND}.{elapsed % SECOND:09}"
        line = f"{stamp} {who:4} {summary(frame, Medium.IP, self._flows)}"
        self._lines.append((self.now, line))
        return line

    @staticmethod
    def _relative(number: int, start: int) -> int:
        """Near the start also below it: a keepalive is -1, not 4294967295."""
        distance = (number - start) % _MODULUS
        return distance - _MODULUS if distance > _MODULUS // 2 else distance

    def _error(self, what: str) -> ScriptError:
        return ScriptError(f"{what}\n{self.show()}")
