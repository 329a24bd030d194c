"""TCP over any bad network: exactly the bytes sent, or a failure that is told.

Whatever the applications do in between: once both have closed or aborted, both
connections are gone within R2 + TIME-WAIT, whether the link carries again or not.
"""

from __future__ import annotations

from hypothesis import given, note
from hypothesis import strategies as st

from sansio_net import Entropy
from sansio_net.testing import Conditions, Link
from sansio_net.testing.strategies import conditions, seeds
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.ip import ip_unwrap
from sansio_net.wire.tcp import SYN, parse_tcp

from .conversation import GONE_WITHIN, Talk

ends = st.integers(0, 1)
waits = st.one_of(
    st.just(0), st.integers(0, 300 * MILLISECOND), st.integers(0, 20 * SECOND)
)
sizes = st.one_of(st.integers(1, 3000), st.sampled_from([20_000, 600_000]))
steps = st.one_of(
    st.tuples(st.just("wait"), waits),
    st.tuples(st.just("send"), ends, sizes),
    st.tuples(st.just("send"), ends, sizes),
    st.tuples(st.just("recv"), ends, st.integers(1, 5000)),
    st.tuples(st.just("lazy"), ends, st.just(0)),
    st.tuples(st.just("eager"), ends, st.just(0)),
    st.tuples(st.just("shutdown"), ends, st.just(0)),
    st.tuples(st.just("partition"), st.sampled_from([None, 0, 1]), st.just(0)),
    st.tuples(st.just("heal"), st.none(), st.just(0)),
)
last_words = st.sampled_from(["finish", "finish", "finish", "close", "abort"])


def bad_link(seed: int, bad: Conditions) -> Link:
    link = Link(seed)
    for name in Conditions.__slots__:
        link.set(None, **{name: getattr(bad, name)})
    return link


def play(talk: Talk, step: tuple[object, ...], data: Entropy) -> None:
    match step:
        case "wait", int(duration):
            talk.pair.run_for(duration)
        case "send", int(end), int(size):
            talk.sides[end].send(data.bytes(min(size, 64)) * -(-size // 64))
        case "recv", int(end), int(limit):
            talk.sides[end].read(limit)
        case "lazy", int(end), _:
            talk.sides[end].reads = False
        case "eager", int(end), _:
            talk.sides[end].reads = True
            talk.sides[end].read()
        case "shutdown", int(end), _:
            talk.sides[end].shutdown()
        case "partition", None | 0 | 1 as way, _:
            talk.pair.link.partition(way)
        case "heal", _, _:
            talk.pair.link.heal()
        case _:
            raise AssertionError(step)


def end(talk: Talk, words: tuple[str, str], heal: bool) -> None:
    """Both ends say their last words; once both have closed they are gone in time.

    Who only finished sending may wait for the other's end for ever: on a dead link, or
    when the one RST of the other is lost. He closes when nothing happens any more.
    """
    if heal:
        talk.pair.link.heal()
    else:
        talk.pair.link.partition()
    for side, word in zip(talk.sides, words, strict=True):
        side.reads = True
        {"finish": side.finish, "close": side.close, "abort": side.abort}[word]()
    if "finish" in words:
        talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
        for side in talk.sides:
            if not side.gone:
                side.close()
    started = talk.pair.now
    gone = talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
    assert gone, [side.stack.connections() for side in talk.sides]
    assert talk.pair.now - started <= GONE_WITHIN, (talk.pair.now - started) / SECOND
    talk.check_end()
    talk.pair.run_until_idle()
    for side in talk.sides:
        assert side.stack.next_timeout() is None


@given(
    seed=seeds(),
    bad=conditions(),
    simultaneous=st.booleans(),
    script=st.lists(steps, max_size=12),
    words=st.tuples(last_words, last_words),
    heal=st.booleans(),
    gso_max=st.sampled_from([0, 0, 65535, 5000]),
    offload=st.booleans(),
)
def test_all_that_was_sent_or_a_failure_that_is_told(
    seed: int,
    bad: Conditions,
    simultaneous: bool,
    script: list[tuple[object, ...]],
    words: tuple[str, str],
    heal: bool,
    gso_max: int,
    offload: bool,
) -> None:
    link = bad_link(seed, bad)
    link.set(offload=offload)  # super-segments pass whole, or are cut on the wire
    talk = Talk(seed, link, simultaneous=simultaneous, gso_max=gso_max)
    data = Entropy.of(seed).child("data")
    try:
        for step in script:
            play(talk, step, data)
            talk.check_prefixes()
        end(talk, words, heal)
    except BaseException:
        note(talk.show())
        raise


@given(
    seed=seeds(),
    bad=conditions(max_loss=50_000),
    amounts=st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)),
    simultaneous=st.booleans(),
)
def test_a_link_that_only_loses_some_delivers_all(
    seed: int, bad: Conditions, amounts: tuple[int, int], simultaneous: bool
) -> None:
    """Without partitions nobody may blame the network: both streams arrive whole."""
    talk = Talk(seed, bad_link(seed, bad), simultaneous=simultaneous)
    data = Entropy.of(seed).child("data")
    try:
        talk.pair.run_until(lambda: talk.sides[1].conn is not None)
        for side, amount in zip(talk.sides, amounts, strict=True):
            side.send(data.bytes(100) * (amount // 100))
        for side in talk.sides:
            side.finish()
        assert talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
        for side in talk.sides:
            assert side.lost is None
            assert side.eof
            assert len(side.sent) == amounts[side.name == "b"] // 100 * 100
        talk.check_end()
    except BaseException:
        note(talk.show())
        raise


def first_numbers(talk: Talk) -> list[int]:
    """Where each end's sequence numbers start, as its SYN says."""
    starts = [0, 0]
    for _, end, packet in talk.pair.sent:
        if packet.join()[12:14] == b"\x08\x00":
            segment = ip_unwrap(packet)
            header = parse_tcp(segment.join(), segment.offset)
            if header.flags & SYN:
                starts[end] = header.seq
    return starts


@given(
    seed=seeds(),
    end=ends,
    before=st.integers(0, 30_000),
    bad=conditions(max_loss=50_000),
)
def test_numbers_that_wrap(seed: int, end: int, before: int, bad: Conditions) -> None:
    """An ISN grows by one every 4 us (RFC 6528): start when it is nearly 2**32."""
    trial = Talk(seed, bad_link(seed, bad))
    assert trial.pair.run_until(lambda: trial.sides[1].conn is not None)
    missing = (1 << 32) - before - first_numbers(trial)[end]
    talk = Talk(seed, bad_link(seed, bad), now=SECOND + missing * 4_000)
    assert talk.pair.run_until(lambda: talk.sides[1].conn is not None)
    assert first_numbers(talk)[end] == ((1 << 32) - before) % (1 << 32)
    for side in talk.sides:
        side.send(bytes(range(200)) * 200)
        side.finish()
    assert talk.pair.run_until(lambda: all(side.gone for side in talk.sides))
    for side in talk.sides:
        assert side.eof
        assert side.lost is None
    talk.check_end()
