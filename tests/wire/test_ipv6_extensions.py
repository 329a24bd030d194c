"""Extension headers: order, limits, and whom to tell what."""

from __future__ import annotations

import pytest

from sansio_net.addresses import pack_ip
from sansio_net.errors import MalformedError, TruncatedError, WireError
from sansio_net.wire import ipv6
from sansio_net.wire.ipv6_extensions import (
    DESTINATION_OPTIONS,
    FRAGMENT,
    HOP_BY_HOP,
    NO_NEXT_HEADER,
    PADN,
    ROUTER_ALERT,
    ROUTING,
    Chain,
    ChainLimits,
    ParameterProblem,
    build_fragment,
    build_options,
    walk,
)

A, B = pack_ip("2001:db8::1"), pack_ip("2001:db8::2")
UDP = bytes(8)


def packet(first: int, *headers: bytes, payload: bytes = UDP) -> bytes:
    """`headers` name what follows them already."""
    body = b"".join(headers) + payload
    return ipv6.build_ipv6(A, B, first, len(body)) + body


def walked(data: bytes, limits: ChainLimits | None = None) -> Chain:
    return walk(b"ether" + data, 5, 5 + len(data), limits)


def problem(data: bytes) -> tuple[int, int, bool]:
    with pytest.raises(ParameterProblem) as caught:
        walked(data)
    return caught.value.code, caught.value.pointer, caught.value.multicast_too


def silent(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        walked(data)
    assert not isinstance(caught.value, ParameterProblem)


def test_all_that_are_known() -> None:
    data = packet(
        HOP_BY_HOP,
        build_options(DESTINATION_OPTIONS, [(ROUTER_ALERT, b"\0\0")]),
        build_options(ROUTING, []),
        bytes((DESTINATION_OPTIONS, 0, 0, 0)) + bytes(4),
        build_options(17, [(0x1E, b"skip")]),
    )
    chain = walked(data)
    assert (chain.protocol, chain.start, chain.router_alert) == (17, 72, 0)
    assert chain.named_at == 64
    assert not chain.is_fragment


def test_nothing_to_walk() -> None:
    assert walked(packet(6)) == Chain(6, 40, 6)


def test_hop_by_hop_anywhere_else() -> None:
    # RFC 8200 4: as an unrecognized next header
    data = packet(DESTINATION_OPTIONS, build_options(0, []), build_options(17, []))
    assert problem(data) == (1, 40, False)


@pytest.mark.parametrize(
    ("kind", "told"), [(0x80, (2, 42, True)), (0xC2, (2, 42, False))]
)
def test_options_that_tell(kind: int, told: tuple[int, int, bool]) -> None:
    data = packet(DESTINATION_OPTIONS, build_options(17, [(kind, b"")]))
    assert problem(data) == told


def test_options_that_discard_or_skip() -> None:
    silent(packet(DESTINATION_OPTIONS, build_options(17, [(0x40, b"")])))
    walked(packet(DESTINATION_OPTIONS, build_options(17, [(0x3F, b"")])))


def test_lengths_that_lie() -> None:
    header = build_options(17, [])
    silent(packet(DESTINATION_OPTIONS, header[:1] + b"\xff" + header[2:]))
    silent(packet(DESTINATION_OPTIONS, bytes((17, 0, 0x3E, 200)) + bytes(4)))
    silent(packet(DESTINATION_OPTIONS, bytes((17, 0)) + bytes(5) + b"\x3e"))
    with pytest.raises(TruncatedError):
        walked(packet(DESTINATION_OPTIONS, payload=b"\x11\0\0"))


def test_routing_headers() -> None:
    used_up = bytes((17, 0, 0, 0)) + bytes(4)
    assert walked(packet(ROUTING, used_up)).protocol == 17
    # RFC 5095 3: type 0 is answered as an unknown one
    assert problem(packet(ROUTING, bytes((17, 0, 0, 1)) + bytes(4))) == (0, 42, False)


def test_fragments() -> None:
    data = packet(FRAGMENT, build_fragment(17, 1440, True, 7), payload=bytes(16))
    chain = walked(data)
    assert chain.is_fragment
    assert (chain.offset, chain.more, chain.identification) == (1440, True, 7)
    assert chain.fragment_at == 40
    assert (chain.protocol, chain.start) == (17, 48)
    atomic = walked(packet(FRAGMENT, build_fragment(17, 0, False, 7)))
    assert not atomic.is_fragment
    assert atomic.fragment_at == 40


def test_bad_fragments() -> None:
    # RFC 8200 4.5
    data = packet(FRAGMENT, build_fragment(17, 0, True, 7), payload=bytes(17))
    assert problem(data) == (0, 4, False)
    data = packet(FRAGMENT, build_fragment(17, 0xFFF8, False, 7), payload=bytes(16))
    assert problem(data) == (0, 42, False)
    twice = build_fragment(FRAGMENT, 0, False, 7)
    data = packet(FRAGMENT, twice, build_fragment(17, 0, False, 7))
    assert problem(data) == (0, 48, False)
    # the whole with the options before it
    options = build_options(FRAGMENT, [])
    last = build_fragment(17, 0xFFF0, False, 7)
    data = packet(DESTINATION_OPTIONS, options, last, payload=bytes(8))
    assert problem(data) == (0, 50, False)
    # RFC 8200 4: hop-by-hop options follow nothing but the IPv6 header
    first = build_fragment(HOP_BY_HOP, 0, True, 7)
    header = build_options(17, [])
    assert problem(packet(FRAGMENT, first, header, payload=bytes(8))) == (1, 40, False)


def test_the_first_fragment_has_the_chain() -> None:
    # RFC 7112 5
    first = build_fragment(DESTINATION_OPTIONS, 0, True, 7)
    assert problem(packet(FRAGMENT, first, payload=b"")) == (3, 0, False)
    header = build_options(6, [])
    assert problem(packet(FRAGMENT, first, header)) == (3, 0, False)
    assert walked(packet(FRAGMENT, first, header, payload=bytes(24))).is_fragment
    # of a protocol that is not known, something of it at least
    assert problem(packet(FRAGMENT, build_fragment(253, 0, True, 7), payload=b"")) == (
        3,
        0,
        False,
    )
    nothing = build_fragment(NO_NEXT_HEADER, 0, True, 7)
    assert walked(packet(FRAGMENT, nothing, payload=b"")).is_fragment
    later = build_fragment(DESTINATION_OPTIONS, 8, True, 7)
    assert walked(packet(FRAGMENT, later, payload=b"")).is_fragment


def test_limits() -> None:
    # RFC 8504 5.3
    chain = [build_options(DESTINATION_OPTIONS, [])] * 7 + [build_options(17, [])]
    assert walked(packet(DESTINATION_OPTIONS, *chain)).protocol == 17
    silent(packet(DESTINATION_OPTIONS, chain[0], *chain))
    options = [(0x1E, b"")] * 8
    walked(packet(DESTINATION_OPTIONS, build_options(17, options)))
    silent(packet(DESTINATION_OPTIONS, build_options(17, [*options, (0x1E, b"")])))
    silent(packet(DESTINATION_OPTIONS, build_options(17, [(PADN, bytes(6))])))
    with pytest.raises(MalformedError, match="padding"):
        walked(packet(DESTINATION_OPTIONS, bytes((17, 1)) + bytes(14)))
    long = build_options(17, [(0x1E, bytes(250))])
    silent_limits = ChainLimits(size=200)
    with pytest.raises(MalformedError, match="200 bytes"):
        walked(packet(DESTINATION_OPTIONS, long), silent_limits)
