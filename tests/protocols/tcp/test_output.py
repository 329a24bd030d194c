"""What leaves, in which order, and under which limits."""

from __future__ import annotations

import pytest

from sansio_net.packet import CSUM_PARTIAL
from sansio_net.protocols.tcp.timers import RETRANSMIT
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.segment import flatten

from .dialogue import Talk


def test_the_syn() -> None:
    talk = Talk(stamps=True)
    talk.conn.connect()
    said = talk.us("S", seq=0, ack=0, wnd=65_535, data=b"")
    options = said.options
    assert (options.mss, options.wscale, options.sack_permitted) == (1460, 7, True)
    assert options.ts_ecr == 0
    assert said.packet.info is None
    assert said.packet.csum == CSUM_PARTIAL
    assert (said.packet.csum_start, said.packet.csum_offset) == (0, 16)


def test_psh_on_the_last_segment_of_a_send() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(2500))
    assert [said.flags for said in talk.all_said()] == [".", ".", "P."]


def test_initial_window_then_silence() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(50_000))
    assert len(talk.all_said()) == 10
    talk.peer(".", seq=1, ack=2001)
    assert [said.seq for said in talk.all_said()] == [10_001, 11_001, 12_001, 13_001]


def test_the_peers_window_is_kept() -> None:
    talk = Talk.active(wnd=2500)
    talk.conn.send(bytes(5000))
    assert [len(said.data) for said in talk.all_said()] == [1000, 1000]
    talk.peer(".", seq=1, ack=2001, wnd=500)  # shrunk, and below half the largest
    talk.silent()
    talk.peer(".", seq=1, ack=2001, wnd=1300)
    assert [len(said.data) for said in talk.all_said()] == [1000]


def test_a_shrunk_window_stops_new_text_but_not_old() -> None:
    talk = Talk.active(wnd=10_000)
    talk.conn.send(bytes(12_000))
    assert len(talk.all_said()) == 10
    talk.peer(".", seq=1, ack=1001, wnd=2000)
    talk.silent()
    talk.wait_timer("retransmit")
    talk.us(".", seq=1001)
    talk.peer(".", seq=1, ack=2001, wnd=500)
    # within the window, or one whole segment when nothing else would go
    talk.us(".", seq=2001, data=bytes(500))
    talk.silent()


def test_scaled_windows() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S", wnd=65_535)
    talk.peer("S.", seq=0, ack=1, wnd=1000, mss=1000, wscale=3)
    assert talk.conn.sender.snd_wnd == 1000  # not scaled on a SYN
    assert talk.us(".").wnd == 128 * 1024 >> 7
    talk.peer(".", seq=1, ack=1, wnd=1000)
    assert talk.conn.sender.snd_wnd == 8000


def test_nagle() -> None:
    talk = Talk.active()
    talk.conn.send(b"a")
    talk.us("P.", data=b"a")
    talk.conn.send(b"b")
    talk.silent()
    talk.conn.send(bytes(999))
    talk.us("P.", seq=2, data=b"b" + bytes(999))  # a full segment need not wait
    talk.conn.send(b"c")
    talk.silent()
    talk.peer(".", seq=1, ack=2)
    talk.us("P.", data=b"c")


def test_nodelay() -> None:
    talk = Talk.active(nodelay=True)
    for letter in (b"a", b"b", b"c"):
        talk.conn.send(letter)
        talk.us("P.", data=letter)
    talk = Talk.active()
    talk.conn.send(b"a")
    talk.us("P.")
    talk.conn.send(b"b")
    talk.silent()
    talk.conn.set(nodelay=True)
    talk.us("P.", data=b"b")


def test_a_fin_takes_the_short_tail_with_it() -> None:
    talk = Talk.active()
    talk.conn.send(b"a")
    talk.us("P.")
    talk.conn.send(b"b")
    talk.conn.shutdown()
    talk.us("FP.", data=b"b")


def test_the_fin_needs_a_place_in_the_window() -> None:
    talk = Talk.active(wnd=5)
    talk.conn.send(b"12345")
    talk.conn.shutdown()
    talk.us("P.", data=b"12345")
    talk.silent()
    talk.peer(".", seq=1, ack=6, wnd=5)
    talk.us("F.", seq=6)


def test_super_segments() -> None:
    talk = Talk.active(gso_max=65_536)
    talk.conn.send(bytes(15_000))
    said = talk.us(".", seq=1, data=bytes(10_000))
    assert said.packet.gso_size == 1000
    talk.silent()
    talk.peer(".", seq=1, ack=10_001)
    said = talk.us("P.", seq=10_001, data=bytes(5000))
    # a small device limit means single segments
    talk = Talk.active(gso_max=1000)
    talk.conn.send(bytes(3000))
    assert [said.packet.gso_size for said in talk.all_said()] == [0, 0, 0]


def test_super_segments_are_whole_segments_and_fit_an_ip_packet() -> None:
    talk = Talk.active(gso_max=1 << 20, initial_window=100, mss=1337)
    talk.conn.send(bytes(200_000))
    said = talk.us(".")
    assert len(said.data) % 1337 == 0
    assert 65_535 - 1500 < len(said.data) + 40 <= 65_535


