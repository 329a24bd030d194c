"""RFC 8985 6: RACK, loss detection by time. Segments are counted from 0."""

from __future__ import annotations

from typing import Any

from sansio_net.testing import Script
from tests.conformance.peers import MS, in_flight, sacked, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 8985"


def timed(segments: int = 10, *, more: int = 0, **kwargs: Any) -> Script:
    """In flight, and a round trip of 100 ms has passed. RTO is three of them."""
    t = in_flight(segments, more=more, rtt=100 * MS, rack=True, **kwargs)
    t.wait(100 * MS)
    return t


@requirement(RFC, "4-1", "The connection MUST use SACK; a scoreboard MUST be kept")
def test_without_sack_duplicates_count() -> None:
    t = in_flight(10, sack_ok=False, rack=True)
    sent = []
    for _ in range(3):
        t.peer(".", ack=1)
        sent += segments_sent(t)
    assert 0 in sent


@requirement(RFC, "3.3.2-1", "No reordering: the window SHOULD be 0 at three SACKed")
def test_three_segments_are_enough() -> None:
    t = timed()
    assert sacked(t, 1) == []
    assert sacked(t, 2, 1) == []
    assert sacked(t, 3, 2, 1)[0] == 0


@requirement(RFC, "3.3.2-2", "Else it SHOULD start from a small part of the RTT")
@requirement(RFC, "6.2-2", "A timer for the reordering window is RECOMMENDED")
def test_a_single_segment_and_a_quarter_of_the_rtt() -> None:
    t = timed(3)
    assert sacked(t, 2) == []
    t.wait(24 * MS)
    t.silent()
    t.wait(1 * MS)
    assert 0 in segments_sent(t)
    assert t.conn.info().ca_state == "recovery"


@requirement(RFC, "6.2-1", "What was sent before something delivered is lost, in time")
def test_what_was_sent_later_is_not_lost() -> None:
    t = timed(4, initial_window=10)
    t.conn.send(bytes(2000))  # later
    assert segments_sent(t) == [4, 5]
    sent = sacked(t, 3, 2, 1)
    t.wait(50 * MS)
    sent += segments_sent(t)
    assert 0 in sent
    assert 4 not in sent


@requirement(RFC, "4-2", "The last time each segment was sent MUST be kept")
@requirement(RFC, "6.2-1", "What was sent before something delivered is lost, in time")
def test_a_lost_retransmission() -> None:
    """No duplicate counts could tell of it: no time-out is needed."""
    t = timed(10, more=30)
    sent = sacked(t, 3, 2, 1)
    assert sent[0] == 0
    t.wait(10 * MS)
    held = [3, 2, 1]
    later: list[int] = []
    for n in range(4, 10):
        held.insert(0, n)
        later += sacked(t, *held)
    assert later
    t.wait(100 * MS)
    # what left after the retransmission is delivered, a round trip later
    for n in later:
        held.insert(0, n)
        sent = sacked(t, *held)
        if 0 in sent:
            break
    t.wait(26 * MS)
    assert 0 in sent + segments_sent(t)
    assert t.conn.info().retransmits == 0


@requirement(RFC, "3.3.2-3", "DSACKs SHOULD make the window grow")
@requirement(RFC, "3.3.2-4", "It MUST be bounded, SHOULD be by SRTT")
def test_the_window_grows_by_dsacks() -> None:
    t = timed(4, more=200)
    t.peer(".", ack=4001)
    waits = []
    una = 4
    for _ in range(8):
        t.wait(100 * MS)
        new = segments_sent(t)
        top = max(new)
        # the last of them only: all others are late
        t.wait(100 * MS)
        t.peer(".", ack=1 + 1000 * una, sack=[(1 + 1000 * top, 1001 + 1000 * top)])
        began, again = t.elapsed, []
        for _ in range(200):
            again += [n for n in segments_sent(t) if n <= top]
            if again:
                break
            t.wait(1 * MS)
        waits.append((t.elapsed - began) // MS)
        # they had all arrived: the retransmission was spurious
        t.peer(
            ".",
            ack=1001 + 1000 * top,
            sack=[(1 + 1000 * again[0], 1001 + 1000 * again[0])],
        )
        una = top + 1
    assert waits[1] > waits[0]
    assert waits == sorted(waits)
    assert waits[-1] <= t.conn.info().rtt // MS + 1


@requirement(RFC, "6.3-1", "On RTO: the first segment, and what had time to arrive")
def test_a_timeout() -> None:
    t = in_flight(5, more=0, rtt=100 * MS, rack=True)
    t.wait(300 * MS)
    assert segments_sent(t)[0] == 0


@requirement(RFC, "9.3-1", "What is lost MUST NOT go before congestion control lets it")
def test_retransmissions_keep_to_the_window() -> None:
    t = timed(20)
    sent = sacked(t, 19, 18, 17)
    assert sent[0] == 0
    assert len(sent) <= 10
    assert t.conn.congestion.ssthresh == 10_000


@requirement(RFC, "6.2-3", "SHOULD track a windowed minimum of the RTT")
def test_the_minimum_of_the_rtt() -> None:
    t = timed()
    assert t.conn.info().min_rtt == 100 * MS
