"""ARP and neighbour cache poisoning (RFC 826 has no keys; dsniff, parasite6), 1982.

Elsewhere: an answer to no question, or a gratuitous one, made an entry or took one
over, and traffic went to whoever had spoken last.

Here: what nobody asked for makes no entry; the first of several answers counts; a
neighbour advertisement without override takes nothing over; an entry set by hand stays;
no group is a neighbour's MAC; and our own address is defended and its loss told.
"""

from __future__ import annotations

import pytest

from sansio_net.addresses import ZERO_MAC, pack_ip
from sansio_net.wire.arp import REPLY, REQUEST

from .link import (
    ATTACKER_MAC,
    EVERYBODY,
    HONEST4,
    HONEST6,
    HONEST_MAC,
    VICTIM4,
    VICTIM_MAC,
    Street,
    advertisement,
    arp,
    is_discovery,
    solicitation,
)

OTHER4, OTHER6 = pack_ip("10.0.0.77"), pack_ip("2001:db8::77")


def test_what_nobody_asked_for_makes_no_entry() -> None:
    street = Street()
    for frame in (
        arp(REPLY, ATTACKER_MAC, OTHER4),
        arp(REPLY, ATTACKER_MAC, OTHER4, to=EVERYBODY),
        arp(REQUEST, ATTACKER_MAC, OTHER4, ZERO_MAC, OTHER4, EVERYBODY),
        arp(REPLY, ATTACKER_MAC, OTHER4, EVERYBODY, OTHER4, EVERYBODY),
        arp(REQUEST, ATTACKER_MAC, OTHER4, ZERO_MAC, pack_ip("10.0.0.9"), EVERYBODY),
        advertisement(OTHER6, ATTACKER_MAC),
        advertisement(OTHER6, ATTACKER_MAC, to=pack_ip("ff02::1"), flags=0x20),
    ):
        assert street.turn(frame) == []
    assert street.neighbours() == 0


def test_the_first_of_two_answers_counts() -> None:
    street = Street()
    assert street.reaches_honest()
    for _ in range(3):
        street.turn(
            arp(REPLY, ATTACKER_MAC, HONEST4),
            advertisement(HONEST6, ATTACKER_MAC, flags=0x40),  # no override
            advertisement(HONEST6, ATTACKER_MAC, flags=0),
        )
        assert street.reaches_honest()
    assert street.count("arp.second_answer_ignored") == 3


def test_what_is_set_by_hand_stays() -> None:
    """What to do about a link that one does not trust."""
    street = Street()
    assert street.nic.arp is not None
    assert street.nic.ndp is not None
    street.nic.arp.add_static(HONEST4, HONEST_MAC)
    street.nic.ndp.add_static(HONEST6, HONEST_MAC)
    street.honest_answer = False
    for _ in range(10):
        street.now += 10**9
        street.turn(
            arp(REPLY, ATTACKER_MAC, HONEST4),
            arp(REQUEST, ATTACKER_MAC, HONEST4, ZERO_MAC, HONEST4, EVERYBODY),
            arp(REQUEST, ATTACKER_MAC, HONEST4, to=EVERYBODY),
            advertisement(HONEST6, ATTACKER_MAC),
            advertisement(HONEST6, ATTACKER_MAC, flags=0x20),
            solicitation(HONEST6, ATTACKER_MAC),
        )
        assert street.reaches_honest()


@pytest.mark.parametrize("mac", ["ffffffffffff", "01005e000001", "333300000001"])
def test_a_group_is_nobodys_address(mac: str) -> None:
    """Traffic for one would go to all (and CVE-2021-3772's kind of surprise)."""
    street = Street()
    group = bytes.fromhex(mac)
    street.honest_answer = False
    sock = street.stack.udp_bind(("", 0))
    sock.send_to(b"secret", ("10.0.0.1", 9))
    sock.send_to(b"secret", ("2001:db8::1", 9))
    street.turn()
    said = street.turn(
        arp(REPLY, group, HONEST4), advertisement(HONEST6, group, source=HONEST6)
    )
    assert [one for one in said if b"secret" in one] == []
    assert street.turn(arp(REQUEST, group, OTHER4, to=EVERYBODY)) == []


@pytest.mark.parametrize("spa", ["255.255.255.255", "224.0.0.1", "127.0.0.1"])
def test_senders_that_nobody_is(spa: str) -> None:
    street = Street()
    frame = arp(REQUEST, ATTACKER_MAC, pack_ip(spa), to=EVERYBODY)
    assert street.turn(frame) == []
    assert street.count("drop.arp_bad_sender") == 1


def test_our_own_address_is_defended() -> None:
    """RFC 5227 2.4 (c), and the application is told."""
    street = Street()
    street.now += 60 * 10**9
    street.turn()
    street.events.clear()
    said = street.turn(arp(REQUEST, ATTACKER_MAC, VICTIM4, to=EVERYBODY))
    assert [one[:6] for one in said] == [EVERYBODY]
    assert said[0][28:32] == VICTIM4
    for _ in range(100):
        assert street.turn(arp(REQUEST, ATTACKER_MAC, VICTIM4, to=EVERYBODY)) == []
    assert street.told()[0] == "AddressConflict"
    assert VICTIM4 in street.nic.local
    assert VICTIM_MAC not in (one[:6] for one in said)


def test_from_beyond_the_link() -> None:
    """RFC 4861 7.1: a hop limit below 255 has passed a router."""
    street = Street()
    assert street.reaches_honest()
    for hops in (254, 64, 1, 0):
        said = street.turn(
            advertisement(HONEST6, ATTACKER_MAC, hops=hops),
            solicitation(HONEST6, ATTACKER_MAC, hops=hops),
        )
        assert said == []
    assert street.count("drop.ndp_invalid") == 8
    assert street.reaches_honest()


def test_answers_are_bounded_while_nothing_can_leave() -> None:
    street = Street()
    for n in range(500):
        spa = bytes((10, 0, 0, 3 + n % 200))
        frame = arp(REQUEST, ATTACKER_MAC, spa, ZERO_MAC, VICTIM4, EVERYBODY)
        street.nic.receive([frame], street.now)
    assert len([one for one in street.turn() if is_discovery(one)]) <= 64
    assert street.count("drop.output_queue_full") >= 500 - 64
