"""Reassembler: order, duplicates, overlaps, timeouts, bounds, odd fragments."""

from __future__ import annotations

import copy
import pickle

import pytest

from sansio_net import ASAP, Packet
from sansio_net.addresses import pack_ip
from sansio_net.counters import Counters, DropReason
from sansio_net.errors import StateError
from sansio_net.protocols.reassembly import (
    DATAGRAM_OVERHEAD,
    FRAGMENT_OVERHEAD,
    Reassembled,
    Reassembler,
    ReassemblyConfig,
    ReassemblyEvent,
    ReassemblyTimedOut,
)
from sansio_net.units import SECOND
from sansio_net.wire.ipv4 import DF, MF, build_ipv4, parse_ipv4

US = pack_ip("10.0.0.1")
PEER = pack_ip("10.0.0.2")
KEY = b"key"


def header(tos: int = 0, options: bytes = b"") -> bytes:
    return build_ipv4(PEER, US, 17, 0, tos=tos, options=options)


def piece(data: bytes, offset: int, more: bool, ident: int = 1) -> bytes:
    """An IPv4 packet with a fragment."""
    flags = MF if more else 0
    top = build_ipv4(
        PEER,
        US,
        17,
        len(data),
        identification=ident,
        flags=flags,
        fragment_offset=offset,
    )
    return top + data


class Lab:
    def __init__(self, **config: int) -> None:
        self.counters = Counters()
        self.machine = Reassembler(
            ReassemblyConfig(**config), counters=self.counters, trace=[]
        )
        self.now = 0

    def feed(
        self,
        offset: int,
        data: bytes,
        more: bool = True,
        key: bytes = KEY,
        top: bytes = header(),
    ) -> tuple[bytes, bytes] | None:
        return self.machine.fragment_arrives(key, top, offset, more, data, self.now)

    def dropped(self, reason: DropReason) -> int:
        return self.counters.dropped(reason)


def test_fragments_in_any_order_make_the_datagram() -> None:
    lab = Lab()
    first = header(options=b"\x07\x04\x04\x00")
    assert lab.feed(16, b"c" * 3, more=False) is None
    assert lab.feed(0, b"a" * 8, top=first) is None
    assert lab.feed(8, b"b" * 8) == (first, b"a" * 8 + b"b" * 8 + b"c" * 3)
    assert len(lab.machine) == lab.machine.held_bytes == 0
    assert lab.machine.deadline() is None


def test_what_is_no_fragment_passes() -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8)
    assert lab.feed(0, b"whole", more=False) == (header(), b"whole")
    assert lab.feed(0, b"", more=False) == (header(), b"")
    assert lab.feed(8, b"b", more=False) == (header(), b"a" * 8 + b"b")


def test_exact_duplicates_do_no_harm() -> None:
    lab = Lab()
    for _ in range(3):
        assert lab.feed(0, b"a" * 8) is None
        assert lab.feed(16, b"c", more=False) is None
    assert lab.feed(8, b"b" * 8) is not None
    assert lab.counters.as_dict()["reassembly.duplicates"] == 4


@pytest.mark.parametrize(
    ("offset", "data", "more"),
    [
        (0, b"A" * 8, True),  # the same place, other bytes
        (0, b"a" * 16, True),  # longer
        (8, b"b" * 16, True),  # into the next
        (8, b"b" * 24, True),  # over the next
        (16, b"b" * 8, True),  # within
        (24, b"b" * 16, True),  # the tail of it
        (16, b"b" * 16, False),  # the same bytes, but the last
        (8, b"b" * 8, False),  # the last, before others
    ],
)
def test_an_overlap_drops_all_and_what_still_comes(
    offset: int, data: bytes, more: bool
) -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8)
    lab.feed(16, b"b" * 16)
    held = 2
    assert lab.feed(offset, data, more=more) is None
    assert lab.dropped(DropReason.FRAGMENT_OVERLAP) == held + 1
    for late in (0, 8, 32):
        assert lab.feed(late, b"x" * 8) is None
    assert lab.feed(40, b"x", more=False) is None
    assert lab.dropped(DropReason.FRAGMENT_OVERLAP) == held + 5
    assert lab.machine.held_bytes == DATAGRAM_OVERHEAD
    # until the timeout; then the key is free again
    lab.now = 60 * SECOND
    assert lab.feed(0, b"a" * 8) is None
    assert lab.feed(8, b"b", more=False) is not None
    assert lab.machine.events() == []


