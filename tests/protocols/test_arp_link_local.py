"""IPv4 link-local addresses: chosen, probed, lost, chosen anew (RFC 3927)."""

from __future__ import annotations

import itertools

import pytest

from sansio_net.addresses import BROADCAST_MAC, ZERO_MAC, pack_ip
from sansio_net.errors import LimitError, StateError
from sansio_net.protocols.arp import Claimed, Conflict
from sansio_net.protocols.arp.link_local import LinkLocal, may_be_chosen
from sansio_net.units import MINUTE, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, Arp

from .arp_lab import NONE, OURS, PEER, PEER_IP, Lab, frame

FIRST = pack_ip("169.254.7.8")


def held(first: bytes = FIRST) -> Lab:
    lab = Lab(claimed=False)
    lab.cache.claim_link_local(first)
    lab.pass_time(20 * SECOND)
    assert lab.events() == [Claimed(lab.cache.link_local)]
    return lab


def conflicting(ip: bytes) -> bytes:
    return frame(REQUEST, PEER, ip, ZERO_MAC, PEER_IP, BROADCAST_MAC)


def test_the_choice_depends_on_the_mac_alone() -> None:
    """RFC 3927 2.1: evenly from 169.254.1.0 to 169.254.254.255."""
    macs = [b"\x02\0\0\0" + n.to_bytes(2, "big") for n in range(2000)]
    chosen = [LinkLocal(mac).ip for mac in macs]
    assert chosen == [LinkLocal(mac).ip for mac in macs]
    assert len(set(chosen)) > 1950
    assert all(may_be_chosen(ip) for ip in chosen)
    thirds = [ip[2] for ip in chosen]
    assert min(thirds) in (1, 2)
    assert max(thirds) in (253, 254)
    for edge, fit in (("1.0", True), ("254.255", True), ("0.255", False)):
        assert may_be_chosen(pack_ip(f"169.254.{edge}")) is fit
    assert not may_be_chosen(pack_ip("169.254.255.0"))


def test_two_hosts_do_not_move_in_lock_step() -> None:
    one, other = LinkLocal(b"\x02\0\0\0\0\1"), LinkLocal(b"\x02\0\0\0\0\2")
    seen = [set(), set()]
    for _ in range(100):
        for moving, its in zip((one, other), seen, strict=True):
            moving.move_on()
            its.add(moving.ip)
    assert len(seen[0] & seen[1]) < 5


def test_probed_and_announced() -> None:
    lab = Lab(claimed=False)
    lab.cache.claim_link_local()
    ip = lab.cache.link_local
    sent = lab.pass_time(20 * SECOND)
    assert [arp for _, _, arp in sent] == [
        *[Arp(REQUEST, OURS, NONE, ZERO_MAC, ip)] * 3,
        *[Arp(REQUEST, OURS, ip, ZERO_MAC, ip)] * 2,
    ]
    assert lab.events() == [Claimed(ip)]
    assert lab.cache.holds(ip)


@pytest.mark.parametrize("kind", ["reply", "request", "probe"])
def test_another_one_after_a_conflict(kind: str) -> None:
    lab = Lab(claimed=False)
    lab.cache.claim_link_local(FIRST)
    lab.pass_time(3 * SECOND)
    packet = {
        "reply": frame(REPLY, PEER, FIRST, OURS, NONE),
        "request": conflicting(FIRST),
        "probe": frame(REQUEST, PEER, NONE, ZERO_MAC, FIRST, BROADCAST_MAC),
    }[kind]
    lab.turn(packet)
    following = lab.cache.link_local
    assert following != FIRST
    lab.pass_time(20 * SECOND)
    assert lab.events() == [Conflict(FIRST, PEER, True), Claimed(following)]


