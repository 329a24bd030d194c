"""Routers' words and whom to believe, ageing, probing: what a connection does."""

from __future__ import annotations

from typing import Any

import pytest

from sansio_net.counters import DropReason
from sansio_net.protocols.tcp.mtu import window_fell
from sansio_net.protocols.tcp.path import next_plateau
from sansio_net.units import MILLISECOND, MINUTE

from .dialogue import Talk


def sending(n: int = 10, **options: Any) -> Talk:
    """So many full segments of 1460 are in flight, none acknowledged."""
    talk = Talk.active(mss=1460, **options)
    talk.conn.send(bytes(n * 1460))
    assert {len(said.data) for said in talk.all_said()} == {1460}
    return talk


def too_big(talk: Talk, mtu: int, at: int = 1, length: int = 1500) -> None:
    """A router quotes what lies at relative sequence number `at`."""
    seq = (talk.conn.sender.iss + at) % 2**32
    talk.conn.path_mtu(mtu, length, 20, seq, talk.now)


def acknowledge(talk: Talk, ack: int) -> None:
    talk.now += 20 * MILLISECOND
    talk.peer(".", seq=1, ack=ack)


def ignored(talk: Talk) -> int:
    return talk.counters.dropped(DropReason.ICMP_NOT_CONCERNING)


# Routers ----------------------------------------------------------------------------


def test_at_first_a_router_is_believed_at_once() -> None:
    """RFC 5927 7.2, initial path MTU discovery."""
    talk = sending()
    too_big(talk, 1000)
    again = talk.all_said()
    assert {len(said.data) for said in again} == {960}
    assert talk.conn.info().pmtu == 1000
    # the others that were dropped tell the same, and nothing is sent for it
    for n in range(1, 10):
        too_big(talk, 1000, at=1 + n * 1460)
    talk.silent()
    assert ignored(talk) == 9


def test_what_arrived_once_is_not_believed_not_to() -> None:
    """RFC 5927 7.2, path MTU update: progress says that the message is false."""
    talk = sending()
    acknowledge(talk, 1 + 5 * 1460)
    talk.all_said()
    too_big(talk, 1000, at=1 + 5 * 1460)
    talk.silent()
    acknowledge(talk, 1 + 10 * 1460)
    talk.conn.send(bytes(1460))
    talk.us("P.", data=bytes(1460))
    talk.wait(10 * talk.conn.rtt.rto)
    assert talk.conn.info().pmtu == 1500
    assert talk.counters.as_dict()["tcp.pmtu_claims_delayed"] == 1


def test_until_it_times_out() -> None:
    talk = sending()
    acknowledge(talk, 1 + 5 * 1460)
    talk.all_said()
    cwnd = talk.conn.congestion.cwnd // talk.conn.sender.mss
    too_big(talk, 1000, at=1 + 5 * 1460)
    at = talk.conn.timers.at(0)
    assert at is not None
    talk.wait(at - talk.now)
    assert talk.conn.info().pmtu == 1000
    assert max(len(said.data) for said in talk.all_said()) == 960
    # and that was no sign of congestion
    assert talk.conn.congestion.cwnd // talk.conn.sender.mss >= cwnd


def test_claims_that_make_no_sense() -> None:
    talk = sending()
    too_big(talk, 1500)
    too_big(talk, 9000)
    too_big(talk, 67)
    too_big(talk, 1000, at=1 + 10 * 1460)
    too_big(talk, 1000, at=0)
    assert ignored(talk) == 5
    assert talk.conn.info().pmtu == 1500
    # one that is not about a size that we send
    talk = Talk.active(mss=1000)
    talk.conn.send(bytes(1000))
    talk.us("P.")
    too_big(talk, 1100)
    assert talk.conn.info().pmtu == 1500


def test_a_little_text_is_never_too_big() -> None:
    """RFC 5927 7.3.5: nothing as large as that was ever sent."""
    talk = Talk.active(mss=1460)
    talk.conn.send(bytes(500))
    talk.us("P.")
    too_big(talk, 552)
    too_big(talk, 552, at=400)
    assert (talk.conn.mtu, ignored(talk)) == (1500, 2)
    too_big(talk, 539)
    assert talk.conn.mtu == 552
    assert talk.conn.fragments


def test_a_syn_is_never_too_big() -> None:
    talk = Talk()
    talk.conn.connect()
    talk.us("S")
    too_big(talk, 552, at=0, length=60)
    assert talk.conn.mtu == 1500


def test_little_is_answered_with_fragments() -> None:
    """As Linux: min_pmtu, and DF off."""
    talk = sending()
    assert not talk.conn.fragments
    too_big(talk, 300)
    assert talk.conn.info().pmtu == 552
    assert talk.conn.fragments
    assert {len(said.data) for said in talk.all_said()} == {512}
    # nobody can find these too big any more
    too_big(talk, 100)
    assert talk.conn.info().pmtu == 552
    talk = sending(min_pmtu=200)
    too_big(talk, 300)
    assert (talk.conn.info().pmtu, talk.conn.fragments) == (300, False)


@pytest.mark.parametrize(
    ("length", "mtu", "plateau"),
    [(1500, 1500, 1006), (1500, 4352, 1492), (1492, 1500, 1006), (70, 1500, 68)],
)
def test_plateaus(length: int, mtu: int, plateau: int) -> None:
    """RFC 1191 5 and 7; some old routers count the header twice."""
    assert next_plateau(length, 20, mtu) == plateau


