"""ArpCache: RFC 826 reception, neighbour states, queues, RFC 5227 claims."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest

from sansio_net import ASAP, Entropy, Packet
from sansio_net.addresses import BROADCAST_MAC, ZERO_MAC, pack_ip, pack_mac
from sansio_net.counters import DropReason
from sansio_net.errors import LimitError, StateError
from sansio_net.packet import CSUM_PARTIAL
from sansio_net.protocols.arp import (
    ArpCache,
    ArpEvent,
    NeighbourState,
    ResolutionFailed,
    Resolved,
)
from sansio_net.protocols.neighbours.config import OVERHEAD
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.arp import REPLY, REQUEST, Arp, build_arp
from sansio_net.wire.ethernet import build_ethernet

from .arp_lab import (
    IP,
    NONE,
    OTHER,
    OURS,
    PEER,
    PEER_IP,
    Lab,
    frame,
)


def test_a_request_is_answered_by_unicast_and_its_sender_remembered() -> None:
    lab = Lab()
    request = frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP, BROADCAST_MAC)
    assert lab.arps(request) == [(PEER, Arp(REPLY, OURS, IP, PEER, PEER_IP))]
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    assert neighbour.state is NeighbourState.STALE
    assert neighbour.mac == PEER
    assert lab.arps() == []


def test_a_request_for_somebody_else_is_no_reason_for_an_entry() -> None:
    lab = Lab()
    elsewhere = pack_ip("10.0.0.9")
    request = frame(REQUEST, PEER, PEER_IP, ZERO_MAC, elsewhere, BROADCAST_MAC)
    assert lab.arps(request) == []
    assert lab.cache.neighbours() == []


def test_it_updates_an_entry_that_exists() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.now += 2 * SECOND
    elsewhere = pack_ip("10.0.0.9")
    lab.turn(frame(REQUEST, OTHER, PEER_IP, ZERO_MAC, elsewhere, BROADCAST_MAC))
    assert neighbour.mac == OTHER
    assert neighbour.state is NeighbourState.STALE
    assert neighbour.header is None
    header = lab.cache.use(neighbour, lab.now)
    assert header == build_ethernet(OTHER, OURS, 0x0800)


def test_resolution_sends_what_waited_in_order() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    assert neighbour.header is None
    assert lab.cache.use(neighbour, lab.now) is None
    for n in range(3):
        packet = Packet(b"ip%d" % n, (b"pay", b"load"), csum=CSUM_PARTIAL, csum_start=2)
        lab.cache.enqueue(neighbour, packet, lab.now)
    who_has = Arp(REQUEST, OURS, IP, ZERO_MAC, PEER_IP)
    assert lab.arps() == [(BROADCAST_MAC, who_has)]
    sent = lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    header = build_ethernet(PEER, OURS, 0x0800)
    assert [packet.join() for packet in sent] == [
        header + b"ip%dpayload" % n for n in range(3)
    ]
    assert [(p.offset, p.csum_start) for p in sent] == [(14, 16)] * 3
    assert lab.events() == [Resolved(PEER_IP, PEER)]
    assert neighbour.header == header
    assert neighbour.state is NeighbourState.REACHABLE


def test_a_request_from_the_one_we_ask_resolves_it_too() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.cache.enqueue(neighbour, Packet(b"ip"), lab.now)
    lab.turn()
    sent = lab.turn(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP, BROADCAST_MAC))
    assert [packet.join()[14:16] for packet in sent] == [b"ip", b"\0\1"]
    assert lab.events() == [Resolved(PEER_IP, PEER)]
    # its packets used it, and it never answered us: it has to prove itself
    assert neighbour.state is NeighbourState.DELAY


def test_three_requests_a_second_apart_then_failure() -> None:
    lab = Lab()
    start = lab.now
    neighbour = lab.cache.lookup(PEER_IP, start)
    lab.cache.enqueue(neighbour, Packet(b"ip"), start)
    sent = lab.pass_time(10 * SECOND)
    assert [(at - start) // SECOND for at, _, _ in sent] == [0, 1, 2]
    assert all(mac == BROADCAST_MAC for _, mac, _ in sent)
    (failed,) = lab.events()
    assert isinstance(failed, ResolutionFailed)
    assert [packet.join() for packet in failed.packets] == [b"ip"]
    assert lab.counters.dropped(DropReason.NEIGHBOUR_UNREACHABLE) == 1
    assert neighbour.state is NeighbourState.FAILED


def test_a_failed_neighbour_fails_fast_for_a_while_then_is_asked_again() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.pass_time(3 * SECOND)
    assert lab.cache.lookup(PEER_IP, lab.now).state is NeighbourState.FAILED
    lab.events()
    lab.cache.enqueue(neighbour, Packet(b"soon"), lab.now)
    (failed,) = lab.events()
    assert isinstance(failed, ResolutionFailed)
    assert [packet.join() for packet in failed.packets] == [b"soon"]
    lab.now += SECOND
    assert lab.cache.lookup(PEER_IP, lab.now) is neighbour
    assert neighbour.state is NeighbourState.INCOMPLETE
    assert len(lab.arps()) == 1
    lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    assert lab.events() == [Resolved(PEER_IP, PEER)]


def test_a_failed_neighbour_that_speaks_is_known_again() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.pass_time(3 * SECOND)
    assert neighbour.state is NeighbourState.FAILED
    lab.turn(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP, BROADCAST_MAC))
    assert neighbour.state is NeighbourState.STALE
    assert lab.cache.use(neighbour, lab.now) is not None


def test_reachable_ages_within_half_to_one_and_a_half_of_its_base() -> None:
    ages = []
    for seed in range(8):
        lab = Lab(seed)
        neighbour = lab.reachable()
        start = lab.now
        while neighbour.state is NeighbourState.REACHABLE:
            due = lab.cache.next_timeout()
            assert due is not None
            assert due > lab.now
            lab.now = due
            lab.turn()
        assert neighbour.state is NeighbourState.STALE
        ages.append(lab.now - start)
        assert 15 * SECOND <= ages[-1] <= 45 * SECOND
    assert len(set(ages)) > 4


def test_confirmation_keeps_it_reachable() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    for _ in range(20):
        assert lab.pass_time(10 * SECOND) == []
        lab.cache.confirm(neighbour, lab.now)
        assert neighbour.state is NeighbourState.REACHABLE
        assert not neighbour.suspect


def test_a_stale_neighbour_is_used_while_it_is_checked() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.pass_time(60 * SECOND)
    assert neighbour.state is NeighbourState.STALE
    assert neighbour.header is None
    start = lab.now
    assert lab.cache.use(neighbour, start) == build_ethernet(PEER, OURS, 0x0800)
    assert neighbour.state is NeighbourState.DELAY
    assert neighbour.suspect
    assert neighbour.header is not None
    sent = lab.pass_time(5 * SECOND)
    # RFC 4861 7.3.3: 5 s later it is asked, and it alone
    assert [(at - start, mac) for at, mac, _ in sent] == [(5 * SECOND, PEER)]
    assert neighbour.state is NeighbourState.PROBE
    assert neighbour.header is not None
    lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    assert neighbour.state is NeighbourState.REACHABLE


def test_three_unicast_probes_then_failure() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.pass_time(60 * SECOND)
    lab.cache.use(neighbour, lab.now)
    sent = lab.pass_time(20 * SECOND)
    assert [mac for _, mac, _ in sent] == [PEER] * 3
    assert neighbour.state is NeighbourState.FAILED
    assert neighbour.header is None
    assert lab.events() == [ResolutionFailed(PEER_IP, [])]


def test_mcast_resolicit_asks_everybody_after_the_unicasts() -> None:
    lab = Lab(mcast_resolicit=2)
    neighbour = lab.reachable()
    lab.pass_time(60 * SECOND)
    lab.cache.use(neighbour, lab.now)
    sent = lab.pass_time(20 * SECOND)
    assert [mac for _, mac, _ in sent] == [PEER] * 3 + [BROADCAST_MAC] * 2


def test_confirmation_ends_the_delay_without_a_probe() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.pass_time(60 * SECOND)
    lab.cache.use(neighbour, lab.now)
    lab.cache.confirm(neighbour, lab.now)
    assert neighbour.state is NeighbourState.REACHABLE
    assert lab.pass_time(10 * SECOND) == []


def test_negative_advice_makes_the_next_use_ask_at_once() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.now += 2 * SECOND
    lab.cache.advise(neighbour)
    assert neighbour.header is None
    assert lab.arps() == []
    assert lab.cache.use(neighbour, lab.now) is not None
    assert neighbour.state is NeighbourState.PROBE
    assert [mac for mac, _ in lab.arps()] == [PEER]


def test_advice_does_not_hold_up_what_was_about_to_leave() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.cache.enqueue(neighbour, Packet(b"ip"), lab.now)
    lab.turn()
    lab.cache.arp_arrives(REPLY, PEER, PEER_IP, OURS, IP, lab.now)
    lab.cache.advise(neighbour)
    assert [packet.join()[14:] for packet in lab.turn()] == [b"ip"]


def test_who_waits_is_told_though_the_neighbour_is_gone_already() -> None:
    lab = Lab(table_limit=1)
    lab.cache.lookup(PEER_IP, lab.now)
    request = (REQUEST, PEER, PEER_IP, ZERO_MAC, IP)
    lab.cache.arp_arrives(*request, lab.now)
    lab.cache.lookup(pack_ip("10.0.0.3"), lab.now)  # takes its place
    assert Resolved(PEER_IP, PEER) in lab.events()


def test_no_more_than_one_request_a_second_whatever_the_advice() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.now += 2 * SECOND
    times = []
    for _ in range(50):
        lab.cache.advise(neighbour)
        lab.cache.use(neighbour, lab.now)
        times += [at for at, _, _ in lab.pass_time(100 * MILLISECOND)]
        lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    assert len(times) >= 3
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(gap >= SECOND for gap in gaps)


def test_the_first_of_several_answers_counts() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.turn(frame(REPLY, OTHER, PEER_IP, OURS, IP))
    assert neighbour.mac == PEER
    lab.now += SECOND
    lab.turn(frame(REPLY, OTHER, PEER_IP, OURS, IP))
    assert neighbour.mac == OTHER
    # nobody asked: the next use will
    assert neighbour.state is NeighbourState.STALE


def test_an_announcement_updates_at_once_and_never_creates() -> None:
    lab = Lab()
    announcement = frame(REQUEST, OTHER, PEER_IP, ZERO_MAC, PEER_IP, BROADCAST_MAC)
    lab.turn(announcement)
    lab.turn(frame(REPLY, OTHER, PEER_IP, OURS, IP))
    assert lab.cache.neighbours() == []
    neighbour = lab.reachable()
    lab.turn(announcement)
    assert neighbour.mac == OTHER
    assert neighbour.state is NeighbourState.STALE


def test_accept_gratuitous_creates() -> None:
    lab = Lab(accept_gratuitous=True)
    lab.turn(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, PEER_IP, BROADCAST_MAC))
    lab.turn(frame(REPLY, OTHER, pack_ip("10.0.0.3"), OURS, IP))
    assert [n.mac for n in lab.cache.neighbours()] == [PEER, OTHER]


@pytest.mark.parametrize(
    ("sha", "spa"),
    [
        (BROADCAST_MAC, PEER_IP),
        (pack_mac("01:00:5e:00:00:01"), PEER_IP),
        (ZERO_MAC, PEER_IP),
        (OURS, PEER_IP),
        (PEER, pack_ip("255.255.255.255")),
        (PEER, pack_ip("224.0.0.1")),
        (PEER, pack_ip("127.0.0.1")),
        (PEER, pack_ip("240.0.0.1")),
    ],
)
def test_senders_that_cannot_be_are_counted_and_ignored(sha: bytes, spa: bytes) -> None:
    lab = Lab()
    arp = build_arp(REQUEST, sha, spa, ZERO_MAC, IP)
    assert lab.arps(build_ethernet(BROADCAST_MAC, PEER, 0x0806) + arp) == []
    assert lab.counters.dropped(DropReason.ARP_BAD_SENDER) == 1
    assert lab.cache.neighbours() == []


def test_a_reply_without_a_sender_is_bad() -> None:
    lab = Lab()
    lab.turn(frame(REPLY, PEER, NONE, OURS, IP))
    assert lab.counters.dropped(DropReason.ARP_BAD_SENDER) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DropReason.FRAME_TRUNCATED),
        (build_ethernet(OURS, PEER, 0x0800) + bytes(46), DropReason.UNKNOWN_ETHERTYPE),
        (build_ethernet(OURS, PEER, 0x0806) + bytes(27), DropReason.ARP_MALFORMED),
        (build_ethernet(OURS, PEER, 0x0806) + bytes(28), DropReason.ARP_MALFORMED),
        (frame(3, PEER, PEER_IP, ZERO_MAC, IP), DropReason.ARP_MALFORMED),
        (frame(1, PEER, PEER_IP, ZERO_MAC, IP, OTHER), DropReason.OTHER_HOST),
        (
            build_ethernet(OURS, PEER, 0x0806, (7,))
            + build_arp(1, PEER, PEER_IP, ZERO_MAC, IP),
            DropReason.VLAN,
        ),
    ],
)
def test_what_is_no_arp_for_us_is_counted(data: bytes, reason: DropReason) -> None:
    lab = Lab()
    assert lab.turn(data) == []
    assert lab.counters.as_dict()[f"drop.{reason.value}"] == 1


def test_a_priority_tag_is_no_vlan() -> None:
    lab = Lab()
    tagged = build_ethernet(OURS, PEER, 0x0806, (0xE000,))
    arp = build_arp(REQUEST, PEER, PEER_IP, ZERO_MAC, IP)
    assert len(lab.arps(tagged + arp)) == 1


def test_only_an_answer_to_us_proves_that_it_is_there() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.turn(frame(REPLY, PEER, PEER_IP, BROADCAST_MAC, IP, BROADCAST_MAC))
    assert neighbour.state is NeighbourState.STALE
    lab.cache.use(neighbour, lab.now)
    lab.turn(frame(REQUEST, PEER, PEER_IP, ZERO_MAC, IP, BROADCAST_MAC))
    assert neighbour.state is NeighbourState.DELAY
    lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    assert neighbour.state is NeighbourState.REACHABLE


def test_a_second_owner_asking_us_does_not_take_over_at_once() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.turn(frame(REQUEST, OTHER, PEER_IP, ZERO_MAC, IP, BROADCAST_MAC))
    assert lab.cache.neighbours() == [neighbour]
    assert (neighbour.mac, neighbour.evicted) == (PEER, False)


def test_confirmation_takes_advice_back() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    lab.now += 2 * SECOND
    lab.cache.advise(neighbour)
    lab.cache.confirm(neighbour, lab.now)
    lab.pass_time(60 * SECOND)
    lab.cache.use(neighbour, lab.now)
    assert neighbour.state is NeighbourState.DELAY


def test_using_a_failed_neighbour_asks_again_when_it_may() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.pass_time(3 * SECOND)
    assert lab.cache.use(neighbour, lab.now) is None
    assert neighbour.state is NeighbourState.FAILED
    lab.now += SECOND
    assert lab.cache.use(neighbour, lab.now) is None
    assert neighbour.state is NeighbourState.INCOMPLETE


# -- queues and bounds


def test_so_many_packets_wait_and_the_oldest_goes() -> None:
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    for n in range(260):
        lab.cache.enqueue(neighbour, Packet(n.to_bytes(2, "big")), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 4
    lab.turn()
    sent = lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    while more := lab.turn():
        sent += more
    assert [int.from_bytes(packet.join()[-2:], "big") for packet in sent] == [
        *range(4, 260)
    ]


def test_the_queue_is_bounded_in_bytes() -> None:
    """As Linux's (unres_qlen_bytes), what a packet costs besides its bytes included."""
    lab = Lab()
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    for n in range(13):
        lab.cache.enqueue(neighbour, Packet(bytes([n]) * 20_000), lab.now)
    lab.cache.enqueue(neighbour, Packet(bytes(212_500)), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 4
    lab.turn()
    sent = lab.turn(frame(REPLY, PEER, PEER_IP, OURS, IP))
    assert [packet.join()[-1] for packet in sent] == [*range(3, 13)]


def test_all_queues_together_are_bounded() -> None:
    lab = Lab(queue_total_bytes=100_000)
    for n in range(2, 12):
        neighbour = lab.cache.lookup(bytes([10, 0, 0, n]), lab.now)
        lab.cache.enqueue(neighbour, Packet(bytes(30_000)), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 7
    lab.pass_time(3 * SECOND)
    failed = [event for event in lab.events() if isinstance(event, ResolutionFailed)]
    assert sum(len(event.packets) for event in failed) == 3
    assert lab.counters.dropped(DropReason.NEIGHBOUR_UNREACHABLE) == 3
    # what was taken makes room again
    lab.now += SECOND
    neighbour = lab.cache.lookup(bytes([10, 0, 0, 2]), lab.now)
    lab.cache.enqueue(neighbour, Packet(bytes(30_000)), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 7


def test_a_scan_does_not_push_out_who_is_in_use() -> None:
    lab = Lab(table_limit=8)
    used = lab.reachable()
    lab.cache.add_static("10.0.0.250", OTHER)
    for n in range(3, 100):
        lab.cache.lookup(bytes([10, 0, 0, n]), lab.now)
        lab.turn()
        assert len(lab.cache.neighbours()) <= 8
    assert not used.evicted
    assert used.header is not None
    assert pack_ip("10.0.0.250") in [n.ip for n in lab.cache.neighbours()]
    assert lab.counters.as_dict()["neighbours_evicted"] == 91
    # those pushed out have failed: senders may wait for them
    failed = [event for event in lab.events() if isinstance(event, ResolutionFailed)]
    assert len(failed) == 91


def test_failures_not_yet_told_are_bounded_and_none_that_is_owed_is_lost() -> None:
    lab = Lab(table_limit=8)
    waiting, refused = set(), 0
    for n in range(2, 100):
        neighbour = lab.cache.lookup(bytes([10, 0, 0, n]), lab.now)
        if neighbour.state is NeighbourState.INCOMPLETE:
            waiting.add(neighbour.ip)
        else:
            refused += 1
    assert (len(waiting), refused) == (16, 82)
    lab.cache.flush()
    failed = [event for event in lab.events() if isinstance(event, ResolutionFailed)]
    assert {event.ip for event in failed} == waiting


def test_a_scan_of_requests_takes_only_the_place_of_the_unused() -> None:
    lab = Lab(table_limit=4)
    waiting = lab.cache.lookup(pack_ip("10.0.1.1"), lab.now)
    for n in range(2, 50):
        spa = bytes([10, 0, 0, n])
        lab.turn(frame(REQUEST, PEER, spa, ZERO_MAC, IP, BROADCAST_MAC))
    assert not waiting.evicted
    assert len(lab.cache.neighbours()) == 4


def test_a_table_of_neighbours_in_use_is_full() -> None:
    lab = Lab(table_limit=2)
    lab.reachable(bytes([10, 0, 0, 2]))
    lab.reachable(bytes([10, 0, 0, 3]))
    refused = lab.cache.lookup(bytes([10, 0, 0, 4]), lab.now)
    assert refused.state is NeighbourState.FAILED
    assert lab.counters.dropped(DropReason.NEIGHBOUR_TABLE_FULL) == 1
    lab.cache.enqueue(refused, Packet(b"ip"), lab.now)
    (failed,) = lab.events()
    assert isinstance(failed, ResolutionFailed)
    request = frame(REQUEST, PEER, bytes([10, 0, 0, 5]), ZERO_MAC, IP, BROADCAST_MAC)
    assert len(lab.arps(request)) == 1  # answered all the same
    assert len(lab.cache.neighbours()) == 2
    # as soon as somebody is no longer in use, the same object is taken in
    lab.pass_time(60 * SECOND)
    assert lab.cache.use(refused, lab.now) is None
    assert refused.state is NeighbourState.INCOMPLETE
    assert not refused.evicted


def test_an_evicted_neighbour_leads_to_the_one_in_its_place() -> None:
    lab = Lab()
    old = lab.reachable()
    lab.cache.flush()
    assert old.evicted
    assert old.header is None
    new = lab.reachable()
    assert new is not old
    assert lab.cache.use(old, lab.now) == new.header


def test_flush_fails_what_waits_and_keeps_the_static_ones() -> None:
    lab = Lab()
    lab.cache.add_static("10.0.0.9", OTHER)
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.cache.enqueue(neighbour, Packet(b"ip"), lab.now)
    lab.cache.flush()
    (failed,) = lab.events()
    assert isinstance(failed, ResolutionFailed)
    assert len(failed.packets) == 1
    assert [n.ip for n in lab.cache.neighbours()] == [pack_ip("10.0.0.9")]
    assert lab.pass_time(10 * SECOND) == []


def test_flush_forgets_what_was_asked_for_and_every_timer() -> None:
    lab = Lab()
    lab.reachable()
    lab.cache.resolve("10.0.0.3")
    lab.cache.flush()
    assert lab.arps() == []
    assert lab.cache.next_timeout() is None


def test_packets_of_failures_not_yet_taken_count() -> None:
    lab = Lab(queue_total_bytes=1000 + 2 * OVERHEAD)
    neighbour = lab.cache.lookup(PEER_IP, lab.now)
    lab.cache.enqueue(neighbour, Packet(bytes(800)), lab.now)
    lab.cache.flush()
    other = lab.cache.lookup(pack_ip("10.0.0.3"), lab.now)
    lab.cache.enqueue(other, Packet(bytes(800)), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 1
    lab.events()
    lab.cache.enqueue(other, Packet(bytes(800)), lab.now)
    assert lab.counters.dropped(DropReason.NEIGHBOUR_QUEUE_FULL) == 1


def test_a_static_neighbour_is_never_asked_and_never_overwritten() -> None:
    lab = Lab(table_limit=1)
    waiting = lab.cache.lookup(PEER_IP, lab.now)
    lab.cache.enqueue(waiting, Packet(b"ip"), lab.now)
    lab.cache.add_static("10.0.0.2", "02:00:00:00:00:02")
    assert [p.join()[14:] for p in lab.turn()] == [b"ip"]
    assert lab.events() == [Resolved(PEER_IP, PEER)]
    lab.now += 10 * SECOND
    lab.turn(frame(REPLY, OTHER, PEER_IP, OURS, IP))
    lab.cache.advise(waiting)
    assert waiting.mac == PEER
    assert waiting.header is not None
    assert lab.pass_time(1000 * SECOND) == []
    with pytest.raises(LimitError):
        lab.cache.add_static("10.0.0.3", OTHER)
    lab.cache.remove("10.0.0.2")
    lab.cache.add_static("10.0.0.3", OTHER)


def test_replies_that_cannot_leave_are_bounded() -> None:
    lab = Lab(reply_limit=4)
    requests = [
        frame(REQUEST, PEER, bytes([10, 0, 0, n]), ZERO_MAC, IP) for n in range(2, 12)
    ]
    lab.cache.receive(requests, lab.now)
    assert lab.cache.transmit(lab.now, 0) == []
    assert len(lab.cache.transmit(lab.now, 100)) == 4
    assert lab.counters.dropped(DropReason.OUTPUT_QUEUE_FULL) == 6


def test_a_blocked_interface_does_not_pile_up_requests() -> None:
    lab = Lab()
    lab.cache.lookup(PEER_IP, lab.now)
    for _ in range(10):
        lab.now += SECOND
        lab.cache.handle_timeout(lab.now)
        lab.cache.lookup(PEER_IP, lab.now)
    assert len(lab.cache.transmit(lab.now, 100)) <= 1


# -- verbs


def test_verbs_start_with_the_first_time() -> None:
    lab = Lab()
    assert lab.cache.next_timeout() is None
    lab.cache.resolve("10.0.0.2")
    assert lab.cache.next_timeout() == ASAP
    assert len(lab.arps()) == 1


@pytest.mark.parametrize("ip", ["10.0.0.1", "255.255.255.255", "224.0.0.1", "::1"])
def test_resolve_refuses_what_is_no_neighbour(ip: str) -> None:
    with pytest.raises(StateError):
        Lab().cache.resolve(ip)


@pytest.mark.parametrize("ip", ["0.0.0.0", "224.0.0.1", "fd00::1"])
def test_claim_refuses_what_is_no_address_of_a_host(ip: str) -> None:
    with pytest.raises(StateError):
        Lab().cache.claim(ip)


def test_our_own_address_cannot_be_a_neighbour() -> None:
    lab = Lab()
    with pytest.raises(StateError):
        lab.cache.add_static(IP, PEER)
    lab.reachable()
    lab.cache.claim(PEER_IP)
    assert lab.cache.neighbours() == []


def test_claims_are_bounded() -> None:
    lab = Lab(claim_limit=2)
    lab.cache.claim("10.0.0.3")
    lab.cache.claim("10.0.0.3")
    with pytest.raises(LimitError):
        lab.cache.claim("10.0.0.4")


def test_resolve_in_one_turn_is_bounded() -> None:
    lab = Lab(table_limit=4)
    for n in range(2, 12):
        lab.cache.resolve(bytes([10, 0, 0, n]))
    assert len(lab.arps()) == 4
    assert lab.counters.dropped(DropReason.NEIGHBOUR_TABLE_FULL) == 6


def test_requests_leave_from_the_nearest_address_of_ours() -> None:
    lab = Lab()
    lab.cache.claim("192.168.1.1")
    lab.pass_time(3 * SECOND)
    lab.cache.resolve("192.168.1.77")
    lab.cache.resolve("10.0.0.77")
    spas = [arp.spa for _, arp in lab.arps()]
    assert spas == [pack_ip("192.168.1.1"), IP]


def test_without_an_address_the_request_has_none() -> None:
    lab = Lab(claimed=False)
    lab.cache.resolve(PEER_IP)
    assert [arp.spa for _, arp in lab.arps()] == [NONE]


# -- the contract


def test_inside_a_stack_it_puts_itself_on_the_shared_lists() -> None:
    ready: list[ArpCache] = []
    notified: list[ArpCache] = []
    cache = ArpCache(OURS, entropy=Entropy.of(1), ready=ready, notified=notified)
    cache.claim(IP)
    neighbour = cache.lookup(PEER_IP, 0)
    assert ready == [cache]
    while cache.emit(0) is not None:
        pass
    cache.queued = False
    ready.clear()
    cache.arp_arrives(REPLY, PEER, PEER_IP, OURS, IP, 1)
    assert notified == [cache]
    assert ready == []
    out: list[ArpEvent] = []
    cache.drain(out)
    assert out == [Resolved(PEER_IP, PEER)]
    assert cache.pending_kinds == 0
    cache.enqueue(neighbour, Packet(b"ip"), 2)
    assert ready == [cache]


def test_copies_go_on_alike() -> None:
    lab = Lab()
    lab.reachable()
    neighbour = lab.cache.lookup(pack_ip("10.0.0.3"), lab.now)
    view = memoryview(b"x" * 5000)
    lab.cache.enqueue(neighbour, Packet(b"ip", (view,)), lab.now)
    lab.cache.claim("10.0.0.4", probe=True)
    twins = [
        lab.cache,
        copy.deepcopy(lab.cache),
        pickle.loads(pickle.dumps(lab.cache)),
    ]
    seen = []
    for twin in twins:
        lab.cache = twin
        lab.now = 200 * SECOND
        sent = lab.pass_time(60 * SECOND)
        seen.append((sent, [repr(event) for event in lab.events()]))
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0][0]) > 5


def test_another_release_refuses_the_pickle() -> None:
    cache = Lab().cache
    _, slots = cache.__getstate__()
    with pytest.raises(StateError):
        cache.__setstate__((0, slots))


def test_tracing_changes_nothing_and_says_what_happened() -> None:
    lab, silent = Lab(), Lab()
    silent.cache.trace = None
    for one in (lab, silent):
        one.reachable()
    assert lab.pass_time(100 * SECOND) == silent.pass_time(100 * SECOND)
    kinds = {entry[1] for entry in lab.trace}
    assert {"neighbour", "neighbour-mac", "claim"} <= kinds
    plain = (int, str, bytes, type(None))
    assert all(type(value) in plain for entry in lab.trace for value in entry)


def test_deadlines_that_move_do_not_pile_up() -> None:
    lab = Lab()
    neighbour = lab.reachable()
    for _ in range(1000):
        lab.cache.advise(neighbour)
        lab.cache.use(neighbour, lab.now)
        lab.cache.confirm(neighbour, lab.now)
    deadlines = lab.cache._table._deadlines
    assert len(deadlines) == 1
    assert len(deadlines._heap) <= 66
    assert "reachable" in repr(neighbour)