def test_two_ends_contradict_each_other() -> None:
    for second, more in ((24, False), (8, False), (32, True), (16, True)):
        lab = Lab()
        lab.feed(16, b"end", more=False)
        lab.feed(second, b"x" * 8, more=more)
        assert lab.dropped(DropReason.FRAGMENT_OVERLAP) == 2, second


@pytest.mark.parametrize(
    ("offset", "data", "more"),
    [
        (0, b"", True),
        (8, b"", False),
        (0, b"1234567", True),
        (4, b"12345678", True),
        (65512, b"12345678", True),
        (65520, b"", False),
        (65512, b"1234", False),
    ],
)
def test_fragments_that_cannot_be(offset: int, data: bytes, more: bool) -> None:
    lab = Lab()
    assert lab.feed(offset, data, more=more) is None
    assert lab.dropped(DropReason.FRAGMENT_MALFORMED) == 1
    assert len(lab.machine) == 0


def test_the_longest_datagram_and_one_that_is_longer() -> None:
    lab = Lab(max_fragments=3)
    lab.feed(0, bytes(32_000))
    whole = lab.feed(32_000, bytes(65515 - 32_000), more=False)
    assert whole is not None
    assert len(whole[1]) == 65515
    # with options in the first header only
    lab.feed(0, bytes(32_000), top=header(options=b"\x07\x04\x04\x00"))
    assert lab.feed(32_000, bytes(65515 - 32_000), more=False) is None
    assert lab.dropped(DropReason.FRAGMENT_MALFORMED) == 2
    assert lab.machine.held_bytes == 0


def test_ipv6_does_not_count_its_header() -> None:
    top = b"\x60" + bytes(39)
    lab = Lab()
    lab.feed(0, bytes(65528), top=top)
    whole = lab.feed(65528, bytes(7), more=False, top=top)
    assert whole is not None
    assert len(whole[1]) == 65535


# -- ECN


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [(0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3), (2, 3, 3), (3, 2, 3), (1, 2, 1)],
)
def test_congestion_is_not_lost(first: int, second: int, result: int) -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8, top=header(tos=0xB8 | first))
    whole = lab.feed(8, b"b", more=False, top=header(tos=0xB8 | second))
    assert whole is not None
    assert whole[0][1] == 0xB8 | result


def test_congestion_that_cannot_be_told_drops() -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8, top=header(tos=0))
    assert lab.feed(8, b"b", more=False, top=header(tos=3)) is None
    assert lab.dropped(DropReason.FRAGMENT_MALFORMED) == 2
    assert len(lab.machine) == 0


def test_ecn_of_ipv6_lies_elsewhere() -> None:
    lab = Lab()
    tops = [bytes((0x60 | ecn >> 4, ecn << 4 & 0xFF)) + bytes(38) for ecn in (2, 3)]
    lab.feed(0, b"a" * 8, top=tops[0])
    whole = lab.feed(8, b"b", more=False, top=tops[1])
    assert whole is not None
    assert whole[0][1] >> 4 & 3 == 3


# -- timeouts


def test_what_stays_incomplete_is_dropped_after_a_minute() -> None:
    lab = Lab()
    lab.now = 5 * SECOND
    lab.feed(0, b"a" * 1000)
    lab.now = 30 * SECOND
    lab.feed(2000, b"b" * 8)
    lab.feed(8, b"x" * 8, key=b"other")
    assert lab.machine.next_timeout() == 65 * SECOND
    lab.machine.handle_timeout(65 * SECOND - 1)
    assert lab.machine.events() == []
    lab.machine.handle_timeout(65 * SECOND)
    assert lab.machine.next_timeout() == ASAP
    # enough for an ICMP error, and no more
    assert lab.machine.events() == [ReassemblyTimedOut(KEY, header(), b"a" * 576)]
    assert lab.dropped(DropReason.REASSEMBLY_TIMEOUT) == 2
    assert lab.machine.next_timeout() == 90 * SECOND
    lab.machine.handle_timeout(90 * SECOND)
    # without its first fragment there is nothing to quote
    assert lab.machine.events() == [ReassemblyTimedOut(b"other", b"", None)]
    assert lab.machine.next_timeout() is None
    assert lab.machine.held_bytes == 0


