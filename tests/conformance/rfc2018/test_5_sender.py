"""RFC 2018 5 and 8: what a sender makes of SACK."""

from __future__ import annotations

from tests.conformance.peers import MS, in_flight, sacked, segments_sent
from tests.conformance.requirements import requirement

RFC = "RFC 2018"


@requirement(RFC, "5-1", "The sender SHOULD record what is SACKed")
def test_what_is_sacked_does_not_go_again() -> None:
    t = in_flight(10, more=0)
    sent = sacked(t, 1)
    for held in ((3, 1), (5, 3, 1), (7, 5, 3, 1), (9, 7, 5, 3, 1)):
        sent += sacked(t, *held)
    assert sent[0] == 0
    assert not {1, 3, 5, 7, 9} & set(sent)


@requirement(RFC, "5-2", "After a time-out the sender SHOULD turn off the SACKed bits")
@requirement(RFC, "5-3", "It MUST retransmit the segment at the left edge")
@requirement(RFC, "5.1-2", "It MUST ignore prior SACK information")
def test_a_receiver_that_forgot() -> None:
    t = in_flight(4, more=0)
    sacked(t, 1)
    sacked(t, 2, 1)
    t.wait(300 * MS)
    assert segments_sent(t)[0] == 0
    t.peer(".", ack=1001)  # and no SACK: it has discarded the rest
    t.wait(3000 * MS)
    assert 1 in segments_sent(t)


@requirement(RFC, "5.1-1", "Congestion control MUST be kept: not by a single ACK")
def test_one_segment_out_of_order() -> None:
    t = in_flight(10, more=0)
    assert sacked(t, 1) == []
    assert sacked(t, una=10) == []
    assert t.conn.info().total_retrans == 0


@requirement(RFC, "8-2", "The sender MUST NOT discard data before it is acknowledged")
def test_the_buffer_is_kept() -> None:
    t = in_flight(4, more=0)
    sacked(t, 3, 2, 1)
    assert t.conn.info().send_queue == 4000
