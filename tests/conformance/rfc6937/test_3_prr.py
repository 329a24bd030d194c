"""RFC 6937 3: proportional rate reduction. It uses no words of RFC 2119."""

from __future__ import annotations

from tests.conformance.peers import in_flight, sacked
from tests.conformance.requirements import requirement

RFC = "RFC 6937"


@requirement(RFC, "3-1", "As much leaves as arrives, times ssthresh/RecoverFS")
def test_half_as_much_leaves_as_arrives() -> None:
    t = in_flight(20)
    sent = sacked(t, 3, 2, 1)
    for n in range(4, 20):
        sent += sacked(t, *range(n, 0, -1))
        # after `n` segments arrived: n/2, rounded up, and what the first ACK had
        assert n // 2 - 1 <= len(sent) <= n // 2 + 2
    assert sent[0] == 0


@requirement(RFC, "3-2", "prr_out approaches ssthresh: no burst at the end of recovery")
def test_no_burst_at_the_end() -> None:
    t = in_flight(20)
    sent = sacked(t, 3, 2, 1)
    for n in range(4, 20):
        sent += sacked(t, *range(n, 0, -1))
    top = max(sent) + 1
    out = len(sent)
    after = sacked(t, una=20)
    assert t.conn.congestion.cwnd <= t.conn.congestion.ssthresh
    assert len(after) <= 3
    assert (top - 20) + len(after) <= 10
    assert out <= 10


@requirement(RFC, "3-3", "Below ssthresh: slow start by what is delivered (SSRB)")
def test_many_losses_at_once() -> None:
    """Pipe falls below ssthresh: what leaves is bound by what arrives."""
    t = in_flight(20, more=0)
    sent = sacked(t, 19, 18, 17)
    assert sent[0] == 0
    assert 1 <= len(sent) <= 4
    for una in range(1, 17):
        sent += sacked(t, 19, 18, 17, una=una)
        assert len(sent) <= 2 * una + 4
    assert sorted(set(sent)) == list(range(17))
    assert t.conn.info().retransmits == 0