def test_an_old_router() -> None:
    talk = sending()
    too_big(talk, 0)
    assert talk.conn.info().pmtu == 1006


def test_ipv6() -> None:
    """RFC 8201 4: less than every link carries cannot be."""
    talk = sending()
    # the rest of the conversation does not depend on the family
    talk.conn.laddr = bytes(16)
    for mtu in (0, 1279):
        too_big(talk, mtu)
    assert (talk.conn.mtu, ignored(talk)) == (1500, 2)
    too_big(talk, 1280)
    assert talk.conn.mtu == 1280


def test_ipv6_without_discovery() -> None:
    """RFC 8201 4: nobody cuts, so what passes everywhere must do."""
    talk = Talk.active(mss=1440)
    talk.conn.laddr = bytes(16)
    talk.conn.set(pmtud="off")
    assert talk.conn.mtu == 1280


@pytest.mark.parametrize(("pmtud", "fragments"), [("off", True), ("probe", False)])
def test_who_is_not_asked(pmtud: str, fragments: bool) -> None:
    talk = sending(pmtud=pmtud)
    assert talk.conn.fragments == fragments
    too_big(talk, 1000)
    assert (talk.conn.mtu, ignored(talk)) == (1500, 1)
    talk.conn.set(pmtud="on")
    assert not talk.conn.fragments
    too_big(talk, 1000)
    assert talk.conn.mtu == 1000


# Age --------------------------------------------------------------------------------


def test_it_ages() -> None:
    """RFC 1191 6.3; and an increase is no reason to send again."""
    talk = sending()
    too_big(talk, 1000)
    talk.all_said()
    acknowledge(talk, 1 + 14_600)
    talk.all_said()
    acknowledge(talk, (talk.conn.sender.snd_nxt - talk.conn.sender.iss) % 2**32)
    talk.wait(10 * MINUTE)
    assert talk.conn.info().pmtu == 1500
    talk.silent()
    talk.conn.send(bytes(1460))
    talk.us("P.", data=bytes(1460))
    # still too big: that is believed at once, for only 1000 ever arrived
    too_big(talk, 1000, at=(talk.conn.sender.snd_una - talk.conn.sender.iss) % 2**32)
    assert talk.conn.info().pmtu == 1000


def test_another_route_knows_nothing() -> None:
    talk = sending()
    too_big(talk, 300)
    assert talk.conn.path is not None
    talk.conn.path_changed(1400, 0)
    info = talk.conn.info()
    assert (info.pmtu, talk.conn.fragments, talk.conn.path) == (1400, False, None)
    talk.conn.path_changed(1400, 0, 1300)
    assert talk.conn.info().pmtu == 1300
    talk.all_said()
    assert talk.conn.timers.at(11) == talk.now + 10 * MINUTE


# Probing ----------------------------------------------------------------------------


def test_it_begins_small_and_tries_more() -> None:
    talk = Talk.active(mss=1460, plpmtud="on")
    talk.conn.send(bytes(100_000))
    said = talk.all_said()
    # the probe is the first, for it is as likely lost as any
    assert [len(each.data) for each in said][:3] == [1460, 1024, 1024]
    assert talk.conn.info().pmtu == 1064
    acknowledge(talk, 1461)
    assert talk.conn.info().pmtu == 1500
    assert {len(each.data) for each in talk.all_said()} == {1460}


def test_not_where_its_loss_would_not_be_seen() -> None:
    talk = Talk.active(mss=1460, plpmtud="on")
    talk.conn.send(bytes(1460 + 3 * 1024 - 1))
    assert max(len(each.data) for each in talk.all_said()) == 1024


def test_a_probe_lost_among_others_proves_nothing() -> None:
    """RFC 4821 7.6.4."""
    talk = Talk.active(mss=1460, plpmtud="on")
    talk.conn.send(bytes(100_000))
    talk.all_said()
    path = talk.conn.path
    assert path is not None
    search = path.search
    assert search is not None
    assert search.size == 1500
    window_fell(talk.conn, talk.now)
    assert (search.size, search.low, search.high) == (0, 1064, 1500)


def test_probing_is_switched_on_and_off() -> None:
    talk = Talk.active(mss=1460)
    talk.conn.set(plpmtud="on")
    assert talk.conn.mtu == 1064
    path = talk.conn.path
    assert path is not None
    assert path.search is not None
    talk.conn.set(plpmtud="off")
    assert path.search is None


def test_a_black_hole() -> None:
    """RFC 4821 7.7: R1 time-outs without a word."""
    talk = sending(plpmtud="blackhole")
    sizes = []
    for _ in range(4):
        at = talk.conn.timers.at(0)
        assert at is not None
        while talk.now < at:
            due = talk.conn.deadline()
            assert due is not None
            talk.wait(max(due - talk.now, 0))
            talk.all_said()
            at = talk.conn.timers.at(0) if talk.now < at else at
            assert at is not None
        sizes.append(talk.conn.mtu)
    assert sizes == [1500, 1500, 1064, 532]
    assert talk.counters.as_dict()["tcp.pmtu_black_hole"] == 2
