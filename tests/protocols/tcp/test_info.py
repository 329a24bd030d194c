"""What `info` tells, and in which words."""

from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.info import _ms, _rate, format_info
from sansio_net.units import MICROSECOND, MILLISECOND, SECOND

from .dialogue import Talk


def test_what_is_counted() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(2500))
    assert [len(said.data) for said in talk.all_said()] == [1000, 1000, 500]
    talk.now += 30 * MILLISECOND
    talk.peer("P.", seq=1, ack=1001, data=b"answer")
    talk.us(".", ack=7)
    talk.peer("P.", seq=1, ack=1001, data=b"answer")
    talk.us(".", ack=7)
    talk.conn.recv(2)
    info = talk.conn.info()
    # the SYN, its ACK, three with text, two ACKs
    assert (info.segs_out, info.data_segs_out) == (7, 3)
    assert (info.segs_in, info.data_segs_in) == (3, 2)
    assert (info.bytes_sent, info.bytes_acked, info.bytes_received) == (2500, 1001, 6)
    assert (info.unacked, info.send_queue, info.notsent_bytes) == (1500, 1500, 0)
    assert info.receive_queue == 4
    assert info.last_data_recv == info.last_ack_recv == talk.now
    assert info.last_data_sent == talk.now - 30 * MILLISECOND
    talk.wait(SECOND)
    again = sum(len(said.data) for said in talk.all_said())
    info = talk.conn.info()
    assert again > 0
    assert (info.bytes_sent, info.bytes_retrans) == (2500 + again, again)
    assert info.total_retrans == info.data_segs_out - 3
    assert (info.retransmits, info.backoff, info.ca_state) == (1, 1, "loss")


def test_a_super_segment_counts_its_cuts() -> None:
    talk = Talk.active(gso_max=65_536)
    talk.conn.send(bytes(4500))
    talk.us("P.", data=bytes(4500))
    assert talk.conn.info().data_segs_out == 5
    talk.peer(".", seq=1, data=bytes(3000), ack=1, cuts=3)
    assert talk.conn.info().data_segs_in == 3


def test_controls_are_no_text() -> None:
    talk = Talk.active()
    talk.conn.shutdown()
    talk.us("F.")
    talk.peer("F.", seq=1, ack=2)
    info = talk.conn.info()
    assert (info.bytes_sent, info.bytes_received, info.unacked) == (0, 0, 0)
    assert info.notsent_bytes == 0
    assert Talk().conn.info().bytes_acked == 0


def test_where_it_stands() -> None:
    talk = Talk.active(initial_window=2)
    info = talk.conn.info()
    assert (info.phase, info.ca_state, info.congestion) == (
        "slow_start",
        "open",
        "reno",
    )
    assert (info.snd_ssthresh, info.busy_time, info.rcv_rtt) == (0, 0, 0)
    assert "ssthresh:" not in format_info(info, talk.now).replace("rcv_ssthresh:", "")
    assert "reordering:" not in format_info(info, talk.now)
    talk.conn.send(bytes(5000))
    assert len(talk.all_said()) == 2
    talk.peer(".", seq=1001, ack=1, data=bytes(700))
    talk.peer(".", seq=4001, ack=1, data=bytes(30))
    info = talk.conn.info()
    assert (info.notsent_bytes, info.out_of_order) == (3000, 730)
    assert " notsent:3000 " in format_info(info, talk.now)
    talk.wait_timer("retransmit")
    info = talk.conn.info()
    assert (info.ca_state, info.snd_ssthresh, info.snd_cwnd) == ("loss", 2000, 1000)
    info.reordering, info.pacing_rate, info.rcv_rtt = 7, 125_000, 5 * MILLISECOND
    words = format_info(info, talk.now).split()
    at = words.index("pacing_rate")
    assert words[at : at + 2] == ["pacing_rate", "1Mbps"]
    assert {"reordering:7", "rcv_rtt:5", "ssthresh:2"} <= set(words)
    info.pacing_rate = 0
    assert "pacing_rate" not in format_info(info, talk.now)


def test_a_shift_of_one_side() -> None:
    talk = Talk(receive_buffer=4096)
    talk.conn.connect()
    talk.all_said()
    talk.peer("S.", seq=0, ack=1, mss=1000, wscale=7)
    info = talk.conn.info()
    assert (info.wscale, info.snd_wscale, info.rcv_wscale) == (True, 7, 0)
    assert " wscale:7,0 " in format_info(info, talk.now)


def test_who_sends_little_is_limited_by_it() -> None:
    talk = Talk.active(congestion="bbr")
    for n in range(3):
        talk.conn.send(bytes(1000))
        talk.all_said()
        talk.now += 10 * MILLISECOND
        talk.peer(".", seq=1, ack=1000 * n + 1001)
    info = talk.conn.info()
    assert info.app_limited
    assert " app_limited " in format_info(info, talk.now)


def test_in_the_words_of_ss() -> None:
    """The order and the units are those of iproute2's misc/ss.c."""
    talk = Talk.active(stamps=True)
    talk.conn.send(bytes(2500))
    talk.all_said()
    talk.now += 5 * MILLISECOND
    talk.peer(".", seq=1, ack=989)
    info = talk.conn.info()
    words = format_info(info, talk.now + 7 * MILLISECOND).split()
    assert words[:3] == ["ts", "sack", talk.conn.options.congestion]
    named = dict(word.split(":", 1) for word in words if ":" in word)
    assert named["rto"] == "200"
    assert named["rtt"] == "0.625/1.249"
    assert (named["mss"], named["pmtu"], named["advmss"]) == ("988", "1500", "1460")
    assert (named["cwnd"], named["unacked"]) == (str(info.snd_cwnd // 988), "2")
    assert (named["lastsnd"], named["lastack"]) == ("12", "7")
    assert (named["bytes_sent"], named["bytes_acked"]) == ("2500", "989")
    assert "lastrcv" not in named
    window = info.snd_cwnd // 988 * 988
    assert words[words.index("send") + 1] == _rate(window * SECOND // info.rtt)
    order = [words.index(f"{name}:{named[name]}") for name in named]
    assert order == sorted(order)


def test_a_model_of_the_path() -> None:
    talk = Talk.active(congestion="bbr")
    info = talk.conn.info()
    assert "bbr:" not in format_info(info, talk.now)
    info.bbr_bw, info.bbr_min_rtt = 1_812_500, 40 * MILLISECOND
    assert " bbr:(bw:14.5Mbps,mrtt:40) " in format_info(info, talk.now)
    numbers = format_info(info, talk.now, numeric=True)
    assert " bbr:(bw:14500000bps,mrtt:40) " in numbers


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0, "0bps"),
        (124, "992bps"),
        (125, "1Kbps"),
        (181_250_000, "1.45Gbps"),
        (1_722_500, "13.8Mbps"),
        (11_167_663, "89.3Mbps"),
        (34_683_729_980, "277Gbps"),
        (10**12, "8Tbps"),
    ],
)
def test_rates_have_three_digits(rate: int, said: str) -> None:
    assert _rate(rate) == said


def test_milliseconds() -> None:
    times = (204 * MILLISECOND, 50 * MICROSECOND, SECOND + 129_999, 0)
    assert [_ms(time) for time in times] == ["204", "0.05", "1000.129", "0"]
