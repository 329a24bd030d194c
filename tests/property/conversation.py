"""Two stacks talk TCP over a link, and a model that knows what may come out.

The model is two byte strings: what each end handed to `send` and what the other got
from `recv`. `Side` checks the order of events as they come.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sansio_net import Capabilities, Entropy, Medium
from sansio_net.errors import ConnectionFailed, StateError
from sansio_net.protocols.tcp import Connection, IsnGenerator
from sansio_net.protocols.tcp.events import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    SpaceFreed,
    Stalled,
)
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.stack import Event, Stack, StackConfig
from sansio_net.testing import Link, Pair
from sansio_net.units import MINUTE, SECOND

PORT = 80

QUICK = TcpOptions(retries2=6, syn_retries=3, synack_retries=3, max_rto=10 * SECOND)
"""Gives up early, so that an example has few steps."""

R2 = 8 * 10 * SECOND
GONE_WITHIN = R2 + QUICK.time_wait + QUICK.fin_wait_2 + MINUTE
"""R2 + TIME-WAIT + FIN-WAIT-2; the last minute is the half-open children's."""


class PlannedIsn(IsnGenerator):
    """Sequence numbers and timestamps that start where the test wants them."""

    def __init__(self, iss: int, ts_offset: int | None = None) -> None:
        super().__init__(Entropy.of(1))
        self.iss = iss
        self.offset = ts_offset

    def isn(self, laddr: bytes, lport: int, raddr: bytes, rport: int, now: int) -> int:
        return self.iss % 2**32

    def ts_offset(self, laddr: bytes, lport: int, raddr: bytes, rport: int) -> int:
        if self.offset is None:
            return super().ts_offset(laddr, lport, raddr, rport)
        return self.offset % 2**32


@dataclass(slots=True)
class Side:
    """One end: its connection, what went in and out, and the events' order."""

    stack: Stack
    name: str
    conn: Connection | None = None
    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    eof: bool = False
    closing: bool = False
    aborted: bool = False
    closed_early: bool = False
    told: bool = False
    shut: bool = False
    finishing: bool = False
    reads: bool = True
    lost: Exception | None = None
    closed: bool = False
    accepted: list[Connection] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    _was_closing: bool = False
    _was_aborted: bool = False

    def app(self, events: list[Event], now: int) -> None:
        # what was drained together with an event may follow the verb it led to
        self._was_closing = self.closing
        self._was_aborted = self.aborted and self.conn is not None
        for event in events:
            conn = getattr(event, "conn", None)
            if conn is None:
                continue
            if isinstance(event, Accepted):
                self.accepted.append(conn)
                if self.conn is not None:
                    conn.abort()  # one conversation at a time
                    continue
                self.conn = conn
                if self.aborted or self.closed_early:
                    self.abort()
                elif self.finishing:
                    self.shutdown()
            if conn is not self.conn:
                assert conn in self.accepted
                assert isinstance(event, Closed | ConnectionLost)
                continue
            self._note(event)

    def _note(self, event: object) -> None:
        kind = type(event).__name__
        assert not self.closed, f"{kind} after Closed"
        assert self.lost is None, f"{kind} after ConnectionLost"
        if isinstance(event, Stalled):
            return  # RFC 9293 SHLD-9: at any time, and it may recover
        if self._was_aborted:
            assert isinstance(event, Closed), f"{kind} after abort"
        if isinstance(event, Connected | Accepted):
            assert not self.kinds, f"{kind} after {self.kinds}"
        if isinstance(event, DataReceived):
            assert "EofReceived" not in self.kinds, "data after the end"
            assert event.pending > 0
        if isinstance(event, EofReceived):
            assert "EofReceived" not in self.kinds
        if isinstance(event, ConnectionLost):
            self.lost = event.error
        if isinstance(event, Closed):
            self.closed = True
        if isinstance(event, DataReceived | EofReceived | SpaceFreed):
            assert not self._was_closing, f"{kind} after close"
        self.kinds.append(kind)
        if self.finishing or (self.reads and kind in ("DataReceived", "EofReceived")):
            self.read()

    @property
    def gone(self) -> bool:
        return not self.stack.connections() and not len(self.stack.time_wait)

    def send(self, data: bytes) -> None:
        if self.conn is None:
            return
        try:
            taken = self.conn.send(data)
        except StateError:
            assert self.closing or self.aborted or self.shut or self.closed
            return
        except ConnectionFailed:
            self.told = True  # ConnectionLost may still be waiting to be drained
            return
        assert 0 <= taken <= len(data)
        self.sent += data[:taken]

    def read(self, limit: int = 1 << 20) -> None:
        if self.conn is None or self.closing or self.aborted:
            return
        while True:
            try:
                data = self.conn.recv(limit)
            except ConnectionFailed:
                return
            if data is None:
                return
            if data == b"":
                self.eof = True
                if self.finishing:
                    self.close()
                return
            assert len(data) <= limit
            assert not self.eof, "data after the end"
            self.received += data
            if limit < 1 << 20:
                return

    def shutdown(self) -> None:
        if self.conn is None:
            return
        self.shut = True
        try:
            self.conn.shutdown()
        except StateError:
            assert self.closing or self.aborted or self.closed
            return
        except ConnectionFailed:
            return

    def close(self) -> None:
        if not self.eof:
            self.closed_early = True
        if self.conn is not None:
            self.conn.close()
            self.closing = True

    def abort(self) -> None:
        self.aborted = True
        if self.conn is not None:
            self.conn.abort()

    def finish(self) -> None:
        """The orderly end: FIN, read to the peer's FIN, close."""
        self.finishing = True
        self.shutdown()
        self.read()


