from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.receiver import MAX_DUPLICATES, Receiver


def receiver(limit: int = 10_000, quick_acks: int = 0) -> Receiver:
    made = Receiver(limit, 100, quick_acks)
    made.start(0, 1000)
    made.advertise()
    made.ack_sent()
    return made


@pytest.mark.parametrize(
    ("seq", "length", "acceptable"),
    [
        (1, 0, True),
        (0, 0, False),
        (10_000, 0, True),
        (10_001, 0, True),  # at the edge
        (10_002, 0, False),
        (1, 1, True),
        (0, 1, False),
        (0, 2, True),
        (10_000, 1, True),
        (10_001, 1, False),
        (0, 20_000, True),  # covers the window
    ],
)
def test_table_6(seq: int, length: int, acceptable: bool) -> None:
    assert receiver().acceptable(seq, length) == acceptable


@pytest.mark.parametrize(
    ("seq", "length", "acceptable"),
    [(1, 0, True), (2, 0, False), (1, 1, False), (0, 2, False)],
)
def test_table_6_with_a_shut_window(seq: int, length: int, acceptable: bool) -> None:
    made = receiver()
    made.rcv_adv = made.rcv_nxt
    assert made.acceptable(seq, length) == acceptable


def test_in_order() -> None:
    made = receiver()
    assert made.take_text(1, b"abc", 1) == 3
    assert (made.unacked, made.ack_now) == (1, False)
    assert made.take_text(4, b"def", 1) == 3
    assert made.ack_now
    assert made.read(100) == b"abcdef"
    assert made.buffer is None
    assert made.read_chunks() == []


def test_partly_old_text_is_answered_at_once() -> None:
    made = receiver()
    made.take_text(1, b"abc", 1)
    assert made.take_text(2, b"bcde", 1) == 2
    assert made.ack_now
    assert made.read(100) == b"abcde"


def test_filling_a_hole() -> None:
    made = receiver()
    assert made.take_text(4, b"def", 1) == 0
    assert made.take_text(10, b"jkl", 1) == 0
    assert made.duplicates == 2
    assert made.take_text(1, b"abc", 1) == 6
    assert made.ack_now
    assert made.duplicates == 0
    assert made.reorder is not None
    assert made.take_text(7, b"ghi", 1) == 6
    assert made.reorder is None
    assert b"".join(made.read_chunks()) == b"abcdefghijkl"


def test_duplicates_are_bounded() -> None:
    made = receiver()
    for _ in range(1000):
        made.take_text(5, b"x", 1)
    assert made.duplicates == MAX_DUPLICATES


def test_scaled_windows_round_down_but_keep_their_promise() -> None:
    made = Receiver(1 << 20, 100, 0)
    made.start(0, 1000)
    made.wscale = 5
    window = made.advertise()
    assert window << 5 == 1 << 20
    edge = made.rcv_adv
    made.take_text(1, b"x", 1)
    assert made.advertise() << 5 == (1 << 20) - 32
    assert made.rcv_adv == edge
    assert made.acceptable(edge - 1, 1)


def test_the_window_field_is_full_at_most() -> None:
    made = Receiver(1 << 20, 100, 0)
    made.start(0, 1000)
    assert made.advertise() == 0xFFFF
    assert made.rcv_adv == 1 + 0xFFFF


def test_small_steps_are_not_offered() -> None:
    """RFC 9293 3.8.6.2.2."""
    made = receiver()
    made.take_text(1, bytes(5000), 5)
    made.read(999)
    assert made.advertise() == 5000
    made.read(1)
    assert made.advertise() == 6000
    small = Receiver(1000, 100, 0)
    small.start(0, 1000)
    small.advertise()
    small.take_text(1, bytes(1000), 1)
    small.read(499)
    assert small.advertise() == 0
    assert not small.opened()
    small.read(1)
    assert small.opened()
    assert small.advertise() == 500


def test_fin() -> None:
    made = receiver()
    made.take_fin(4)
    assert not made.pass_fin()
    assert made.duplicates == 1
    made.take_fin(9)  # there is one end only
    made.take_text(1, b"abcXYZ", 1)
    assert made.read(100) == b"abc"
    assert not made.fin_reached
    assert made.pass_fin()
    assert made.fin_reached
    assert made.rcv_nxt == 5
    assert not made.pass_fin()
    made.take_fin(2)
    assert made.fin_seq == 4


def test_text_beyond_the_fin_is_nothing() -> None:
    made = receiver()
    made.take_fin(4)
    assert made.take_text(6, b"after", 1) == 0
    assert made.reorder is None


def test_stamps() -> None:
    made = receiver()
    made.note_stamp(5, 9, 1, 100)
    assert made.ts_recent == 5
    made.note_stamp(6, 9, 2, 100)  # beyond what was acknowledged
    made.note_stamp(4, 9, 1, 100)  # older
    assert made.ts_recent == 5
    assert made.stamp_is_old(4, 100)
    day = 24 * 3600 * 10**9
    assert made.stamp_is_old(4, 100 + 23 * day)
    assert not made.stamp_is_old(4, 100 + 24 * day)


def test_urgent() -> None:
    made = receiver()
    made.rcv_up = 4
    assert made.urgent == 3
    made.take_text(1, b"abcdef", 1)
    assert made.urgent == 3
    made.read(2)
    assert made.urgent == 1
    made.read(2)
    assert made.urgent == 0


def test_quick_acks() -> None:
    made = receiver(quick_acks=3)
    made.take_text(1, b"ab", 2)
    assert made.ack_now
    assert made.quick_acks == 1


def test_discard() -> None:
    made = receiver()
    made.take_text(1, b"x", 1)
    made.take_text(9, b"y", 1)
    made.discard()
    assert made.pending == 0
    assert made.reorder is None


def test_a_small_piece_does_not_pin_its_frame() -> None:
    made = receiver(limit=1 << 20)
    frame = memoryview(bytes(60_000))
    made.take_text(1, b"x" * 59_000, 1)
    made.take_text(1, frame, 1)
    assert made.buffer is not None
    assert made.buffer.pinned <= 2 * made.pending
