"""RFC 9293 3.8.6: managing the window."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import State
from tests.conformance.peers import MS, SEC, accepted, connected, places, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


# Shrinking


@requirement(RFC, "SHLD-14", "A receiver SHOULD NOT shrink the window")
def test_our_right_edge_never_moves_left() -> None:
    t = connected(receive_buffer=8192)
    edge = 0
    for size in (100, 1000, 1, 999, 1000, 1000, 7, 1000, 1000):
        t.peer("P.", data=bytes(size))
        t.wait(SEC)
        for seen in t.sent():
            ack = (seen.header.ack - t.peer_isn) % 2**32
            assert ack + seen.header.window >= edge
            edge = ack + seen.header.window
    t.conn.set(receive_buffer=2048)
    t.peer("P.", data=b"x")
    t.wait(SEC)
    t.us(".", ack=6109, win=8193 - 6109)


@requirement(RFC, "MUST-34", "A sender MUST be robust against window shrinking")
@requirement(RFC, "SHLD-15", "It SHOULD NOT send new data then")
def test_the_usable_window_becomes_negative() -> None:
    t = connected(win=5000)
    t.conn.send(bytes(10_000))
    assert len(sizes(t)) == 5
    t.peer(".", ack=1, win=2000)
    t.peer(".", ack=1001, win=2000)
    t.silent()
    t.peer(".", ack=5001, win=2000)
    assert places(t) == [5001, 6001]


@requirement(RFC, "SHLD-16", "It SHOULD retransmit old data within the window")
@requirement(RFC, "SHLD-17", "It SHOULD NOT time out for data beyond the window")
@requirement(RFC, "MAY-7", "It MAY retransmit data beyond the window")
def test_old_data_goes_again_within_the_shrunk_window() -> None:
    t = connected(win=5000)
    t.conn.send(bytes(5000))
    assert len(sizes(t)) == 5
    t.peer(".", ack=1, win=2000)
    t.wait(200 * MS)
    assert places(t) == [1]
    t.peer(".", ack=1001, win=1000)
    assert places(t) == [1001]
    # what lies beyond is not acknowledged, for hours, while the peer answers
    t.peer(".", ack=2001, win=0)
    for _ in range(100):
        t.wait(120 * SEC)
        assert set(places(t)) == {2001}
        t.peer(".", ack=2001, win=0)
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "MUST-35", "Shrunk to zero, it MUST be probed in the standard way")
def test_a_window_that_shrinks_to_zero() -> None:
    t = connected(win=5000)
    t.conn.send(bytes(5000))
    t.sent()
    t.peer(".", ack=1, win=0)
    t.wait(200 * MS)
    assert places(t) == [1]
    t.peer(".", ack=1, win=0)
    t.wait(400 * MS)
    assert places(t) == [1]
    t.peer(".", ack=1, win=5000)
    t.wait(400 * MS)
    assert places(t)[0] == 1


# Zero windows


@requirement(RFC, "MUST-36", "Probing of zero windows MUST be supported")
@requirement(RFC, "SHLD-29", "The first probe SHOULD go after the RTO")
@requirement(RFC, "SHLD-30", "The interval SHOULD increase exponentially")
def test_zero_window_probes() -> None:
    t = connected(rtt=100 * MS, win=0)
    t.conn.send(b"text")
    t.at(100 * MS + 300 * MS * 16)  # RTO = 100 + 4 * 50
    sent = t.sent()
    assert {t.relative(seen) for seen in sent} == {1}
    times = [(seen.now - SEC) // MS - 100 for seen in sent]
    assert times == [300, 600, 1200, 2400, 4800]


@requirement(RFC, "MUST-37", "MUST stay open while the peer answers the probes")
def test_who_answers_probes_keeps_the_connection() -> None:
    t = connected(win=0)
    t.conn.send(b"text")
    for _ in range(200):
        t.wait(120 * SEC)
        assert t.sent() != []
        t.peer(".", ack=1, win=0)
    assert t.conn.state is State.ESTABLISHED
    t.peer(".", ack=1, win=1000)
    t.us(".", seq=1, data=b"t")
    t.peer(".", ack=2, win=1000)
    t.us("P.", seq=2, data=b"ext")


@requirement(RFC, "MAY-8", "MAY keep the offered window closed indefinitely")
def test_our_window_may_stay_shut() -> None:
    t = connected(receive_buffer=2048)
    t.peer(".", data=bytes(1000))
    t.peer(".", data=bytes(1048))
    t.wait(SEC)
    t.sent()
    for _ in range(100):
        t.wait(60 * SEC)
        t.peer(".", seq=2049, data=b"?")  # a probe
        t.us(".", ack=2049, win=0)
    assert t.conn.pending == 2048
    t.conn.recv(5000)
    t.us(".", ack=2049, win=2048)


# Silly windows


@requirement(RFC, "MUST-38", "MUST include SWS avoidance in the sender")
def test_the_sender_waits_for_a_full_segment() -> None:
    t = connected(win=3000)
    t.conn.send(bytes(10_000))
    assert sizes(t) == [1000] * 3
    # each ACK opens a little: no small segment fills it
    t.peer(".", ack=1001, win=2300)
    t.peer(".", ack=2001, win=1600)
    t.silent()
    t.peer(".", ack=3001, win=1000)
    assert sizes(t) == [1000]
    # (3): half of the largest window goes
    t = connected(win=1600)
    t.conn.send(bytes(10_000))
    assert sizes(t) == [1000]
    t.peer(".", ack=1001, win=800)
    assert sizes(t) == [800]


@requirement(RFC, "3.8.6.2.1-1", "The override time-out SHOULD be 0.1 to 1.0 seconds")
def test_the_override_of_sws_avoidance() -> None:
    t = connected(win=3000, nodelay=True)
    t.conn.send(bytes(3000))
    t.sent()
    t.peer(".", ack=3001, win=500)
    t.conn.send(bytes(700))
    t.silent()
    t.wait(99 * MS)
    t.silent()
    t.wait(901 * MS)
    assert sizes(t)[0] == 500


@requirement(RFC, "MUST-39", "MUST include SWS avoidance in the receiver")
def test_the_receiver_opens_by_a_segment_or_half_the_buffer() -> None:
    t = connected(receive_buffer=8192, mss=1460)
    for _ in range(8):
        t.peer(".", data=bytes(1024))
    t.wait(SEC)
    assert t.sent()[-1].header.window == 0
    for _ in range(14):
        t.conn.recv(100)
        t.peer(".", seq=8193, data=b"?")
        t.us(".", ack=8193, win=0)
    t.conn.recv(100)
    t.peer(".", seq=8193, data=b"")
    t.conn.recv(3000)
    assert t.sent()[-1].header.window >= 1460


# Delayed ACKs


@requirement(RFC, "SHLD-18", "SHOULD implement a delayed ACK")
@requirement(RFC, "MUST-40", "The delay MUST be less than 0.5 seconds")
def test_the_delayed_ack() -> None:
    t = accepted()
    t.peer("P.", data=b"text")
    t.silent()
    t.wait(40 * MS)
    t.us(".", ack=5, length=0, at=40 * MS)
    with pytest.raises(StateError):
        t.conn.set(delayed_ack=500 * MS)
    t.conn.set(delayed_ack=500 * MS - 1)
    t.peer("P.", data=b"more")
    t.silent()
    t.wait(500 * MS - 1)
    t.us(".", ack=9)


@requirement(RFC, "SHLD-19", "An ACK SHOULD go for every second full-sized segment")
def test_every_second_segment() -> None:
    t = accepted(mss=1460)
    for n in range(1, 11):
        t.peer(".", data=bytes(1460))
        if n % 2:
            t.silent()
        else:
            t.us(".", ack=1 + 1460 * n)
