from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.seq import is_older, unwrap, wrap


@pytest.mark.parametrize(
    ("wire", "near", "number"),
    [
        (5, 0, 5),
        (5, 2**32 - 3, 2**32 + 5),
        (2**32 - 3, 2**32 + 5, 2**32 - 3),
        (2**32 - 1, 0, -1),
        (0, 7 * 2**32 + 1, 7 * 2**32),
        (2**31, 0, -(2**31)),
    ],
)
def test_unwrap_takes_the_nearest(wire: int, near: int, number: int) -> None:
    assert unwrap(wire, near) == number
    assert wrap(number) == wire


def test_stamps_compare_around_the_circle() -> None:
    assert is_older(2**32 - 1, 0)
    assert not is_older(0, 2**32 - 1)
    assert not is_older(7, 7)
