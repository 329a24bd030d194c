"""RFC 9293 3.10: what arrives."""

from __future__ import annotations

from tests.conformance.peers import SEC, accepted, connected
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-58", "MUST aggregate ACK segments whenever possible")
@requirement(RFC, "MUST-59", "MUST process all queued segments before an ACK")
def test_one_ack_for_a_batch() -> None:
    t = connected()
    for n in range(10):
        t.peer(".", data=bytes(1000), hold=n < 9)
    t.us(".", ack=10_001)
    t.silent()


@requirement(RFC, "MUST-58", "MUST aggregate ACK segments whenever possible")
def test_an_ack_rides_on_data() -> None:
    t = connected()
    t.peer("P.", data=b"question")
    t.conn.send(b"answer")
    t.us("P.", ack=9, data=b"answer")
    t.silent()


@requirement(RFC, "SHLD-31", "Segments beyond RCV.NXT SHOULD be held for later")
@requirement(RFC, "MAY-13", "MAY acknowledge a segment that is not at the left edge")
def test_segments_out_of_order() -> None:
    t = connected()
    t.peer("P.", seq=5, data=b"fghi")
    t.us(".", ack=1)
    t.peer("P.", seq=1, data=b"abcd")
    t.us(".", ack=9)
    assert t.conn.recv(100) == b"abcdfghi"


@requirement(RFC, "MAY-12", "MAY include RFC 5961's check of the ACK")
def test_an_ack_from_nowhere() -> None:
    t = accepted()
    t.conn.send(bytes(3000))
    t.sent()
    t.peer("P.", ack=3002, data=b"injected")  # never sent
    t.us(".", ack=1)
    t.peer("P.", seq=1, ack=-70_000, data=b"injected")  # older than any window
    t.us(".", ack=1)
    assert t.happened() == []


# Rules without numbers


@requirement(RFC, "3.10.7.4-1", "A segment is trimmed to the window")
def test_trimming() -> None:
    t = connected(receive_buffer=2048)
    t.peer("P.", seq=1, data=b"abcd")
    t.peer("P.", seq=3, data=b"cdef")
    t.us(".", ack=7)
    assert t.conn.recv(100) == b"abcdef"
    t.peer("P.", seq=7, data=bytes(3000))
    t.wait(SEC)
    assert t.conn.pending == 2042  # what the window was
    t.us(".", ack=2049, win=0)


@requirement(RFC, "3.10.7.4-2", "Text after the FIN is ignored")
def test_nothing_follows_a_fin() -> None:
    t = connected()
    t.peer("FP.", seq=1, data=b"end")
    t.us(".", ack=5)
    t.peer("P.", seq=5, data=b"more")
    assert t.conn.recv(100) == b"end"
    assert t.conn.recv(100) == b""
