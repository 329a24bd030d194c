"""RFC 3168 6.1, rule by rule."""

from __future__ import annotations

import pytest

from sansio_net.errors import StateError
from sansio_net.protocols.tcp import TcpOptions
from sansio_net.protocols.tcp.edge import address
from sansio_net.units import SECOND
from sansio_net.wire.ipv4 import pack_header
from sansio_net.wire.segment import flatten
from sansio_net.wire.tcp import CWR, ECE, parse_tcp

from .dialogue import PEER, US, Said, Talk

ECT0, ECT1, CE = 2, 1, 3
MS = 1_000_000


def mark(talk: Talk, said: Said) -> int:
    """The ECN bits of the packet that was just said."""
    info = address(said.packet, talk.conn).info
    assert info is not None
    return info.tos & 3


def asking(**options: object) -> Talk:
    """We asked, the peer agreed."""
    talk = Talk(ecn="on", nodelay=True, **options)
    talk.conn.connect()
    said = talk.us("SEW", seq=0)
    assert mark(talk, said) == 0
    talk.peer("S.E", seq=0, ack=1, mss=1000, sack_permitted=True)
    said = talk.us(".", seq=1, ack=1, data=b"")
    assert mark(talk, said) == 0
    talk.events("Connected")
    return talk


def asked(**options: object) -> Talk:
    """The peer asked, we agreed."""
    talk = Talk.half_open(syn="SEW", nodelay=True, **options)
    said = talk.us("S.E", seq=0, ack=1)
    assert mark(talk, said) == 0
    talk.peer(".", seq=1, ack=1)
    talk.events("Accepted")
    return talk


# 6.1.1 TCP Initialization -----------------------------------------------------------


@pytest.mark.parametrize("begin", [asking, asked])
def test_6_1_1_both_agreed(begin: type[Talk]) -> None:
    talk = begin()
    talk.conn.send(b"x" * 1500)
    for said in (talk.us(".", seq=1), talk.us("P.", seq=1001)):
        assert mark(talk, said) == ECT0


def test_6_1_1_by_default_we_do_not_ask() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S", seq=0)
    # and what nobody asked for is no answer
    talk.peer("S.E", seq=0, ack=1)
    assert talk.conn.ecn is None


def test_6_1_1_off_is_not_willing() -> None:
    talk = Talk.half_open(syn="SEW", ecn="off")
    talk.us("S.", seq=0, ack=1)


@pytest.mark.parametrize("syn", ["S", "SE", "SW"])
def test_6_1_1_every_other_form_of_a_syn_does_not_ask(syn: str) -> None:
    talk = Talk.half_open(syn=syn, ecn="on")
    talk.us("S.", seq=0, ack=1)


@pytest.mark.parametrize("answer", ["S.", "S.W", "S.EW"])
def test_6_1_1_2_every_other_form_of_a_syn_ack_declines(answer: str) -> None:
    """One with both flags reflects what it does not understand."""
    talk = Talk(ecn="on")
    talk.conn.connect()
    talk.us("SEW", seq=0)
    talk.peer(answer, seq=0, ack=1)
    talk.us(".", seq=1)
    talk.conn.send(b"x")
    said = talk.us("P.", seq=1)
    assert mark(talk, said) == 0
    talk.peer("P.", seq=1, ack=2, data=b"y", ecn=CE)
    talk.us(".", seq=2)  # nor is a mark echoed


def test_6_1_1_simultaneous_open() -> None:
    talk = Talk(ecn="on")
    talk.conn.connect()
    talk.us("SEW", seq=0)
    talk.peer("SEW", seq=0)
    talk.us("S.E", seq=0, ack=1)
    talk.peer("S.E", seq=0, ack=1)
    talk.conn.send(b"x")
    assert [mark(talk, said) for said in talk.all_said() if said.data] == [ECT0]


def test_6_1_1_1_the_third_syn_does_not_ask() -> None:
    talk = Talk(ecn="on")
    talk.conn.connect()
    talk.us("SEW", seq=0)
    for flags in ("SEW", "S", "S"):
        talk.wait_timer("retransmit")
        talk.us(flags, seq=0)
    # the answer to the first: our text may not be marked, the peer's may
    talk.peer("S.E", seq=0, ack=1)
    talk.us(".", seq=1)
    talk.conn.send(b"x")
    said = talk.us("P.", seq=1)
    assert mark(talk, said) == 0
    talk.peer("P.", seq=1, ack=2, data=b"y", ecn=CE)
    talk.us(".E", seq=2)


def test_6_1_1_1_a_peer_that_gave_up_asking_is_not_answered() -> None:
    talk = Talk.half_open(syn="SEW")
    talk.us("S.E", seq=0, ack=1)
    talk.peer("SEW", seq=0)
    talk.us("S.E", seq=0, ack=1)
    talk.peer("S", seq=0)
    talk.us("S.", seq=0, ack=1)
    assert talk.conn.ecn is None


