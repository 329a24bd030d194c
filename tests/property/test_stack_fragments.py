"""Fragments and extension headers through a whole stack, in both families.

RFC 791 3.2, RFC 8200 4.5: any cut in any order is the identity; RFC 5722: an overlap
drops all; whatever the chains, nothing raises, and they end.
"""

from __future__ import annotations

import pickle
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.addresses import pack_ip
from sansio_net.packet import Capabilities, Medium
from sansio_net.stack import Stack
from sansio_net.testing.craft import ip_packet, udp_packet
from sansio_net.wire.ipv4 import MF, PROTO_UDP
from sansio_net.wire.ipv6_extensions import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    ROUTING,
    build_fragment,
    build_options,
)

PEER4, US4, PEER6, US6 = map(pack_ip, ("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"))
PORT = 7
NOW = 1


def _frozen() -> bytes:
    stack = Stack(seed=bytes(16))
    stack.add_interface(
        addresses=["10.0.0.2/24", "fd00::2/64"],
        capabilities=Capabilities(medium=Medium.IP),
    )
    stack.udp_bind(("", PORT))
    stack.handle_timeout(NOW)
    stack.events()
    while stack.transmit(NOW):
        pass
    return pickle.dumps(stack)


FROZEN = _frozen()


def heard(packets: list[bytes]) -> list[bytes]:
    """What a socket hears of these, sent one after the other."""
    stack: Stack = pickle.loads(FROZEN)
    for packet in packets:
        stack.receive([packet], NOW)
        stack.handle_timeout(NOW)
        stack.events()
        while stack.transmit(NOW):
            pass
    (socket,) = stack.sockets()
    out = []
    while (datagram := socket.receive()) is not None:  # type: ignore[union-attr]
        out.append(datagram.data)
    return out


Piece = tuple[int, bytes, bool]

SKIPPED = st.lists(
    st.tuples(st.sampled_from([0x1E, 0x3E]), st.binary(max_size=9)), max_size=3
)
"""Options that a node skips which does not know them."""


