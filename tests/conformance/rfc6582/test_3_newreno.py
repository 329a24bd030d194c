"""RFC 6582 3: NewReno, for peers without SACK. It uses no words of RFC 2119."""

from __future__ import annotations

from sansio_net.testing import Script
from tests.conformance.peers import MS, in_flight, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 6582"


def duplicates(t: Script, n: int, una: int = 0) -> list[int]:
    sent: list[int] = []
    for _ in range(n):
        t.peer(".", ack=1 + 1000 * una)
        sent += segments_sent(t)
    return sent


def ack(t: Script, una: int) -> list[int]:
    t.peer(".", ack=1 + 1000 * una)
    return segments_sent(t)


@requirement(RFC, "3.2-2", "Three duplicates beyond recover: fast retransmit")
def test_three_duplicates() -> None:
    t = in_flight(10, sack_ok=False)
    assert duplicates(t, 3) == [10, 11, 0]
    assert t.conn.congestion.ssthresh == 5000


@requirement(RFC, "3.2-3a", "A full ACK ends recovery, cwnd at most ssthresh")
def test_a_full_ack() -> None:
    t = in_flight(10, sack_ok=False)
    duplicates(t, 3)
    ack(t, 12)
    assert t.conn.congestion.cwnd <= 5000
    assert t.conn.info().ca_state == "open"


@requirement(RFC, "3.2-3b", "A partial ACK: the first unacknowledged goes, deflate")
def test_partial_acks_one_a_round_trip() -> None:
    t = in_flight(10, sack_ok=False)
    duplicates(t, 9)
    for una in (2, 4, 6):
        assert ack(t, una)[0] == una
    assert t.conn.info().total_retrans == 4
    assert t.conn.info().ca_state == "recovery"


@requirement(RFC, "3.2-2", "Three duplicates beyond recover: fast retransmit")
def test_duplicates_of_the_same_window() -> None:
    """Not beyond `recover`: they come of the recovery itself."""
    t = in_flight(10, sack_ok=False)
    duplicates(t, 9)
    sent = ack(t, 10)
    ssthresh = t.conn.congestion.ssthresh
    duplicates(t, 2, una=10)
    assert t.conn.congestion.ssthresh == ssthresh
    assert sent is not None


@requirement(RFC, "3.2-4", "After a time-out: recover is the highest number sent")
def test_duplicates_after_a_timeout() -> None:
    t = in_flight(10, sack_ok=False)
    t.wait(200 * MS)
    assert segments_sent(t) == [0]
    ssthresh = t.conn.congestion.ssthresh
    ack(t, 1)
    duplicates(t, 6, una=1)
    assert t.conn.congestion.ssthresh == ssthresh


@requirement(RFC, "3.2-3c", "The first partial ACK resets the timer")
def test_the_timer() -> None:
    t = in_flight(10, sack_ok=False)
    duplicates(t, 9)
    t.wait(150 * MS)
    t.sent()
    ack(t, 2)
    t.wait(150 * MS)
    assert t.conn.info().ca_state == "recovery"
    t.wait(100 * MS)
    assert t.conn.info().ca_state == "loss"
