from __future__ import annotations

import pickle

import pytest

from sansio_net.counters import Counters, DropReason
from sansio_net.packet import Packet
from sansio_net.protocols.tcp import TimeWaitRecord, TimeWaitTable
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, parse_tcp
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

from .dialogue import PEER, US

NOW = 100 * SECOND
KEY = b"key"
LAST = 2**32 - 5
"""The next number expected of the peer."""


def record(ts_recent: int | None = None) -> TimeWaitRecord:
    return TimeWaitRecord(
        US,
        4000,
        PEER,
        80,
        777,
        LAST,
        5000,
        ts_recent,
        9,
        60 * SECOND,
        NOW + 60 * SECOND,
    )


def table(ts_recent: int | None = None) -> TimeWaitTable:
    made = TimeWaitTable(10)
    made.add(KEY, record(ts_recent))
    return made


def says(
    where: TimeWaitTable,
    flags: int,
    seq: int = LAST,
    length: int = 0,
    ts_val: int | None = None,
    now: int = NOW,
) -> Packet | str | None:
    options = b"" if ts_val is None else build_tcp_options(ts_val=ts_val, ts_ecr=0)
    return where.segment_arrives(KEY, seq, 777, flags, length, options, now)


def test_the_fin_again_is_acknowledged_and_starts_again() -> None:
    where = table()
    answer = says(where, FIN | ACK, seq=LAST - 1, now=NOW + SECOND)
    assert isinstance(answer, Packet)
    header = parse_tcp(answer.head)
    assert (header.seq, header.ack, header.flags) == (777, LAST, ACK)
    assert answer.info is not None
    assert (answer.info.src, answer.info.dst) == (US, PEER)
    where.handle_timeout(NOW + 60 * SECOND)
    assert KEY in where
    assert where.deadline() == NOW + 61 * SECOND
    where.handle_timeout(NOW + 61 * SECOND)
    assert KEY not in where
    assert where.deadline() is None


def test_stamps_are_echoed() -> None:
    answer = says(table(ts_recent=50), FIN | ACK, ts_val=51)
    assert isinstance(answer, Packet)
    options = parse_tcp_options(parse_tcp(answer.head).options)
    assert (options.ts_val, options.ts_ecr) == (NOW // MILLISECOND + 9, 50)


def test_a_plain_ack_is_not_answered() -> None:
    assert says(table(), ACK) is None
    assert says(table(), 0) is None


def test_what_lies_elsewhere_is_answered_seldom() -> None:
    where = table()
    assert isinstance(says(where, ACK, seq=LAST - 100), Packet)
    assert says(where, ACK, seq=LAST - 100) is None
    later = NOW + 500 * MILLISECOND
    assert isinstance(says(where, ACK, seq=LAST - 100, now=later), Packet)
    # text is always answered: it is a retransmission
    assert isinstance(says(where, ACK, seq=LAST - 100, length=10), Packet)


def test_an_old_stamp_is_answered_seldom_and_does_not_start_again() -> None:
    where = table(ts_recent=50)
    assert isinstance(says(where, FIN | ACK, ts_val=49, now=NOW + SECOND), Packet)
    assert says(where, FIN | ACK, ts_val=49, now=NOW + SECOND) is None
    where.handle_timeout(NOW + 60 * SECOND)
    assert KEY not in where


def test_a_reset_is_ignored() -> None:
    # RFC 1337 3
    where = table()
    assert says(where, RST) is None
    assert KEY in where
    # and a FIN that comes again is still acknowledged
    assert isinstance(says(where, FIN | ACK, seq=LAST - 1), Packet)


def test_a_reset_at_the_edge_ends_it_where_that_is_asked_for() -> None:
    where = table()
    found = where.get(KEY)
    assert found is not None
    found.rfc1337 = False
    assert says(where, RST, seq=LAST + 1) is None
    assert KEY in where
    assert says(where, RST) is None
    assert KEY not in where


@pytest.mark.parametrize(
    ("ts_recent", "ts_val", "newer", "honoured"),
    [  # RFC 6191 2
        (50, 51, False, True),
        (50, 50, True, True),
        (50, 50, False, False),
        (50, 49, True, False),
        (50, None, True, True),
        (50, None, False, False),
        (None, 1, False, True),
        (None, None, True, True),
        (None, None, False, False),
    ],
)
def test_a_new_syn(
    ts_recent: int | None, ts_val: int | None, newer: bool, honoured: bool
) -> None:
    where = table(ts_recent)
    seq = (LAST + 100) % 2**32 if newer else LAST - 100
    answer = says(where, SYN, seq=seq, ts_val=ts_val)
    if honoured:
        assert answer == "reopen"
        assert KEY in where  # until there is a connection in its place
        assert where.reopened_nxt == 777
    else:
        assert isinstance(answer, Packet)
        assert KEY in where
    # a SYN-ACK never opens anything
    assert says(table(ts_recent), SYN | ACK, seq=seq, ts_val=ts_val) != "reopen"


def test_bounded_the_oldest_goes() -> None:
    counters = Counters()
    where = TimeWaitTable(3, counters=counters)
    for n in range(5):
        where.add(bytes([n]), record())
    assert len(where) == 3
    assert b"\0" not in where
    assert b"\4" in where
    assert counters.dropped(DropReason.TCP_TIME_WAIT_FULL) == 2
    nothing = TimeWaitTable(0, counters=counters)
    nothing.add(KEY, record())
    assert len(nothing) == 0
    assert counters.dropped(DropReason.TCP_TIME_WAIT_FULL) == 3
    where.remove(b"\4")
    where.remove(b"\4")
    assert where.get(b"\4") is None
    assert where.get(b"\3") is not None
    assert where.segment_arrives(b"\4", 0, 0, ACK, 0, b"", NOW) is None


def test_the_heap_does_not_grow_with_churn() -> None:
    where = TimeWaitTable(10)
    for _ in range(1000):
        where.add(KEY, record())
        where.remove(KEY)
    assert len(where._heap) <= 2 * 10 + 64 + 1
    assert where.deadline() is None
    for _ in range(20):
        where.add(KEY, record())
        where.remove(KEY)
    where.handle_timeout(NOW + 61 * SECOND)
    assert where._heap == []


def test_pickles() -> None:
    copied = pickle.loads(pickle.dumps(table()))
    assert copied.get(KEY) == table().get(KEY)