def test_a_mode_has_a_name() -> None:
    with pytest.raises(StateError, match="ecn"):
        TcpOptions(ecn="maybe")


@pytest.mark.parametrize("tos", [1, 2, 3, 0xBB, 256, -4])
def test_tos_leaves_the_two_bits_alone(tos: int) -> None:
    with pytest.raises(StateError, match="tos"):
        TcpOptions(tos=tos)
    talk = Talk.active()
    with pytest.raises(StateError, match="tos"):
        talk.conn.set(tos=tos)


def test_the_dscp_stays() -> None:
    talk = asking(tos=0xB8)
    talk.conn.send(b"x")
    info = address(talk.us("P.").packet, talk.conn).info
    assert info is not None
    assert info.tos == 0xB8 | ECT0


# 6.1.2 The TCP Sender ---------------------------------------------------------------


def in_flight(talk: Talk, segments: int) -> None:
    talk.conn.send(b"x" * 1000 * segments)
    assert len(talk.all_said()) == segments


def test_6_1_2_once_for_each_window_of_data() -> None:
    talk = asking()
    in_flight(talk, 8)
    cwnd = talk.conn.congestion.cwnd
    talk.peer(".E", seq=1, ack=1001)
    reduced = talk.conn.congestion.cwnd
    assert reduced < cwnd
    assert talk.conn.congestion.ssthresh <= cwnd
    for n in (2, 3, 8):
        talk.peer(".E", seq=1, ack=1 + 1000 * n)
        assert talk.conn.congestion.cwnd <= reduced + 8000
        assert talk.conn.congestion.ssthresh >= reduced - 1000
    # all of that window is acknowledged: what is said of the next one counts
    ssthresh = talk.conn.congestion.ssthresh
    in_flight(talk, 3)
    talk.peer(".E", seq=1, ack=8001)
    assert talk.conn.congestion.ssthresh == ssthresh
    talk.peer(".E", seq=1, ack=9001)
    assert talk.conn.congestion.ssthresh < ssthresh


def test_6_1_2_cwr_on_the_next_new_text_only() -> None:
    talk = asking()
    in_flight(talk, 4)
    talk.peer(".E", seq=1, ack=4001)
    talk.silent()
    talk.peer("P.", seq=1, ack=4001, data=b"y")
    talk.us(".", seq=4001)  # an ACK does not carry it
    talk.conn.send(b"x" * 2000)
    said = talk.us(".W", seq=4001)
    assert mark(talk, said) == ECT0
    talk.us("P.", seq=5001)
    assert talk.counters.counts["tcp.ecn_cwr_sent"] == 1


def test_6_1_2_cwr_after_a_time_out_but_not_on_what_is_sent_again() -> None:
    talk = asking()
    in_flight(talk, 2)
    talk.wait_timer("retransmit")
    said = talk.us(".", seq=1)
    assert mark(talk, said) == 0
    talk.peer(".", seq=1, ack=2001)
    talk.conn.send(b"x")
    talk.us("P.W", seq=2001)


def test_6_1_2_of_a_super_segment_the_first_cut_says_it() -> None:
    talk = asking(gso_max=65535)
    talk.conn.send(b"x" * 8000)
    assert len(talk.all_said()) == 1
    talk.peer(".E", seq=1, ack=8001)
    talk.conn.send(b"x" * 3000)
    said = talk.us("P.W", seq=8001)
    packet = said.packet
    packet.head = pack_header(US, PEER, 6, 20 + len(packet), 0, 0, 64, 0) + packet.head
    packet.csum_start += 20
    flags = [parse_tcp(cut, 20).flags for cut in flatten(packet)]
    assert [bool(bits & CWR) for bits in flags] == [True] + [False] * (len(flags) - 1)
    assert len(flags) > 1


def test_6_1_2_without_agreement_ece_is_nothing() -> None:
    talk = Talk.active(nodelay=True)
    in_flight(talk, 4)
    cwnd = talk.conn.congestion.cwnd
    talk.peer(".EW", seq=1, ack=1001)
    assert talk.conn.congestion.cwnd >= cwnd
    talk.conn.send(b"x")
    said = talk.us("P.", seq=4001)
    assert mark(talk, said) == 0


# 6.1.3 The TCP Receiver -------------------------------------------------------------


def test_6_1_3_echo_on_every_ack_until_cwr() -> None:
    talk = asked()
    talk.peer("P.", seq=1, ack=1, data=b"a", ecn=CE)
    talk.us(".E", ack=2)
    for n in range(2, 5):
        talk.peer("P.", seq=n, ack=1, data=b"b", ecn=ECT0)
        talk.us(".E", ack=n + 1)
    talk.conn.send(b"x")
    talk.us("P.E", seq=1)
    talk.peer("P.W", seq=5, ack=2, data=b"c", ecn=ECT0)
    talk.us(".", ack=6)
    talk.peer("P.", seq=6, ack=2, data=b"d", ecn=ECT1)
    talk.us(".", ack=7)
    assert talk.counters.counts["tcp.ecn_ce_received"] == 1


