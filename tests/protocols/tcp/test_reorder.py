from __future__ import annotations

from sansio_net.packet import Buffer
from sansio_net.protocols.tcp.reorder import Reorder, append, kept


def test_ranges_join() -> None:
    reorder = Reorder()
    reorder.insert(10, b"klm")
    reorder.insert(20, b"uvw")
    reorder.insert(13, b"nopqrst")
    assert reorder.ranges() == [(10, 23)]
    reorder.insert(5, b"fghijXX")
    assert reorder.start == 5
    text = reorder.pop()
    assert text.take(100) == b"fghijklmnopqrstuvw"
    assert reorder.size == 0
    assert reorder.start > 2**60


def test_the_newest_block_first() -> None:
    reorder = Reorder()
    for start in (10, 30, 50):
        reorder.insert(start, b"xxxxx")
    assert reorder.blocks(4) == [(50, 55), (30, 35), (10, 15)]
    reorder.insert(35, b"y")
    assert reorder.blocks(2) == [(30, 36), (50, 55)]
    reorder.insert(12, b"z")  # nothing new, yet it came last
    assert reorder.blocks(1) == [(10, 15)]
    assert reorder.ranges()[0] == (10, 15)


def test_blocks_wrap() -> None:
    reorder = Reorder()
    reorder.insert(2**32 - 2, b"abcd")
    assert reorder.blocks(3) == [(2**32 - 2, 2)]


def test_memory_is_counted() -> None:
    frame = bytes(60_000)
    assert isinstance(kept(memoryview(frame)[:40_000]), memoryview)
    assert kept(memoryview(frame)[:20_000]) == bytes(20_000)
    assert isinstance(kept(memoryview(frame)[:20_000]), bytes)
    reorder = Reorder()
    for n in range(1000):
        reorder.insert(1 + n, b"x")
    assert reorder.n_chunks == 1
    assert reorder.pinned == 1000
    buffer = Buffer()
    for _ in range(3000):
        append(buffer, b"y")
    assert buffer.n_chunks == 2
