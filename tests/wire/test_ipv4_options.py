"""IPv4 options: what is written into them, and which are wrong where."""

from __future__ import annotations

import pytest

from sansio_net.errors import MalformedError
from sansio_net.wire.ipv4_options import (
    NOT_MIDNIGHT,
    OptionProblem,
    check_options,
    find_options,
    for_the_way_back,
    record,
)

US, OTHER = bytes((10, 0, 0, 2)), bytes((10, 0, 0, 9))


def written(options: bytes, time: int = 5) -> bytes:
    return record(options, find_options(options), US, {US}, time)


def stamp(time: int) -> bytes:
    return (NOT_MIDNIGHT | time).to_bytes(4, "big")


def test_a_recorded_route() -> None:
    empty = bytes((7, 11, 4)) + bytes(8)
    once = written(empty)
    assert once == bytes((7, 11, 8)) + US + bytes(4)
    full = written(once)
    assert full == bytes((7, 11, 12)) + US + US
    assert written(full) == full  # RFC 791 3.1: no room, and no error


def test_times_alone() -> None:
    empty = bytes((68, 12, 5, 0)) + bytes(8)
    once = written(empty)
    assert once == bytes((68, 12, 9, 0)) + stamp(5) + bytes(4)
    full = written(once, 7)
    assert full == bytes((68, 12, 13, 0)) + stamp(5) + stamp(7)
    assert written(full) == bytes((68, 12, 13, 0x10)) + stamp(5) + stamp(7)


def test_times_with_addresses() -> None:
    empty = bytes((68, 12, 5, 1)) + bytes(8)
    assert written(empty) == bytes((68, 12, 13, 1)) + US + stamp(5)


def test_times_of_those_who_were_named() -> None:
    ours = bytes((68, 20, 5, 3)) + US + bytes(4) + OTHER + bytes(4)
    once = written(ours)
    assert once == bytes((68, 20, 13, 3)) + US + stamp(5) + OTHER + bytes(4)
    assert written(once) == once  # the next is somebody else's
    full = bytes((68, 12, 13, 3)) + US + stamp(1)
    assert written(full) == full


def test_the_time_starts_over() -> None:
    assert written(bytes((68, 8, 5, 0)) + bytes(4), (1 << 31) + 3)[4:] == stamp(3)


def test_what_is_not_known_stays() -> None:
    options = bytes((1, 200, 3, 7, 136, 4, 0, 1, 148, 4, 0, 0))
    assert find_options(options) == {200: 1, 136: 4, 148: 8}
    assert written(options) == options
    odd = bytes((68, 8, 5, 2)) + bytes(4)
    assert written(odd + bytes(4)) == odd + bytes(4)


def test_the_list_ends_where_it_says() -> None:
    assert find_options(bytes((0, 7, 0, 0))) == {}


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        (bytes((7, 0, 0, 0)), 21),  # would loop for ever
        (bytes((7, 1, 0, 0)), 21),
        (bytes((1, 1, 1, 7)), 24),
        (bytes((7, 5, 4, 0)), 21),  # beyond the end
        (bytes((7, 2, 0, 0)), 21),  # no room for a pointer
        (bytes((68, 3, 5, 0)), 21),
        (bytes((148, 2, 0, 0)), 21),
        (bytes((7, 7, 3, 0, 0, 0, 0, 0)), 22),  # below the first
        (bytes((7, 7, 5, 0, 0, 0, 0, 0)), 22),  # room, but not enough
        (bytes((68, 8, 4, 0, 0, 0, 0, 0)), 22),
        (bytes((68, 8, 6, 0, 0, 0, 0, 0)), 22),
        (bytes((68, 8, 5, 1, 0, 0, 0, 0)), 22),
        (bytes((68, 4, 5, 0xF0)), 23),  # a sixteenth without room
        (bytes((7, 3, 4, 7, 3, 4, 0, 0)), 23),  # at most once
    ],
)
def test_where_it_is_wrong(options: bytes, pointer: int) -> None:
    with pytest.raises(OptionProblem) as caught:
        written(options)
    assert caught.value.pointer == pointer
    assert isinstance(caught.value, MalformedError)
    assert f"byte {pointer}" in str(caught.value)


def test_what_goes_back() -> None:
    route, time = bytes((7, 7, 8)) + US, bytes((68, 8, 5, 0)) + bytes(4)
    options = bytes((148, 4, 0, 0)) + route + bytes((1,)) + time
    assert for_the_way_back(options) == route + time + bytes(1)
    assert for_the_way_back(bytes((148, 4, 0, 0))) == b""


def test_what_may_be_sent() -> None:
    assert check_options(bytes((7, 3, 4))) == bytes((7, 3, 4, 0))
    for wrong in (
        bytes((131, 7, 4)) + US,
        bytes((137, 7, 4)) + US,
        bytes((7, 9, 4)),
        bytes((7, 7, 5)) + US,
        bytes((1,)) * 41,
    ):
        with pytest.raises(ValueError):
            check_options(wrong)
