"""Link: delay, rate, queue, loss, order, damage, all seeded, counted and bounded."""

from __future__ import annotations

import copy
import pickle
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Entropy, Medium, Packet
from sansio_net.errors import StateError, WireError
from sansio_net.packet import CSUM_PARTIAL
from sansio_net.testing import Conditions, Link
from sansio_net.testing.craft import ethernet_frame, ip_packet, tcp_packet, udp_packet
from sansio_net.testing.damage import flip_burst, mark_congestion, wreck
from sansio_net.testing.link import LinkItem
from sansio_net.testing.strategies import conditions, seeds
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.checksum import checksum, pseudo_sum
from sansio_net.wire.ethernet import ETHERTYPE_ARP
from sansio_net.wire.ipv4 import build_ipv4, parse_ipv4
from sansio_net.wire.tcp import build_tcp, parse_tcp

A, B = "10.0.0.1", "10.0.0.2"


def numbered(n: int, size: int = 60) -> Packet:
    return Packet.received(n.to_bytes(4, "big").ljust(size, b"\0"))


def send(link: Link, n: int, now: int = 0, end: int = 0, size: int = 60) -> None:
    link.receive([(end, numbered(i, size)) for i in range(1, n + 1)], now)


def fates(link: Link, now: int = 0) -> list[tuple[int, LinkItem]]:
    """Everything that still arrives, from `now` on, and when."""
    got = []
    while (due := link.next_timeout()) is not None:
        now = max(now, due)  # ASAP is before any clock
        got += [(now, item) for item in link.transmit(now)]
    return got


def arrivals(link: Link, now: int = 0) -> list[tuple[int, int, int]]:
    """Everything that still arrives: (time, the end reached, number)."""
    return [
        (when, end, int.from_bytes(packet.head[:4], "big"))
        for when, (end, packet) in fates(link, now)
    ]


def order(link: Link) -> list[int]:
    return [number for _, _, number in arrivals(link)]


def test_a_clean_link_carries_both_ways_at_once() -> None:
    link = Link()
    link.receive([(0, numbered(1)), (1, numbered(2))], 5)
    assert link.next_timeout() == 0
    assert [(end, p.head[:4]) for end, p in link.transmit(5)] == [
        (1, b"\0\0\0\1"),
        (0, b"\0\0\0\2"),
    ]
    assert link.next_timeout() is None
    assert link.events() == []


def test_latency_by_direction() -> None:
    link = Link(latency="20ms")
    link.set(1, latency="5ms")
    link.receive([(0, numbered(1)), (1, numbered(2))], 0)
    assert arrivals(link) == [(5 * MILLISECOND, 0, 2), (20 * MILLISECOND, 1, 1)]


def test_limit_means_call_again() -> None:
    link = Link()
    send(link, 5, now=7)
    assert len(link.transmit(7, 3)) == 3
    assert link.next_timeout() == 0
    assert len(link.transmit(7, 3)) == 2


def test_rate_spaces_packets() -> None:
    link = Link(rate="1mbit", latency="1ms")
    send(link, 3, size=125)  # 1000 bits: 1 ms each
    assert [when for when, _, _ in arrivals(link)] == [
        2 * MILLISECOND,
        3 * MILLISECOND,
        4 * MILLISECOND,
    ]


