"""RFC 3168 6.1.2 to 6.1.6: who slows down, who echoes, what is never marked."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, plain
from tests.conformance.requirements import requirement

RFC = "RFC 3168"

NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3


def agreed(win: int = 65_535, sack_ok: bool = False, **options: object) -> Script:
    t = Script(options=plain(ecn="on", **options))
    t.connect()
    t.us("SEW", seq=0)
    t.peer("SE.", seq=0, ack=1, win=win, mss=1000, sack_ok=sack_ok)
    t.us(".")
    return t


@requirement(RFC, "6.1.2-1", "ECT(0) SHOULD be used on new data")
def test_new_data_may_be_marked() -> None:
    t = agreed()
    t.conn.send(bytes(5000))
    assert [seen.ecn for seen in t.sent()] == [ECT0] * 5


@requirement(RFC, "6.1.2-2", "ECE: cwnd and ssthresh come down (RFC 8511: less)")
@requirement(RFC, "6.1.2-6", "CWR SHOULD be set on the first new data packet only")
def test_an_echo_brings_the_window_down() -> None:
    t = agreed()
    t.conn.send(bytes(50_000))
    assert len(t.sent()) == 10
    t.peer("E.", ack=1001)
    assert t.conn.congestion.cwnd <= 8000
    assert t.conn.congestion.ssthresh <= 8000
    t.peer("E.", ack=5001)
    t.us("W.", seq=10_001, ecn=ECT0)
    assert {seen.header.flags & 0x80 for seen in t.sent()} <= {0}


@requirement(RFC, "6.1.2-3", "An ECE ACK SHOULD NOT increase the window")
def test_an_echo_never_brings_it_up() -> None:
    t = agreed(initial_window=2)
    t.conn.send(bytes(10_000))
    assert len(t.sent()) == 2
    t.peer("E.", ack=2001)
    assert t.conn.congestion.cwnd <= 2000


@requirement(RFC, "6.1.2-4", "No more than one reaction for a window of data")
def test_once_a_window() -> None:
    t = agreed()
    t.conn.send(bytes(50_000))
    t.sent()
    t.peer("E.", ack=1001)
    cwnd = t.conn.congestion.cwnd
    for n in range(2, 11):
        t.peer("E.", ack=1 + 1000 * n)
    assert t.conn.congestion.cwnd >= cwnd
    flags = [seen.header.flags & 0x80 for seen in t.sent()]
    assert flags.count(0x80) == 1
    t.peer("E.", ack=11_001)  # beyond what was in flight then
    assert t.conn.congestion.cwnd < cwnd


@requirement(
    RFC,
    "6.1.2-5",
    "With cwnd of one segment ECE MUST reset the timer and nothing goes till then",
)
@pytest.mark.parametrize("congestion", ["reno", "cubic"])
def test_a_window_of_one_segment(congestion: str) -> None:
    t = agreed(initial_window=1, congestion=congestion, idle_restart=False)
    t.conn.send(bytes(4000))
    t.us(".", seq=1, ecn=ECT0)
    t.wait(10 * MS)
    for seq in (1001, 2001):
        marked = t.elapsed
        t.peer("E.", ack=seq)
        t.wait(199 * MS)
        t.silent()
        t.wait(MS)
        t.us("W.", seq=seq, ecn=ECT0, at=marked + 200 * MS)
        t.silent()
        assert t.conn.info().snd_cwnd == 1000
        t.wait(10 * MS)
    # it grows again, and two may leave, when a round trip passes without a mark
    t.peer(".", ack=3001)
    t.us("P.", seq=3001, ecn=ECT0)


@requirement(
    RFC,
    "6.1.2-5",
    "With cwnd of one segment ECE MUST reset the timer and nothing goes till then",
)
def test_a_window_of_one_segment_with_something_in_flight() -> None:
    """Two segments below the MSS of which one is acknowledged: the timer of the other
    begins anew, and no probe takes its place."""
    t = agreed(initial_window=1, nodelay=True, tail_loss_probe=True, sack_ok=True)
    t.conn.send(bytes(400))
    t.us("P.", seq=1)
    t.conn.send(bytes(400))
    t.us("P.", seq=401)
    t.wait(50 * MS)
    t.conn.send(bytes(400))
    t.peer("E.", ack=401)
    marked = t.elapsed
    t.wait(199 * MS)
    t.silent()
    t.wait(MS)
    t.us(".", seq=401, at=marked + 200 * MS, ecn=NOT_ECT)
    t = agreed(initial_window=1)
    t.conn.send(bytes(2000))
    t.us(".", seq=1)
    t.wait(50 * MS)
    t.peer("E.", ack=1)
    t.wait(199 * MS)
    t.silent()
    t.wait(MS)
    t.us(".", seq=1, at=250 * MS)


@requirement(RFC, "6.1.2-7", "CWR SHOULD NOT be set on retransmissions")
@requirement(RFC, "6.1.5-1", "MUST NOT set ECT on retransmitted data")
def test_retransmissions() -> None:
    t = agreed()
    t.conn.send(bytes(5000))
    t.sent()
    t.wait(200 * MS)
    t.us(".", seq=1, ecn=NOT_ECT)
    t.peer(".", ack=1001)
    for seen in t.sent():
        assert (seen.ecn, seen.header.flags & 0x80) == (NOT_ECT, 0)
    t.peer(".", ack=5001)
    # 6.1.2: whatever the reason, the first new data says so
    t.conn.send(bytes(1000))
    t.us("PW.", seq=5001, ecn=ECT0)


@requirement(RFC, "6.1.3-1", "CE on data: ECE on the ACKs until CWR arrives")
@requirement(RFC, "6.1.3-2", "After CWR no ECE for data without CE")
def test_the_echo() -> None:
    t = agreed()
    t.peer("P.", data=b"a", ecn=ECT0)
    t.wait(100 * MS)
    t.us(".", ack=2)
    t.peer("P.", data=b"b", ecn=CE)
    t.us("E.", ack=3)
    for n in range(3, 6):
        t.peer("P.", data=b"c", ecn=ECT0)
        t.wait(100 * MS)
        t.us("E.", ack=n + 1)
    t.conn.send(b"on data too")
    t.us("PE.")
    t.peer("PW.", data=b"d", ecn=ECT0)
    t.wait(100 * MS)
    t.us(".", ack=7)
    t.peer("PW.", data=b"e", ecn=CE)
    t.wait(100 * MS)
    t.us("E.", ack=8)


@requirement(RFC, "6.1.3-3", "An ACK for several packets has ECE if any had CE")
def test_a_delayed_ack() -> None:
    for marks in ((CE, ECT0), (ECT0, CE), (ECT1, CE)):
        t = agreed()
        t.peer(".", data=bytes(1000), ecn=marks[0], hold=True)
        t.peer(".", data=bytes(1000), ecn=marks[1])
        t.us("E.", ack=2001)


@requirement(RFC, "6.1.4-1", "Pure ACKs MUST be sent as not-ECT")
def test_acks_are_never_marked() -> None:
    t = agreed()
    t.conn.send(b"text")
    t.us("P.", ecn=ECT0)
    t.peer("P.", data=b"text", ecn=ECT0)
    t.wait(100 * MS)
    t.us(".", ecn=NOT_ECT, length=0)
    t.conn.close()
    t.us("R.", ecn=NOT_ECT)


@requirement(RFC, "6.1.5-2", "ECN on data outside the window SHOULD be ignored")
def test_a_mark_outside_the_window() -> None:
    t = agreed()
    t.peer("P.", data=b"text", ecn=ECT0)
    t.wait(100 * MS)
    t.us(".", ack=5)
    t.peer("P.", seq=1, data=b"text", ecn=CE)  # old
    t.us(".", ack=5)
    t.peer("P.", seq=200_000, data=b"far", ecn=CE)
    t.us(".", ack=5)


@requirement(RFC, "6.1.6-1", "MUST NOT set ECT or CWR on window probes")
def test_probes() -> None:
    t = agreed(win=0)
    t.conn.send(b"text")
    t.wait(1000 * MS)
    sent = t.sent()
    assert len(sent) > 1
    assert {(seen.ecn, seen.header.flags & 0x80) for seen in sent} == {(NOT_ECT, 0)}


@requirement(RFC, "6.1.6-2", "A probe with CE SHOULD be answered with ECE")
def test_a_marked_probe() -> None:
    t = agreed(receive_buffer=2048)
    t.peer(".", data=bytes(1024), hold=True)
    t.peer(".", data=bytes(1024))
    t.us(".", ack=2049, win=0)
    t.conn.recv(2048)
    t.us(".", win=2048)
    t.peer("P.", data=b"?", ecn=CE)
    t.us("E.", ack=2050)
