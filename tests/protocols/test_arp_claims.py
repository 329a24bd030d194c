"""Our own addresses: RFC 5227 probes, announcements, conflicts, defence."""

from __future__ import annotations

import itertools

import pytest

from sansio_net import ASAP
from sansio_net.addresses import BROADCAST_MAC, ZERO_MAC, pack_ip
from sansio_net.protocols.arp import (
    Claimed,
    Conflict,
)
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, Arp

from .arp_lab import (
    IP,
    NONE,
    OURS,
    PEER,
    PEER_IP,
    Lab,
    frame,
)


def test_a_claim_is_announced_twice_two_seconds_apart() -> None:
    lab = Lab(claimed=False)
    start = lab.now
    lab.cache.claim(IP)
    assert lab.cache.holds(IP)
    announcement = Arp(REQUEST, OURS, IP, ZERO_MAC, IP)
    sent = lab.pass_time(100 * SECOND)
    assert sent == [
        (start, BROADCAST_MAC, announcement),
        (start + 2 * SECOND, BROADCAST_MAC, announcement),
    ]
    assert lab.events() == []


def test_probing_keeps_to_the_times_of_rfc_5227() -> None:
    probe = Arp(REQUEST, OURS, NONE, ZERO_MAC, IP)
    waits = set()
    for seed in range(10):
        lab = Lab(seed, claimed=False)
        start = lab.now
        lab.cache.claim(IP, probe=True)
        sent = lab.pass_time(20 * SECOND)
        times = [at - start for at, _, _ in sent]
        assert [arp for _, _, arp in sent[:3]] == [probe] * 3
        assert [arp.spa for _, _, arp in sent[3:]] == [IP, IP]
        assert 0 <= times[0] <= SECOND
        assert SECOND <= times[1] - times[0] <= 2 * SECOND
        assert SECOND <= times[2] - times[1] <= 2 * SECOND
        assert times[3] - times[2] == 2 * SECOND
        assert times[4] - times[3] == 2 * SECOND
        assert lab.events() == [Claimed(IP)]
        waits.add(times[0])
    assert len(waits) == 10


def test_a_probed_address_is_neither_answered_for_nor_used() -> None:
    lab = Lab()
    probed = pack_ip("10.0.0.5")
    lab.cache.claim(probed, probe=True)
    lab.pass_time(SECOND)
    assert not lab.cache.holds(probed)
    lab.pass_time(100 * MILLISECOND)
    request = frame(REQUEST, PEER, PEER_IP, ZERO_MAC, probed, BROADCAST_MAC)
    assert [arp for _, arp in lab.arps(request) if arp.op == REPLY] == []
    lab.pass_time(20 * SECOND)
    assert [arp.op for _, arp in lab.arps(request)] == [REPLY]


@pytest.mark.parametrize(
    "conflicting",
    [
        frame(REPLY, PEER, IP, OURS, NONE),
        frame(REQUEST, PEER, IP, ZERO_MAC, PEER_IP, BROADCAST_MAC),
        frame(REQUEST, PEER, NONE, ZERO_MAC, IP, BROADCAST_MAC),
    ],
)
def test_a_conflict_while_probing_ends_the_claim(conflicting: bytes) -> None:
    lab = Lab(claimed=False)
    lab.cache.claim(IP, probe=True)
    lab.pass_time(2 * SECOND)
    lab.turn(conflicting)
    assert lab.events() == [Conflict(IP, PEER, True)]
    assert lab.pass_time(30 * SECOND) == []
    assert not lab.cache.holds(IP)


def test_our_own_probe_coming_back_is_no_conflict() -> None:
    lab = Lab(claimed=False)
    lab.cache.claim(IP, probe=True)
    lab.pass_time(SECOND)
    lab.turn(frame(REQUEST, OURS, NONE, ZERO_MAC, IP, BROADCAST_MAC))
    lab.pass_time(20 * SECOND)
    assert lab.events() == [Claimed(IP)]


def test_a_probe_for_what_we_hold_is_answered() -> None:
    lab = Lab()
    probe = frame(REQUEST, PEER, NONE, ZERO_MAC, IP, BROADCAST_MAC)
    assert lab.arps(probe) == [(PEER, Arp(REPLY, OURS, IP, PEER, NONE))]
    assert lab.cache.neighbours() == []
    assert lab.events() == []


