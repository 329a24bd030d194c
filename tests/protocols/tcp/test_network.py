from __future__ import annotations

from sansio_net.counters import DropReason
from sansio_net.errors import ConnectionRefused, TimedOut, Unreachable
from sansio_net.protocols.tcp import ConnectionLost, State
from sansio_net.units import SECOND

from .dialogue import Talk


def test_a_smaller_path_sends_again_in_smaller_pieces() -> None:
    talk = Talk.active(mss=1460, gso_max=65_536)
    talk.conn.send(bytes(14_600))
    talk.us("P.", seq=1, data=bytes(14_600))
    talk.conn.path_mtu(576, 1500, 20, (talk.conn.sender.iss + 1) % 2**32, talk.now)
    said = talk.all_said()
    assert {each.packet.gso_size for each in said} == {536}
    # RFC 5681 3.1: as many segments as before
    assert sum(len(each.data) for each in said) == 10 * 536
    assert talk.conn.congestion.cwnd == 10 * 536
    assert talk.conn.info().pmtu == 576
    assert talk.trace[-1][5] == "mtu"


def test_only_about_what_is_in_flight_and_never_upwards() -> None:
    talk = Talk.active()
    talk.conn.path_mtu(576, 1500, 20, 12345, talk.now)
    talk.conn.send(b"x")
    talk.us("P.")
    talk.conn.path_mtu(9000, 1500, 20, (talk.conn.sender.iss + 1) % 2**32, talk.now)
    assert talk.conn.mtu == 1500
    assert talk.counters.dropped(DropReason.ICMP_NOT_CONCERNING) == 2


def test_another_route() -> None:
    talk = Talk.active(mss=9000)
    assert talk.conn.sender.mss == 1460
    talk.conn.path_changed(4000, 0)
    assert talk.conn.sender.mss == 3960
    talk.silent()


def test_a_hard_error_ends_an_attempt() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S")
    iss = talk.conn.sender.iss
    talk.conn.icmp_error(ConnectionRefused(), True, (iss + 1) % 2**32, talk.now)
    assert talk.conn.state is State.SYN_SENT
    assert talk.counters.dropped(DropReason.ICMP_NOT_CONCERNING) == 1
    talk.conn.icmp_error(Unreachable(), False, iss, talk.now)
    assert talk.conn.state is State.SYN_SENT
    talk.conn.icmp_error(ConnectionRefused(), True, iss, talk.now)
    (lost,) = talk.events("ConnectionLost")
    assert isinstance(lost, ConnectionLost)
    assert isinstance(lost.error, ConnectionRefused)
    talk.conn.icmp_error(ConnectionRefused(), True, iss, talk.now)
    talk.events()


def test_a_standing_connection_lives_on() -> None:
    """RFC 5927 5.2."""
    talk = Talk.active()
    talk.conn.send(b"x")
    talk.us("P.")
    seq = talk.conn.sender.snd_una % 2**32
    talk.conn.icmp_error(ConnectionRefused(), True, seq, talk.now)
    assert talk.conn.state is State.ESTABLISHED
    assert isinstance(talk.conn.soft_error, ConnectionRefused)


def test_a_hint_is_forgotten_with_progress() -> None:
    talk = Talk.active(retries2=1)
    talk.conn.send(b"x")
    talk.us("P.")
    seq = talk.conn.sender.snd_una % 2**32
    talk.conn.icmp_error(Unreachable(), True, seq, talk.now)
    talk.peer(".", seq=1, ack=2)
    talk.conn.send(b"y")
    talk.us("P.")
    talk.wait_timer("retransmit")
    talk.us("P.")
    talk.wait_timer("retransmit")
    (event,) = talk.events("ConnectionLost")
    assert isinstance(event, ConnectionLost)
    assert isinstance(event.error, TimedOut)


def test_no_way() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.conn.unreachable(Unreachable(), talk.now)
    talk.events("ConnectionLost")
    # a connection that stands tries on until R2
    talk = Talk.active()
    talk.conn.send(b"x")
    talk.conn.unreachable(Unreachable(), talk.now)
    assert talk.conn.deadline() == talk.now + talk.conn.rtt.rto
    assert talk.conn.state is State.ESTABLISHED
    talk.wait(SECOND)
    talk.us("P.", data=b"x")
