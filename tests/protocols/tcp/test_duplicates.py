"""RFC 2883 section 4, example by example, and RFC 2018 4 beside it.

Numbers are those of the RFC; its stream begins at 0, so 0-3499 came in order before.
"""

from __future__ import annotations

import pytest

from .dialogue import Said, Talk


def so_far(upto: int) -> Talk:
    """Everything before `upto` came in order; segments of 500 bytes or more."""
    talk = Talk.active()
    for at in range(0, upto, 500):
        hear(talk, at, at + 500)
    talk.all_said()
    return talk


def hear(talk: Talk, left: int, right: int, flags: str = ".") -> None:
    talk.peer(flags, seq=1 + left, ack=1, data=b"x" * (right - left))


def answer(talk: Talk) -> tuple[int, list[tuple[int, int]]]:
    """What the one ACK says: the cumulative number and the blocks."""
    (said,) = talk.all_said()
    return said.ack - 1, relative(talk, said)


def relative(talk: Talk, said: Said) -> list[tuple[int, int]]:
    def place(number: int) -> int:
        return (number - talk.peer_iss - 1) % 2**32

    return [(place(left), place(right)) for left, right in said.options.sack]


def test_4_1_1_a_duplicate_segment() -> None:
    talk = so_far(4000)
    hear(talk, 3000, 3500)
    assert answer(talk) == (4000, [(3000, 3500)])
    # (2): reported in one ACK only
    hear(talk, 4000, 4500)
    assert answer(talk) == (4500, [])
    # and once more when it comes once more
    hear(talk, 3000, 3500)
    assert answer(talk) == (4500, [(3000, 3500)])


def test_4_1_2_an_early_segment_and_a_duplicate() -> None:
    talk = so_far(4000)
    hear(talk, 4500, 5000)
    assert answer(talk) == (4000, [(4500, 5000)])
    hear(talk, 3000, 3500)
    assert answer(talk) == (4000, [(3000, 3500), (4500, 5000)])


def test_4_1_3_a_duplicate_of_an_early_segment() -> None:
    talk = so_far(4000)
    hear(talk, 4500, 5000)
    hear(talk, 5000, 5500)
    talk.all_said()
    hear(talk, 5000, 5500)
    assert answer(talk) == (4000, [(5000, 5500), (4500, 5500)])


def test_4_2_1_a_duplicate_part() -> None:
    talk = so_far(1000)
    hear(talk, 2000, 2500)
    talk.all_said()
    hear(talk, 1000, 1500)
    assert answer(talk) == (1500, [(2000, 2500)])
    hear(talk, 1000, 2000)
    assert answer(talk) == (2500, [(1000, 1500)])


def test_4_2_2_two_parts_below_the_ack_the_first_is_reported() -> None:
    talk = so_far(1000)
    hear(talk, 3000, 3500)
    hear(talk, 1000, 1500)
    hear(talk, 2000, 2500)
    talk.all_said()
    hear(talk, 1000, 2500)
    assert answer(talk) == (2500, [(1000, 1500), (3000, 3500)])


def test_4_2_3_two_parts_above_the_ack_with_the_block_they_are_in() -> None:
    talk = so_far(1500)
    hear(talk, 2000, 2500)
    hear(talk, 3000, 3500)
    hear(talk, 4000, 4500)
    talk.all_said()
    hear(talk, 2000, 3500)
    acked, blocks = answer(talk)
    assert (acked, blocks[:2]) == (1500, [(2000, 2500), (2000, 3500)])
    assert (4000, 4500) in blocks


def test_the_block_of_the_duplicate_comes_second_whatever_came_last() -> None:
    """RFC 2883 4 (4), for two segments in one batch."""
    talk = so_far(1000)
    hear(talk, 2000, 2500)
    hear(talk, 4000, 4500)
    talk.all_said()
    hear(talk, 2000, 2500)
    hear(talk, 6000, 6500)
    first = talk.us(".")
    assert relative(talk, first) == [
        (2000, 2500),
        (2000, 2500),
        (6000, 6500),
        (4000, 4500),
    ]


def test_text_that_fills_a_hole_and_more() -> None:
    """What of it lay in the queue came twice."""
    talk = so_far(1000)
    hear(talk, 1500, 2000)
    talk.all_said()
    hear(talk, 1000, 1800)
    assert answer(talk) == (2000, [(1500, 1800)])


def test_neighbours_in_one_batch_are_one() -> None:
    talk = so_far(4000)
    for at in (1000, 1500, 2000):
        hear(talk, at, at + 500)
    assert answer(talk) == (4000, [(1000, 2500)])
    hear(talk, 1000, 1500)
    hear(talk, 3000, 3500)
    assert answer(talk) == (4000, [(1000, 1500)])


def test_a_fin_that_came_twice() -> None:
    talk = so_far(500)
    talk.peer("F.", seq=501, ack=1)
    talk.all_said()
    talk.peer("F.", seq=501, ack=1)
    assert answer(talk) == (501, [(500, 501)])


def test_it_stands_alone_where_text_waits() -> None:
    """Every cut of a super-segment would report the duplicate again."""
    talk = so_far(1000)
    talk.conn.send(b"y")
    hear(talk, 500, 1000)
    first, second = talk.all_said()
    assert (first.data, relative(talk, first)) == (b"", [(500, 1000)])
    assert (second.data, relative(talk, second)) == (b"y", [])


def test_not_for_a_peer_without_sack() -> None:
    talk = Talk.active(sack=False)
    hear(talk, 0, 500)
    talk.all_said()
    hear(talk, 0, 500)
    assert answer(talk) == (500, [])
    assert talk.conn.receiver.dsack is None


def test_three_blocks_beside_timestamps() -> None:
    talk = Talk.active(stamps=True)
    hear(talk, 0, 500)
    for at in range(1000, 6000, 1000):
        hear(talk, at, at + 500)
    talk.all_said()
    hear(talk, 0, 500)
    acked, blocks = answer(talk)
    assert acked == 500
    assert blocks == [(0, 500), (5000, 5500), (4000, 4500)]


@pytest.mark.parametrize("early", [False, True])
def test_rfc_2018_the_newest_block_first(early: bool) -> None:
    talk = so_far(500)
    for at in (1000, 2000, 3000):
        hear(talk, at, at + 500)
        assert answer(talk)[1][0] == (at, at + 500)
    hear(talk, 1500 if early else 1400, 1600)
    assert answer(talk)[1][0 if early else 1] == (1000, 1600)
