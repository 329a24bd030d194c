"""Closing in every order (RFC 9293 3.6, 3.10.4, 3.10.5)."""

from __future__ import annotations

import pytest

from sansio_net.errors import NotConnectedError, StateError
from sansio_net.protocols.tcp import State
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import PEER_ISS, US_PORT, Talk


def test_normal_close_from_our_side() -> None:
    """RFC 9293 3.6, figure 12."""
    talk = Talk.active()
    talk.conn.shutdown()
    assert talk.conn.state is State.FIN_WAIT_1
    talk.us("F.", seq=1, ack=1)
    talk.peer(".", seq=1, ack=2)
    assert talk.conn.state is State.FIN_WAIT_2
    talk.peer("F.", seq=1, ack=2)
    talk.us(".", seq=2, ack=2)
    talk.silent()
    assert talk.conn.state is State.TIME_WAIT
    assert talk.conn.done
    talk.events("EofReceived", "Closed")
    record = talk.conn.time_wait
    assert record is not None
    assert record.lport == US_PORT
    assert record.rcv_nxt == (PEER_ISS + 2) % 2**32
    assert record.expires_at == talk.now + 60 * SECOND


def test_normal_close_from_the_peers_side() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=1, ack=1)
    assert talk.conn.state is State.CLOSE_WAIT
    talk.us(".", ack=2)
    talk.conn.send(b"bye")
    talk.us("P.", seq=1, data=b"bye")
    talk.conn.close()
    assert talk.conn.state is State.LAST_ACK
    talk.us("F.", seq=4, ack=2)
    talk.peer(".", seq=2, ack=4)
    assert talk.conn.state is State.LAST_ACK
    talk.peer(".", seq=2, ack=5)
    assert talk.conn.state is State.CLOSED
    assert talk.conn.time_wait is None
    talk.events("Closed")


def test_simultaneous_close() -> None:
    """RFC 9293 3.6, figure 13."""
    talk = Talk.active()
    talk.conn.shutdown()
    talk.us("F.", seq=1, ack=1)
    talk.peer("F.", seq=1, ack=1)
    assert talk.conn.state is State.CLOSING
    talk.us(".", seq=2, ack=2)
    talk.peer(".", seq=2, ack=2)
    assert talk.conn.state is State.TIME_WAIT
    talk.silent()


def test_fin_that_acknowledges_ours() -> None:
    talk = Talk.active()
    talk.conn.close()
    talk.us("F.", seq=1)
    talk.peer("F.", seq=1, ack=2)
    assert talk.conn.state is State.TIME_WAIT
    talk.us(".", seq=2, ack=2)
    talk.events("Closed")


def test_half_close_reads_for_ever() -> None:
    talk = Talk.active()
    talk.conn.shutdown()
    talk.us("F.", seq=1)
    talk.peer(".", seq=1, ack=2)
    talk.now += 1000 * SECOND
    talk.peer(".", seq=1, ack=2, data=b"still here")
    assert talk.conn.recv(100) == b"still here"
    talk.conn.shutdown()
    with pytest.raises(StateError):
        talk.conn.send(b"no")
    assert talk.conn.deadline() is None or talk.conn.deadline() > talk.now


def test_fin_wait_2_of_a_closed_connection_ends() -> None:
    for close_late in (False, True):
        talk = Talk.active()
        talk.conn.shutdown() if close_late else talk.conn.close()
        talk.us("F.", seq=1)
        talk.peer(".", seq=1, ack=2)
        if close_late:
            talk.conn.close()
            talk.silent()
        assert talk.wait_timer("fin_wait_2") == 60 * SECOND
        assert talk.conn.state is State.CLOSED
        talk.events("Closed")
        talk.silent()


def test_fin_follows_the_queue() -> None:
    talk = Talk.active(wnd=3)
    talk.conn.send(b"abcdef")
    talk.conn.shutdown()
    talk.us(".", seq=1, data=b"abc")
    talk.silent()
    talk.peer(".", seq=1, ack=4, wnd=100)
    talk.us("FP.", seq=4, data=b"def")


def test_close_with_unread_text_resets() -> None:
    """RFC 2525 2.17."""
    talk = Talk.active()
    talk.peer(".", seq=1, ack=1, data=b"unread")
    talk.us(".")
    talk.conn.close()
    talk.us("R.", seq=1, ack=7)
    talk.silent()
    talk.events("Closed")
    talk.conn.close()
    talk.conn.abort()
    talk.events()


