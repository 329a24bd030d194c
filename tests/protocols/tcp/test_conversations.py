"""The conversations that RFC 9293 draws (figures 6 to 13), and what loss makes of them.

Sequence numbers are relative to each end's first; the RFC's stand in the comments.
"""

from __future__ import annotations

import pytest

from sansio_net.errors import ConnectionRefused, ConnectionReset, TimedOut
from sansio_net.protocols.tcp import State, TcpOptions
from sansio_net.protocols.tcp.events import ConnectionLost
from sansio_net.testing import Script
from sansio_net.units import MILLISECOND, SECOND


def opened() -> Script:
    """We opened, and both are established."""
    t = Script(options=TcpOptions(quick_acks=0))
    t.connect()
    t.us("S", seq=0)
    t.peer("S.", seq=0, mss=1460)
    t.us(".", seq=1, ack=1)
    assert t.happened() == ["Connected"]
    return t


def error_of(t: Script) -> Exception:
    (error,) = [event.error for event in t.events if isinstance(event, ConnectionLost)]
    return error


def test_figure_6_the_basic_handshake() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0, length=0)
    t.peer("S.", seq=0, ack=1)
    # line 5 has the number of line 4: an ACK takes none
    t.us(".", seq=1, ack=1, length=0)
    t.conn.send(b"data")
    t.us("P.", seq=1, ack=1, data=b"data")


def test_figure_7_simultaneous_open() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("S", seq=0, mss=1000)
    assert t.conn.state is State.SYN_RECEIVED
    t.us("S.", seq=0, ack=1)
    t.peer("S.", seq=0, ack=1, mss=1000)
    assert t.conn.state is State.ESTABLISHED
    assert t.happened() == ["Connected"]
    t.conn.send(b"both")
    t.us("P.", seq=1, ack=1, data=b"both")


def test_figure_7_when_segments_are_lost() -> None:
    # our SYN-ACK: sent again at the time of the SYN
    t = Script()
    t.connect()
    t.us("S", seq=0, at=0)
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.wait(SECOND)
    t.us("S.", seq=0, ack=1, at=SECOND)
    t.peer("S.", seq=0, ack=1)
    assert t.conn.state is State.ESTABLISHED
    # the peer lost that one too and repeats its own
    t.peer("S.", seq=0, ack=1)
    t.us(".", seq=1, ack=1)
    t.silent()


def test_figure_8_an_old_duplicate_syn() -> None:
    t = Script()
    listener = t.listen()
    t.peer("S", seq=-10)  # 90
    t.us("S.", seq=0, ack=-9)
    assert listener.half_open == 1
    t.peer("R", seq=-9)  # 91
    assert listener.half_open == 0
    t.silent()
    t.wait(SECOND)
    t.peer("S", seq=0)  # 100
    t.us("S.", ack=1)
    t.peer(".", seq=1, ack=1)
    assert t.happened() == ["Accepted"]


def test_figure_8_as_the_other_end_sees_it() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("S.", seq=0, ack=-9)
    t.us("R", seq=-9)
    assert t.conn.state is State.SYN_SENT
    t.peer("S.", seq=100, ack=1)
    t.us(".", seq=1, ack=101)
    assert t.happened() == ["Connected"]


def test_figure_8_when_the_syn_comes_before_the_reset() -> None:
    t = Script()
    listener = t.listen()
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("S", seq=10)
    t.us(".", ack=1)  # RFC 5961 4.2
    t.peer("R", seq=1)
    assert listener.pending == 0
    t.peer("S", seq=10)
    t.us("S.", ack=11)


def test_figure_9_the_peer_forgot_us() -> None:
    t = opened()
    t.peer("S", seq=5000, ack=None)
    t.us(".", seq=1, ack=1)
    t.peer("R", seq=1)
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(error_of(t), ConnectionReset)
    t.silent()


def test_figure_9_we_forgot_the_peer() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0, at=0)
    t.peer(".", seq=300, ack=-700)
    t.us("R", seq=-700)
    assert t.conn.state is State.SYN_SENT
    t.wait(SECOND)
    t.us("S", seq=0, at=SECOND)
    t.peer("S.", seq=0, ack=1)
    t.us(".", seq=1, ack=1)
    assert t.happened() == ["Connected"]


def test_figure_10_data_for_nobody() -> None:
    t = Script()
    t.peer("P.", seq=300, ack=100, data=b"0123456789")
    t.us("R", seq=100, ack=-1_000_000, length=0)
    t.peer("P", seq=300, data=b"0123456789")
    t.us("R.", seq=0, ack=310)
    t.peer("R", seq=300)
    t.peer("R.", seq=300, ack=100)
    t.silent()


def test_figure_10_our_data_is_for_nobody() -> None:
    t = opened()
    t.conn.send(b"0123456789")
    t.us("P.", seq=1)
    t.peer("R", seq=1)
    assert t.happened() == ["ConnectionLost"]
    with pytest.raises(ConnectionReset):
        t.conn.send(b"more")
    with pytest.raises(ConnectionReset):
        t.conn.recv(1)


def test_figure_11_two_passive_ends() -> None:
    t = Script()
    listener = t.listen()
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("R", seq=1)
    assert (listener.pending, t.stack.connections()) == (0, [])
    # and as the other one, to whom the SYN-ACK comes
    t.peer("S.", seq=0, ack=77)
    t.us("R", seq=77)
    assert t.happened() == []