def test_6_1_3_a_segment_with_cwr_that_was_marked_itself() -> None:
    talk = asked()
    talk.peer("P.", seq=1, ack=1, data=b"a", ecn=CE)
    talk.us(".E", ack=2)
    talk.peer("P.W", seq=2, ack=1, data=b"b", ecn=CE)
    talk.us(".E", ack=3)
    assert talk.counters.counts["tcp.ecn_ce_received"] == 2


def test_6_1_3_a_mark_is_not_kept_waiting() -> None:
    talk = asked(quick_acks=0)
    talk.peer("P.", seq=1, ack=1, data=b"a")
    talk.silent()
    talk.wait(40 * MS)
    talk.us(".", ack=2)
    talk.peer("P.", seq=2, ack=1, data=b"a", ecn=CE)
    talk.us(".E", ack=3)


def test_6_1_3_text_beyond_a_hole_counts() -> None:
    talk = asked()
    talk.peer("P.", seq=5, ack=1, data=b"a", ecn=CE)
    talk.us(".E", ack=1)


def test_6_1_5_text_outside_the_window_does_not_count() -> None:
    talk = asked()
    talk.peer("P.", seq=1, ack=1, data=b"a")
    talk.us(".", ack=2)
    talk.peer("P.", seq=1, ack=1, data=b"a", ecn=CE)
    talk.us(".", ack=2)
    assert "tcp.ecn_ce_received" not in talk.counters.counts


def test_6_1_4_a_marked_ack_is_nothing() -> None:
    talk = asked()
    talk.conn.send(b"x")
    talk.us("P.")
    talk.peer(".", seq=1, ack=2, ecn=CE)
    talk.peer("P.", seq=1, ack=2, data=b"a", ecn=ECT0)
    talk.us(".", ack=2)


def test_a_coalesced_receive_counts_its_cuts() -> None:
    talk = asked()
    talk.peer("P.", seq=1, ack=1, data=b"a" * 3000, ecn=CE, cuts=3)
    assert talk.counters.counts["tcp.ecn_ce_received"] == 3


# What may not be marked -------------------------------------------------------------


def test_6_1_4_acks_and_fins_are_not_marked() -> None:
    talk = asked()
    talk.peer("P.", seq=1, ack=1, data=b"a")
    assert mark(talk, talk.us(".", ack=2)) == 0
    talk.conn.send(b"x")
    assert mark(talk, talk.us("P.")) == ECT0
    talk.peer("P.", seq=2, ack=2, data=b"a")
    assert mark(talk, talk.us(".", ack=3)) == 0
    talk.conn.shutdown()
    assert mark(talk, talk.us("F.")) == 0


def test_6_1_5_retransmissions_are_not_marked() -> None:
    talk = asked()
    in_flight(talk, 5)
    for n in range(3):
        talk.peer(".", seq=1, ack=1, sack=[(1001, 2001 + 1000 * n)])
    again = [said for said in talk.all_said() if said.seq == 1]
    assert len(again) == 1
    talk.wait_timer("retransmit")
    said = talk.us(".", seq=1)
    assert mark(talk, said) == 0


def test_6_1_6_probes_are_not_marked() -> None:
    talk = asked()
    talk.peer(".", seq=1, ack=1, wnd=0)
    talk.conn.send(b"xyz")
    talk.silent()
    talk.wait_timer("persist")
    said = talk.us(".", seq=1, data=b"x")
    assert mark(talk, said) == 0


def test_keepalives_are_not_marked() -> None:
    talk = asked(keepalive=True, keepalive_idle=SECOND)
    talk.conn.send(b"x")
    assert mark(talk, talk.us("P.")) == ECT0
    talk.peer(".", seq=1, ack=2)
    talk.silent()
    talk.wait_timer("keepalive")
    assert mark(talk, talk.us(".", seq=1, data=b"")) == 0


def test_resets_are_not_marked() -> None:
    talk = asked()
    talk.conn.send(b"x")
    assert mark(talk, talk.us("P.")) == ECT0
    talk.conn.abort()
    assert mark(talk, talk.us("R.")) == 0


def test_flags_are_those_of_the_rfc() -> None:
    assert (ECE, CWR) == (0x40, 0x80)


def test_text_with_cwr_is_answered_at_once() -> None:
    """Its sender may be down to a single segment: no ACK for it is delayed."""
    talk = asking(quick_acks=0)
    talk.peer("P.", seq=1, ack=1, data=b"x", ecn=CE)
    talk.us(".E", ack=2)
    talk.peer("P.W", seq=2, ack=1, data=b"y", ecn=ECT0)
    talk.us(".", ack=3)
    talk.peer("P.", seq=3, ack=1, data=b"z", ecn=ECT0)
    talk.silent()
