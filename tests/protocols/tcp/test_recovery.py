from __future__ import annotations

from sansio_net.protocols.tcp.congestion import Reno
from sansio_net.protocols.tcp.recovery import FAST, OPEN, TIMEOUT, Recovery

MSS = 1000


def recovery(cwnd: int = 10 * MSS) -> tuple[Recovery, Reno]:
    made, cc = Recovery(), Reno()
    made.start(0)
    cc.start(MSS, cwnd)
    return made, cc


def duplicate(made: Recovery, cc: Reno, una: int = 1, nxt: int = 10_001) -> bool:
    return made.on_duplicate(una, nxt, MSS, cc, 0)


def test_the_third_duplicate() -> None:
    made, cc = recovery()
    assert not duplicate(made, cc)
    assert made.inflation == MSS  # RFC 3042
    assert not duplicate(made, cc)
    assert made.inflation == 2 * MSS
    assert duplicate(made, cc)
    assert (made.phase, made.lost_nxt, made.lost_end) == (FAST, 1, 1001)
    assert (cc.cwnd, cc.ssthresh, made.inflation) == (5 * MSS, 5 * MSS, 3 * MSS)
    assert not duplicate(made, cc)
    assert made.inflation == 4 * MSS


def test_partial_and_full_acks() -> None:
    made, cc = recovery()
    for _ in range(9):
        duplicate(made, cc)
    made.resent(1001)
    assert made.lost == 0
    assert made.inflation == 9 * MSS
    made.on_ack(3000, 3001, 10_001, MSS, cc)
    assert (made.lost_nxt, made.lost_end) == (3001, 4001)
    assert made.inflation == 7 * MSS
    assert made.restarts_timer
    made.on_ack(1000, 4001, 10_001, MSS, cc)
    assert not made.restarts_timer
    made.on_ack(6000, 10_001, 10_001, MSS, cc)
    assert (made.phase, made.inflation, made.lost) == (OPEN, 0, 0)
    assert cc.cwnd == 2 * MSS  # RFC 6582 3.2 (3), choice (1)


def test_not_again_for_the_same_window() -> None:
    made, cc = recovery()
    for _ in range(3):
        duplicate(made, cc)
    made.on_ack(10_000, 10_001, 15_001, MSS, cc)
    for _ in range(5):
        assert not duplicate(made, cc, una=10_001, nxt=15_001)
    made.on_ack(1000, 11_001, 15_001, MSS, cc)
    assert [duplicate(made, cc, 11_001, 15_001) for _ in range(3)] == [0, 0, 1]


def test_a_new_ack_forgets_duplicates() -> None:
    made, cc = recovery()
    duplicate(made, cc)
    duplicate(made, cc)
    made.on_ack(1000, 1001, 10_001, MSS, cc)
    assert (made.dup_acks, made.inflation) == (0, 0)
    assert not duplicate(made, cc, una=1001)


def test_timeout() -> None:
    made, cc = recovery()
    made.on_timeout(1, 10_001, True, cc, 0)
    assert (made.phase, made.lost, made.urgent) == (TIMEOUT, 10_000, True)
    made.resent(1001)
    assert (made.lost, made.urgent) == (9000, False)
    assert not duplicate(made, cc)
    assert made.inflation == 0
    made.on_ack(5000, 5001, 10_001, MSS, cc)
    assert (made.lost_nxt, made.lost_end) == (5001, 10_001)
    made.on_ack(5000, 10_001, 10_001, MSS, cc)
    assert made.phase is OPEN


def test_the_last_short_segment() -> None:
    made, cc = recovery()
    for _ in range(3):
        duplicate(made, cc, una=1, nxt=301)
    assert (made.lost_nxt, made.lost_end) == (1, 301)
