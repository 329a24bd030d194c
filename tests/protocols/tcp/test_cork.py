"""Linux's TCP_CORK, and Nagle as RFC 9293 3.7.4 and Greg Minshall have it."""

from __future__ import annotations

from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk


def test_only_whole_segments_leave() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 2500)
    assert [said.data for said in talk.all_said()] == [b"x" * 1000] * 2
    talk.conn.send(b"y" * 500)
    talk.us("P.", seq=2001, data=b"x" * 500 + b"y" * 500)
    talk.silent()


def test_cork_wins_over_nodelay() -> None:
    talk = Talk.active(cork=True, nodelay=True)
    talk.conn.send(b"x")
    talk.silent()


def test_after_200_ms_what_there_is_leaves() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 10)
    talk.silent()
    assert talk.wait_timer("cork") == 200 * MILLISECOND
    talk.us("P.", seq=1, data=b"x" * 10)
    # and then it is corked as before
    talk.peer(".", seq=1, ack=11)
    talk.conn.send(b"y")
    talk.silent()
    talk.wait(199 * MILLISECOND)
    talk.silent()
    talk.wait(1 * MILLISECOND)
    talk.us("P.", seq=11, data=b"y")


def test_what_came_late_goes_with_what_has_waited() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 10)
    talk.silent()
    talk.wait_timer("cork")
    talk.conn.send(b"y" * 10)
    talk.us("P.", seq=1, data=b"x" * 10 + b"y" * 10)


def test_it_waits_beside_what_is_in_flight() -> None:
    talk = Talk.active(cork=True, nodelay=True, min_rto=SECOND)
    talk.conn.send(b"x" * 1100)
    talk.us(".", seq=1)
    talk.silent()
    talk.wait_timer("cork")
    talk.us("P.", seq=1001, data=b"x" * 100)


def test_the_timer_stops_with_the_last_text() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 900)
    talk.silent()
    talk.conn.send(b"x" * 100)
    talk.us("P.", seq=1)
    talk.silent()
    talk.peer(".", seq=1, ack=1001)
    talk.silent()
    assert talk.conn.deadline() is None


def test_uncorked() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 10)
    talk.silent()
    talk.conn.set(cork=False)
    talk.us("P.", seq=1, data=b"x" * 10)


def test_corked_while_it_stands() -> None:
    talk = Talk.active()
    talk.conn.set(cork=True)
    talk.conn.send(b"x" * 10)
    talk.silent()


def test_a_fin_waits_for_nothing() -> None:
    talk = Talk.active(cork=True)
    talk.conn.send(b"x" * 10)
    talk.silent()
    talk.conn.shutdown()
    talk.us("FP.", seq=1, data=b"x" * 10)


def test_a_small_window_is_still_probed() -> None:
    talk = Talk.active(cork=True, wnd=400)
    talk.conn.send(b"x" * 2000)
    # RFC 9293 3.8.6.2.1 (3): more than half of the largest window
    talk.us(".", seq=1, data=b"x" * 400)
    talk.peer(".", seq=1, ack=401, wnd=0)
    talk.silent()
    talk.wait(300 * MILLISECOND)
    talk.us(".", seq=401, data=b"x")


# Nagle ------------------------------------------------------------------------------


def test_nagle_holds_back_a_second_short_segment() -> None:
    """RFC 9293 3.7.4: while a short one is unacknowledged (Minshall's reading)."""
    talk = Talk.active()
    talk.conn.send(b"a")
    talk.us("P.", seq=1)
    talk.conn.send(b"b")
    talk.conn.send(b"c")
    talk.silent()
    talk.peer(".", seq=1, ack=2)
    talk.us("P.", seq=2, data=b"bc")


def test_minshall_lets_the_tail_of_a_large_write_go() -> None:
    """Only short segments in flight count, as in Linux; John Nagle's own rule would
    keep the last 500 bytes for a round trip, or for the peer's delayed ACK."""
    talk = Talk.active()
    talk.conn.send(b"x" * 2500)
    assert [len(said.data) for said in talk.all_said()] == [1000, 1000, 500]
    talk.conn.send(b"y")
    talk.silent()
    talk.peer(".", seq=1, ack=2001)
    talk.silent()
    talk.peer(".", seq=1, ack=2501)
    talk.us("P.", seq=2501, data=b"y")


def test_nodelay_holds_back_nothing() -> None:
    talk = Talk.active(nodelay=True)
    for n in range(5):
        talk.conn.send(b"a")
        talk.us("P.", seq=1 + n)
