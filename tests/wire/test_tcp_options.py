"""TCP options: lenient reading, Linux's layout."""

from __future__ import annotations

import pytest

from sansio_net.errors import MalformedError
from sansio_net.wire.tcp_options import (
    SegmentOptions,
    build_tcp_options,
    parse_tcp_options,
)


@pytest.mark.parametrize(
    ("options", "data"),
    [
        # as Linux's SYN and data segments have them
        (
            {
                "mss": 1460,
                "wscale": 7,
                "sack_permitted": True,
                "ts_val": 1,
                "ts_ecr": 2,
            },
            "020405b4 0402080a 00000001 00000002 01030307",
        ),
        ({"mss": 1460, "sack_permitted": True}, "020405b4 01010402"),
        ({"ts_val": 5}, "0101080a 00000005 00000000"),
        ({"sack": ((1, 2), (3, 4))}, "01010512 00000001 00000002 00000003 00000004"),
        ({"unknown": ((253, b"abc"),)}, "fd056162 63000000"),
        ({}, ""),
    ],
)
def test_layout(options: dict[str, object], data: str) -> None:
    built = build_tcp_options(**options)  # type: ignore[arg-type]
    assert built == bytes.fromhex(data)
    expected = SegmentOptions(**options)  # type: ignore[arg-type]
    if expected.ts_val is not None and expected.ts_ecr is None:
        expected.ts_ecr = 0
    assert parse_tcp_options(built) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"\x02",  # a kind and no length
        b"\x02\x00\x05\xb4",  # length 0: a naive loop never ends
        b"\x02\x01\x05\xb4",
        b"\x02\x05\x05\xb4",  # beyond the header
        b"\x00\x02\x04\x05\xb4",  # after the end
    ],
)
def test_what_ends_the_parse(data: bytes) -> None:
    assert parse_tcp_options(data) == SegmentOptions()


def test_what_came_before_a_bad_length_counts() -> None:
    assert parse_tcp_options(b"\x02\x04\x05\xb4\x08\xff\x00\x00").mss == 1460


def test_known_kinds_of_wrong_length_are_ignored_and_kept() -> None:
    data = b"\x02\x03\x05" + b"\x05\x06\0\0\0\0" + b"\x03\x03\x0e"
    found = parse_tcp_options(data)
    assert (found.mss, found.sack, found.wscale) == (None, (), 14)
    assert found.unknown == ((2, b"\x05"), (5, bytes(4)))


def test_too_many() -> None:
    with pytest.raises(MalformedError):
        build_tcp_options(ts_val=1, sack=((1, 2),) * 4)
    assert len(build_tcp_options(ts_val=1, sack=((1, 2),) * 3)) == 40
