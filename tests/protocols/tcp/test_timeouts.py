"""Retransmission, probes, keep-alive, and when to give up."""

from __future__ import annotations

import pytest

from sansio_net.errors import TimedOut, Unreachable
from sansio_net.protocols.tcp import ConnectionLost, Stalled, State
from sansio_net.units import MILLISECOND, SECOND

from .dialogue import Talk

MS = MILLISECOND


def lost(talk: Talk) -> BaseException:
    (event,) = talk.events("ConnectionLost")
    assert isinstance(event, ConnectionLost)
    return event.error


def test_a_syn_is_repeated_for_three_minutes() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S", seq=0)
    waited = 0
    for wait in (1, 2, 4, 8, 16, 32, 64):
        assert talk.wait_timer("retransmit") == wait * SECOND
        talk.us("S", seq=0)
        talk.silent()
        waited += wait
    waited += talk.wait_timer("retransmit") // SECOND
    assert waited >= 180
    assert isinstance(lost(talk), TimedOut)
    assert talk.conn.state is State.CLOSED
    talk.silent()


def test_a_half_open_child_is_given_up_quietly() -> None:
    talk = Talk.half_open()
    talk.us("S.")
    for _ in range(5):
        talk.wait_timer("retransmit")
        talk.us("S.", seq=0, ack=1)
    talk.wait_timer("retransmit")
    assert talk.conn.done
    talk.events()


def test_r1_and_r2() -> None:
    talk = Talk.active(retries1=2, retries2=4)
    talk.conn.send(b"hello")
    talk.us("P.", seq=1)
    for attempt in range(1, 5):
        talk.wait_timer("retransmit")
        talk.us("P.", seq=1, data=b"hello")
        assert talk.conn.suspicious == (attempt >= 2)
    assert talk.conn.info().retransmits == 4
    talk.wait_timer("retransmit")
    assert isinstance(lost(talk), TimedOut)
    with pytest.raises(TimedOut):
        talk.conn.send(b"x")


def test_what_icmp_hinted_at_is_the_reason() -> None:
    talk = Talk.active(retries2=1)
    talk.conn.send(b"hello")
    talk.us("P.")
    seq = talk.conn.sender.snd_una % 2**32
    talk.conn.icmp_error(Unreachable(), True, seq, talk.now)
    talk.wait_timer("retransmit")
    talk.us("P.")
    talk.wait_timer("retransmit")
    assert isinstance(lost(talk), Unreachable)


def test_the_application_hears_of_r1_once() -> None:
    talk = Talk.active(retries1=2)
    talk.conn.send(b"hello")
    talk.us("P.")
    seq = talk.conn.sender.snd_una % 2**32
    talk.conn.icmp_error(Unreachable(), False, seq, talk.now)
    talk.wait_timer("retransmit")
    talk.events()
    talk.wait_timer("retransmit")
    (event,) = talk.events("Stalled")
    assert isinstance(event, Stalled)
    assert isinstance(event.error, Unreachable)
    talk.wait_timer("retransmit")
    talk.events()


def test_who_has_not_got_it_or_has_closed_hears_nothing() -> None:
    talk = Talk.half_open(retries1=1)
    talk.us("S.")
    talk.wait_timer("retransmit")
    talk.events()
    talk = Talk.active(retries1=1)
    talk.conn.send(b"hello")
    talk.us("P.")
    talk.conn.close()
    talk.wait_timer("retransmit")
    talk.events()


def test_going_back_after_a_timeout() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(10_000))
    assert len(talk.all_said()) == 10
    talk.wait_timer("retransmit")
    talk.us(".", seq=1, data=bytes(1000))
    talk.silent()
    assert talk.conn.congestion.cwnd == 1000
    assert talk.conn.congestion.ssthresh == 5000
    # slow start over what was lost
    talk.peer(".", seq=1, ack=1001)
    assert [said.seq for said in talk.all_said()] == [1001, 2001]
    # everything else had arrived
    talk.peer(".", seq=1, ack=10_001)
    assert talk.conn.deadline() is None
    entries = [entry for entry in talk.trace if entry[1] == "tcp.retransmit"]
    assert {entry[5] for entry in entries} == {"timeout"}


def test_a_retransmission_is_one_super_segment() -> None:
    talk = Talk.active(gso_max=65_536)
    talk.conn.send(bytes(9500))
    talk.us("P.", seq=1, data=bytes(9500))
    talk.wait_timer("retransmit")
    talk.us(".", seq=1, data=bytes(1000))
    talk.peer(".", seq=1, ack=1001)
    said = talk.us(".", seq=1001, data=bytes(2000))
    assert said.packet.gso_size == 1000


