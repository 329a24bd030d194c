"""Header prediction never makes a difference: every segment is taken twice.

Each end of a conversation is a pair of twins that get the same segments, timers and
verbs at the same times; one of them has no fast path, in or out. After each of these
they must have sent the same bytes, told the same and be equal in every variable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar
from unittest import mock

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from sansio_net.entropy import Entropy
from sansio_net.errors import SansioNetError, WireError
from sansio_net.machine import earliest
from sansio_net.packet import Medium, Packet
from sansio_net.protocols.tcp import (
    Accepted,
    Connection,
    Listener,
    State,
    TcpOptions,
    acknowledgment,
    detection,
    fastpath,
)
from sansio_net.protocols.tcp.sent import Sent
from sansio_net.testing import Conditions, Link
from sansio_net.testing.strategies import conditions, seeds, tcp_options
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.ip import ip_unwrap, ip_wrap
from sansio_net.wire.ipv4 import DF, PROTO_TCP

from .conversation import PlannedIsn
from .inside import variables

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
T = TypeVar("T")
TEXT = bytes(range(251)) * 4000

pytestmark = pytest.mark.interpreted(
    "replaces a function that callers find in a module"
)


class Count:
    """How often a fast path was taken: a test in which none is tells nothing.

    taken: segments that came. sent: that left. in_order: ACKs.
    """

    taken = sent = in_order = 0


@contextmanager
def no_fast_path() -> Iterator[None]:
    with (
        mock.patch.object(fastpath, "predicted", return_value=False),
        mock.patch.object(fastpath, "usual_text", return_value=None),
        mock.patch.object(acknowledgment, "in_order", return_value=None),
    ):
        yield


@contextmanager
def counted() -> Iterator[None]:
    predicted, usual_text = fastpath.predicted, fastpath.usual_text
    in_order = detection.in_order

    def counting(*args: object) -> bool:
        taken: bool = predicted(*args)  # type: ignore[arg-type]
        Count.taken += taken
        return taken

    def counting_text(*args: object) -> Packet | None:
        packet = usual_text(*args)  # type: ignore[arg-type]
        Count.sent += packet is not None
        return packet

    def counting_acks(*args: object) -> Sent | None:
        record = in_order(*args)  # type: ignore[arg-type]
        Count.in_order += record is not None
        return record

    with (
        mock.patch.object(fastpath, "predicted", counting),
        mock.patch.object(fastpath, "usual_text", counting_text),
        mock.patch.object(acknowledgment, "in_order", counting_acks),
    ):
        yield


class Twins:
    """Two connections, or listeners, that must never differ."""

    def __init__(self, quick: Connection | Listener, slow: Connection | Listener):
        self.quick, self.slow = quick, slow
        self.accepted: list[tuple[Connection, Connection]] = []
        self.sent = 0
        self.got = 0
        self.eof = False
        self.told: list[str] = []

    def both(self, work: Callable[[Connection | Listener], T]) -> T:
        with counted():
            mine = work(self.quick)
        with no_fast_path():
            other = work(self.slow)
        assert mine == other
        return mine

    def equal(self) -> None:
        if isinstance(self.quick, Connection):
            assert variables(self.quick) == variables(self.slow)

    def receive(self, packets: Sequence[Packet], now: int) -> None:
        for packet in packets:
            self.both(lambda machine, p=packet: machine.receive([p], now))  # type: ignore[misc]
            self.equal()

    def handle_timeout(self, now: int) -> None:
        self.both(lambda machine: machine.handle_timeout(now))
        self.equal()

    def hear(self) -> list[str]:
        quick, slow = self.quick.events(), self.slow.events()
        names = [type(event).__name__ for event in quick]
        assert names == [type(event).__name__ for event in slow]
        for mine, other in zip(quick, slow, strict=True):
            if isinstance(mine, Accepted):
                assert isinstance(other, Accepted)
                self.accepted.append((mine.conn, other.conn))
        self.told += names
        return names

    def transmit(self, now: int) -> list[Packet]:
        with counted():
            quick = self.quick.transmit(now)
        with no_fast_path():
            slow = self.slow.transmit(now)
        assert [seen(packet) for packet in quick] == [seen(packet) for packet in slow]
        self.equal()
        assert self.quick.next_timeout() == self.slow.next_timeout()
        return quick


def seen(packet: Packet) -> tuple[object, ...]:
    assert packet.info is not None
    return packet.join(), packet.gso_size, packet.info.tos, packet.info.ttl


class Table:
    """Two pairs of twins, a link between them, and the time."""

    def __init__(
        self,
        link: Link,
        options: tuple[TcpOptions, TcpOptions],
        iss: tuple[int, int],
        stamps: tuple[int, int],
        gso_max: int,
    ) -> None:
        self.link, self.now = link, SECOND
        planned = [PlannedIsn(iss[end], stamps[end]) for end in (0, 1)]
        client = [
            Connection(
                A, 4000, B, 80, isn=planned[0], options=options[0], gso_max=gso_max
            )
            for _ in range(2)
        ]
        listener = [
            Listener(B, 80, isn=planned[1], options=options[1]) for _ in range(2)
        ]
        self.client = Twins(*client)
        self.listener = Twins(*listener)
        self.server: Twins | None = None
        for each in client:
            each.connect()
        self.ident = 0

    def ends(self) -> list[Twins]:
        return [self.client, *([self.server] if self.server else [self.listener])]

    def settle(self) -> None:
        """Everything there is to say now goes onto the link."""
        for _ in range(50):
            quiet = True
            for end, twins in enumerate(self.ends()):
                quiet &= not twins.hear()
                if twins.accepted and self.server is None:
                    self.server = Twins(*twins.accepted[0])
                    quiet = False
                for packet in twins.transmit(self.now):
                    quiet = False
                    self.ident += 1
                    whole = ip_wrap(
                        packet,
                        PROTO_TCP,
                        identification=self.ident & 0xFFFF,
                        flags=DF,
                    )
                    self.link.receive([(end, whole)], self.now)
            if quiet:
                return
        raise AssertionError("never quiet")

    def step(self, until: int) -> bool:
        """To the next thing that happens; False if that is after `until`."""
        due = [self.link.next_timeout()]
        due += [twins.quick.next_timeout() for twins in self.ends()]
        at = earliest(*due)
        if at is None or max(at, self.now) > until:
            return False
        self.now = max(at, self.now)
        self.link.handle_timeout(self.now)
        for end, packet in self.link.transmit(self.now):
            try:
                segment = ip_unwrap(packet, PROTO_TCP)
            except WireError:
                continue
            self.ends()[end].receive([segment], self.now)
        for twins in self.ends():
            twins.handle_timeout(self.now)
        self.settle()
        return True

    def run(self, duration: int, limit: int = 4000) -> None:
        until = self.now + duration
        for _ in range(limit):
            if not self.step(until):
                break
        self.now = max(self.now, until)

    def verb(self, end: int, what: str, size: int) -> None:
        twins = self.ends()[end]
        if not isinstance(twins.quick, Connection):
            return

        def act(machine: Connection | Listener) -> object:
            assert isinstance(machine, Connection)
            try:
                if what == "send":
                    start = twins.sent % 251
                    return machine.send(TEXT[start : start + size])
                if what == "recv":
                    return machine.recv(size)
                {"shutdown": machine.shutdown, "close": machine.close}[what]()
            except SansioNetError as error:
                return str(error)
            return None

        result = twins.both(act)
        twins.equal()
        if what == "send" and isinstance(result, int):
            twins.sent += result
        if what == "recv" and isinstance(result, bytes):
            start = twins.got % 251
            assert result == TEXT[start : start + len(result)]
            twins.got += len(result)
            twins.eof |= result == b""
        self.settle()


ends = st.integers(0, 1)
sizes = st.sampled_from([1, 100, 1460, 5000, 60_000])
steps = st.one_of(
    st.tuples(
        st.just("wait"),
        ends,
        st.sampled_from([0, MILLISECOND, 50 * MILLISECOND, SECOND, 20 * SECOND]),
    ),
    st.tuples(st.just("send"), ends, sizes),
    st.tuples(st.just("send"), ends, sizes),
    st.tuples(st.just("recv"), ends, st.sampled_from([1, 1000, 1 << 20])),
    st.tuples(st.just("recv"), ends, st.just(1 << 20)),
    st.tuples(st.sampled_from(["shutdown", "close"]), ends, st.just(0)),
)
near_wrap = st.one_of(st.integers(-70_000, 10), st.integers(0, 2**32 - 1))


@given(
    seed=seeds(),
    bad=conditions(max_loss=100_000),
    marks=st.sampled_from([0, 0, 1, 3]),
    options=st.tuples(tcp_options(patient=True), tcp_options(patient=True)),
    iss=st.tuples(near_wrap, near_wrap),
    stamps=st.tuples(near_wrap, near_wrap),
    gso_max=st.sampled_from([0, 65_535]),
    offload=st.booleans(),
    script=st.lists(steps, max_size=25),
)
@settings(max_examples=-(-settings().max_examples // 5))
def test_twins_never_differ(
    seed: int,
    bad: Conditions,
    marks: int,
    options: tuple[TcpOptions, TcpOptions],
    iss: tuple[int, int],
    stamps: tuple[int, int],
    gso_max: int,
    offload: bool,
    script: list[tuple[str, int, int]],
) -> None:
    link = Link(Entropy.of(seed), medium=Medium.IP)
    for name in Conditions.__slots__:
        link.set(None, **{name: getattr(bad, name)})
    link.set(ecn_threshold=marks, offload=offload, corruption=bad.duplication // 4)
    if marks:
        link.set(rate=bad.rate or 10**7)
    table = Table(link, options, iss, stamps, gso_max)
    note(f"{options[0]}\n{options[1]}")
    table.settle()
    table.run(3 * SECOND)
    table.verb(0, "send", 5000)
    table.verb(1, "send", 5000)
    table.run(2 * SECOND)
    for what, end, number in script:
        if what == "wait":
            table.run(number)
        else:
            table.verb(end, what, number)
    for end in (0, 1):
        table.verb(end, "recv", 1 << 20)
        table.verb(end, "close", 0)
    table.run(30 * SECOND)


def test_the_fast_path_was_taken() -> None:
    """On a good link nearly every segment of a transfer is as expected."""
    taken, left, in_order = Count.taken, Count.sent, Count.in_order
    options = TcpOptions()
    table = Table(
        Link(1, medium=Medium.IP, latency="5ms"), (options, options), (1, 2), (3, 4), 0
    )
    table.settle()
    table.run(SECOND)
    for _ in range(10):
        table.verb(0, "send", 60_000)
        table.run(SECOND)
        table.verb(1, "recv", 1 << 20)
    assert table.server is not None
    assert table.server.got == 600_000
    sent = table.link.counts(0).delivered + table.link.counts(1).delivered
    assert Count.taken - taken > sent * 8 // 10
    assert Count.sent - left > 100
    assert Count.in_order - in_order > 10
    assert isinstance(table.client.quick, Connection)
    assert table.client.quick.state is State.ESTABLISHED
