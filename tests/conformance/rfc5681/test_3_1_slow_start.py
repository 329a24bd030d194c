"""RFC 5681 3.1: slow start and congestion avoidance."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, connected, places, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 5681"


def flight(t: Script) -> int:
    """How much we send at once when there is more than enough."""
    return sum(sizes(t))


@requirement(RFC, "2-1", "MUST NOT send beyond the highest ACK plus min(cwnd, rwnd)")
def test_both_windows_hold() -> None:
    t = connected(win=65535, initial_window=4)
    t.conn.send(bytes(100_000))
    assert flight(t) == 4000
    t = connected(win=3000, initial_window=4)
    t.conn.send(bytes(100_000))
    assert flight(t) == 3000


@requirement(RFC, "3.1-1", "Slow start MUST be used to control what is outstanding")
def test_slow_start() -> None:
    t = connected(initial_window=2)
    t.conn.send(bytes(100_000))
    assert flight(t) == 2000
    una = 1
    for sent in (4000, 8000, 16_000):  # each round trip doubles it
        for _ in range(sent // 2000):
            una += 1000
            t.peer(".", ack=una)
        assert flight(t) == sent


@requirement(RFC, "3.1-2", "IW MUST NOT exceed its bound (RFC 6928 2)")
@pytest.mark.parametrize(
    ("mss", "window"), [(536, 5360), (1460, 14_600), (4000, 14_600), (8960, 17_920)]
)
def test_the_initial_window(mss: int, window: int) -> None:
    t = connected(mss=mss, mtu=9000)
    t.conn.send(bytes(100_000))
    assert flight(t) == window - window % mss


@requirement(RFC, "3.1-3", "SYN-ACK and its ACK MUST NOT increase cwnd")
def test_the_handshake_does_not_count() -> None:
    t = connected(initial_window=4)
    assert t.conn.congestion.cwnd == 4000


@requirement(RFC, "3.1-4", "After lost SYNs the initial window MUST be one segment")
def test_the_initial_window_after_a_lost_syn() -> None:
    """RFC 6928 2: after more than one."""
    t = Script()
    t.connect()
    t.wait(3 * SEC)
    t.sent()
    t.peer("S.", mss=1000)
    t.us(".")
    t.conn.send(bytes(10_000))
    assert flight(t) == 1000
    t = Script()
    t.listen()
    t.peer("S", mss=1000)
    t.wait(3 * SEC)  # our SYN-ACKs were lost
    t.sent()
    t.peer(".")
    t.conn.send(bytes(10_000))
    assert flight(t) == 1000


@requirement(RFC, "3.1-5", "A smaller MSS SHOULD reduce cwnd by the ratio")
def test_a_smaller_path() -> None:
    t = connected(mss=1460)
    t.conn.send(bytes(50_000))
    t.us(".", length=1460)
    t.router(3, 4, mtu=770)
    assert t.conn.congestion.cwnd == 7300


@requirement(RFC, "3.1-6", "The initial ssthresh SHOULD be arbitrarily high")
@requirement(RFC, "3.1-7", "ssthresh MUST be reduced in response to congestion")
def test_the_initial_threshold() -> None:
    t = connected()
    assert t.conn.congestion.ssthresh >= 1 << 30
    t.conn.send(bytes(8000))
    t.wait(300 * MS)
    assert t.conn.congestion.ssthresh == 4000


@requirement(RFC, "3.1-8", "RECOMMENDED in slow start: cwnd += min(N, SMSS) an ACK")
def test_ack_division_in_slow_start() -> None:
    t = connected(initial_window=4)
    t.conn.send(bytes(100_000))
    assert flight(t) == 4000
    for n in range(10):
        t.peer(".", ack=1 + 100 * (n + 1))
    assert t.conn.congestion.cwnd == 5000


def avoiding(cwnd: int) -> Script:
    """In congestion avoidance, all of cwnd in flight."""
    t = connected(initial_window=2 * cwnd // 1000, rtt=100 * MS)
    t.conn.send(bytes(2 * cwnd))
    t.wait(SEC)
    t.sent()
    t.peer(".")
    una = t.conn.sender.snd_una
    t.conn.send(bytes(300_000))
    while t.conn.congestion.cwnd < t.conn.congestion.ssthresh:
        una += sum(sizes(t))
        t.peer(".")
    t.peer(".")
    t.sent()
    return t


@requirement(RFC, "3.1-9", "Avoidance MUST NOT add more than SMSS bytes a round trip")
@requirement(RFC, "3.1-10", "RECOMMENDED to count the bytes acknowledged up to cwnd")
@pytest.mark.parametrize("division", [1, 4])
def test_congestion_avoidance(division: int) -> None:
    t = avoiding(8000)
    for _ in range(4):
        before = t.conn.congestion.cwnd
        first = t.conn.info().bytes_acked
        una = t.conn.sender.snd_una - t.conn.sender.iss
        for n in range(before * division // 1000):
            t.peer(".", ack=una + 1000 * (n + 1) // division)
        assert t.conn.info().bytes_acked - first == before
        assert t.conn.congestion.cwnd == before + 1000


@requirement(RFC, "3.1-11", "On a time-out ssthresh MUST be at most equation (4)")
@pytest.mark.parametrize(("sent", "threshold"), [(10, 5000), (6, 3000), (1, 2000)])
def test_the_threshold_of_a_timeout(sent: int, threshold: int) -> None:
    t = connected()
    t.conn.send(bytes(sent * 1000))
    t.wait(200 * MS)
    assert t.conn.congestion.ssthresh == threshold


@requirement(RFC, "3.1-12", "ssthresh is held when the segment was resent already")
def test_a_second_timeout() -> None:
    t = connected()
    t.conn.send(bytes(10_000))
    t.wait(200 * MS + 400 * MS + 800 * MS)
    assert len(t.sent()) == 13
    assert t.conn.congestion.ssthresh == 5000


@requirement(RFC, "3.1-13", "On a time-out cwnd MUST be at most one segment")
def test_the_loss_window() -> None:
    t = connected()
    t.conn.send(bytes(20_000))
    assert flight(t) == 10_000
    t.wait(200 * MS)
    assert places(t) == [1]
    assert t.conn.congestion.cwnd == 1000
    # and slow start from there
    t.peer(".", ack=1001)
    assert places(t) == [1001, 2001]
