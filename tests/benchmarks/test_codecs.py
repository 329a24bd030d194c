"""What is compared does the same."""

from __future__ import annotations

import pytest

from benchmarks import codecs
from sansio_net.errors import WireError


@pytest.mark.parametrize("payload", [0, 1, 1459, 1460])
def test_both_ways_build_and_parse_the_same(payload: int) -> None:
    fields = codecs.example(payload)
    frame = codecs.build(fields)
    assert codecs.build_by_hand(fields) == frame
    assert codecs.parse(frame) == codecs.parse_by_hand(frame) == fields


@pytest.mark.parametrize("at", [16, 24, 40, 60, 1000])
def test_both_ways_verify(at: int) -> None:
    frame = bytearray(codecs.build(codecs.example(1460)))
    frame[at] ^= 0x5A
    for parse in codecs.parse, codecs.parse_by_hand:
        with pytest.raises((WireError, ValueError)):
            parse(bytes(frame))