class Talk:
    """A pair of stacks, `a` connected to `b`'s listener (or both to each other)."""

    def __init__(
        self,
        seed: int,
        link: Link,
        *,
        options: TcpOptions | tuple[TcpOptions, TcpOptions] = QUICK,
        isns: tuple[IsnGenerator, IsnGenerator] | None = None,
        medium: Medium = Medium.ETHERNET,
        addresses: tuple[str, str] = ("10.0.0.1/24", "10.0.0.2/24"),
        simultaneous: bool = False,
        gso_max: int = 0,
        now: int = SECOND,
    ) -> None:
        both = options if isinstance(options, tuple) else (options, options)
        stacks = [
            make_stack(seed, end, addresses[end], medium, both[end], gso_max)
            for end in (0, 1)
        ]
        if isns is not None:
            for stack, isn in zip(stacks, isns, strict=True):
                stack.isn = isn
        self.sides = Side(stacks[0], "a"), Side(stacks[1], "b")
        a, b = self.sides
        self.pair: Pair[Event] = Pair(
            a.stack, b.stack, link, app_a=a.app, app_b=b.app, now=now
        )
        hosts = [address.split("/")[0] for address in addresses]
        self.pair.run_for(3 * SECOND)  # announcements are out
        if simultaneous:
            local = [(host, PORT) for host in hosts]
            a.conn = a.stack.tcp_connect(local[1], local=local[0])
            b.conn = b.stack.tcp_connect(local[0], local=local[1])
        else:
            b.stack.tcp_listen(("", PORT))
            a.conn = a.stack.tcp_connect((hosts[1], PORT))

    def check_prefixes(self) -> None:
        """Nobody ever reads what the other did not send."""
        a, b = self.sides
        assert a.sent.startswith(b.received), "b read what a did not send"
        assert b.sent.startswith(a.received), "a read what b did not send"

    def check_end(self) -> None:
        """Everything arrived, or somebody was told; and nothing is left over."""
        self.check_prefixes()
        a, b = self.sides
        for side, peer in ((a, b), (b, a)):
            if side.eof:
                assert side.received == peer.sent, "the end came too early"
            if side.conn is None:
                continue
            assert side.closed != (side.lost is not None), side.kinds
            assert side.lost is not None or not side.told
            if not (side.eof or side.lost or side.closed_early or side.aborted):
                raise AssertionError(f"{side.name} was told nothing: {side.kinds}")

    def show(self) -> str:
        states = [
            f"{side.name}: {side.conn and side.conn.state} {side.kinds}"
            for side in self.sides
        ]
        return "\n".join([*states, self.pair.show()])


def make_stack(
    seed: int,
    end: int,
    address: str,
    medium: Medium,
    options: TcpOptions,
    gso_max: int = 0,
) -> Stack:
    """`gso_max`: the device cuts super-segments of that size, and does checksums."""
    entropy = Entropy.of(seed).child(f"stack{end}")
    stack = Stack(StackConfig(tcp=options), entropy.bytes(32))
    capabilities = Capabilities(medium=medium, checksum=bool(gso_max), gso_max=gso_max)
    stack.add_interface(addresses=[address], capabilities=capabilities)
    return stack
