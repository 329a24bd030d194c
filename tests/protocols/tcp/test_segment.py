from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.segment import Segment
from sansio_net.wire.tcp import ACK, FIN, SYN
from sansio_net.wire.tcp_options import build_tcp_options


def segment(flags: int = ACK, body: bytes = b"") -> Segment:
    return Segment(1, 2, flags, 3, 0, body, 1)


def test_length_counts_syn_and_fin() -> None:
    assert segment().length == 0
    assert not segment().carried
    assert segment(SYN | FIN, b"abc").length == 5


def test_trimming_does_not_forget_what_was_carried() -> None:
    made = segment(body=b"abc")
    made.body = b""
    assert made.carried


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (build_tcp_options(ts_val=5, ts_ecr=6), (5, 6)),
        (build_tcp_options(ts_val=5, ts_ecr=6, sack=[(1, 2)]), (5, 6)),
        (b"\x08\x0a" + bytes(3) + b"\5" + bytes(3) + b"\6\1\1", (5, 6)),
        (b"", (None, 0)),
        (b"\1" * 12, (None, 0)),
    ],
)
def test_stamps(options: bytes, found: tuple[int | None, int]) -> None:
    made = segment()
    made.read_stamps(options)
    assert (made.ts_val, made.ts_ecr) == found
