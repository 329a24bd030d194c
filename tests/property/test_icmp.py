"""ICMP: arbitrary bytes never raise, buckets never give more than they may."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from sansio_net import Entropy
from sansio_net.counters import Counters
from sansio_net.protocols.icmp import Icmp, IcmpOptions, TokenBucket
from sansio_net.protocols.icmp.limits import Limits
from sansio_net.units import SECOND
from sansio_net.wire.checksum import checksum
from sansio_net.wire.icmp import build_icmp

US, PEER = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])

messages = st.binary(max_size=100) | st.builds(
    build_icmp,
    st.sampled_from([0, 3, 4, 5, 8, 11, 12, 13]) | st.integers(0, 255),
    st.integers(0, 255),
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=60).map(lambda tail: b"\x45" + tail) | st.binary(max_size=60),
)


@given(messages, st.integers(0, 20), st.booleans(), st.booleans())
def test_no_message_raises_and_what_is_sent_is_right(
    message: bytes, cut: int, broadcast: bool, verified: bool
) -> None:
    counters = Counters()
    part = Icmp(None, Entropy.of(1), counters)
    found = part.message_arrives(
        b"x" * cut + message,
        cut,
        cut + len(message),
        PEER,
        US,
        64,
        0,
        "eth0",
        broadcast,
        verified,
        0,
    )
    packet = part.emit(0)
    happened = [found is not None, packet is not None, counters.dropped() > 0]
    if message[:1] != b"\x08" or not broadcast:
        assert sum(happened) == 1
    if packet is not None:
        assert checksum(packet.join()) == 0
        assert packet.join()[4:] == message[4:]


@given(st.binary(max_size=120), st.binary(min_size=4, max_size=4), st.booleans())
@example(b"\x45" + bytes(19), bytes(4), False)
def test_no_packet_raises_and_errors_answer_one_host(
    original: bytes, rest: bytes, link_broadcast: bool
) -> None:
    part = Icmp(None, Entropy.of(1))
    if part.report(3, 3, original, rest, b"", link_broadcast, 0):
        packet = part.emit(0)
        assert packet is not None
        assert packet.info is not None
        assert packet.info.dst == original[12:16]
        assert 0 < packet.info.dst[0] < 224
        assert checksum(packet.join()) == 0
        assert len(packet) <= 576 - 20


gaps = st.lists(st.integers(0, 3 * SECOND) | st.integers(0, 1000), max_size=80)


@given(gaps, st.integers(1, 2 * SECOND), st.integers(1, 10))
def test_a_bucket_never_gives_more_than_rate_times_time_and_burst(
    gaps: list[int], interval: int, burst: int
) -> None:
    bucket = TokenBucket(interval, burst)
    now, given_at = 0, []
    for gap in gaps:
        now += gap
        if bucket.has_token(now):
            bucket.take()
            given_at.append(now)
    # in every span between two of them
    for first in range(len(given_at)):
        for last in range(first, len(given_at)):
            span = given_at[last] - given_at[first]
            assert last - first + 1 <= span // interval + burst


@given(gaps, st.integers(1, 2 * SECOND), st.integers(1, 10))
def test_a_bucket_gives_what_it_owes(
    gaps: list[int], interval: int, burst: int
) -> None:
    """Against exact arithmetic: the credit as a sum that nothing rounds."""
    bucket = TokenBucket(interval, burst)
    now, credit = 0, burst * interval
    for gap in gaps:
        now += gap
        credit = min(burst * interval, credit + gap)
        has = credit >= interval
        assert bucket.has_token(now) is has
        if has:
            bucket.take()
            credit -= interval


@given(st.lists(st.tuples(st.integers(0, SECOND), st.integers(1, 6)), max_size=80))
def test_limits_hold_for_all_and_for_each(steps: list[tuple[int, int]]) -> None:
    options = IcmpOptions(msgs_per_sec=3, msgs_burst=8, destinations=3, burst=2)
    limits = Limits(options, Entropy.of(1))
    now = total = 0
    for gap, host in steps:
        now += gap
        total += limits.allow(3, 3, bytes([10, 0, 0, host]), now)
        assert total <= now * 3 // SECOND + 8
        assert len(limits) <= 3


@given(st.lists(st.integers(0, SECOND), max_size=60))
def test_a_destination_that_is_remembered_is_held_to_its_rate(gaps: list[int]) -> None:
    limits = Limits(IcmpOptions(msgs_per_sec=0), Entropy.of(1))
    now = total = 0
    for gap in gaps:
        now += gap
        total += limits.allow(11, 0, PEER, now)
        assert total <= now // SECOND + 6