def test_delayed_ack() -> None:
    talk = Talk.active(quick_acks=0)
    talk.peer("P.", seq=1, ack=1, data=b"x")
    talk.silent()
    assert talk.wait_timer("delayed_ack") == 40 * MS
    talk.us(".", ack=2)
    talk.silent()
    # the second segment does not wait, and a super-segment counts its cuts
    talk.peer("P.", seq=2, ack=1, data=b"y")
    talk.peer("P.", seq=3, ack=1, data=b"z")
    talk.us(".", ack=4)
    talk.peer("P.", seq=4, ack=1, data=bytes(2000), cuts=2)
    talk.us(".", ack=2004)
    assert talk.conn.deadline() is None


def test_ack_rides_on_the_answer() -> None:
    talk = Talk.active(quick_acks=0)
    talk.peer("P.", seq=1, ack=1, data=b"ping")
    talk.conn.send(b"pong")
    talk.us("P.", seq=1, ack=5, data=b"pong")
    talk.silent()


def test_quick_acks_while_young_and_no_delay_at_all() -> None:
    talk = Talk.active(quick_acks=2)
    for seq in (1, 2):
        talk.peer("P.", seq=seq, ack=1, data=b"x")
        talk.us(".", ack=seq + 1)
    talk.peer("P.", seq=3, ack=1, data=b"x")
    talk.silent()
    talk = Talk.active(quick_acks=0, delayed_ack=0)
    talk.peer("P.", seq=1, ack=1, data=b"x")
    talk.us(".", ack=2)


def test_zero_window_is_probed_and_reopens() -> None:
    talk = Talk.active(retries2=3)
    talk.conn.send(b"abcdef")
    talk.us("P.", seq=1)
    talk.peer(".", seq=1, ack=7, wnd=0)
    talk.conn.send(b"ghi")
    talk.silent()
    assert talk.wait_timer("persist") == talk.conn.rtt.rto
    talk.us(".", seq=7, data=b"g")
    waits = []
    for _ in range(10):  # far beyond R2: an answering peer keeps the connection
        talk.peer(".", seq=1, ack=7, wnd=0)
        talk.silent()
        waits.append(talk.wait_timer("retransmit"))
        talk.us(".", seq=7, data=b"g")
    assert waits == sorted(waits)
    assert waits[5] == 32 * waits[0]
    talk.peer(".", seq=1, ack=7, wnd=1000)
    talk.us(".", seq=7, data=b"g")
    talk.silent()  # Nagle
    talk.peer(".", seq=1, ack=8, wnd=1000)
    talk.us("P.", seq=8, data=b"hi")
    assert talk.conn.rtt.backoff == 0
    talk.peer(".", seq=1, ack=10, wnd=1000)
    assert talk.conn.deadline() is None
    assert "tcp.probe" in [entry[1] for entry in talk.trace]
    # probes say nothing about congestion
    assert talk.conn.congestion.cwnd >= 10_000


def test_a_probe_may_be_taken() -> None:
    talk = Talk.active(wnd=0)
    talk.conn.send(b"abc")
    talk.silent()
    talk.wait_timer("persist")
    talk.us(".", seq=1, data=b"a")
    talk.peer(".", seq=1, ack=2, wnd=0)
    talk.silent()
    talk.wait_timer("persist")
    talk.us(".", seq=2, data=b"b")


def test_an_unanswered_probe_ends_at_r2() -> None:
    talk = Talk.active(wnd=0, retries2=2)
    talk.conn.send(b"abc")
    talk.silent()
    talk.wait_timer("persist")
    for _ in range(2):
        talk.us(".", data=b"a")
        talk.wait_timer("retransmit")
    talk.us(".", data=b"a")
    talk.wait_timer("retransmit")
    assert isinstance(lost(talk), TimedOut)


def test_a_fin_alone_is_probed_too() -> None:
    talk = Talk.active(wnd=0)
    talk.conn.close()
    talk.silent()
    talk.wait_timer("persist")
    talk.us("F.", seq=1)


def test_sws_avoidance_is_overridden_in_time() -> None:
    talk = Talk.active(wnd=4000)
    talk.peer(".", seq=1, ack=1, wnd=300)
    talk.conn.send(bytes(900))
    talk.silent()
    assert talk.wait_timer("persist") <= SECOND
    talk.us(".", seq=1, data=bytes(300))


