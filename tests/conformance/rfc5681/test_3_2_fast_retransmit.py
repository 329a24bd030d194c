"""RFC 5681 3.2: fast retransmit and fast recovery, for a peer without SACK."""

from __future__ import annotations

from sansio_net.testing import Script
from tests.conformance.peers import connected, places, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 5681"


def in_flight(segments: int = 10, **options: int) -> Script:
    t = connected(initial_window=segments, **options)
    t.conn.send(bytes(100_000))
    assert len(sizes(t)) == segments
    return t


def duplicates(t: Script, n: int) -> list[int]:
    """What we send after each of so many duplicate ACKs."""
    sent: list[int] = []
    for _ in range(n):
        t.peer(".", ack=1)
        sent += places(t)
    return sent


@requirement(RFC, "3.2-1", "An out-of-order segment SHOULD be answered at once")
def test_a_duplicate_ack_for_each_early_segment() -> None:
    t = connected()
    for n in range(1, 6):
        t.peer(".", seq=1 + 1000 * n, data=bytes(1000))
        t.us(".", ack=1, at=0)


@requirement(RFC, "3.2-2", "What fills a gap SHOULD be answered at once")
def test_an_ack_when_a_gap_is_filled() -> None:
    t = connected()
    t.peer(".", seq=1001, data=bytes(1000))
    t.us(".", ack=1)
    t.peer(".", seq=3001, data=bytes(1000))
    t.us(".", ack=1)
    t.peer(".", seq=1, data=bytes(500))  # in part
    t.us(".", ack=501, at=0)
    t.peer(".", seq=501, data=bytes(500))
    t.us(".", ack=2001, at=0)
    t.peer(".", seq=2001, data=bytes(1000))
    t.us(".", ack=4001, at=0)


@requirement(RFC, "3.2-3", "SHOULD use fast retransmit, on the third duplicate ACK")
@requirement(RFC, "3.2-7", "The segment at SND.UNA MUST be retransmitted")
def test_fast_retransmit() -> None:
    t = in_flight()
    t.conn.set(idle_restart=False)
    assert 1 not in duplicates(t, 2)
    assert 1 in duplicates(t, 1)


@requirement(RFC, "3.2-3", "SHOULD use fast retransmit, on the third duplicate ACK")
def test_what_is_no_duplicate_ack() -> None:
    """2: not with text, nor another window, nor without anything outstanding."""
    t = in_flight()
    for n in range(6):
        t.peer(".", ack=1, data=b"x")
        t.peer(".", ack=1, win=60_000 + n)
    t.sent()
    assert t.conn.info().total_retrans == 0
    t = connected()
    for _ in range(6):
        t.peer(".", ack=1)
    t.conn.send(bytes(1000))
    assert places(t) == [1]


@requirement(RFC, "3.2-4", "The first and second duplicate SHOULD send a new segment")
@requirement(RFC, "3.2-5", "cwnd MUST NOT change for these two (RFC 3042)")
def test_limited_transmit() -> None:
    t = in_flight()
    assert duplicates(t, 1) == [10_001]
    assert duplicates(t, 1) == [11_001]
    assert t.conn.congestion.cwnd == 10_000


@requirement(RFC, "3.2-4", "The first and second duplicate SHOULD send a new segment")
def test_limited_transmit_keeps_to_the_window_of_the_peer() -> None:
    t = connected(win=10_000)
    t.conn.send(bytes(20_000))
    assert len(sizes(t)) == 10
    for _ in range(2):
        t.peer(".", ack=1, win=10_000)
        t.silent()


@requirement(
    RFC, "3.2-11", "With SACK MUST NOT send for duplicates that say nothing new"
)
def test_limited_transmit_with_sack() -> None:
    t = connected(sack_ok=True)
    t.conn.send(bytes(100_000))
    assert len(sizes(t)) == 10
    for _ in range(5):
        t.peer(".", ack=1)
        t.silent()
    t.peer(".", ack=1, sack=[(1001, 2001)])
    assert places(t) == [10_001]


@requirement(RFC, "3.2-6", "ssthresh MUST be at most equation (4)")
def test_the_threshold_leaves_limited_transmit_out() -> None:
    t = in_flight()
    duplicates(t, 3)
    assert t.conn.congestion.ssthresh == 5000


@requirement(RFC, "3.2-8", "Each further duplicate MUST add SMSS to cwnd")
@requirement(RFC, "3.2-9", "New data SHOULD go as the new cwnd allows")
@requirement(RFC, "4.3-2", "Each RTT MUST carry at most half until all is repaired")
def test_new_data_in_recovery() -> None:
    t = in_flight()
    assert duplicates(t, 3) == [10_001, 11_001, 1]
    # nine segments have left the network; half of ten may be there
    new = duplicates(t, 8)
    assert new == sorted(new)
    assert new[0] == 12_001
    assert 3 <= len(new) <= 5


@requirement(RFC, "3.2-10", "The ACK of new data MUST set cwnd to ssthresh")
@requirement(RFC, "4.3-3", "After recovery cwnd MUST be at most ssthresh")
def test_the_end_of_recovery() -> None:
    t = in_flight()
    duplicates(t, 3 + 8)
    t.peer(".", ack=12_001)
    assert t.conn.congestion.ssthresh == 5000
    assert t.conn.congestion.cwnd == 5000
    assert t.conn.congestion.phase == "avoidance"


@requirement(RFC, "4.3-1", "RECOMMENDED to recover from several losses in a window")
def test_two_losses_in_a_window() -> None:
    t = in_flight()
    duplicates(t, 3 + 5)
    t.peer(".", ack=4001)  # the fourth is lost too
    assert 4001 in places(t)
    assert t.conn.info().total_retrans == 2


@requirement(RFC, "4.3-4", "Loss in two successive windows MUST lower cwnd twice")
def test_the_next_window_loses_too() -> None:
    t = in_flight(16)
    duplicates(t, 3 + 14)
    t.peer(".")  # recovered
    t.sent()
    first = t.conn.congestion.ssthresh
    una = t.conn.sender.snd_una - t.conn.sender.iss
    t.peer(".", ack=una + 1000)
    for _ in range(3):
        t.peer(".", ack=una + 1000)
    assert t.conn.congestion.ssthresh < first