def test_rate_counts_from_when_the_wire_is_free() -> None:
    link = Link(rate="1mbit")
    send(link, 1, now=0, size=125)
    send(link, 1, now=MILLISECOND // 2, size=125)
    got = arrivals(link, MILLISECOND // 2)
    send(link, 1, now=SECOND, size=125)
    got += arrivals(link, SECOND)
    assert [when for when, _, _ in got] == [
        MILLISECOND,
        2 * MILLISECOND,
        SECOND + MILLISECOND,
    ]


def test_a_full_queue_drops_the_tail() -> None:
    link = Link(rate="1mbit", queue=4)
    send(link, 10, size=125)
    assert link.counts(0).overflowed == 6
    assert order(link) == [1, 2, 3, 4]
    # two have left at 2 ms: there is room for two
    link = Link(rate="1mbit", queue=4)
    send(link, 4, size=125)
    send(link, 4, now=2 * MILLISECOND, size=125)
    assert link.counts(0).overflowed == 2


def test_a_queue_may_be_bounded_in_bytes() -> None:
    link = Link(rate="1mbit", queue_bytes=300)
    send(link, 10, size=125)
    assert link.counts(0).overflowed == 8


def test_what_is_under_way_is_bounded() -> None:
    link = Link(latency="1s", capacity=3)
    send(link, 5)
    assert (link.held, link.counts(0).overflowed) == (3, 2)
    link = Link(latency="1s", capacity_bytes=130)
    send(link, 5)
    assert (link.held_bytes, link.counts(0).overflowed) == (120, 3)
    assert order(link) == [1, 2]
    assert link.held_bytes == 0


def test_loss_by_number_and_the_next() -> None:
    link = Link()
    link.lose(0, 2, 4, 2)
    send(link, 5)
    assert order(link) == [1, 3, 5]
    link.lose_next(0, 2)
    send(link, 3)
    assert order(link) == [3]
    assert link.counts(0).lost == 4
    assert link.counts(1).lost == 0


def test_loss_by_chance_is_near_its_probability() -> None:
    link = Link(3, loss="10%")
    send(link, 2000)
    lost = link.counts(0).lost
    assert 150 < lost < 250
    assert len(order(link)) == 2000 - lost == link.counts(0).delivered


def test_jitter_keeps_the_order_reordering_does_not() -> None:
    link = Link(3, latency="10ms", jitter="50ms")
    send(link, 100)
    got = arrivals(link)
    assert [number for _, _, number in got] == list(range(1, 101))
    assert {10 <= when // MILLISECOND < 60 for when, _, _ in got} == {True}
    assert len({when for when, _, _ in got}) > 1
    link = Link(3, latency="10ms", reordering="20%")
    send(link, 100)
    got_order = order(link)
    assert got_order != sorted(got_order)
    assert sorted(got_order) == list(range(1, 101))
    assert 5 < link.counts(0).reordered < 40


def test_a_packet_held_back_lets_so_many_pass() -> None:
    link = Link(latency="10ms", reordering_delay="1s", reordering_segments=3)
    link.set(reordering="100%")
    send(link, 1)
    link.set(reordering=0)
    for n in range(2, 8):
        link.receive([(0, numbered(n))], n * MILLISECOND)
    assert arrivals(link) == [
        *((n * MILLISECOND + 10 * MILLISECOND, 1, n) for n in (2, 3, 4)),
        (14 * MILLISECOND, 1, 1),
        *((n * MILLISECOND + 10 * MILLISECOND, 1, n) for n in (5, 6, 7)),
    ]
    assert link.held == link.held_bytes == 0


def test_a_packet_held_back_waits_no_longer_than_the_delay() -> None:
    link = Link(latency="10ms", reordering_delay="50ms", reordering_segments=3)
    link.set(reordering="100%")
    send(link, 2)
    assert (link.held, link.next_timeout()) == (2, 60 * MILLISECOND)
    link.set(reordering=0)
    link.receive([(0, numbered(3))], 20 * MILLISECOND)
    assert arrivals(link) == [
        (30 * MILLISECOND, 1, 3),
        (60 * MILLISECOND, 1, 1),
        (60 * MILLISECOND, 1, 2),
    ]
    # less than it would have waited for the others
    link = Link(latency="10ms", reordering_delay="5ms", reordering_segments=1)
    link.set(reordering="100%")
    send(link, 1)
    link.set(reordering=0)
    link.receive([(0, numbered(2))], 14 * MILLISECOND)
    assert [when for when, _, _ in arrivals(link)] == [
        15 * MILLISECOND,
        24 * MILLISECOND,
    ]


@pytest.mark.parametrize("kind", [Medium.ETHERNET, Medium.IP])
@pytest.mark.parametrize("version", [4, 6])
def test_a_long_queue_marks_those_capable_of_ecn(kind: Medium, version: int) -> None:
    if version == 4:
        made = [ip_packet(A, B, 99, bytes(105), tos=0xB8 | ecn) for ecn in range(4)]
    else:
        plain = ip_packet("fd00::1", "fd00::2", 99, bytes(85))
        made = [plain[:1] + bytes((ecn << 4,)) + plain[2:] for ecn in range(4)]
    if kind is Medium.ETHERNET:
        ethertype = 0x0800 if version == 4 else 0x86DD
        made = [ethernet_frame(packet, ethertype=ethertype) for packet in made]
    link = Link(medium=kind, rate="1mbit", ecn_threshold=4, queue=10)
    link.receive([(0, Packet.received(frame)) for frame in made * 3], 0)
    got = [packet.head for _, (_, packet) in fates(link)]
    assert got[:4] == made
    assert got[4] == got[8] == made[0]  # not capable: only a full queue drops it
    assert got[7] == made[3]  # marked by another
    assert link.counts(0).overflowed == 2
    assert link.counts(0).marked == 3
    # as if it had been built that way, IPv4's checksum too
    assert got[5] == got[6] == got[9] == made[3]


@pytest.mark.parametrize("frame", [b"", bytes(19), bytes(40), b"\x45\x01" + bytes(5)])
def test_nothing_is_marked_where_no_header_is(frame: bytes) -> None:
    assert mark_congestion(frame, Medium.IP) is None
    assert mark_congestion(frame, Medium.ETHERNET) is None


def test_duplicates_come_twice() -> None:
    link = Link(duplication="100%")
    send(link, 2)
    assert order(link) == [1, 1, 2, 2]
    assert (link.counts(0).duplicated, link.counts(0).delivered) == (2, 4)


def test_partition_and_heal() -> None:
    link = Link(latency="1ms")
    send(link, 1)
    link.partition()
    send(link, 3)
    send(link, 1, end=1)
    assert order(link) == [1]  # what was under way arrives
    assert (link.counts(0).cut, link.counts(1).cut) == (3, 1)
    link.set(latency=0)
    link.heal(1)
    send(link, 1, SECOND)
    send(link, 1, SECOND, end=1)
    assert [end for _, end, _ in arrivals(link, SECOND)] == [0]
    link.heal()
    send(link, 1, SECOND)
    assert [end for _, end, _ in arrivals(link, SECOND)] == [1]


def test_mtu_drops_what_is_larger() -> None:
    link = Link(mtu=1000)
    small = ethernet_frame(ip_packet(A, B, 99, bytes(980)))
    large = ethernet_frame(ip_packet(A, B, 99, bytes(981)))
    tagged = ethernet_frame(ip_packet(A, B, 99, bytes(980)), vlan=(5,))
    link.receive([(0, Packet.received(f)) for f in (small, large, tagged)], 0)
    assert [len(p) for _, p in link.transmit(0)] == [1014, 1018]
    assert link.counts(0).too_big == 1
    link = Link(mtu=1000, medium=Medium.IP)
    link.receive([(0, Packet.received(f[14:])) for f in (small, large)], 0)
    assert link.counts(0).too_big == 1


def super_segment(payload: bytes, gso_size: int = 1000) -> Packet:
    a, b = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
    size = 20 + len(payload)
    sum_ = pseudo_sum(a, b, 6, size)
    ip = build_ipv4(a, b, 6, size, identification=7)
    head = ip + build_tcp(1000, 80, 5, 6, 0x18, 512, checksum=sum_)
    return Packet(head, (payload,), 0, gso_size, CSUM_PARTIAL, 20, 16)


def test_a_super_segment_is_cut_before_the_wire() -> None:
    link = Link(medium=Medium.IP, mtu=1500)
    link.receive([(0, super_segment(bytes(2500)))], 0)
    cuts = [packet for _, packet in link.transmit(0)]
    assert [len(packet) for packet in cuts] == [1040, 1040, 540]
    assert link.counts(0).sent == 3
    for packet in cuts:
        header = parse_ipv4(packet.head)
        sum_ = pseudo_sum(header.source, header.destination, 6, len(packet) - 20)
        assert checksum(packet.head[20:], sum_) == 0


def test_with_offload_it_passes_whole_and_counts_by_its_cuts() -> None:
    link = Link(medium=Medium.IP, mtu=1500, offload=1)
    link.receive([(0, super_segment(bytes(2500)))], 0)
    ((_, packet),) = link.transmit(0)
    assert (len(packet), packet.gso_size, packet.csum) == (2540, 1000, CSUM_PARTIAL)
    assert (packet.offset, packet.body) == (0, ())
    link.set(mtu=1039)
    link.receive([(0, super_segment(bytes(2500)))], 0)
    assert link.counts(0).too_big == 1


def test_metadata_that_does_not_fit_is_counted() -> None:
    link = Link()
    odd = Packet(b"x" * 20, (), 0, 100, CSUM_PARTIAL, 40, 16)
    link.receive([(0, odd), (0, numbered(1))], 0)
    assert link.counts(0).malformed == 1
    assert order(link) == [1]


@pytest.mark.parametrize("offload", [0, 1])
def test_corruption_is_what_a_checksum_must_notice(offload: int) -> None:
    link = Link(5, medium=Medium.IP, corruption="100%", offload=offload)
    link.receive([(0, super_segment(bytes(range(200)) * 50))], 0)
    got = [packet.head for _, packet in link.transmit(0)]
    assert len(got) == link.counts(0).corrupted == 10
    for frame in got:
        assert not sound(frame)


def test_frames_without_a_checksum_are_left_alone() -> None:
    link = Link(5, corruption="100%")
    frame = ethernet_frame(bytes(28), ethertype=ETHERTYPE_ARP)
    link.receive([(0, Packet.received(frame))], 0)
    assert link.transmit(0)[0][1].head == frame
    assert link.counts(0).corrupted == 0


def sound(packet: bytes) -> bool:
    """Would a receiver take this IPv4 packet with TCP or UDP inside?"""
    try:
        header = parse_ipv4(packet)
    except WireError:
        return False
    segment = packet[header.header_length : header.total_length]
    if header.protocol == 17 and segment[6:8] == b"\0\0":
        return True
    sum_ = pseudo_sum(header.source, header.destination, header.protocol, len(segment))
    if header.protocol == 6:
        try:
            parse_tcp(segment)
        except WireError:
            return False
    return checksum(segment, sum_) == 0


@given(seeds(), st.binary(max_size=64), st.sampled_from(["tcp", "udp"]), st.booleans())
def test_no_burst_goes_unnoticed(
    seed: int, payload: bytes, kind: str, padded: bool
) -> None:
    make = tcp_packet if kind == "tcp" else udp_packet
    packet = make((A, 1), (B, 2), payload=payload)
    assert sound(packet)
    frame = ethernet_frame(packet) if padded else b"\0" * 12 + b"\x08\0" + packet
    entropy = Entropy.of(seed)
    flipped = flip_burst(frame, Medium.ETHERNET, entropy)
    assert flipped is not None
    assert flipped[:14] == frame[:14]
    assert flipped[14 + len(packet) :] == frame[14 + len(packet) :]
    assert not sound(flipped[14:])
    difference = int.from_bytes(flipped, "big") ^ int.from_bytes(frame, "big")
    low = (difference & -difference).bit_length()
    assert difference.bit_length() - low < 15


def test_an_ipv6_header_is_left_alone_its_payload_is_not() -> None:
    packet = tcp_packet(("fd00::1", 1), ("fd00::2", 2), payload=b"x" * 30)
    for seed in range(50):
        flipped = flip_burst(packet, Medium.IP, Entropy.of(seed))
        assert flipped is not None
        assert flipped[:40] == packet[:40]
        sum_ = pseudo_sum(packet[8:24], packet[24:40], 6, len(packet) - 40)
        assert checksum(flipped[40:], sum_)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(20),
        ip_packet("fd00::1", "fd00::2", 99, b"data"),
        ip_packet(A, B, 6, bytes(20))[:30],
        ip_packet("fd00::1", "fd00::2", 6, bytes(20))[:50],
    ],
)
def test_nothing_is_flipped_where_nothing_would_notice(packet: bytes) -> None:
    assert flip_burst(packet, Medium.IP, Entropy.of(1)) is None


@pytest.mark.parametrize(
    "packet",
    [
        ip_packet(A, B, 99, bytes(100)),
        ip_packet(A, B, 6, bytes(96), flags=1),
        ip_packet(A, B, 17, b"\0\1\0\2\0\x0a\0\0xx"),
    ],
)
def test_only_the_header_is_hit_where_the_payload_has_no_checksum(
    packet: bytes,
) -> None:
    for seed in range(50):
        flipped = flip_burst(packet, Medium.IP, Entropy.of(seed))
        assert flipped is not None
        assert flipped[20:] == packet[20:]
        assert checksum(flipped[:20])


def test_wreckage_makes_anything() -> None:
    frame = bytes(range(60))
    kinds: Counter[str] = Counter()
    for seed in range(200):
        damaged = wreck(frame, Entropy.of(seed))
        kinds["longer" if len(damaged) > 60 else "shorter"] += len(damaged) != 60
        kinds["flipped"] += len(damaged) == 60 and damaged != frame
    assert min(kinds.values()) > 20
    assert wreck(b"", Entropy.of(1))
    link = Link(wreckage="100%")
    send(link, 10)
    assert link.counts(0).wrecked == 10


BAD = {
    "latency": "5ms",
    "jitter": "3ms",
    "loss": "10%",
    "reordering": "10%",
    "duplication": "10%",
    "corruption": "10%",
}


def flat(got: list[tuple[int, LinkItem]]) -> list[tuple[int, int, bytes]]:
    return [(when, end, packet.head) for when, (end, packet) in got]


def filled(seed: int, **more: int | str) -> Link:
    link = Link(seed)
    link.set(None, **{**BAD, **more})
    frame = ethernet_frame(tcp_packet((A, 1), (B, 2), payload=b"x" * 50))
    for i in range(40):
        link.receive([(i % 2, Packet.received(frame))], i * MILLISECOND // 1000)
    return link


def test_the_seed_decides_everything() -> None:
    assert flat(fates(filled(1), MILLISECOND)) == flat(fates(filled(1), MILLISECOND))
    assert flat(fates(filled(1), MILLISECOND)) != flat(fates(filled(2), MILLISECOND))


def test_one_condition_does_not_shift_another() -> None:
    link, other = filled(1), filled(1, corruption=0, duplication=0)
    assert link.counts(0).lost == other.counts(0).lost
    assert link.counts(1).reordered == other.counts(1).reordered


def test_copies_go_on_alike() -> None:
    link = filled(1)
    twins = copy.deepcopy(link), pickle.loads(pickle.dumps(link))
    frame = ethernet_frame(tcp_packet((A, 1), (B, 2), payload=b"x" * 50))
    results = []
    for one in (link, *twins):
        one.receive([(0, Packet.received(frame))] * 20, SECOND)
        results.append(flat(fates(one, SECOND)))
    assert results[0] == results[1] == results[2]


def test_a_trace_tells_every_fate_and_changes_none() -> None:
    link = Link(1, loss="50%")
    link.trace = []
    send(link, 20)
    untraced = Link(1, loss="50%")
    send(untraced, 20)
    assert {entry[4] for entry in link.trace} == {"lost", "carried"}
    assert link.trace[0][:4] == (0, "link", 0, 1)
    assert order(link) == order(untraced)


def test_texts_and_numbers() -> None:
    made = Conditions.of(latency="1.5ms", loss="0.5%", rate="2gbit", queue="7", mtu=9)
    assert made == Conditions(
        latency=1_500_000, loss=5000, rate=2 * 10**9, queue=7, mtu=9
    )


@pytest.mark.parametrize(
    "wrong",
    [{"losses": 1}, {"loss": "101%"}, {"latency": -1}, {"rate": "fast"}, {"mtu": "x"}],
)
def test_wrong_conditions_raise(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError):
        Link().set(None, **wrong)


def test_there_are_two_ends() -> None:
    with pytest.raises(StateError):
        Link().set(2, loss=1)
    with pytest.raises(StateError):
        Link().counts(-1)


@given(seeds(), conditions(), st.lists(st.integers(0, 3000), max_size=60))
def test_every_packet_has_exactly_one_fate(
    seed: int, bad: Conditions, sizes: list[int]
) -> None:
    link = Link(seed)
    for name in bad.__slots__:
        link.set(0, **{name: getattr(bad, name)})
    for i, size in enumerate(sizes):
        link.receive([(0, numbered(i, max(4, size)))], i)
    got = fates(link, len(sizes))
    counts = link.counts(0)
    assert counts.sent == len(sizes)
    assert counts.delivered == len(got)
    assert (
        counts.delivered
        == counts.sent + counts.duplicated - counts.lost - counts.overflowed
    )
    assert [when for when, _ in got] == sorted(when for when, _ in got)
