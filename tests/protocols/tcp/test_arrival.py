"""RFC 9293 3.10.7.3 and 3.10.7.4, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.counters import DropReason
from sansio_net.errors import ConnectionRefused, ConnectionReset
from sansio_net.protocols.tcp import ConnectionLost, State
from sansio_net.units import SECOND

from .dialogue import Talk

# SYN-SENT


def opening(**options: Any) -> Talk:
    talk = Talk(**options)
    talk.conn.connect()
    talk.us("S", seq=0, ack=0)
    return talk


@pytest.mark.parametrize("ack", [0, 2])
def test_syn_sent_first_an_unacceptable_ack_is_reset(ack: int) -> None:
    talk = opening()
    talk.peer("S.", seq=0, ack=ack)
    talk.us("R", seq=ack)
    talk.silent()
    assert talk.conn.state is State.SYN_SENT
    talk.peer("R.", seq=0, ack=ack)
    talk.silent()
    talk.events()


def test_syn_sent_second_a_reset_refuses() -> None:
    talk = opening()
    talk.peer("R", seq=0)
    assert talk.conn.state is State.SYN_SENT
    talk.peer("R.", seq=0, ack=1)
    assert talk.conn.state is State.CLOSED
    (lost,) = talk.events("ConnectionLost")
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost.error, ConnectionRefused)
    talk.silent()


def test_syn_sent_fourth_syn_ack_establishes() -> None:
    talk = Talk.active()
    assert talk.conn.state is State.ESTABLISHED


def test_syn_sent_fifth_neither_syn_nor_rst() -> None:
    talk = opening()
    talk.peer(".", seq=1, ack=1)
    talk.silent()
    assert talk.counters.dropped(DropReason.TCP_UNACCEPTABLE) == 1


def test_text_and_fin_on_the_syn_ack() -> None:
    talk = opening()
    talk.peer("SFP.", seq=0, ack=1, data=b"hello")
    talk.us(".", seq=1, ack=7)
    assert talk.conn.state is State.CLOSE_WAIT
    talk.events("Connected", "DataReceived", "EofReceived")
    assert talk.conn.recv(100) == b"hello"
    assert talk.conn.recv(100) == b""


def test_simultaneous_open() -> None:
    """RFC 9293 3.5, figure 8."""
    talk = opening()
    talk.peer("S", seq=0, mss=900)
    talk.us("S.", seq=0, ack=1)
    assert talk.conn.state is State.SYN_RECEIVED
    talk.peer("S.", seq=0, ack=1)
    assert talk.conn.state is State.ESTABLISHED
    talk.events("Connected")
    assert talk.conn.sender.mss == 900


def test_simultaneous_open_refused() -> None:
    talk = opening()
    talk.peer("S", seq=0)
    talk.us("S.", seq=0, ack=1)
    talk.peer("R", seq=1)
    (lost,) = talk.events("ConnectionLost")
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost.error, ConnectionRefused)


# First: sequence number


@pytest.mark.parametrize(
    ("seq", "data", "answered"),
    [
        (1, b"x", False),  # next: taken
        (0, b"", True),  # before the window, as a keep-alive is
        (0, b"y", True),  # wholly old
        (70_000, b"x", True),  # beyond the window
        (70_000, b"", True),
    ],
)
def test_unacceptable_segments_are_answered(
    seq: int, data: bytes, answered: bool
) -> None:
    talk = Talk.active(quick_acks=0, window_scale=False)
    talk.peer(".", seq=seq, ack=1, data=data)
    if answered:
        talk.us(".", seq=1, ack=1)
        assert talk.counters.dropped(DropReason.TCP_UNACCEPTABLE) == 1
    talk.silent()


def test_an_unacceptable_reset_is_dropped() -> None:
    talk = Talk.active()
    talk.peer("R", seq=0)
    talk.peer("R", seq=1_000_000)
    talk.silent()
    assert talk.conn.state is State.ESTABLISHED


def test_overlaps_are_trimmed() -> None:
    talk = Talk.active(receive_buffer=2048, window_scale=False)
    talk.peer(".", seq=1, ack=1, data=b"abcdef")
    talk.peer(".", seq=4, ack=1, data=b"DEFghi")
    talk.us(".", ack=10)
    assert talk.conn.recv(100) == b"abcdefghi"
    # beyond the window: cut at its edge
    edge = talk.conn.receiver.rcv_adv - talk.conn.receiver.rcv_nxt
    talk.peer("F.", seq=10, ack=1, data=bytes(5000))
    assert talk.conn.pending == edge
    assert talk.conn.state is State.ESTABLISHED


def test_a_shut_window_still_hears_ack_urg_and_rst() -> None:
    talk = Talk.active(receive_buffer=2048, window_scale=False)
    talk.conn.send(b"x")
    talk.us("P.", seq=1)
    talk.peer(".", seq=1, ack=1, data=bytes(2048))
    talk.us(".", ack=2049, wnd=0)
    # a probe: its text is refused, its ACK is heard
    talk.peer(".", seq=2049, ack=2, data=b"!")
    talk.us(".", ack=2049, wnd=0)
    assert talk.conn.sender.snd_una == talk.conn.sender.snd_nxt
    talk.peer("R", seq=2049)
    assert talk.conn.state is State.CLOSED


def test_a_fin_needs_no_room() -> None:
    talk = Talk.active(receive_buffer=2048, window_scale=False)
    talk.peer("F.", seq=1, ack=1, data=bytes(2048))
    talk.us(".", ack=2050, wnd=0)
    assert talk.conn.state is State.CLOSE_WAIT


def test_a_repeated_syn_gets_its_syn_ack_again() -> None:
    talk = Talk.half_open()
    talk.us("S.", seq=0, ack=1)
    talk.peer("S", seq=0)
    talk.us("S.", seq=0, ack=1)
    talk.silent()


# PAWS


def test_paws() -> None:
    talk = Talk.active(stamps=True, quick_acks=0)
    talk.peer_clock += 10
    talk.peer(".", seq=1, ack=1, data=b"x")
    talk.peer_clock -= 5
    talk.peer(".", seq=2, ack=1, data=b"y")
    talk.us(".", ack=2)
    assert talk.counters.dropped(DropReason.TCP_PAWS) == 1
    # 24 days later the stamp is not believed any more (RFC 7323 5.5)
    talk.now += 25 * 24 * 3600 * SECOND
    talk.peer(".", seq=2, ack=1, data=b"y")
    assert talk.conn.pending == 2


def test_without_the_agreed_option_dropped_silently() -> None:
    talk = Talk.active(stamps=True)
    talk.peer(".", seq=1, ack=1, data=b"x", raw=b"")
    talk.silent()
    assert talk.counters.dropped(DropReason.TCP_NO_TIMESTAMP) == 1
    # but a reset needs none, and a peer that restarted gets its challenge
    talk.peer("S", seq=1, raw=b"")
    talk.us(".", seq=1, ack=1)
    talk.peer("R", seq=1, raw=b"")
    assert talk.conn.state is State.CLOSED


def test_the_stamp_echoed_is_of_the_first_unacknowledged_segment() -> None:
    """RFC 7323 4.3, its first example."""
    talk = Talk.active(stamps=True, quick_acks=0)
    for seq in (1, 2):
        talk.peer_clock += 1
        talk.peer(".", seq=seq, ack=1, data=b"x")
    assert talk.us(".", ack=3).options.ts_ecr == talk.peer_clock - 1


# Second: RST


@pytest.mark.parametrize("offset", [1, 100])
def test_a_reset_in_the_window_is_challenged(offset: int) -> None:
    talk = Talk.active()
    talk.peer("R", seq=1 + offset)
    talk.us(".", seq=1, ack=1)
    assert talk.conn.state is State.ESTABLISHED


def test_a_reset_at_the_edge_resets() -> None:
    talk = Talk.active()
    talk.peer(".", seq=1, ack=1, data=b"last words")
    talk.peer("R", seq=11)
    _, lost = talk.events("DataReceived", "ConnectionLost")
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost.error, ConnectionReset)
    assert talk.conn.recv(100) == b"last words"
    with pytest.raises(ConnectionReset):
        talk.conn.recv(100)
    with pytest.raises(ConnectionReset):
        talk.conn.send(b"x")
    talk.silent()


def test_a_reset_of_a_half_open_child_is_nobodys_business() -> None:
    talk = Talk.half_open()
    talk.us("S.", seq=0)
    talk.peer("R", seq=1)
    assert talk.conn.done
    talk.events()
    assert talk.conn.listener is not None
    assert talk.conn.listener.pending == 0


def test_a_reset_in_last_ack_is_the_end_of_it() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=1, ack=1)
    talk.conn.shutdown()
    talk.all_said()
    talk.peer("R", seq=2)
    talk.events("EofReceived", "Closed")


# Fourth: SYN


@pytest.mark.parametrize("seq", [0, 1, 500, 1_000_000])
def test_a_syn_is_challenged_wherever_it_lies(seq: int) -> None:
    talk = Talk.active()
    talk.peer("S", seq=seq)
    talk.us(".", seq=1, ack=1)
    assert talk.conn.state is State.ESTABLISHED


# Fifth: ACK


def test_without_ack_dropped() -> None:
    talk = Talk.active()
    talk.peer("", seq=1, data=b"x")
    talk.silent()
    assert talk.counters.dropped(DropReason.TCP_NO_ACK) == 1


@pytest.mark.parametrize("ack", [2, -65_536])
def test_an_ack_out_of_range_is_challenged(ack: int) -> None:
    talk = Talk.active(window_scale=False)
    talk.peer(".", seq=1, ack=ack, data=b"injected")
    talk.us(".", seq=1, ack=1)
    assert talk.counters.dropped(DropReason.TCP_BAD_ACK) == 1
    assert talk.conn.pending == 0


def test_an_old_ack_may_carry_text() -> None:
    talk = Talk.active()
    talk.peer(".", seq=1, ack=-60_000, data=b"late")
    assert talk.conn.pending == 4


@pytest.mark.parametrize("ack", [0, 2])
def test_a_bad_ack_of_a_syn_ack_is_reset(ack: int) -> None:
    talk = Talk.half_open()
    talk.us("S.", seq=0)
    talk.peer(".", seq=1, ack=ack)
    talk.us("R", seq=ack)
    assert talk.conn.state is State.SYN_RECEIVED
    assert talk.counters.dropped(DropReason.TCP_BAD_ACK) == 1


# Sixth: URG


def test_urgent_text_comes_in_line() -> None:
    talk = Talk.active()
    talk.peer("U.", seq=1, ack=1, data=b"abc!def", urgent=4)
    talk.events("DataReceived")
    assert talk.conn.urgent == 4
    assert talk.conn.info().urgent == 4
    assert talk.conn.recv(3) == b"abc"
    assert talk.conn.urgent == 1
    assert talk.conn.recv(100) == b"!def"
    assert talk.conn.urgent == 0
    # MUST-32: an advance is told even before the text comes
    talk.peer("U.", seq=8, ack=1, urgent=100)
    talk.events("DataReceived")
    talk.peer("U.", seq=8, ack=1, urgent=100)
    talk.events()


# Seventh: text


def test_text_in_order_and_out_of_order() -> None:
    talk = Talk.active(quick_acks=0)
    talk.peer(".", seq=11, ack=1, data=b"klmno")
    said = talk.us(".", ack=1)
    assert [(b - a) % 2**32 for a, b in said.options.sack] == [5]
    talk.peer(".", seq=6, ack=1, data=b"fghij")
    talk.us(".", ack=1)
    talk.events()
    talk.peer(".", seq=1, ack=1, data=b"abcde")
    assert talk.us(".", ack=16).options.sack == ()
    talk.events("DataReceived")
    assert talk.conn.recv(100) == b"abcdefghijklmno"


def test_every_early_segment_gets_its_duplicate_ack() -> None:
    talk = Talk.active(sack=False)
    for seq in (101, 201, 301):
        talk.peer(".", seq=seq, ack=1, data=bytes(100))
    assert [said.ack for said in talk.all_said()] == [1, 1, 1]
    # a new ACK first, then the duplicates of it
    talk = Talk.active(sack=False)
    for seq in (1, 201, 301):
        talk.peer(".", seq=seq, ack=1, data=bytes(100))
    assert [said.ack for said in talk.all_said()] == [101, 101, 101]


def test_the_reorder_queue_is_bounded() -> None:
    talk = Talk.active(reorder_segments=2)
    for seq in (1000, 2000, 3000, 4000):
        talk.peer(".", seq=seq, ack=1, data=bytes(600))
    assert talk.counters.dropped(DropReason.TCP_REORDER_LIMIT) == 2
    assert talk.conn.info().out_of_order == 1200
    # holes may be filled all the same, or the peer would repeat them for ever
    for seq in (1700, 1600, 2700):
        talk.peer(".", seq=seq, ack=1, data=bytes(100))
    assert talk.counters.dropped(DropReason.TCP_REORDER_LIMIT) == 3
    assert talk.conn.info().out_of_order == 1400


def test_text_after_close_is_reset() -> None:
    talk = Talk.active()
    talk.conn.close()
    talk.us("F.", seq=1)
    talk.peer(".", seq=1, ack=1, data=b"more")
    talk.us("R.", seq=2)
    talk.events("ConnectionLost")
    assert talk.counters.dropped(DropReason.TCP_AFTER_CLOSE) == 1
    # when everything of ours had arrived, nothing is lost
    talk = Talk.active()
    talk.conn.close()
    talk.us("F.", seq=1)
    talk.peer(".", seq=1, ack=2, data=b"more")
    talk.us("R.", seq=2)
    talk.events("Closed")


# Eighth: FIN


def test_an_early_fin_waits_for_its_text() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=6, ack=1, data=b"world")
    assert talk.conn.state is State.ESTABLISHED
    talk.us(".", ack=1)
    talk.peer(".", seq=1, ack=1, data=b"hello")
    assert talk.conn.state is State.CLOSE_WAIT
    talk.us(".", ack=12)
    talk.events("DataReceived", "EofReceived")


def test_nothing_follows_a_fin() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=6, ack=1)
    talk.peer(".", seq=1, ack=1, data=b"hello, world")
    assert talk.conn.recv(100) == b"hello"
    assert talk.conn.recv(100) == b""
    # nor is a FIN believed that comes before text we have
    talk = Talk.active()
    talk.peer(".", seq=11, ack=1, data=b"later")
    talk.peer("F.", seq=6, ack=1)
    talk.peer(".", seq=1, ack=1, data=b"0123456789")
    assert talk.conn.recv(100) == b"0123456789later"
    assert talk.conn.state is State.ESTABLISHED


def test_a_fin_again_is_acknowledged_again() -> None:
    talk = Talk.active()
    talk.peer("F.", seq=1, ack=1)
    talk.us(".", ack=2)
    talk.peer("F.", seq=1, ack=1)
    talk.us(".", ack=2)
    talk.events("EofReceived")


# After the end


def test_a_closed_connection_drops() -> None:
    talk = Talk.active()
    talk.conn.abort()
    talk.us("R.", seq=1)
    talk.peer(".", seq=1, ack=1, data=b"x")
    talk.silent()
    assert talk.counters.dropped(DropReason.TCP_NO_SOCKET) == 1


def test_time_wait_without_a_stack() -> None:
    talk = Talk.active(rfc1337=False)
    talk.conn.shutdown()
    talk.us("F.", seq=1)
    talk.peer("F.", seq=1, ack=2)
    talk.us(".", seq=2, ack=2)
    talk.events("EofReceived", "Closed")
    assert talk.conn.state is State.TIME_WAIT
    talk.peer("F.", seq=1, ack=2)
    talk.us(".", seq=2, ack=2)
    talk.peer("R", seq=2)
    assert talk.conn.state is State.CLOSED
    talk.events()


@pytest.mark.parametrize("closed", [False, True])
def test_a_fin_behind_text_that_came_before(closed: bool) -> None:
    talk = Talk.active()
    talk.peer(".", seq=1, ack=1, data=b"hello")
    assert talk.conn.recv(100) == b"hello"
    if closed:
        talk.conn.close()
    talk.all_said()
    talk.peer("F.", seq=1, ack=1, data=b"hello")
    talk.us(".", ack=7)
    assert talk.conn.receiver.buffer is None
    state = State.CLOSING if closed else State.CLOSE_WAIT
    assert talk.conn.state is state