def test_user_timeout() -> None:
    talk = Talk.active(user_timeout=5 * SECOND)
    talk.conn.send(b"x")
    talk.us("P.")
    start = talk.now
    while not talk.conn.done:
        at = talk.conn.deadline()
        assert at is not None
        talk.wait(at - talk.now)
        talk.all_said()
    assert talk.now - start == 5 * SECOND
    assert isinstance(lost(talk), TimedOut)


def test_user_timeout_set_while_waiting() -> None:
    talk = Talk.active()
    talk.conn.send(b"x")
    talk.us("P.")
    talk.conn.set(user_timeout=SECOND)
    talk.silent()
    talk.wait(SECOND)
    assert isinstance(lost(talk), TimedOut)
    # and to a connect
    talk = Talk(user_timeout=2 * SECOND)
    talk.conn.connect()
    talk.us("S")
    talk.wait(2 * SECOND)
    assert isinstance(lost(talk), TimedOut)


def test_user_timeout_does_not_hit_who_waits_for_nothing() -> None:
    talk = Talk.active(user_timeout=SECOND)
    talk.conn.timers.set(4, talk.now + SECOND)
    talk.wait(SECOND)
    assert not talk.conn.done


def test_keepalive() -> None:
    talk = Talk.active(
        keepalive=True,
        keepalive_idle=100 * SECOND,
        keepalive_interval=10 * SECOND,
        keepalive_probes=2,
    )
    talk.silent()
    talk.wait_timer("keepalive")
    talk.us(".", seq=0, ack=1, data=b"")
    talk.silent()
    talk.peer(".", seq=1, ack=1)  # it lives
    heard = talk.now
    talk.wait_timer("keepalive")
    talk.silent()
    talk.wait_timer("keepalive")
    assert talk.now == heard + 100 * SECOND
    talk.us(".", seq=0)
    talk.wait_timer("keepalive")
    talk.us(".", seq=0)
    talk.wait_timer("keepalive")
    talk.us("R.", seq=1)
    assert isinstance(lost(talk), TimedOut)


def test_keepalive_waits_for_text_in_flight_and_can_be_switched() -> None:
    talk = Talk.active()
    talk.silent()
    assert talk.conn.deadline() is None
    talk.conn.set(keepalive=True, keepalive_idle=5 * SECOND)
    talk.silent()
    assert talk.conn.deadline() == talk.now + 5 * SECOND
    talk.conn.set(keepalive_idle=7 * SECOND)
    talk.silent()
    assert talk.conn.deadline() == talk.now + 7 * SECOND
    talk.conn.send(b"x")
    talk.us("P.")
    talk.now += 8 * SECOND
    talk.conn.timers.stop(0)
    talk.wait(0)
    talk.silent()
    assert talk.conn.keepalives == 0
    talk.conn.options.keepalive = False
    talk.wait(100 * SECOND)
    talk.silent()


def test_time_wait_ends_without_a_stack() -> None:
    talk = Talk.active(time_wait=7 * SECOND)
    talk.conn.close()
    talk.us("F.")
    talk.peer("F.", seq=1, ack=2)
    talk.us(".")
    talk.silent()
    talk.events("Closed")
    assert talk.conn.next_timeout() == talk.now + 7 * SECOND
    talk.wait(7 * SECOND - 1)
    assert talk.conn.state is State.TIME_WAIT
    talk.wait(1)
    assert talk.conn.state is State.CLOSED
    assert talk.conn.next_timeout() is None


def test_calling_early_is_harmless() -> None:
    talk = Talk.active()
    talk.conn.send(b"x")
    talk.us("P.")
    before = list(talk.trace)
    talk.wait(MS)
    talk.silent()
    assert talk.trace == before
    # and a timer of something that is over does nothing
    talk.peer(".", seq=1, ack=2)
    talk.conn.timers.set(0, talk.now + 1)
    talk.conn.timers.set(2, talk.now + 1)
    talk.wait(1)
    talk.silent()
    assert talk.conn.retransmits == 0


def test_answered_probes_hold_off_the_user_timeout() -> None:
    talk = Talk.active(wnd=0, user_timeout=3 * SECOND)
    talk.conn.send(b"abc")
    talk.silent()
    for _ in range(8):
        at = talk.conn.deadline()
        assert at is not None
        talk.wait(at - talk.now)
        talk.us(".", data=b"a")
        assert talk.conn.timers.at(4) == talk.now + 3 * SECOND
        talk.peer(".", seq=1, ack=1, wnd=0)
        talk.silent()
        assert talk.conn.timers.at(4) is None
    # one that is not answered counts
    talk.wait_timer("retransmit")
    talk.us(".", data=b"a")
    assert talk.wait_timer("user") == 3 * SECOND
    assert isinstance(lost(talk), TimedOut)
