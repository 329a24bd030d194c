"""RFC 5681 4: idle connections, acknowledgments."""

from __future__ import annotations

from tests.conformance.peers import MS, SEC, accepted, connected, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 5681"


@requirement(RFC, "4.1-1", "After an idle RTO cwnd SHOULD be at most RW")
def test_restart_after_idleness() -> None:
    t = connected(initial_window=4)
    for _ in range(5):
        t.conn.send(bytes(20_000))
        t.sent()
        for _ in range(20):
            t.peer(".")
    t.sent()
    t.peer(".")
    assert t.conn.congestion.cwnd > 20_000
    t.conn.send(bytes(20_000))
    assert len(sizes(t)) == 20  # not idle
    t.peer(".")
    t.wait(SEC)
    # a request is no sign of activity: what we sent is
    t.peer("P.", data=b"more, please")
    t.conn.send(bytes(20_000))
    assert len(sizes(t)) == 4


@requirement(RFC, "4.2-1", "Delayed ACKs SHOULD be used")
@requirement(RFC, "4.2-2", "An ACK SHOULD go for every second full-sized segment")
@requirement(RFC, "4.2-3", "An ACK MUST go within 500 ms")
def test_delayed_acks() -> None:
    t = accepted()
    t.peer(".", data=bytes(1460))
    t.silent()
    t.peer(".", data=bytes(1460))
    t.us(".", ack=2921, at=0)
    t.peer(".", data=bytes(1460))
    t.silent()
    t.wait(499 * MS)
    t.us(".", ack=4381)


@requirement(RFC, "4.2-2", "An ACK SHOULD go for every second full-sized segment")
def test_every_second_segment_whatever_its_size() -> None:
    t = accepted()
    t.peer(".", data=bytes(536))
    t.silent()
    t.peer(".", data=bytes(536))
    t.us(".", ack=1073, at=0)


@requirement(RFC, "4.2-4", "MUST NOT send more than one ACK for a segment")
def test_one_ack_each() -> None:
    t = connected(receive_buffer=32_768)
    acks = 0
    for n in range(20):
        t.peer(".", seq=1001 + 1000 * n, data=bytes(1000))
        acks += len(t.sent())
    t.peer(".", seq=1, data=bytes(1000))
    acks += len(t.sent())
    t.wait(SEC)
    assert acks == 21
    t.silent()