@pytest.mark.parametrize("fin_left", [False, True])
@pytest.mark.parametrize("state", [State.CLOSING, State.LAST_ACK])
def test_abort_says_nothing_once_both_ends_have_finished(
    state: State, fin_left: bool
) -> None:
    """RFC 9293 3.10.5; while our FIN waits behind text the peer still has to know."""
    talk = Talk.active(wnd=65535 if fin_left else 0)
    talk.conn.send(b"text")
    if state is State.CLOSING:
        talk.conn.shutdown()
        talk.all_said()
    talk.peer("F.", seq=1, ack=1, wnd=65535 if fin_left else 0)
    talk.conn.shutdown()
    talk.all_said()
    assert talk.conn.state is state
    talk.conn.abort()
    if fin_left:
        talk.silent()
    else:
        talk.us("R.", ack=2)
    assert talk.conn.state is State.CLOSED


def test_close_while_connecting() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.conn.send(b"never")
    talk.us("S")
    talk.conn.close()
    talk.silent()
    talk.events("Closed")
    talk = Talk()
    talk.conn.connect()
    talk.conn.shutdown()
    talk.us("S")
    talk.peer("S.", seq=0, ack=1)
    assert talk.conn.state is State.FIN_WAIT_1
    talk.us("F.", seq=1, ack=1)


def test_close_of_a_half_open_connection_waits() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S")
    talk.peer("S", seq=0)
    talk.us("S.")
    talk.conn.close()
    talk.silent()
    talk.peer(".", seq=1, ack=1)
    talk.us("F.", seq=1)
    assert talk.conn.state is State.FIN_WAIT_1


def test_abort_anywhere_tells_only_closed() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.conn.abort()
    talk.silent()
    talk.events("Closed")

    talk = Talk.active()
    talk.peer("F.", seq=1, ack=1, data=b"text")
    talk.conn.abort()
    talk.us("R.", seq=1, ack=6)
    talk.silent()
    talk.events("Closed")
    with pytest.raises(StateError):
        talk.conn.recv(10)
    with pytest.raises(StateError):
        talk.conn.send(b"x")

    # a loss that nobody has heard of yet
    talk = Talk.active()
    talk.peer("R", seq=1)
    talk.conn.abort()
    talk.events("Closed")
    talk.conn.abort()
    talk.events()


def test_before_connect() -> None:
    talk = Talk()
    with pytest.raises(StateError):
        talk.conn.send(b"x")
    with pytest.raises(NotConnectedError):
        talk.conn.recv(1)
    with pytest.raises(NotConnectedError):
        talk.conn.shutdown()
    talk.conn.close()
    talk.events("Closed")
    with pytest.raises(StateError):
        talk.conn.connect()


def test_initial_windows() -> None:
    assert Talk.active(mss=1000).conn.congestion.cwnd == 10_000
    assert Talk.active(mss=1460).conn.congestion.cwnd == 14_600
    assert Talk.active(mss=8000, mtu=9000).conn.congestion.cwnd == 16_000
    assert Talk.active(mss=1000, initial_window=1).conn.congestion.cwnd == 1000


@pytest.mark.parametrize(("lost", "cwnd"), [(1, 10_000), (2, 1000)])
def test_after_lost_syns_one_segment(lost: int, cwnd: int) -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S")
    for _ in range(lost):
        talk.wait_timer("retransmit")
        talk.us("S", seq=0)
    talk.peer("S.", seq=0, ack=1, mss=1000)
    assert talk.conn.congestion.cwnd == cwnd
    assert talk.conn.rtt.rto == 3 * SECOND
    assert talk.conn.retransmits == 0


def test_above_the_last_incarnation() -> None:
    for floor in (5, 2**32 - 5):
        talk = Talk.half_open()
        talk.conn.isn_floor = floor
        talk.us("S.")
        above = (talk.conn.sender.iss - floor) % 2**32
        assert 0 < above < 2**31


def test_a_closed_connection_holds_nothing() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(100_000))
    talk.all_said()
    talk.peer(".", seq=100, ack=1, data=b"early")
    talk.conn.abort()
    conn = talk.conn
    assert conn.sender.queue is None
    assert conn.receiver.buffer is None
    assert conn.receiver.reorder is None
    assert conn.deadline() is None
    talk.wait(100 * MILLISECOND)
    talk.us("R.")
    talk.silent()
