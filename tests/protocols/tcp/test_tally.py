"""What `info` tells of a connection's past."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.info import TcpInfo, format_info
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk

MS = MILLISECOND
ECT0, CE = 2, 3


def test_an_uneventful_connection_has_none() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(2500))
    talk.all_said()
    talk.now += 30 * MS
    talk.peer(".", seq=1, ack=2501)
    assert talk.all_said() == []
    assert talk.conn.tally is None
    info = talk.conn.info()
    assert (info.busy_time, info.delivered) == (30 * MS, 2501)


def test_busy_is_from_the_first_text_to_the_last_ack() -> None:
    talk = Talk.active()
    for n in range(1, 4):
        talk.now += SECOND
        talk.conn.send(bytes(1000))
        talk.all_said()
        talk.now += 10 * MS
        talk.peer(".", seq=1, ack=1000 * n - 499)  # half of it
        assert talk.conn.info().busy_time == (15 * n - 5) * MS
        talk.now += 5 * MS
        talk.peer(".", seq=1, ack=1000 * n + 1)
        assert talk.conn.info().busy_time == 15 * n * MS
        assert "busy:15ms" in format_info(talk.conn.info(), talk.now) or n > 1
    talk.conn.send(bytes(10))
    talk.all_said()
    talk.now += 7 * MS
    talk.peer("R", seq=1)
    assert talk.conn.info().busy_time == 52 * MS


def test_the_window_is_what_holds_text_back() -> None:
    talk = Talk.active(wnd=2000)
    talk.conn.send(bytes(5000))
    talk.all_said()
    talk.now += 10 * MS
    assert talk.conn.info().rwnd_limited == 0  # known up to the last turn
    talk.peer(".", seq=1, ack=2001, wnd=0)
    talk.all_said()
    assert talk.conn.info().rwnd_limited == 10 * MS
    talk.now += 30 * MS
    talk.peer(".", seq=1, ack=2001, wnd=65535)
    assert len(talk.all_said()) == 3
    talk.now += 60 * MS
    talk.peer(".", seq=1, ack=5001)
    info = talk.conn.info()
    assert (info.busy_time, info.rwnd_limited) == (100 * MS, 40 * MS)
    assert info.sndbuf_limited == 0
    assert " busy:100ms rwnd_limited:40ms(40.0%) " in format_info(info, talk.now)


def test_cwnd_is_not_the_window() -> None:
    talk = Talk.active(initial_window=2)
    talk.conn.send(bytes(5000))
    assert len(talk.all_said()) == 2
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=2001)
    talk.all_said()
    info = talk.conn.info()
    assert (info.busy_time, info.rwnd_limited, info.sndbuf_limited) == (10 * MS, 0, 0)


def test_the_buffer_is_what_there_is_too_little_of() -> None:
    talk = Talk.active(send_buffer=3000)
    assert talk.conn.send(bytes(5000)) == 3000
    assert len(talk.all_said()) == 3
    talk.now += 20 * MS
    talk.peer(".", seq=1, ack=2001)
    talk.all_said()
    talk.now += 10 * MS
    talk.peer(".", seq=1, ack=3001)
    info = talk.conn.info()
    assert (info.busy_time, info.sndbuf_limited) == (30 * MS, 20 * MS)
    assert " sndbuf_limited:20ms(66.6%) " in format_info(info, talk.now)
    talk.now += SECOND
    talk.peer("P.", seq=1, ack=3001, data=b"x")
    assert talk.conn.info().sndbuf_limited == 20 * MS


def test_what_held_it_back_ends_with_the_last_ack() -> None:
    talk = Talk.active(send_buffer=3000)
    talk.conn.send(bytes(5000))
    talk.all_said()
    talk.now += 20 * MS
    talk.peer(".", seq=1, ack=3001)
    talk.now += SECOND
    talk.peer("P.", seq=1, ack=3001, data=b"x")
    info = talk.conn.info()
    assert (info.busy_time, info.sndbuf_limited) == (20 * MS, 20 * MS)


def test_time_outs_and_what_went_again() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.all_said()
    delay = talk.wait_timer("retransmit")
    talk.all_said()
    talk.now += 5 * MS
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.all_said()
    info = talk.conn.info()
    assert (delay, info.total_rto, info.total_rto_recoveries) == (SECOND, 1, 1)
    assert (info.total_rto_time, info.total_retrans) == (5 * MS, 1)
    talk.conn.send(bytes(500))
    talk.all_said()
    between = []
    for _ in range(3):
        between.append(talk.wait_timer("retransmit"))
        talk.all_said()
    since = sum(between[1:])
    info = talk.conn.info()
    assert (info.total_rto, info.total_rto_recoveries) == (4, 2)
    assert info.total_rto_time == 5 * MS + since
    talk.now += 15 * MS
    talk.peer(".", seq=1, ack=501)
    talk.now += SECOND
    info = talk.conn.info()
    assert info.total_rto_time == 20 * MS + since
    assert (info.total_retrans, info.bytes_retrans) == (4, 1500)
    assert info.bytes_sent == 2000


def test_order_that_is_not_kept() -> None:
    talk = Talk.active(initial_window=10)
    talk.conn.send(bytes(5000))
    talk.all_said()
    # the fourth came before the first, the first before the third
    talk.peer(".", seq=1, ack=1, sack=[(3001, 4001)])
    talk.peer(".", seq=1, ack=1001, sack=[(3001, 4001)])
    info = talk.conn.info()
    assert (info.reord_seen, info.delivered) == (1, 2001)
    assert " reord_seen:1 " in format_info(info, talk.now)
    talk.peer(".", seq=2001, ack=1001, data=bytes(3000), cuts=3)
    talk.peer(".", seq=6001, ack=1001, data=bytes(500))
    assert talk.conn.info().rcv_ooopack == 4
    assert " rcv_ooopack:4 " in format_info(talk.conn.info(), talk.now)
    talk.peer(".", seq=1, ack=5001, sack=[(1, 1001)])
    assert talk.conn.info().dsack_dups == 1


def agreed() -> Talk:
    talk = Talk(ecn="on")
    talk.conn.connect()
    talk.us("SEW")
    talk.peer("S.E", seq=0, ack=1, mss=1000, sack_permitted=True)
    talk.us(".")
    return talk


@pytest.mark.parametrize("mark", [ECT0, CE])
def test_marks_seen(mark: int) -> None:
    talk = agreed()
    talk.peer("P.", seq=1, ack=1, data=b"plain")
    assert not talk.conn.info().ecn_seen
    assert " ecnseen " not in format_info(talk.conn.info(), talk.now)
    for n in range(3):
        talk.peer("P.", seq=6 + n, ack=1, data=b"x", ecn=mark)
        assert talk.conn.info().ecn_seen
    assert " ecn ecnseen reno " in format_info(talk.conn.info(), talk.now)


def test_marks_without_an_agreement_are_not() -> None:
    talk = Talk.active()
    talk.peer("P.", seq=1, ack=1, data=b"x", ecn=ECT0)
    info = talk.conn.info()
    assert (info.ecn, info.ecn_seen) == (False, False)


def test_marks_echoed() -> None:
    talk = agreed()
    talk.conn.send(bytes(10_000))
    talk.all_said()
    talk.peer(".", seq=1, ack=2001)
    talk.peer(".E", seq=1, ack=5001, sack=[(6001, 7001)])
    info = talk.conn.info()
    assert (info.delivered, info.delivered_ce) == (6001, 4000)
    assert " delivered:7 delivered_ce:4 " in format_info(info, talk.now)


def test_a_percentage_needs_a_whole() -> None:
    info = TcpInfo(snd_mss=1000, busy_time=MS // 2, rwnd_limited=MS // 2)
    assert "limited" not in format_info(info, 0)
