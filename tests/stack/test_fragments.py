"""Fragmentation on the way out, read back by the codec."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sansio_net.stack.fragments import fragment, unfragmented
from sansio_net.wire.ipv4 import MF, build_ipv4, parse_ipv4

A, B = b"\x0a\0\0\x01", b"\x0a\0\0\x02"
RECORD_ROUTE = b"\x07\x07\x04\0\0\0\0\0"
ROUTER_ALERT = b"\x94\x04\0\0"  # copied into every fragment


@given(
    st.binary(min_size=1, max_size=4000),
    st.integers(68, 1500),
    st.sampled_from([b"", RECORD_ROUTE, ROUTER_ALERT, RECORD_ROUTE + ROUTER_ALERT]),
)
def test_pieces_fit_and_join(payload: bytes, mtu: int, options: bytes) -> None:
    header = build_ipv4(A, B, 17, len(payload), identification=7, options=options)
    pieces = fragment(header, payload, mtu)
    joined = b""
    for index, piece in enumerate(pieces):
        assert len(piece) <= mtu
        parsed = parse_ipv4(piece)  # verifies length and checksum
        assert parsed.fragment_offset == len(joined)
        assert parsed.identification == 7
        last = index == len(pieces) - 1
        assert bool(parsed.flags & MF) is not last
        joined += piece[parsed.header_length :]
        if index:
            assert RECORD_ROUTE[:3] not in parsed.options
            assert (ROUTER_ALERT in parsed.options) == (ROUTER_ALERT in options)
    assert joined == payload
    first = parse_ipv4(pieces[0])
    whole = unfragmented(pieces[0][: first.header_length], len(payload)) + payload
    assert whole == header + payload