def test_sack_blocks_take_room_from_text() -> None:
    talk = Talk.active(stamps=True)
    talk.peer(".", seq=101, ack=1, data=b"early")
    talk.conn.send(bytes(2000))
    said = talk.us(".", seq=1)
    assert len(said.options.sack) == 1
    assert len(said.data) == 1000 - 12 - 12
    assert len(said.packet) <= 20 + 12 + 12 + 976


def test_at_most_three_blocks_with_stamps_four_without() -> None:
    for stamps, blocks in ((True, 3), (False, 4)):
        talk = Talk.active(stamps=stamps)
        for n in range(6):
            talk.peer(".", seq=101 + 100 * n, ack=1, data=b"island")
        sack = talk.us(".").options.sack
        assert len(sack) == blocks
        newest = (talk.peer_iss + 601) % 2**32
        assert sack[0][0] == newest  # RFC 2018 4


def test_idle_restart() -> None:
    talk = Talk.active()
    talk.conn.congestion.cwnd = 60_000
    talk.now += 10 * SECOND
    talk.conn.send(bytes(50_000))
    assert len(talk.all_said()) == 10
    talk = Talk.active(idle_restart=False)
    talk.conn.congestion.cwnd = 60_000
    talk.now += 10 * SECOND
    talk.conn.send(bytes(50_000))
    assert len(talk.all_said()) == 50


def test_a_limited_transmit_arms_the_timer() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(5000))
    (packet,) = talk.conn.transmit(talk.now, 1)
    assert packet.info is not None
    assert packet.info.dst == bytes((10, 0, 0, 2))
    assert talk.conn.next_timeout() == 0
    assert talk.conn.deadline() == talk.now + talk.conn.rtt.rto


def test_blocked_output_times_out_as_if_it_had_left() -> None:
    talk = Talk.active(retries2=2)
    talk.conn.send(b"x")
    talk.conn.blocked(talk.now)
    for _ in range(3):
        talk.wait_timer("retransmit")
        talk.conn.blocked(talk.now)
    talk.events("ConnectionLost")
    talk.conn.blocked(talk.now)
    assert talk.conn.deadline() is None


def test_a_blocked_syn_times_out() -> None:
    talk = Talk(syn_retries=2, user_timeout=None)
    talk.conn.connect()
    talk.conn.blocked(talk.now)
    for _ in range(3):
        talk.wait_timer("retransmit")
    talk.events("ConnectionLost")


def test_what_was_blocked_is_waited_for_from_when_it_leaves() -> None:
    """RFC 6298 (5.1): the timer starts with the segment."""
    talk = Talk.active()
    talk.conn.send(b"x")
    talk.conn.blocked(talk.now)
    talk.wait(190 * MILLISECOND)
    talk.us("P.", seq=1)
    assert talk.conn.timers.at(RETRANSMIT) == talk.now + 200 * MILLISECOND
    talk = Talk()
    talk.conn.connect()
    talk.conn.blocked(talk.now)
    talk.wait(990 * MILLISECOND)
    talk.us("S")
    assert talk.wait_timer("retransmit") == SECOND


def test_blocked_with_nothing_to_say_arms_nothing() -> None:
    talk = Talk.active()
    talk.conn.blocked(talk.now)
    assert talk.conn.deadline() is None


def test_window_updates_spare_small_steps() -> None:
    talk = Talk.active(receive_buffer=10_000, window_scale=False, quick_acks=0)
    talk.peer(".", seq=1, ack=1, data=bytes(9000), cuts=9)
    talk.us(".", ack=9001, wnd=1000)
    assert talk.conn.recv(500) == bytes(500)
    talk.silent()
    talk.conn.recv(500)
    talk.silent()
    talk.conn.recv(3000)
    talk.us(".", ack=9001, wnd=5000)
    talk.conn.recv(10_000)
    talk.us(".", wnd=10_000)


def test_a_window_is_never_taken_back() -> None:
    talk = Talk.active(receive_buffer=10_000, window_scale=False, quick_acks=0)
    edge = talk.conn.receiver.rcv_adv
    talk.conn.set(receive_buffer=4000)
    talk.peer(".", seq=1, ack=1, data=bytes(2000), cuts=2)
    assert talk.us(".", ack=2001).wnd == 8000
    assert talk.conn.receiver.rcv_adv == edge


@pytest.mark.parametrize("gso_max", [0, 65_536])
def test_cut_packets_carry_the_text(gso_max: int) -> None:
    from sansio_net.wire.ip import ip_wrap

    talk = Talk.active(gso_max=gso_max)
    text = bytes(range(250)) * 20
    talk.conn.send(text)
    got = b""
    for packet in talk.conn.transmit(talk.now):
        for frame in flatten(ip_wrap(packet, 6)):
            assert len(frame) <= 1040
            got += frame[40:]
    assert got == text
