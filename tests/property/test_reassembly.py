"""Reassembly: any cut in any order is the identity, overlaps drop all, bounds hold."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sansio_net import Packet
from sansio_net.counters import Counters, DropReason
from sansio_net.protocols.reassembly import (
    DATAGRAM_OVERHEAD,
    Reassembled,
    Reassembler,
    ReassemblyConfig,
)
from sansio_net.units import SECOND
from sansio_net.wire.ipv4 import MF, build_ipv4

PEER, US = bytes([10, 0, 0, 2]), bytes([10, 0, 0, 1])
TOP = build_ipv4(PEER, US, 17, 0)

Cut = tuple[int, bytes, bool]


@st.composite
def datagrams(draw: st.DrawFn, most: int = 40) -> tuple[bytes, list[Cut]]:
    """A payload and a cut of it in at least two fragments, shuffled."""
    blocks = draw(st.integers(1, most))
    tail = draw(st.integers(1, 8))
    payload = draw(st.binary(min_size=blocks * 8 + tail, max_size=blocks * 8 + tail))
    inner = draw(st.sets(st.integers(1, blocks), min_size=1))
    edges = [0, *(8 * edge for edge in sorted(inner)), len(payload)]
    cuts = [
        (start, payload[start:end], end < len(payload))
        for start, end in itertools.pairwise(edges)
    ]
    return payload, draw(st.permutations(cuts))


@given(datagrams(), st.data())
def test_any_cut_in_any_order_with_duplicates_is_the_identity(
    datagram: tuple[bytes, list[Cut]], data: st.DataObject
) -> None:
    payload, cuts = datagram
    counters = Counters()
    machine = Reassembler(counters=counters)
    script = list(cuts[:-1])
    for copy in data.draw(st.lists(st.sampled_from(cuts[:-1] or cuts), max_size=5)):
        script.insert(data.draw(st.integers(0, len(script))), copy)
    for start, part, more in script:
        assert machine.fragment_arrives(b"k", TOP, start, more, part, 0) is None
    start, part, more = cuts[-1]
    whole = machine.fragment_arrives(b"k", TOP, start, more, part, 0)
    assert whole == (TOP, payload)
    assert counters.dropped() == 0
    assert len(machine) == machine.held_bytes == 0


@given(datagrams(), st.data())
def test_an_overlap_at_another_place_drops_everything(
    datagram: tuple[bytes, list[Cut]], data: st.DataObject
) -> None:
    """Some fragments, then one that shares bytes with one of them but not its edges."""
    cuts = datagram[1]
    n = data.draw(st.integers(1, len(cuts) - 1))
    held = cuts[:n]
    start, part, _ = data.draw(st.sampled_from(held))
    end = start + len(part)
    first = 8 * data.draw(st.integers(max(0, start // 8 - 3), (end - 1) // 8))
    last = 8 * data.draw(st.integers(max(first, start) // 8 + 1, end // 8 + 4))
    overlap = bytes(last - first)
    if (first, last) == (start, end):
        overlap = bytes(byte ^ 1 for byte in part)
    counters = Counters()
    machine = Reassembler(counters=counters)
    for at, piece, more in held:
        machine.fragment_arrives(b"k", TOP, at, more, piece, 0)
    assert machine.fragment_arrives(b"k", TOP, first, True, overlap, 0) is None
    assert counters.dropped(DropReason.FRAGMENT_OVERLAP) == n + 1
    for at, piece, more in cuts:
        assert machine.fragment_arrives(b"k", TOP, at, more, piece, 59) is None
    assert machine.held_bytes == DATAGRAM_OVERHEAD
    machine.handle_timeout(60 * SECOND)
    assert machine.events() == []
    assert len(machine) == machine.held_bytes == 0


@given(st.lists(datagrams(), min_size=1, max_size=5), st.data())
def test_interleaved_datagrams_do_not_mix(
    sent: list[tuple[bytes, list[Cut]]], data: st.DataObject
) -> None:
    """As IPv4 packets, through the five methods."""
    packets = [
        build_ipv4(
            PEER,
            US,
            17,
            len(part),
            identification=ident,
            flags=MF if more else 0,
            fragment_offset=start,
        )
        + part
        for ident, (_, cuts) in enumerate(sent)
        for start, part, more in cuts
    ]
    machine = Reassembler()
    machine.receive(data.draw(st.permutations(packets)), 0)
    got = {}
    for event in machine.events():
        assert isinstance(event, Reassembled)
        packet = event.packet.join()
        got[int.from_bytes(packet[4:6], "big")] = packet
    assert got == {
        ident: build_ipv4(PEER, US, 17, len(payload), identification=ident) + payload
        for ident, (payload, _) in enumerate(sent)
    }


likely = st.tuples(
    st.integers(0, 1),
    st.integers(0, 3).map(lambda n: 8 * n),
    st.booleans(),
    st.just(bytes(8)),
    st.just(0),
)
wild = st.tuples(
    st.integers(0, 4),
    st.integers(0, 12).map(lambda n: 8 * n) | st.integers(0, 70_000),
    st.booleans(),
    st.integers(0, 5).map(lambda n: bytes(8 * n)) | st.binary(max_size=40),
    st.integers(0, 20 * SECOND),
)
fragments = likely | wild


@given(st.lists(fragments, max_size=60))
def test_any_fragments_keep_the_bounds_and_are_gone_in_the_end(
    script: list[tuple[int, int, bool, bytes, int]],
) -> None:
    config = ReassemblyConfig(max_bytes=4000, max_datagrams=3, max_fragments=5)
    counters = Counters()
    machine = Reassembler(config, counters=counters)
    now = arrived = taken = 0
    for key, offset, more, data, delay in script:
        now += delay
        arrived += 1
        before = counters.as_dict().get("reassembly.datagrams", 0)
        whole = machine.fragment_arrives(bytes([key]), TOP, offset, more, data, now)
        if whole is not None:
            header, payload = whole
            assert header == TOP
            assert len(payload) >= offset + len(data)
            joined = counters.as_dict().get("reassembly.datagrams", 0) > before
            assert joined or (offset == 0 and not more)
            taken += not joined
        assert machine.held_bytes <= 4000
        assert len(machine) <= 3
        due = machine.deadline()
        assert due is None or now < due <= now + 60 * SECOND
    machine.handle_timeout(now + 60 * SECOND)
    assert len(machine) == machine.held_bytes == 0
    assert machine.deadline() is None
    # every fragment was joined, dropped for a reason, or a copy
    duplicates = counters.as_dict().get("reassembly.duplicates", 0)
    datagrams = counters.as_dict().get("reassembly.datagrams", 0)
    rest = arrived - counters.dropped() - duplicates - taken
    assert rest >= 2 * datagrams
    assert datagrams or rest == 0


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_no_packet_raises(packets: list[bytes]) -> None:
    machine = Reassembler()
    mended = [b"\x45" + packet[1:] for packet in packets]
    machine.receive([*packets, *map(Packet.received, packets), *mended], 0)
    machine.handle_timeout(0)
    machine.events()
    assert machine.transmit(0) == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20),
            st.integers(0, 3),
            st.booleans(),
            st.binary(max_size=40),
        ),
        max_size=20,
    )
)
def test_valid_headers_over_any_fragment_never_raise(
    script: list[tuple[int, int, bool, bytes]],
) -> None:
    machine = Reassembler()
    for now, (block, ident, more, data) in enumerate(script):
        top = build_ipv4(
            PEER,
            US,
            17,
            len(data),
            identification=ident,
            flags=MF if more else 0,
            fragment_offset=8 * block,
            tos=ident,
        )
        machine.receive([top + data], now * SECOND)
    for event in machine.events():
        if isinstance(event, Reassembled):
            packet = event.packet.join()
            assert len(packet) == int.from_bytes(packet[2:4], "big")
