"""What ACKs do: progress, duplicates, windows."""

from __future__ import annotations

from sansio_net.packet import Packet
from sansio_net.protocols.tcp.phase import FAST, OPEN
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk


def flying(n: int = 10, **kwargs: int) -> Talk:
    """n segments of 1000 bytes in flight."""
    talk = Talk.active(**kwargs)
    talk.conn.send(bytes(n * 1000))
    assert len(talk.all_said()) == min(n, 10)
    return talk


def test_progress_frees_and_measures() -> None:
    talk = flying(5)
    talk.now += 80 * MILLISECOND
    talk.peer(".", seq=1, ack=2001)
    info = talk.conn.info()
    assert (info.send_queue, info.unacked) == (3000, 3000)
    assert talk.conn.forward_progress
    assert talk.conn.timers.at(0) == talk.now + talk.conn.rtt.rto
    # the SYN took no time; two ACKs are expected for the rest
    assert talk.conn.rtt.srtt == 5 * MILLISECOND
    talk.peer(".", seq=1, ack=5001)
    assert talk.conn.deadline() is None
    assert ("tcp.rtt", 0) in [entry[1:3] for entry in talk.trace]
    assert ("tcp.cwnd", 0) in [entry[1:3] for entry in talk.trace]


def test_space_freed_once_after_a_short_send() -> None:
    talk = Talk.active(send_buffer=6000)
    assert talk.conn.send(bytes(10_000)) == 6000
    assert talk.conn.send(b"x") == 0
    talk.all_said()
    talk.peer(".", seq=1, ack=1001)
    talk.events()
    talk.peer(".", seq=1, ack=2001)
    (freed,) = talk.events("SpaceFreed")
    assert freed.space == 2000  # type: ignore[union-attr]
    talk.peer(".", seq=1, ack=6001)
    talk.events()


def test_three_duplicates_retransmit() -> None:
    talk = flying(10, sack=False)
    for _ in range(2):
        talk.peer(".", seq=1, ack=1)
    talk.silent()
    talk.peer(".", seq=1, ack=1)
    talk.us(".", seq=1, data=bytes(1000))
    talk.silent()
    assert talk.conn.recovery.phase is FAST
    assert talk.conn.congestion.ssthresh == 5000
    retransmits = [entry for entry in talk.trace if entry[1] == "tcp.retransmit"]
    assert [entry[4:] for entry in retransmits] == [(1000, "fast")]
    # a partial ACK shows the next hole
    talk.peer(".", seq=1, ack=3001)
    talk.us(".", seq=3001, data=bytes(1000))
    # and a full one ends it
    talk.peer(".", seq=1, ack=10_001)
    assert talk.conn.recovery.phase is OPEN
    assert talk.conn.info().total_retrans == 2


def test_limited_transmit() -> None:
    talk = flying(20, sack=False)
    talk.peer(".", seq=1, ack=1)
    talk.us(".", seq=10_001)
    talk.silent()
    talk.peer(".", seq=1, ack=1)
    talk.us(".", seq=11_001)
    talk.silent()
    talk.peer(".", seq=1, ack=1)
    talk.us(".", seq=1)
    # RFC 5681 3.2 (2): what limited transmit sent does not count
    assert talk.conn.congestion.ssthresh == 5000


def test_what_is_no_duplicate() -> None:
    talk = flying(10)
    for _ in range(5):
        talk.peer(".", seq=1, ack=1, wnd=60_000)  # another window
        talk.peer(".", seq=1, ack=1, wnd=65_535)
    talk.peer(".", seq=1, ack=1, data=b"a")
    talk.peer(".", seq=2, ack=1, data=b"b")
    talk.peer(".", seq=3, ack=1, data=b"c")
    assert talk.conn.recovery.dup_acks == 0
    talk = Talk.active()
    for _ in range(5):
        talk.peer(".", seq=1, ack=1)  # nothing in flight
    talk.silent()


def test_an_old_segment_does_not_change_the_window() -> None:
    talk = Talk.active()
    talk.peer(".", seq=1, ack=1, data=b"x", wnd=5000)
    talk.peer(".", seq=1, ack=1, wnd=9000)
    assert talk.conn.sender.snd_wnd == 5000
    talk.peer(".", seq=2, ack=1, wnd=7000)
    assert talk.conn.sender.snd_wnd == 7000


def test_a_stamp_measures_what_was_sent_twice() -> None:
    talk = Talk.active(stamps=True)
    talk.conn.send(bytes(500))
    talk.us("P.")
    talk.wait_timer("retransmit")
    talk.us("P.", seq=1)
    talk.now += 30 * MILLISECOND
    ecr = (talk.now // MILLISECOND - 30 + talk.conn.ts_offset) % 2**32
    talk.peer_clock += 1
    talk.peer(".", seq=1, ack=501, ts_val=talk.peer_clock, ts_ecr=ecr)
    assert talk.conn.rtt.srtt == 30 * MILLISECOND // 8
    assert talk.conn.rtt.backoff == 0


def test_backed_off_until_something_new_is_measured() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(1000))
    talk.us("P.")
    talk.wait_timer("retransmit")
    talk.us("P.", seq=1)
    talk.peer(".", seq=1, ack=1001)
    assert talk.conn.rtt.backoff == 1  # Karn
    talk.conn.send(bytes(1000))
    talk.us("P.")
    talk.peer(".", seq=1, ack=2001)
    assert talk.conn.rtt.backoff == 0


def test_the_user_timeout_starts_again_with_progress() -> None:
    talk = flying(5, user_timeout=10 * SECOND)
    talk.now += 150 * MILLISECOND
    talk.peer(".", seq=1, ack=1001)
    assert talk.conn.timers.at(4) == talk.now + 10 * SECOND
    talk.peer(".", seq=1, ack=5001)
    assert talk.conn.timers.at(4) is None


def test_a_super_segment_is_acknowledged_like_any() -> None:
    talk = Talk.active(gso_max=65_536)
    talk.conn.send(bytes(9500))
    said = talk.us("P.", seq=1, data=bytes(9500))
    assert isinstance(said.packet, Packet)
    assert said.packet.gso_size == 1000
    talk.peer(".", seq=1, ack=9501)
    assert talk.conn.info().send_queue == 0


def test_an_echo_of_nothing_measures_nothing() -> None:
    talk = Talk(stamps=True)
    talk.conn.connect()
    talk.us("S")
    talk.wait_timer("retransmit")
    talk.us("S")
    talk.peer("S.", seq=0, ack=1, ts_val=1, ts_ecr=0)
    assert talk.conn.rtt.srtt == 0
    assert talk.conn.rtt.rto == 3_000_000_000
