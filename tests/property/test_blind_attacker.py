"""A blind attacker: who knows addresses and ports and guesses the rest gets nowhere.

He sends RST, SYN, FIN, text, ACKs and ICMP errors between the segments of a live
transfer; his numbers are guesses, which may lie in the window but do not hit both
numbers exactly. The connection survives, the bytes are right, and the counters of the
victim say what was tried. RFC 5961, RFC 5927.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sansio_net.packet import Medium, Packet
from sansio_net.protocols.tcp import Connection, State, TcpOptions
from sansio_net.testing import Link
from sansio_net.testing.craft import icmp_packet, tcp_packet
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, FIN, PSH, RST, SYN
from sansio_net.wire.tcp_options import build_tcp_options

from .conversation import PlannedIsn, Side, Talk

HALF = 1 << 31
WATCHED = (
    "drop.tcp_unacceptable",
    "drop.tcp_bad_ack",
    "drop.tcp_paws",
    "drop.tcp_no_timestamp",
    "drop.tcp_no_ack",
    "drop.icmp_not_concerning",
    "tcp.challenge_acks",
    "tcp.challenge_ack_limited",
    "tcp.stray_acks",
    "tcp.stray_ack_limited",
)
"""Whatever he tries shows in at least one of these."""

ends = st.integers(0, 1)
far = st.one_of(st.integers(1 << 20, HALF - 1), st.integers(-HALF + 1, -(1 << 20)))
"""Guesses that lie in no window, on either side."""
any_guess = st.one_of(far, st.integers(-100_000, 100_000))
texts = st.sampled_from([b"", b"x", b"injected text", bytes(1400)])
stamps = st.one_of(st.none(), st.integers(0, 2**32 - 1))


class BlindAttacker(RuleBasedStateMachine):
    """A transfer both ways over a small latency, and somebody who spoofs."""

    @initialize(
        seed=st.integers(0, 1 << 32),
        stamped=st.booleans(),
        sack=st.booleans(),
        isns=st.tuples(st.integers(-5000, 5000), st.integers(0, 2**32 - 1)),
    )
    def begin(
        self, seed: int, stamped: bool, sack: bool, isns: tuple[int, int]
    ) -> None:
        link = Link(seed, medium=Medium.IP, latency=5 * MILLISECOND)
        options = TcpOptions(timestamps=stamped, sack=sack)
        planned = PlannedIsn(isns[0], 7), PlannedIsn(isns[1], 11)
        self.talk = Talk(seed, link, options=options, medium=Medium.IP, isns=planned)
        assert self.talk.pair.run_until(lambda: self.talk.sides[1].conn is not None)
        self.stamped = stamped

    # The conversation

    @rule(end=ends, size=st.sampled_from([1, 1000, 30_000]))
    def send(self, end: int, size: int) -> None:
        side = self.talk.sides[end]
        start = len(side.sent) % 251
        side.send((bytes(range(251)) * 125)[start : start + size])

    @rule(duration=st.sampled_from([0, MILLISECOND, 7 * MILLISECOND, SECOND]))
    def time_passes(self, duration: int) -> None:
        self.talk.pair.run_for(duration)

    # The attacker

    def victim(self, end: int) -> tuple[Side, Connection]:
        side = self.talk.sides[end]
        assert side.conn is not None
        return side, side.conn

    def spoof(self, end: int, packet: bytes) -> None:
        """It arrives at `end`, as from its peer, and something counts it."""
        side, _ = self.victim(end)
        pair = self.talk.pair
        before = side.stack.counters()
        side.stack.receive([Packet.received(packet)], pair.now)
        after = side.stack.counters()
        assert any(after.get(name, 0) > before.get(name, 0) for name in WATCHED), after
        pair.run_for(0)

    def segment(
        self,
        end: int,
        flags: int,
        seq: int,
        ack: int,
        text: bytes = b"",
        stamp: int | None = None,
    ) -> bytes:
        """Numbers relative to what would be exactly right."""
        _, conn = self.victim(end)
        options = b"" if stamp is None else build_tcp_options(ts_val=stamp, ts_ecr=1)
        return tcp_packet(
            conn.peer,
            conn.local,
            seq=conn.receiver.rcv_nxt + seq,
            ack=conn.sender.snd_nxt + ack,
            flags=flags,
            window=1234,
            urgent=77,
            options=options,
            payload=text,
        )

    @rule(end=ends, seq=any_guess, more=st.sampled_from([0, ACK, FIN, PSH, SYN]))
    def reset(self, end: int, seq: int, more: int) -> None:
        """In the window too, but not its first number."""
        self.spoof(end, self.segment(end, RST | more, seq or 1, 0))

    @rule(end=ends, seq=any_guess, ack=any_guess, more=st.sampled_from([0, ACK, FIN]))
    def syn(self, end: int, seq: int, ack: int, more: int) -> None:
        """Anywhere at all."""
        self.spoof(end, self.segment(end, SYN | more, seq, ack))

    @rule(end=ends, seq=far, ack=any_guess, text=texts, stamp=stamps)
    def text_elsewhere(
        self, end: int, seq: int, ack: int, text: bytes, stamp: int | None
    ) -> None:
        self.spoof(end, self.segment(end, ACK | PSH, seq, ack, text, stamp))

    @rule(end=ends, seq=any_guess, ack=far, text=texts, stamp=stamps)
    def text_with_a_wrong_ack(
        self, end: int, seq: int, ack: int, text: bytes, stamp: int | None
    ) -> None:
        """Even where its sequence number is right (RFC 5961 5.2)."""
        packet = self.segment(end, ACK | PSH, seq, ack, text, stamp)
        _, conn = self.victim(end)
        if conn.receiver.acceptable(conn.receiver.rcv_nxt + seq, len(text)) or not (
            -len(text) <= seq <= 0
        ):
            self.spoof(end, packet)

    @rule(end=ends, seq=any_guess, text=texts, flags=st.sampled_from([0, PSH, FIN]))
    def text_without_an_ack(self, end: int, seq: int, text: bytes, flags: int) -> None:
        _, conn = self.victim(end)
        number = conn.receiver.rcv_nxt + seq
        if seq > 0 or not conn.receiver.acceptable(number, len(text)):
            self.spoof(end, self.segment(end, flags, seq or 1, 0, text))

    @rule(end=ends, seq=far, ack=any_guess)
    def fin(self, end: int, seq: int, ack: int) -> None:
        self.spoof(end, self.segment(end, FIN | ACK, seq, ack))

    @rule(
        end=ends,
        kind=st.sampled_from([3, 4, 5, 11, 12]),
        code=st.integers(0, 15),
        seq=far,
        mtu=st.sampled_from([0, 68, 552, 1400, 65_535]),
    )
    def icmp(self, end: int, kind: int, code: int, seq: int, mtu: int) -> None:
        """An error about a segment that was never in flight."""
        side, conn = self.victim(end)
        before = conn.sender.mss, conn.mtu, conn.congestion.cwnd
        quoted = tcp_packet(conn.local, conn.peer, seq=conn.sender.snd_nxt + seq)
        packet = icmp_packet(
            "10.0.0.77",
            conn.local[0],
            kind,
            code,
            rest=mtu.to_bytes(4, "big"),
            body=quoted[:28],
        )
        counters = side.stack.counters()
        side.stack.receive([Packet.received(packet)], self.talk.pair.now)
        dropped = [
            name
            for name, n in side.stack.counters().items()
            if name.startswith("drop.icmp") and n > counters.get(name, 0)
        ]
        assert dropped
        assert (conn.sender.mss, conn.mtu, conn.congestion.cwnd) == before

    # What must hold

    @invariant()
    def the_connection_survives(self) -> None:
        if not hasattr(self, "talk"):
            return
        for side in self.talk.sides:
            assert side.conn is not None
            assert side.conn.state is State.ESTABLISHED
            assert side.lost is None
        self.talk.check_prefixes()

    def teardown(self) -> None:
        """Everything arrives, and both ends say so."""
        if not hasattr(self, "talk"):
            return
        sides = self.talk.sides
        for side in sides:
            side.finish()
        assert self.talk.pair.run_until(lambda: all(side.gone for side in sides))
        for side, peer in (sides, sides[::-1]):
            assert side.eof
            assert side.lost is None
            assert side.received == peer.sent


TestBlindAttacker = BlindAttacker.TestCase
TestBlindAttacker.settings = settings(stateful_step_count=40)