def test_a_fragment_too_late_starts_anew() -> None:
    lab = Lab(timeout=30 * SECOND)
    lab.feed(0, b"a" * 8)
    lab.now = 30 * SECOND
    assert lab.feed(8, b"b", more=False) is None
    assert lab.machine.events() == [ReassemblyTimedOut(KEY, header(), b"a" * 8)]


def test_timeouts_not_taken_are_bounded() -> None:
    lab = Lab(max_bytes=10_000, timeout=1)
    for n in range(20):
        lab.now = n
        lab.feed(0, b"a" * 8, key=bytes([n]))
    assert len(lab.machine.events()) == 10_000 // (DATAGRAM_OVERHEAD + 2 * 576)


# -- bounds


def test_memory_is_bounded_and_the_oldest_makes_room() -> None:
    lab = Lab(max_bytes=20_000)
    for n in range(10):
        lab.feed(0, bytes(4000), key=bytes([n]))
        assert lab.machine.held_bytes <= 20_000
    assert lab.dropped(DropReason.REASSEMBLY_LIMIT) == 7
    assert lab.feed(4000, b"end", more=False, key=b"\x00") is None
    assert lab.feed(4000, b"end", more=False, key=b"\x09") is not None


def test_overheads_count() -> None:
    lab = Lab(max_bytes=20_000)
    for n in range(0, 8 * 200, 8):
        lab.feed(n, bytes(8))
        assert lab.machine.held_bytes <= 20_000
    assert lab.dropped(DropReason.REASSEMBLY_LIMIT) > 0


def test_a_datagram_larger_than_the_memory_is_dropped() -> None:
    lab = Lab(max_bytes=5000)
    lab.feed(0, bytes(3000))
    assert lab.feed(3000, bytes(3000), more=False) is None
    assert lab.dropped(DropReason.REASSEMBLY_LIMIT) == 2
    assert lab.machine.held_bytes == 0


def test_the_number_of_datagrams_is_bounded() -> None:
    lab = Lab(max_datagrams=3)
    for n in range(5):
        lab.feed(0, bytes(8), key=bytes([n]))
        assert len(lab.machine) <= 3
    assert lab.dropped(DropReason.REASSEMBLY_LIMIT) == 2


def test_the_number_of_fragments_is_bounded() -> None:
    lab = Lab(max_fragments=4)
    for n in range(6):
        assert lab.feed(8 * n, bytes(8)) is None
    assert lab.dropped(DropReason.REASSEMBLY_LIMIT) == 5
    assert lab.dropped(DropReason.FRAGMENT_OVERLAP) == 1  # dead already
    assert lab.machine.held_bytes == DATAGRAM_OVERHEAD


def test_memory_is_counted_as_it_lies() -> None:
    lab = Lab()
    frame = bytes(60_000)
    lab.machine.fragment_arrives(KEY, header(), 0, True, memoryview(frame)[:800], 0)
    assert lab.machine.held_bytes == DATAGRAM_OVERHEAD + FRAGMENT_OVERHEAD + 800
    # a view that pins its frame would not pickle
    pickle.dumps(lab.machine)


# -- as a machine


def events_of(*packets: bytes | Packet) -> list[ReassemblyEvent]:
    machine = Reassembler()
    machine.receive(list(packets), 0)
    return machine.events()


def test_whole_packets_come_out_whole() -> None:
    whole = build_ipv4(PEER, US, 17, 5, flags=DF) + b"hello"
    (event,) = events_of(Packet(b"ethernet" + whole + b"padding", (), 8))
    assert isinstance(event, Reassembled)
    assert event.packet.join() == whole
    assert event.packet.offset == 0


