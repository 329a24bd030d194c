"""The search for what a path carries, by itself (RFC 4821 7)."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.plpmtud import CLOSE_ENOUGH, MANY, TRIAL, Search


def searched(path: int, top: int = 9000, first: bool = True) -> tuple[Search, int]:
    """Probes until it is content; the search and how many that took."""
    search, probes = Search(1064, top, first), 0
    while not search.converged:
        probes += 1
        size = search.next_size()
        assert search.low < size <= search.high
        search.sent(size, 1, size)
        if size <= path:
            assert search.arrived(size, 1000) == size
        else:
            search.failed(0)
    return search, probes


@pytest.mark.parametrize("path", [1064, 1065, 1280, 1492, 1499, 1500, 8999, 9000])
@pytest.mark.parametrize("first", [True, False])
def test_it_finds_what_passes(path: int, first: bool) -> None:
    search, probes = searched(path, first=first)
    assert path - CLOSE_ENOUGH < search.low <= path
    assert probes <= 12


def test_a_path_like_its_first_link_takes_one_probe() -> None:
    assert searched(1500, 1500)[1] == 1


def test_one_lost_among_others_proves_nothing() -> None:
    search = Search(1064, 1500, True)
    search.sent(1500, 1, 1461)
    search.inconclusive()
    assert (search.size, search.low, search.high) == (0, 1064, 1500)


def test_a_router_s_word_bounds_the_search() -> None:
    search = Search(1064, 1500, True)
    search.limit(1400)
    assert search.next_size() == 1400
    search.limit(900)
    assert (search.low, search.high, search.converged) == (900, 900, True)


def test_a_new_size_is_on_trial() -> None:
    """RFC 4821 7.8: striping over two paths lets the probe pass, and half the rest
    not."""
    search = Search(1064, 1500, True)
    search.sent(1500, 1, 1461)
    search.arrived(2000, 1024)
    for _ in range(MANY - 1):
        assert search.loss(3000) == 0
    assert search.loss(3000) == 1064
    assert (search.low, search.high) == (1064, 1499)
    assert search.loss(3000) == 0


def test_the_trial_ends() -> None:
    search = Search(1064, 1500, True)
    search.sent(1500, 1, 1461)
    search.arrived(2000, 1024)
    assert [search.loss(2000 + TRIAL * 1024) for _ in range(MANY + 1)] == [0] * (
        MANY + 1
    )
    assert search.low == 1500


def test_black_holes_end_at_the_least() -> None:
    """RFC 4821 7.7."""
    search = Search(1064, 1500, False)
    sizes, mtu = [], 1500
    for _ in range(7):
        mtu = search.full_stop(mtu, 68)
        sizes.append(mtu)
    assert sizes == [1064, 532, 266, 133, 68, 68, 68]
    search = Search(1064, 1500, False)
    search.sent(1282, 1, 1243)
    search.arrived(1243, 1000)
    assert search.full_stop(1282, 68) == 1064


def test_the_path_may_grow() -> None:
    search, _ = searched(1400, 1500)
    assert search.converged
    search.again(1500)
    assert search.next_size() == 1500
