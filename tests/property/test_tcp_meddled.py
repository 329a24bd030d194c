"""Every option of TCP at both ends, and everything a network may do to it.

Loss, duplication, reordering, delay, corruption, ECN marks, an MTU that shrinks, ICMP
true and false, windows that shrink and shut, options stripped, receivers that renege on
what they have SACKed, numbers and timestamps that wrap. Meanwhile nothing wrong is
read; once the network behaves, all of it arrives without a stall, both ends end
cleanly, and the tables are empty.
"""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from sansio_net.entropy import Entropy
from sansio_net.packet import Medium
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.testing import Conditions
from sansio_net.testing.strategies import conditions, seeds, tcp_options
from sansio_net.units import MILLISECOND, SECOND

from .conversation import PlannedIsn, Talk
from .meddler import HABITS, Meddler

ends = st.integers(0, 1)
moments = st.one_of(
    st.tuples(st.just("wait"), ends, st.integers(5 * MILLISECOND, SECOND)),
    st.tuples(st.just("wait"), ends, st.integers(0, 20 * SECOND)),
    st.tuples(st.just("send"), ends, st.sampled_from([1, 1000, 20_000, 60_000])),
    st.tuples(st.just("send"), ends, st.sampled_from([1, 1000, 20_000, 60_000])),
    st.tuples(st.just("renege"), ends, st.just(0)),
    st.tuples(st.just("lazy"), ends, st.just(0)),
    st.tuples(st.just("eager"), ends, st.just(0)),
)
amounts = st.sampled_from([60_000, 20_000, 3000, 0])
near_wrap = st.one_of(st.integers(-70_000, 10), st.integers(0, 2**32 - 1))
habits = st.frozensets(st.sampled_from(HABITS), max_size=4)
SLACK = SECOND
"""Beside RTOs: round trips, delayed ACKs, the link's queue."""


def open_talk(
    seed: int,
    link: Meddler,
    options: tuple[TcpOptions, TcpOptions],
    iss: tuple[int, int],
    stamps: tuple[int, int],
    simultaneous: bool,
    gso_max: int,
) -> Talk:
    planned = PlannedIsn(iss[0], stamps[0]), PlannedIsn(iss[1], stamps[1])
    return Talk(
        seed,
        link,
        options=options,
        isns=planned,
        medium=Medium.IP,
        simultaneous=simultaneous,
        gso_max=gso_max,
    )


def play(talk: Talk, what: str, end: int, number: int) -> None:
    side = talk.sides[end]
    if what == "wait":
        talk.pair.run_for(number)
    elif what == "send":
        start = len(side.sent) % 251
        side.send((bytes(range(251)) * 240)[start : start + number])
    elif what == "renege" and side.conn is not None:
        # RFC 2018 8: SACKs are advisory; the receiver forgets what is out of order
        side.conn.receiver.reorder = None
    elif what in ("lazy", "eager"):
        side.reads = what == "eager"
        if side.reads:
            side.read()


def calm(talk: Talk, link: Meddler) -> None:
    """The network behaves from now on."""
    link.tame = True
    link.set(
        **dict.fromkeys(("loss", "duplication", "corruption", "reordering"), 0),
        **dict.fromkeys(("mtu", "ecn_threshold", "jitter", "rate"), 0),
    )
    for side in talk.sides:
        side.reads = True
        side.read()


def finish_without_stall(talk: Talk, latency: int) -> None:
    """Both say all and end; never three RTOs in force without progress."""
    pair, sides = talk.pair, talk.sides
    assert pair.run_until(lambda: all(side.conn is not None for side in sides))
    for side in sides:
        side.finish()
    known = [(-1, 0, 0)] * 2  # snd_una, since when, the longest RTO since
    while not all(side.gone for side in sides):
        assert pair.step(), "nobody will ever say anything again"
        for end, side in enumerate(sides):
            conn = side.conn
            assert conn is not None
            una, since, rto = known[end]
            if conn.sender.snd_una != una or conn.done or not conn.sender.queued:
                known[end] = (conn.sender.snd_una, pair.now, conn.rtt.rto)
                continue
            known[end] = (una, since, max(rto, conn.rtt.rto))
            waited = pair.now - since
            assert waited <= 3 * max(rto, conn.rtt.rto) + 4 * latency + SLACK, (
                side.name,
                waited / SECOND,
                conn.rtt.rto / SECOND,
            )
        assert pair.steps < 200_000


@given(
    seed=seeds(),
    bad=conditions(max_loss=100_000, max_latency=100 * MILLISECOND),
    corruption=st.sampled_from([0, 0, 20_000]),
    marks=st.sampled_from([0, 0, 1, 3]),
    habits=habits,
    options=st.tuples(tcp_options(patient=True), tcp_options(patient=True)),
    iss=st.tuples(near_wrap, near_wrap),
    stamps=st.tuples(near_wrap, near_wrap),
    simultaneous=st.booleans(),
    gso_max=st.sampled_from([0, 0, 65535]),
    amounts=st.tuples(amounts, amounts),
    script=st.lists(moments, min_size=2, max_size=20),
)
def test_all_arrives_once_the_network_behaves(
    seed: int,
    bad: Conditions,
    corruption: int,
    marks: int,
    habits: frozenset[str],
    options: tuple[TcpOptions, TcpOptions],
    iss: tuple[int, int],
    stamps: tuple[int, int],
    simultaneous: bool,
    gso_max: int,
    amounts: tuple[int, int],
    script: list[tuple[str, int, int]],
) -> None:
    link = Meddler(Entropy.of(seed), habits)
    for name in Conditions.__slots__:
        link.set(None, **{name: getattr(bad, name)})
    link.set(corruption=corruption, ecn_threshold=marks)
    talk = open_talk(seed, link, options, iss, stamps, simultaneous, gso_max)
    try:
        talk.pair.run_for(4 * SECOND)
        for end in (0, 1):
            play(talk, "send", end, amounts[end])
        for moment in script:
            play(talk, *moment)
            talk.check_prefixes()
            for side in talk.sides:
                assert side.lost is None, side.lost
        calm(talk, link)
        finish_without_stall(talk, bad.latency)
        for side, peer in (talk.sides, talk.sides[::-1]):
            assert side.lost is None, side.lost
            assert side.eof
            assert side.received == peer.sent
        talk.check_end()
        talk.pair.run_until_idle()
        for side in talk.sides:
            stack = side.stack
            assert stack.connections() == []
            assert not len(stack.time_wait)
            assert stack.next_timeout() is None
    except BaseException:
        note(talk.show())
        raise