@st.composite
def cuts(draw: st.DrawFn, size: int) -> list[int]:
    """The edges of at least two pieces; the first holds a transport header."""
    blocks = range(1, (size - 1) // 8 + 1)
    inner = draw(st.sets(st.sampled_from(blocks), min_size=1))
    return [0, *(8 * edge for edge in sorted(inner)), size]


@st.composite
def fragmented(draw: st.DrawFn, version: int) -> tuple[bytes, list[Piece], int]:
    """A text, the IP payload that carries it in pieces, and what names its start."""
    text = draw(st.binary(min_size=9, max_size=200))
    ends = (PEER4, US4) if version == 4 else (PEER6, US6)
    payload = udp_packet((ends[0], 9), (ends[1], PORT), text)
    payload = payload[20 if version == 4 else 40 :]
    protocol, least = PROTO_UDP, 8
    if version == 6 and draw(st.booleans()):
        # in the part that is cut; RFC 7112: all of it in the first piece
        options = build_options(protocol, draw(SKIPPED))
        payload, protocol = options + payload, DESTINATION_OPTIONS
        least += len(options)
    edges = [at for at in draw(cuts(len(payload))) if not 0 < at < least]
    pieces = [
        (start, payload[start:end], end < len(payload))
        for start, end in pairwise(edges)
    ]
    return text, pieces, protocol


def packets4(pieces: list[Piece], protocol: int) -> list[bytes]:
    return [
        ip_packet(
            PEER4,
            US4,
            protocol,
            data,
            identification=77,
            flags=MF if more else 0,
            fragment_offset=start,
        )
        for start, data, more in pieces
    ]


def packet6(piece: Piece, protocol: int, before: bytes = b"") -> bytes:
    """`before`: destination options before the fragment header."""
    start, data, more = piece
    body = build_fragment(protocol, start, more, 77) + data
    if before:
        return ip_packet(PEER6, US6, DESTINATION_OPTIONS, before + body)
    return ip_packet(PEER6, US6, FRAGMENT, body)


@given(fragmented(4), st.data())
def test_ipv4_is_the_identity(
    case: tuple[bytes, list[Piece], int], data: st.DataObject
) -> None:
    text, pieces, protocol = case
    packets = packets4(data.draw(st.permutations(pieces)), protocol)
    copies = data.draw(st.lists(st.sampled_from(packets[:-1] or packets), max_size=3))
    if len(packets) == 1:
        copies = []  # one piece is a datagram, and two are two
    assert heard(packets[:-1] + copies + packets[-1:]) == [text]


@given(fragmented(6), st.data())
def test_ipv6_is_the_identity(
    case: tuple[bytes, list[Piece], int], data: st.DataObject
) -> None:
    """Each piece with headers of its own before its fragment header."""
    text, pieces, protocol = case
    packets = [
        packet6(
            piece,
            protocol,
            build_options(FRAGMENT, data.draw(SKIPPED))
            if data.draw(st.booleans())
            else b"",
        )
        for piece in data.draw(st.permutations(pieces))
    ]
    copies = data.draw(st.lists(st.sampled_from(packets[:-1] or packets), max_size=3))
    if len(packets) == 1:
        copies = []
    assert heard(packets[:-1] + copies + packets[-1:]) == [text]


@given(st.sampled_from([4, 6]), st.data())
def test_an_overlap_drops_all(version: int, data: st.DataObject) -> None:
    """Some of the pieces, one more that shares bytes with them, then all the others."""
    _, pieces, protocol = data.draw(
        fragmented(version).filter(lambda case: len(case[1]) > 1)
    )
    pieces = data.draw(st.permutations(pieces))
    n = data.draw(st.integers(1, len(pieces) - 1))
    start, old, _ = data.draw(st.sampled_from(pieces[:n]))
    # another last byte at the same place, of the same size where that is whole blocks:
    # with another header it might be no fragment at all
    size = max(8, len(old) & ~7)
    text = old.ljust(size, b"x")[:size]
    other = start, text[:-1] + bytes((text[-1] ^ 1,)), True
    sequence = [*pieces[:n], other, *pieces[n:]]
    if version == 4:
        assert heard(packets4(sequence, protocol)) == []
    else:
        assert heard([packet6(piece, protocol) for piece in sequence]) == []


OPTION = st.tuples(st.integers(0, 255), st.binary(max_size=9))
EXTENSION = st.one_of(
    st.tuples(
        st.sampled_from([HOP_BY_HOP, DESTINATION_OPTIONS]),
        st.lists(OPTION, max_size=4).map(
            lambda options: build_options(0, [o for o in options if o[0]])[1:]
        ),
    ),
    st.tuples(st.just(ROUTING), st.binary(min_size=6, max_size=6).map(b"\0".__add__)),
    st.tuples(
        st.just(FRAGMENT),
        st.tuples(
            st.sampled_from([0, 0, 8, 16, 0xFFF8]), st.booleans(), st.integers(1, 3)
        ).map(lambda f: build_fragment(0, *f)[1:]),
    ),
    st.tuples(st.sampled_from([50, 51, 59, 135, 255]), st.binary(max_size=16)),
)


@st.composite
def chained(draw: st.DrawFn) -> bytes:
    """Any extension headers in any order, any transport, cut or stretched."""
    body = draw(st.binary(max_size=40))
    following = draw(st.sampled_from([6, 17, 58, 59, 99, 0, 44]))
    for kind, content in reversed(draw(st.lists(EXTENSION, max_size=10))):
        body, following = bytes((following,)) + content + body, kind
    packet = ip_packet(
        draw(st.sampled_from([PEER6, US6, bytes(16)])),
        draw(st.sampled_from([US6, pack_ip("ff02::1")])),
        following,
        body,
    )
    if draw(st.booleans()):
        at = draw(st.integers(0, len(packet) - 1))
        packet = packet[:at] + draw(st.binary(max_size=3)) + packet[at:]
    return packet


@given(st.lists(chained(), max_size=6))
def test_chains_of_any_shape(packets: list[bytes]) -> None:
    heard(packets)