def test_a_rogue_that_has_everything() -> None:
    """RFC 3927 2.2.1: after ten conflicts no more than one address a minute."""
    lab = Lab(claimed=False)
    lab.cache.claim_link_local()
    tried = []
    for _ in range(14):
        ip = lab.cache.link_local
        while not (probes := lab.arps()):
            due = lab.cache.next_timeout()
            assert due is not None
            lab.now = due
        assert probes[0][1].tpa == ip
        tried.append(lab.now)
        lab.turn(frame(REPLY, PEER, ip, OURS, NONE))
    waits = [b - a for a, b in itertools.pairwise(tried)]
    assert max(waits[:9]) <= SECOND
    assert min(waits[10:]) >= MINUTE - SECOND
    assert len({event.ip for event in lab.events()}) == 14
    assert lab.cache.next_timeout() is not None  # it goes on trying


def test_defended_once_and_given_up_at_the_second_conflict() -> None:
    """RFC 3927 2.5 (b)."""
    lab = held()
    lab.now += MINUTE
    announcement = (BROADCAST_MAC, Arp(REQUEST, OURS, FIRST, ZERO_MAC, FIRST))
    assert lab.arps(conflicting(FIRST)) == [announcement]
    assert lab.events() == [Conflict(FIRST, PEER, False)]
    lab.now += 11 * SECOND
    assert lab.arps(conflicting(FIRST)) == [announcement]
    lab.events()
    lab.now += 9 * SECOND
    assert lab.arps(conflicting(FIRST)) == []
    assert lab.events() == [Conflict(FIRST, PEER, True)]
    assert not lab.cache.holds(FIRST)
    assert lab.cache.link_local not in (b"", FIRST)


def test_other_addresses_are_kept_all_the_same() -> None:
    """RFC 5227 2.4 (c) for them, as before."""
    lab = held()
    ours = pack_ip("10.0.0.1")
    lab.cache.claim(ours)
    lab.pass_time(5 * SECOND)
    for _ in range(5):
        lab.now += SECOND
        lab.turn(conflicting(ours))
    assert lab.cache.holds(ours)


def test_all_that_it_sends_is_broadcast() -> None:
    """RFC 3927 2.5: so that others see a conflict soon."""
    lab = held()
    asking = frame(REQUEST, PEER, PEER_IP, ZERO_MAC, FIRST, BROADCAST_MAC)
    assert lab.arps(asking) == [
        (BROADCAST_MAC, Arp(REPLY, OURS, FIRST, PEER, PEER_IP)),
    ]
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.turn(frame(REPLY, PEER, PEER_IP, OURS, FIRST))
    lab.now += 10 * MINUTE
    lab.turn()
    lab.cache.use(neighbour, lab.now)
    asked = lab.pass_time(6 * SECOND)
    assert asked
    assert {to for _, to, _ in asked} == {BROADCAST_MAC}


def test_what_it_refuses() -> None:
    lab = Lab(claimed=False, claim_limit=1)
    with pytest.raises(StateError):
        lab.cache.claim_link_local(pack_ip("169.254.0.1"))
    lab.cache.claim(PEER_IP)
    with pytest.raises(LimitError):
        lab.cache.claim_link_local()
    assert lab.cache.link_local == b""
    lab.cache.release(PEER_IP)
    lab.cache.claim_link_local()
    with pytest.raises(StateError):
        lab.cache.claim_link_local()


def test_one_that_is_ours_already_is_not_chosen() -> None:
    lab = Lab(claimed=False)
    lab.cache.claim(FIRST)
    lab.cache.claim_link_local(FIRST)
    assert lab.cache.link_local != FIRST


def test_released() -> None:
    lab = held()
    lab.cache.release(lab.cache.link_local)
    assert lab.cache.link_local == b""
    assert lab.arps(conflicting(FIRST)) == []
    assert lab.events() == []


def test_whom_we_thought_to_be_there_is_forgotten() -> None:
    lab = Lab(claimed=False)
    lab.cache.add_static(FIRST, PEER)
    lab.cache.claim_link_local(FIRST)
    lab.pass_time(20 * SECOND)
    lab.events()
    assert lab.cache.neighbours() == []
