"""Sums in one's complement, and the values that go wrong in every stack once."""

from __future__ import annotations

import random

import pytest

from sansio_net.wire.checksum import (
    add,
    checksum,
    ones_sum,
    pseudo_base,
    pseudo_sum,
    update,
)

from .naive import naive_pseudo, naive_sum


def test_example_of_rfc_1071() -> None:
    data = bytes.fromhex("0001f203f4f5f6f7")
    assert ones_sum(data) == 0xDDF2
    assert checksum(data) == 0x220D


def test_nothing_sums_to_zero_but_nothing() -> None:
    assert ones_sum(b"") == 0
    assert ones_sum(bytes(40)) == 0
    assert checksum(bytes(40)) == 0xFFFF


@pytest.mark.parametrize("n", [65535, 2 * 65535, 65535 << 16, 65535 * 12345])
def test_multiples_of_65535_sum_to_all_ones(n: int) -> None:
    """The modulus alone would say 0, and a receiver would find the packet damaged."""
    data = n.to_bytes(8, "big")
    assert ones_sum(data) == naive_sum(data) == 0xFFFF
    assert checksum(data) == 0


def test_odd_lengths_are_padded_at_the_end() -> None:
    assert ones_sum(b"\x01") == 0x0100
    assert ones_sum(b"\x12\x34\x56") == naive_sum(b"\x12\x34\x56\x00")
    assert ones_sum(memoryview(b"\x12\x34\x56")) == 0x1234 + 0x5600


def test_sums_continue_over_pieces() -> None:
    assert ones_sum(b"\xff\xff", ones_sum(b"\x00\x01")) == 1
    assert add(0xFFFF, 1) == 1
    assert add(0xFFFF, 0xFFFF) == 0xFFFF
    assert add(0, 0) == 0


@pytest.mark.parametrize("size", [4, 16])
def test_pseudo_header_of_both_families(size: int) -> None:
    source, destination = bytes(range(size)), bytes(range(100, 100 + size))
    expected = naive_sum(naive_pseudo(source, destination, 6, 1480))
    assert pseudo_sum(source, destination, 6, 1480) == expected
    assert add(pseudo_base(source, destination, 6), 1480) == expected


def test_example_of_rfc_1624() -> None:
    """Section 4: equation 1 of RFC 1141 gives 0xFFFF here, which is wrong."""
    assert update(0xDD2F, 0x5555, 0x3285) == 0x0000


def test_update_to_and_from_the_two_zeros() -> None:
    # a field of 0xFFFF stands for a sum of 0: only all-zero data has it
    assert update(0xFFFF, 0x0000, 0x0001) == 0xFFFE
    assert update(0x0000, 0x0001, 0x0000) == 0x0001
    assert update(0x1234, 0xABCD, 0xABCD) == 0x1234


@pytest.mark.parametrize("size", [511, 512, 513, 514, 515, 1459, 1460, 9001, 65_535])
def test_a_long_text_is_read_in_pieces_and_sums_to_the_same(size: int) -> None:
    data = random.Random(size).randbytes(size)
    padded = data + b"\0" * (size & 1)
    assert ones_sum(data) == naive_sum(padded)
    assert ones_sum(memoryview(data)) == naive_sum(padded)
    assert checksum(padded, 0xFFFF ^ naive_sum(padded)) == 0
    assert ones_sum(bytes(size)) == 0
    for at in (0, size // 4, size // 2, size - 1):
        one = bytearray(size)
        one[at] = 1
        assert ones_sum(one) == (1 if at & 1 else 256)
