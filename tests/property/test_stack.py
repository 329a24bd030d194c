"""Arbitrary frames into a Stack: it never raises, never hangs, stays in its bounds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
)

from sansio_net import ASAP, Entropy, Medium, Packet
from sansio_net.counters import DropReason
from sansio_net.errors import TimedOut
from sansio_net.stack import Event
from sansio_net.testing import Link, Livelock, Pair, take_turn
from sansio_net.testing.strategies import frames, packets, seeds, tcp_packets
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, RST, parse_tcp

from .conversation import GONE_WITHIN, QUICK, Talk, make_stack
from .driving import Memory
from .registry import MAC, OUR_PORT, THEM, US, TheStack, TheStackOnTun

PORTS = (OUR_PORT, 53, 4000)

# what a corrupted packet may be dropped for
DAMAGE = (
    DropReason.IP_TRUNCATED,
    DropReason.IP_BAD_VERSION,
    DropReason.IP_BAD_HEADER,
    DropReason.IP_BAD_CHECKSUM,
    DropReason.IP_BAD_OPTIONS,
    DropReason.ICMP_BAD_CHECKSUM,
    DropReason.ICMP_MALFORMED,
    DropReason.UDP_BAD_CHECKSUM,
    DropReason.UDP_MALFORMED,
    DropReason.TCP_BAD_CHECKSUM,
    DropReason.TCP_MALFORMED,
)


class AnyFrames(RuleBasedStateMachine):
    """Frames, verbs and time in any order."""

    subject: TheStack = TheStack()
    batches = st.lists(frames(THEM, US, MAC, PORTS), max_size=6)

    def __init__(self) -> None:
        super().__init__()
        self.stack = self.subject.make(1)
        self.memory = Memory()
        self.now = SECOND

    def turn(self, arrived: list[Packet]) -> None:
        sent = take_turn(self.stack, self.stack, arrived, self.now, lambda *_: None)
        assert all(packet.csum_start >= 0 for packet in sent)
        self.memory.saw(sent, ())

    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        self.turn([Packet.received(frame) for frame in data.draw(self.batches)])

    @rule(seed=seeds())
    def converse(self, seed: int) -> None:
        """What fits the state the stack is in goes further in."""
        dice = Entropy.of(seed)
        self.turn(self.subject.items(self.stack, self.memory, dice))

    @rule(seed=seeds())
    def verb(self, seed: int) -> None:
        self.subject.verb(self.stack, self.memory, Entropy.of(seed))

    @rule(delay=st.sampled_from([1, MILLISECOND, SECOND, 100 * SECOND]))
    def wait(self, delay: int) -> None:
        due = self.stack.next_timeout()
        self.now = max(self.now, min(self.now + delay, due or self.now + delay))
        self.turn([])

    @invariant()
    def bounded(self) -> None:
        for what, size, bound in self.subject.sizes(self.stack):
            assert size <= bound, f"{what}: {size} > {bound}"

    def teardown(self) -> None:
        """Left alone, it comes to rest: no timer runs for ever at one moment."""
        for conn in self.stack.connections():
            conn.abort()
        for _ in range(64):
            self.turn([])
            due = self.stack.next_timeout()
            if due != ASAP:
                return
        raise Livelock("ASAP after 64 turns")


class AnyPackets(AnyFrames):
    """The same on a device without Ethernet."""

    subject = TheStackOnTun()
    batches = st.lists(packets(THEM, US, PORTS), max_size=6)


# an example is 50 steps
fewer = settings(max_examples=max(10, settings.default.max_examples // 4))  # type: ignore[union-attr]

TestAnyFrames = AnyFrames.TestCase
TestAnyFrames.settings = fewer
TestAnyPackets = AnyPackets.TestCase
TestAnyPackets.settings = fewer


@given(
    st.lists(
        tcp_packets(
            st.tuples(st.just(THEM), st.just(4000)),
            st.tuples(st.just(US), st.sampled_from([OUR_PORT, 81])),
            max_size=0,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_a_reset_is_never_answered(segments: list[bytes]) -> None:
    """RFC 9293 3.10.7.1: so two stacks cannot loop on them.

    Where there is a connection, one that is not exact gets a challenge ACK (RFC 5961).
    """
    stack = TheStackOnTun().make(1)
    for segment in segments:
        had_connection = bool(stack.connections())
        stack.receive([segment], SECOND)
        answers = [parse_tcp(packet.join(), 20) for packet in stack.transmit(SECOND)]
        if segment[33] & RST:
            assert [answer.flags for answer in answers] in ([], [ACK])
            assert had_connection or not answers


@given(
    seed=seeds(),
    segment=tcp_packets(
        st.tuples(st.just(bytes((10, 0, 0, 1))), st.sampled_from([80, 81])),
        st.tuples(st.just(bytes((10, 0, 0, 2))), st.sampled_from([80, 81])),
    ),
)
def test_two_stacks_never_loop_on_a_stray_segment(seed: int, segment: bytes) -> None:
    stacks = [
        make_stack(seed, n, f"10.0.0.{n + 1}/24", Medium.IP, QUICK) for n in (0, 1)
    ]
    pair: Pair[Event] = Pair(stacks[0], stacks[1], Link(medium=Medium.IP), patience=20)
    pair.link.receive([(0, Packet.received(segment))], pair.now)
    pair.run_until_idle(limit=200)


def damaged(stack_drops: dict[str, int]) -> int:
    return sum(stack_drops.get(f"drop.{reason.value}", 0) for reason in DAMAGE)


@given(seed=seeds(), amount=st.integers(0, 60_000), chance=st.integers(0, 300_000))
def test_as_many_are_dropped_as_were_corrupted(
    seed: int, amount: int, chance: int
) -> None:
    link = Link(seed, latency="10ms", corruption=chance)
    talk = Talk(seed, link)
    talk.sides[0].send(bytes(amount))
    talk.sides[0].finish()
    talk.pair.run_until(lambda: talk.sides[1].conn is not None)
    talk.sides[1].finish()
    if talk.pair.run_until(lambda: all(side.gone for side in talk.sides)):
        talk.check_end()
    else:
        # where most is damaged an end may give up; the other then waits half-closed
        assert any(isinstance(side.lost, TimedOut) for side in talk.sides)
    for end in (0, 1):
        dropped = damaged(talk.sides[1 - end].stack.counters())
        assert dropped == link.counts(end).corrupted


@given(seed=seeds(), amount=st.integers(0, 20_000), chance=st.integers(0, 500_000))
def test_wilder_damage_is_survived(seed: int, amount: int, chance: int) -> None:
    """Checksums may miss it: survival, bounds and an end are all that is asked."""
    link = Link(seed, latency="10ms", wreckage=chance, loss="1%")
    talk = Talk(seed, link)
    for side in talk.sides:
        side.send(bytes(amount))
    talk.pair.run_for(30 * SECOND)
    for side in talk.sides:
        side.close()
    started = talk.pair.now
    assert talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
    assert talk.pair.now - started <= GONE_WITHIN
