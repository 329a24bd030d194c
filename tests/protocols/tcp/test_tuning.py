"""Buffers that grow: Linux's rules for SO_RCVBUF, SO_SNDBUF and what has no size."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.protocols.tcp.drain import Drain
from sansio_net.units import KIB, MIB, MILLISECOND, SECOND

from .dialogue import Talk

RTT = 20 * MILLISECOND


def wide(**options: object) -> Talk:
    """A connection with window scaling and timestamps on both sides."""
    talk = Talk(stamps=True, **options)
    talk.conn.connect()
    talk.us("S")
    talk.peer("S.", seq=0, ack=1, mss=1460, sack_permitted=True, wscale=7)
    talk.all_said()
    talk.events("Connected")
    return talk


def stream(talk: Talk, at: int, size: int, *, read: bool = True) -> int:
    """A round trip's worth of text, which echoes what we sent one trip ago."""
    echoed = (talk.now // MILLISECOND + talk.conn.ts_offset) % 2**32
    talk.now += RTT
    for left in range(at, at + size, 10_000):
        talk.peer_clock += 1
        text = b"x" * min(10_000, at + size - left)
        talk.peer(
            ".",
            seq=left,
            ack=1,
            data=text,
            cuts=7,
            ts_val=talk.peer_clock,
            ts_ecr=echoed,
        )
        if read:
            talk.conn.recv(1 << 20)
        talk.all_said()
    return at + size


def test_a_window_begins_small_and_grows_with_what_is_read() -> None:
    talk = wide()
    receiver = talk.conn.receiver
    assert receiver.limit == 128 * KIB
    at, limits = 1, [receiver.limit]
    while limits[-1] < 6 * MIB and len(limits) < 40:
        at = stream(talk, at, limits[-1] // 3 * 2)
        limits.append(receiver.limit)
    assert limits == sorted(limits)
    assert limits[-1] == 6 * MIB
    # an RTT that fills two thirds of the window asks for more each time
    assert len(limits) < 20
    # at its largest nothing is measured any more
    stream(talk, at, 100_000)
    assert receiver.drain is None


def test_a_steady_rate_gets_what_it_needs_and_no_more() -> None:
    talk = wide()
    at = 1
    for _ in range(40):
        at = stream(talk, at, 60_000)
    # twice what was read and a cushion, with what slow start was given on top
    assert 2 * 60_000 <= talk.conn.receiver.limit <= 16 * 60_000
    drain = talk.conn.receiver.drain
    assert drain is not None
    assert talk.conn.info().rcv_rtt == drain.rtt > 0


def test_who_does_not_read_gets_no_larger_buffer() -> None:
    talk = wide()
    stream(talk, 1, 100_000, read=False)
    at = stream(talk, 100_001, 20_000, read=False)
    assert talk.conn.receiver.limit == 128 * KIB
    assert talk.conn.receiver.pending == at - 1


def test_a_size_that_was_given_stays() -> None:
    talk = wide(receive_buffer=200_000)
    at = 1
    for _ in range(20):
        at = stream(talk, at, 100_000)
    assert talk.conn.receiver.limit == 200_000
    assert talk.conn.receiver.drain is None


def test_little_text_costs_no_memory() -> None:
    talk = wide()
    at = 1
    for _ in range(10):
        at = stream(talk, at, 1000)
    assert talk.conn.receiver.drain is None


def test_without_window_scale_there_is_nothing_to_offer() -> None:
    talk = Talk.active(stamps=True)
    assert talk.conn.receiver.wscale == 0
    at = 1
    for _ in range(5):
        at = stream(talk, at, 60_000)
    assert talk.conn.receiver.limit == 128 * KIB
    assert talk.conn.receiver.drain is None


def test_a_fixed_size_from_now_on_and_none_again() -> None:
    talk = wide()
    receiver = talk.conn.receiver
    edge = receiver.rcv_adv
    talk.conn.set(receive_buffer=4 * KIB)
    assert receiver.limit == 4 * KIB
    talk.all_said()
    assert receiver.rcv_adv == edge  # what was offered stays offered
    talk.conn.set(nodelay=True)
    assert receiver.limit == 4 * KIB
    talk.conn.set(receive_buffer=None)
    at = 1
    for _ in range(20):
        at = stream(talk, at, 30_000)
    assert receiver.limit > 30_000


def test_the_scale_of_our_syn_allows_for_the_largest() -> None:
    """RFC 7323 2.3."""
    for most, shift in ((64 * KIB, 1), (6 * MIB, 7), (1 << 30, 14)):
        talk = Talk(receive_buffer_max=most)
        talk.conn.connect()
        assert talk.us("S").options.wscale == shift


@pytest.mark.parametrize("name", ["receive_buffer", "receive_buffer_max"])
def test_a_gibibyte_is_what_a_window_can_say(name: str) -> None:
    with pytest.raises(StateError, match=name):
        TcpOptions(**{name: (1 << 30) + 1})


# The part ---------------------------------------------------------------------------


def test_the_first_round_trip_is_taken_as_it_is() -> None:
    drain = Drain(1, 16_000, 100_000, 0)
    drain.sample(80 * MILLISECOND)
    assert drain.rtt == 80 * MILLISECOND
    drain.sample(160 * MILLISECOND)
    assert drain.rtt == 90 * MILLISECOND


def test_a_pause_is_not_a_long_path() -> None:
    drain = Drain(1, 16_000, 100_000, 0)
    drain.sample(10 * MILLISECOND)
    drain.sample(10 * SECOND)
    assert drain.rtt <= 12 * MILLISECOND


def test_by_window_where_there_are_no_stamps() -> None:
    drain = Drain(1, 16_000, 100_000, 0)
    drain.sample_by_window(50_000, 150_000, 10 * MILLISECOND)
    assert not drain.rtt
    drain.sample_by_window(100_000, 200_000, 30 * MILLISECOND)
    assert drain.rtt == 30 * MILLISECOND
    # an upper bound: only a shorter one says more
    drain.sample_by_window(200_000, 300_000, 130 * MILLISECOND)
    assert drain.rtt == 30 * MILLISECOND
    drain.sample_by_window(300_000, 400_000, 150 * MILLISECOND)
    assert drain.rtt == 20 * MILLISECOND


def test_linux_s_formula() -> None:
    drain = Drain(0, 10_000, 0, 0)
    assert drain.wanted(10_000, 1000) == 0
    # 2 x 20000 + 16 x 1000, and twice that for a rate that doubled
    assert drain.wanted(30_000, 1000) == 56_000 * 3
    assert drain.wanted(45_000, 1000) == 0


# Sending ----------------------------------------------------------------------------


def test_a_send_buffer_grows_with_cwnd() -> None:
    talk = wide(nodelay=True)
    sender = talk.conn.sender
    assert talk.conn.send(bytes(1 * MIB)) == 256 * KIB
    talk.conn.congestion.cwnd = 1 * MIB
    (said,) = talk.all_said()[:1]
    talk.peer(".", seq=1, ack=1 + len(said.data), wnd=60_000)
    assert sender.limit >= 2 * MIB
    (event,) = talk.events("SpaceFreed")
    assert event.space >= 2 * MIB - 256 * KIB  # type: ignore[union-attr]


def test_only_for_who_has_more_to_send() -> None:
    talk = wide(nodelay=True)
    talk.conn.send(bytes(3000))
    talk.conn.congestion.cwnd = 1 * MIB
    talk.all_said()
    talk.peer(".", seq=1, ack=3001)
    assert talk.conn.sender.limit == 256 * KIB


def test_to_its_maximum_and_never_one_that_has_a_size() -> None:
    for options, limit in (
        ({"send_buffer_max": 300 * KIB}, 300 * KIB),
        ({"send_buffer": 100 * KIB}, 100 * KIB),
    ):
        talk = wide(nodelay=True, **options)
        talk.conn.send(bytes(1 * MIB))
        talk.conn.congestion.cwnd = 1 * MIB
        said = talk.all_said()
        talk.peer(".", seq=1, ack=1 + sum(len(s.data) for s in said))
        assert talk.conn.sender.limit == limit