def test_figure_12_a_normal_close() -> None:
    t = opened()
    t.conn.close()
    t.us("F.", seq=1, ack=1)
    t.peer(".", seq=1, ack=2)
    assert t.conn.state is State.FIN_WAIT_2
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    assert t.happened() == ["Closed"]
    assert len(t.stack.time_wait) == 1
    t.wait(60 * SECOND)
    assert len(t.stack.time_wait) == 0


def test_figure_12_when_segments_are_lost() -> None:
    t = opened()
    t.conn.close()
    t.us("F.", seq=1, at=0)
    t.at(200 * MILLISECOND)
    t.us("F.", seq=1, at=200 * MILLISECOND)
    t.peer(".", seq=1, ack=2)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    # our last ACK was lost: the peer says it again, and 2 MSL begin again
    t.wait(50 * SECOND)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    t.wait(50 * SECOND)
    assert len(t.stack.time_wait) == 1
    t.wait(10 * SECOND)
    assert len(t.stack.time_wait) == 0
    t.peer("F.", seq=1, ack=2)
    t.us("R", seq=2)


def test_figure_12_the_other_end() -> None:
    t = opened()
    t.peer("F.", seq=1, ack=1)
    t.us(".", seq=1, ack=2)
    assert t.happened() == ["EofReceived"]
    t.conn.send(b"rest")
    t.conn.close()
    t.us("FP.", seq=1, ack=2, data=b"rest")
    assert t.conn.state is State.LAST_ACK
    # its ACK was lost; its FIN comes again, and then it is in TIME-WAIT
    t.peer("F.", seq=1, ack=1)
    t.us(".", seq=6, ack=2)
    t.wait(200 * MILLISECOND)
    t.us("FP.", seq=1, ack=2, data=b"rest")
    t.peer(".", seq=2, ack=6)
    assert t.happened() == ["Closed"]
    assert (t.stack.connections(), len(t.stack.time_wait)) == ([], 0)


def test_figure_12_the_last_ack_never_comes() -> None:
    t = Script(options=TcpOptions(retries2=3))
    t.connect()
    t.us("S")
    t.peer("S.", seq=0)
    t.us(".")
    t.peer("F.", seq=1)
    t.us(".", ack=2)
    t.conn.close()
    t.wait(60 * SECOND)
    for at in (0, 200, 600, 1400):
        t.us("F.", seq=1, at=at * MILLISECOND)
    t.silent()
    assert t.happened()[-1] == "ConnectionLost"
    assert isinstance(error_of(t), TimedOut)


def test_figure_13_a_simultaneous_close() -> None:
    t = opened()
    t.conn.close()
    t.us("F.", seq=1, ack=1)
    t.peer("F.", seq=1, ack=1)
    t.us(".", seq=2, ack=2)
    assert t.conn.state is State.CLOSING
    t.peer(".", seq=2, ack=2)
    assert t.happened() == ["Closed"]
    assert len(t.stack.time_wait) == 1


def test_figure_13_when_the_acks_are_lost() -> None:
    t = opened()
    t.conn.close()
    t.us("F.", seq=1, at=0)
    t.peer("F.", seq=1, ack=1)
    t.us(".", seq=2, ack=2)
    t.at(200 * MILLISECOND)
    t.us("F.", seq=1, ack=2)
    t.peer("F.", seq=1, ack=1)
    t.us(".", seq=2, ack=2)
    t.peer(".", seq=2, ack=2)
    assert t.happened() == ["Closed"]


def test_nobody_listens() -> None:
    t = Script()
    t.peer("S", seq=0)
    t.us("R.", seq=0, ack=1)
    t.connect()
    t.us("S", seq=0)
    t.peer("R.", seq=0, ack=1)
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(error_of(t), ConnectionRefused)


def test_the_same_place_again_out_of_time_wait() -> None:
    t = Script()
    t.listen()
    t.peer("S", seq=0)
    t.us("S.", ack=1)
    t.peer(".", seq=1, ack=1)
    first = t.our_isn
    t.conn.shutdown()
    t.us("F.", seq=1)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    # an old duplicate is not a new incarnation, a SYN beyond the last number is
    t.peer("S", seq=0)
    t.us(".", seq=2, ack=2)
    assert len(t.stack.time_wait) == 1
    t.peer("S", seq=5000)
    t.us("S.", ack=5001)
    assert len(t.stack.time_wait) == 0
    assert first is not None
    assert t.our_isn is not None
    assert 2 < (t.our_isn - first) % 2**32 < 2**31
    t.peer(".", seq=5001, ack=1)
    assert t.happened() == ["Accepted", "EofReceived", "Closed", "Accepted"]


def test_time_wait_stays_until_another_connection_takes_its_place() -> None:
    """RFC 9293 MUST-13, MAY-2."""
    t = opened()
    t.conn.close()
    t.us("F.", seq=1)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    t.peer("S", seq=5000)
    t.us(".", seq=2, ack=2)  # nobody listens
    assert len(t.stack.time_wait) == 1
    listener = t.listen(backlog=1)
    listener.pause()
    t.peer("S", seq=5000)
    t.silent()
    assert len(t.stack.time_wait) == 1
    listener.resume()
    t.peer("S", seq=5000)
    t.us("S.", ack=5001)
    assert len(t.stack.time_wait) == 0


def test_a_syn_with_rst_is_a_reset() -> None:
    # 3.10.7.4: it is old, so it is dropped, and no SYN-ACK answers it
    t = Script()
    t.listen()
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("SR", seq=0)
    t.silent()