def test_an_address_is_defended_once_in_ten_seconds() -> None:
    lab = Lab()
    conflicting = frame(REQUEST, PEER, IP, ZERO_MAC, PEER_IP, BROADCAST_MAC)
    announcement = (BROADCAST_MAC, Arp(REQUEST, OURS, IP, ZERO_MAC, IP))
    assert lab.arps(conflicting) == [announcement]
    for _ in range(9):
        lab.now += SECOND
        assert lab.arps(conflicting) == []
    lab.now += SECOND
    assert lab.arps(conflicting) == [announcement]
    assert lab.cache.holds(IP)
    assert lab.cache.neighbours() == []


def test_a_conflict_is_told_once_however_often_it_comes() -> None:
    lab = Lab()
    conflicting = frame(REPLY, PEER, IP, OURS, IP)
    lab.cache.receive([conflicting] * 50, lab.now)
    assert lab.events() == [Conflict(IP, PEER, False)]
    assert lab.events() == []


def test_a_conflicting_request_for_us_is_not_answered() -> None:
    lab = Lab()
    sent = lab.arps(frame(REQUEST, PEER, IP, ZERO_MAC, IP, BROADCAST_MAC))
    assert [arp.op for _, arp in sent] == [REQUEST]  # the defence


def test_give_up_on_the_second_conflict() -> None:
    lab = Lab(give_up_on_conflict=True)
    conflicting = frame(REPLY, PEER, IP, OURS, IP)
    assert len(lab.arps(conflicting)) == 1
    assert lab.events() == [Conflict(IP, PEER, False)]
    lab.now += 9 * SECOND
    assert lab.arps(conflicting) == []
    assert lab.events() == [Conflict(IP, PEER, True)]
    assert not lab.cache.holds(IP)
    assert lab.arps(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP)) == []


def test_giving_up_needs_two_conflicts_within_the_interval() -> None:
    lab = Lab(give_up_on_conflict=True)
    for _ in range(5):
        lab.turn(frame(REPLY, PEER, IP, OURS, IP))
        lab.now += 10 * SECOND
    assert lab.cache.holds(IP)


def test_after_ten_conflicts_probing_is_limited_to_once_a_minute() -> None:
    lab = Lab(claimed=False)
    starts = []
    for n in range(14):
        address = bytes([10, 0, 1, n + 1])
        lab.cache.claim(address, probe=True)
        lab.turn()
        while True:
            due = lab.cache.next_timeout()
            assert due is not None
            lab.now = due
            if lab.arps():
                break
        starts.append(lab.now)
        lab.turn(frame(REPLY, PEER, address, OURS, IP))
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert all(gap <= 2 * SECOND for gap in gaps[:9])
    # from the start of one attempt to that of the next, the random wait on top
    assert all(59 * SECOND <= gap <= 61 * SECOND for gap in gaps[9:])


def test_released_it_is_ours_no_longer() -> None:
    lab = Lab()
    lab.cache.release(IP)
    assert lab.arps(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP)) == []
    lab.turn(frame(REPLY, PEER, IP, OURS, IP))
    assert lab.events() == []


def test_release_before_the_first_time_says_nothing() -> None:
    lab = Lab(claimed=False)
    lab.cache.claim(IP, probe=True)
    lab.cache.release(IP)
    assert lab.pass_time(20 * SECOND) == []


def test_an_announcement_of_an_address_released_meanwhile_does_not_leave() -> None:
    lab = Lab(claimed=False)
    lab.cache.claim(IP)
    lab.cache.handle_timeout(lab.now)
    lab.cache.release(IP)
    assert lab.cache.transmit(lab.now) == []


def test_every_kind_of_news_asks_to_be_taken() -> None:
    lab = Lab()
    lab.cache.receive([frame(REPLY, PEER, IP, OURS, IP)], lab.now)
    lab.cache.transmit(lab.now)
    assert lab.cache.next_timeout() == ASAP
    assert len(lab.cache.events()) == 1
    probed = pack_ip("10.0.0.9")
    lab.cache.claim(probed, probe=True)
    while not lab.cache.holds(probed):
        due = lab.cache.next_timeout()
        assert due is not None
        lab.now = max(lab.now, due)
        lab.cache.handle_timeout(lab.now)
        lab.cache.transmit(lab.now)
    assert lab.cache.next_timeout() == ASAP
    assert lab.cache.events() == [Claimed(probed)]


def test_a_reply_for_an_address_released_meanwhile_does_not_leave() -> None:
    lab = Lab()
    request = frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP)
    lab.cache.receive([request], lab.now)
    lab.cache.release(IP)
    assert lab.cache.transmit(lab.now) == []
