"""RFC 7323 2: the Window Scale option."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, accepted, connected, places, plain, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 7323"


@requirement(RFC, "2.1-1", "Who can scale windows SHOULD send the option, even as 0")
def test_offered_in_every_syn() -> None:
    t = Script(options=plain(receive_buffer=65_535))
    t.connect()
    t.us("S", wscale=0)
    t = Script(options=plain(receive_buffer=1 << 20))
    t.connect()
    t.us("S", wscale=5)


@requirement(RFC, "2.1-2", "Both MUST send the option to scale in either direction")
@requirement(RFC, "2.3-3", "Otherwise both shifts MUST be zero")
def test_an_offer_that_is_not_taken() -> None:
    t = connected(receive_buffer=1 << 20)
    t.peer(".", data=bytes(1000), hold=True)
    t.peer(".", data=bytes(1000), win=1000)
    t.us(".", ack=2001, win=65_535)
    t.conn.send(bytes(3000))
    assert sizes(t) == [1000]


@requirement(RFC, "2.2-1", "In a SYN-ACK the option MAY be sent if the SYN had it")
@requirement(RFC, "2.3-1", "A SYN with the option SHOULD get it in the SYN-ACK")
def test_answered_where_offered() -> None:
    t = Script(options=plain(receive_buffer=1 << 20))
    t.listen()
    t.peer("S", wscale=3)
    t.us("S.", wscale=5)
    t = Script()
    t.listen()
    t.peer("S")
    t.us("S.")
    assert t.last is not None
    assert t.last.options.wscale is None


@requirement(RFC, "2.2-2", "Without SYN the option MUST be ignored")
def test_the_option_later() -> None:
    t = connected(wscale=2)
    t.peer(".", win=1000, wscale=7)
    assert t.conn.info().snd_wnd == 4000


@requirement(RFC, "2.2-3", "The window of a SYN or SYN-ACK MUST NOT be scaled")
def test_the_window_of_a_syn() -> None:
    t = connected(win=4000, wscale=7)
    t.conn.send(bytes(10_000))
    assert len(sizes(t)) == 4
    t = Script(options=plain(receive_buffer=1 << 20))
    t.listen()
    t.peer("S", wscale=7)
    t.us("S.", win=65_535)


@requirement(RFC, "2.3-2", "shift.cnt MUST be what we want for our receive window")
@requirement(RFC, "2.3-5", "Our windows MUST be shifted right by it")
@pytest.mark.parametrize("size", [1 << 16, 1 << 18, 1 << 20, 1 << 24, 1 << 30])
def test_our_windows_are_scaled(size: int) -> None:
    size = min(size, 0xFFFF << 14)
    t = connected(receive_buffer=size, wscale=0)
    shift = t.conn.info().rcv_wscale
    assert size >> shift <= 0xFFFF
    for _ in range(2):
        t.peer(".", data=bytes(1000))
    t.wait(SEC)
    sent = t.sent()[-1].header.window << shift
    assert sent <= size
    t.peer("P.", seq=2001, data=b"x")
    assert t.conn.pending == 2001


@requirement(
    RFC, "2.3-4", "Windows received MUST be shifted left but for those of SYNs"
)
def test_their_windows_are_scaled() -> None:
    t = connected(wscale=4, initial_window=100)
    t.peer(".", win=1000)
    t.conn.send(bytes(100_000))
    assert sum(sizes(t)) == 16_000


@requirement(RFC, "2.3-6", "The shift MUST be limited to 14")
@requirement(RFC, "2.3-7", "A larger shift received MUST count as 14")
def test_fourteen() -> None:
    t = Script(options=plain(receive_buffer=0xFFFF << 14))
    t.connect()
    t.us("S", wscale=14)
    t.peer("S.", wscale=15)
    t.us(".")
    t.peer(".", win=2)
    assert t.conn.info().snd_wnd == 2 << 14


# 2.4 Addressing window retraction


@requirement(RFC, "2.4-1", "MUST handle a window that shrinks")
@requirement(RFC, "2.4-4", "New data MUST be within the window of the last ACK")
def test_a_window_that_shrinks() -> None:
    t = connected(wscale=7, initial_window=20)
    t.peer(".", win=100)  # 12 800
    t.conn.send(bytes(20_000))
    assert len(sizes(t)) == 12
    t.peer(".", ack=1001, win=80)
    t.silent()
    t.peer(".", ack=12_001, win=17)
    assert places(t) == [12_001, 13_001]


@requirement(RFC, "2.4-2", "MUST take what was in the window of any ACK we sent")
@requirement(RFC, "2.4-3", "SHOULD track the actual maximum of the window")
def test_what_was_once_offered_is_taken() -> None:
    t = connected(receive_buffer=1 << 20, wscale=0)
    edge = 65_536  # of our SYN
    for _ in range(3):
        t.peer(".", data=bytes(1001), hold=True)
    t.peer(".", data=bytes(1001))
    for seen in t.sent():
        ack = (seen.header.ack - t.peer_isn) % 2**32
        edge = max(edge, ack + (seen.header.window << 5))
    # the scale rounds the later windows down; the edge stays where it was
    t.peer(".", seq=edge - 1, data=b"?")
    t.us(".", sack=None)
    assert t.stack.counters().get("drop.tcp_unacceptable", 0) == 0


@requirement(RFC, "2.4-5", "Retransmissions MAY go beyond a window that was shrunk")
def test_a_retransmission_beyond_the_window() -> None:
    t = connected(wscale=0, win=3000)
    t.conn.send(bytes(3000))
    assert places(t) == [1, 1001, 2001]
    t.peer(".", ack=1, win=500)
    t.wait(200 * MS)
    assert places(t) == [1]
    assert t.last is not None


def test_accepted_ends_scale_alike() -> None:
    t = accepted(wscale=2, receive_buffer=1 << 20)
    assert (t.conn.info().snd_wscale, t.conn.info().rcv_wscale) == (2, 5)