def test_fragments_come_out_as_the_packet_that_was_cut() -> None:
    data = bytes(n & 0xFF for n in range(3000))
    parts = [(0, 1480), (1480, 2960), (2960, 3000)]
    pieces = [piece(data[a:b], a, b < 3000) for a, b in parts]
    (event,) = events_of(pieces[2], pieces[0], pieces[1])
    assert isinstance(event, Reassembled)
    packet = event.packet.join()
    assert packet == build_ipv4(PEER, US, 17, 3000, identification=1) + data


def test_only_what_belongs_together_is_joined() -> None:
    first, second = piece(b"a" * 8, 0, True, 1), piece(b"b", 8, False, 2)
    assert events_of(first, second) == []


def test_the_header_made_is_valid() -> None:
    options = b"\x94\x04\x00\x00"
    first = build_ipv4(PEER, US, 17, 8, flags=MF | DF, options=options, tos=2)
    last = build_ipv4(PEER, US, 17, 1, fragment_offset=8, tos=3)
    (event,) = events_of(first + b"a" * 8, last + b"b")
    assert isinstance(event, Reassembled)
    made = parse_ipv4(event.packet.join())  # the checksum too
    assert (made.total_length, made.flags, made.fragment_offset) == (33, DF, 0)
    assert (made.options, made.tos) == (options, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", DropReason.IP_TRUNCATED),
        (build_ipv4(PEER, US, 17, 9), DropReason.IP_TRUNCATED),
        (b"\x65" + build_ipv4(PEER, US, 17, 0)[1:], DropReason.IP_BAD_HEADER),
        (build_ipv4(PEER, US, 17, 0)[:19] + b"x", DropReason.IP_BAD_CHECKSUM),
    ],
)
def test_bad_packets_are_counted(data: bytes, reason: DropReason) -> None:
    counters = Counters()
    machine = Reassembler(counters=counters)
    machine.receive([data], 0)
    assert counters.as_dict() == {f"drop.{reason.value}": 1}
    assert machine.next_timeout() is None


def test_events_not_taken_are_bounded() -> None:
    counters = Counters()
    machine = Reassembler(ReassemblyConfig(max_bytes=10_000), counters=counters)
    whole = build_ipv4(PEER, US, 17, 3000) + bytes(3000)
    machine.receive([whole] * 10, 0)
    assert len(machine.events()) == 2
    assert counters.dropped(DropReason.REASSEMBLY_LIMIT) == 8
    machine.receive([whole], 0)
    assert len(machine.events()) == 1


def test_it_sends_nothing_and_says_when_it_has_news() -> None:
    notified: list[Reassembler] = []
    machine = Reassembler(notified=notified)
    assert machine.next_timeout() is None
    machine.receive([build_ipv4(PEER, US, 17, 0)] * 2, 0)
    assert notified == [machine]
    assert machine.next_timeout() == ASAP
    assert len(machine.events()) == 2
    assert machine.next_timeout() is None
    assert machine.transmit(0) == []


def test_copies_go_on_alike() -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8)
    lab.feed(8, b"b" * 8, key=b"other")
    for twin in (copy.deepcopy(lab.machine), pickle.loads(pickle.dumps(lab.machine))):
        assert twin.fragment_arrives(KEY, header(), 8, False, b"b", 1) == (
            header(),
            b"a" * 8 + b"b",
        )
        assert twin.next_timeout() == lab.machine.next_timeout()
    _, slots = lab.machine.__getstate__()
    with pytest.raises(StateError):
        lab.machine.__setstate__((0, slots))


def test_tracing() -> None:
    lab = Lab()
    lab.feed(0, b"a" * 8)
    lab.feed(8, b"b", more=False)
    lab.feed(0, b"a" * 8)
    lab.feed(0, b"b" * 8)
    lab.feed(0, b"c" * 8, key=b"other")
    lab.machine.handle_timeout(60 * SECOND)
    assert lab.machine.trace == [
        (0, "reassembled", KEY, 9),
        (0, "reassembly-dropped", KEY, "fragment_overlap"),
        (60 * SECOND, "reassembly-timeout", b"other"),
    ]
