"""Windows that shut on both sides, shrink, and open again (RFC 9293 3.8.6)."""

from __future__ import annotations

from sansio_net.entropy import Entropy
from sansio_net.packet import Capabilities
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.stack import Accepted, Stack, StackConfig
from sansio_net.testing import Link, Pair
from sansio_net.units import KIB, MILLISECOND, SECOND

from .dialogue import Talk


def probing(**options: int) -> Talk:
    """We have probed a shut window once."""
    talk = Talk.active(**options)
    talk.peer(".", seq=1, ack=1, wnd=0)
    talk.conn.send(b"abcdef")
    talk.silent()
    talk.wait_timer("persist")
    talk.us(".", seq=1, data=b"a")
    return talk


def test_an_ack_is_heard_while_our_probe_is_out() -> None:
    """Nothing beyond a shut window is acceptable (RFC 9293 3.4, table 6)."""
    talk = probing()
    talk.peer("P.", seq=1, ack=1, data=b"text", wnd=0)
    talk.us(".", seq=1, ack=5, data=b"")
    # the probe was taken after all
    talk.peer(".", seq=5, ack=2, wnd=0)
    talk.peer("P.", seq=5, ack=2, data=b"text", wnd=0)
    talk.us(".", seq=2, ack=9)


def test_a_reset_is_heard_while_our_probe_is_out() -> None:
    talk = probing()
    talk.conn.abort()
    talk.us("R.", seq=1, ack=1)


def test_a_window_that_shrank_below_what_was_sent() -> None:
    talk = Talk.active(wnd=5000)
    talk.conn.send(bytes(5000))
    talk.all_said()
    talk.peer("P.", seq=1, ack=1, data=b"x", wnd=2000)
    talk.us(".", seq=2001, ack=2)


def test_what_a_scale_rounds_off_is_not_shrunk() -> None:
    talk = Talk.active()
    talk.conn.sender.wscale = 6
    talk.peer(".", seq=1, ack=1, wnd=79)  # 5056
    talk.conn.send(bytes(5056))
    talk.all_said()
    talk.peer("P.", seq=1, ack=11, data=b"x", wnd=78)
    talk.us(".", seq=5057, ack=2)


def host(number: int) -> Stack:
    options = TcpOptions(send_buffer=20 * KIB, receive_buffer=20 * KIB)
    stack = Stack(StackConfig(tcp=options), Entropy.of(number).bytes(32))
    mtu = Capabilities(mtu=1500)
    stack.add_interface(addresses=[f"10.0.0.{number}/24"], capabilities=mtu)
    return stack


def test_two_full_hosts_are_quiet_and_go_on_at_once() -> None:
    link = Link(1)
    link.set(None, latency=10 * MILLISECOND)
    here, there = host(1), host(2)
    pair = Pair(here, there, link)
    there.tcp_listen(("", 80))
    one = here.tcp_connect(("10.0.0.2", 80))
    pair.run_for(SECOND)
    (other,) = [event.conn for event in pair.events[1] if isinstance(event, Accepted)]
    for _ in range(2):
        one.send(bytes(20 * KIB))
        other.send(bytes(20 * KIB))
        pair.run_for(100 * SECOND)
    before = pair.steps
    pair.run_for(1000 * SECOND)
    # two probes in two minutes at most, and their answers
    assert pair.steps - before < 100
    began = pair.now
    while other.recv(65536):
        pass
    assert pair.run_until(lambda: other.pending > 0)
    assert pair.now - began < SECOND


def test_the_back_off_of_probes_ends_with_them() -> None:
    for taken in (0, 1):
        talk = probing()
        for _ in range(6):
            talk.peer(".", seq=1, ack=1, wnd=0)
            talk.wait_timer("retransmit")
            talk.us(".", seq=1, data=b"a")
        assert talk.conn.rtt.backoff == 6
        talk.peer(".", seq=1, ack=1 + taken, wnd=1000)
        assert talk.conn.rtt.backoff == 0
        talk.us("P." if taken else ".", seq=1 + taken)
        # and the same if all of it is lost now
        assert talk.wait_timer("retransmit") == 200 * MILLISECOND


def test_in_flight_when_the_window_shut() -> None:
    talk = Talk.active()
    talk.conn.send(bytes(3000))
    talk.all_said()
    talk.peer("P.", seq=1, ack=1, data=b"x", wnd=0)
    talk.us(".", ack=2)
    for _ in range(6):
        talk.wait_timer("retransmit")
        talk.us(".", seq=1, data=bytes(1000))
        talk.peer(".", seq=2, ack=1, wnd=0)
    talk.peer(".", seq=2, ack=1, wnd=5000)
    assert [said.seq for said in talk.all_said()] == [1, 1001, 2001]
    assert talk.conn.congestion.cwnd == 10_000
    assert talk.wait_timer("retransmit") == 200 * MILLISECOND


def test_a_larger_buffer_is_told() -> None:
    talk = Talk.active(receive_buffer=2 * KIB, send_buffer=2 * KIB)
    talk.peer("P.", seq=1, ack=1, data=bytes(2048))
    talk.us(".", ack=2049, wnd=0)
    assert talk.conn.send(bytes(4000)) == 2048
    talk.all_said()
    talk.events("DataReceived")
    talk.conn.set(receive_buffer=16 * KIB, send_buffer=16 * KIB)
    talk.us(".", ack=2049, wnd=14 * KIB)
    talk.events("SpaceFreed")
    talk.conn.set(receive_buffer=2 * KIB)
    talk.silent()


def test_sending_nothing_does_not_forget_a_short_send() -> None:
    talk = Talk.active(send_buffer=2 * KIB)
    assert talk.conn.send(bytes(4000)) == 2048
    assert talk.conn.send(b"") == 0
    talk.all_said()
    talk.peer(".", seq=1, ack=2049)
    talk.events("SpaceFreed")


def test_a_keepalive_is_not_late() -> None:
    talk = Talk.active(keepalive=True, keepalive_idle=10 * SECOND)
    talk.silent()
    talk.now += 9 * SECOND
    talk.peer(".", seq=1, ack=1)
    talk.wait_timer("keepalive")
    assert talk.wait_timer("keepalive") == 9 * SECOND
    talk.us(".", seq=0, ack=1)


def test_a_buffer_larger_than_the_window_field_can_say() -> None:
    """Reading opens nothing then, so it tells nothing either."""
    talk = Talk.active(receive_buffer=512 * KIB, quick_acks=0)
    for seq in (1, 1001, 2001):
        talk.peer("P.", seq=seq, ack=1, data=bytes(500))
        assert len(talk.conn.recv(1000) or b"") == 500
        talk.silent()
        talk.peer("P.", seq=seq + 500, ack=1, data=bytes(500))
        assert len(talk.conn.recv(1000) or b"") == 500
        talk.us(".", ack=seq + 1000)
        talk.silent()
