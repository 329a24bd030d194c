"""RFC 3042 2: limited transmit."""

from __future__ import annotations

from tests.conformance.peers import in_flight, sacked, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 3042"


@requirement(RFC, "2-1", "The first two duplicate ACKs SHOULD each send a new segment")
@requirement(RFC, "2-3", "cwnd MUST NOT be changed by that")
def test_two_new_segments() -> None:
    t = in_flight(10, sack_ok=False)
    for n in (10, 11):
        t.peer(".", ack=1)
        assert segments_sent(t) == [n]
    assert t.conn.congestion.cwnd == 10_000


@requirement(RFC, "2-2", "Not beyond the peer's window, nor cwnd plus two segments")
def test_the_windows() -> None:
    t = in_flight(10, sack_ok=False, win=11_000)
    t.peer(".", ack=1, win=11_000)
    assert segments_sent(t) == [10]
    t.peer(".", ack=1, win=11_000)
    t.silent()


@requirement(RFC, "2-4", "With SACK MUST NOT send for ACKs without new information")
def test_duplicates_that_say_nothing() -> None:
    t = in_flight(10)
    for _ in range(5):
        t.peer(".", ack=1)
        t.silent()
    assert sacked(t, 1) == [10]
    for _ in range(5):
        assert sacked(t, 1) == []
