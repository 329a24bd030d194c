"""Checksums as the RFCs describe them, word by word: the oracle of these tests."""

from __future__ import annotations


def naive_sum(data: bytes) -> int:
    """RFC 1071's example in Python."""
    total = 0
    for at in range(0, len(data) - 1, 2):
        total += data[at] << 8 | data[at + 1]
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def naive_pseudo(source: bytes, destination: bytes, protocol: int, size: int) -> bytes:
    """The pseudo-header of either family."""
    if len(source) == 4:
        return source + destination + bytes((0, protocol)) + size.to_bytes(2, "big")
    return source + destination + size.to_bytes(4, "big") + bytes((0, 0, 0, protocol))


def transport_sum(source: bytes, destination: bytes, protocol: int, data: bytes) -> int:
    """0xFFFF when the checksum within `data` is right."""
    return naive_sum(naive_pseudo(source, destination, protocol, len(data)) + data)
