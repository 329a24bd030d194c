"""What a wire does to a frame: a mark of congestion, one short burst, or anything.

RFC 3168 5 for the mark.

A burst of at most 15 bits is always seen by the Internet checksum (RFC 1071: it is
a sum modulo 65535, and no such difference is a multiple of that).
"""

from __future__ import annotations

from typing import Final

from sansio_net.entropy import Entropy
from sansio_net.packet import Medium
from sansio_net.wire.checksum import update

MAX_BURST: Final = 15

_VLAN_TYPES: Final = (0x8100, 0x88A8)
_ICMP: Final = 1
_TCP: Final = 6
_UDP: Final = 17
_ICMPV6: Final = 58


def network_start(frame: bytes, medium: Medium) -> int | None:
    """Where the IP header of a frame starts, or None if it holds no IP packet."""
    if medium is Medium.IP:
        return 0
    start = 14
    while int.from_bytes(frame[start - 2 : start], "big") in _VLAN_TYPES:
        start += 4
    if frame[start - 2 : start] in (b"\x08\x00", b"\x86\xdd"):
        return start
    return None


def mark_congestion(frame: bytes, medium: Medium) -> bytes | None:
    """The frame with CE where its IP header says ECT(0) or ECT(1); else None."""
    start = network_start(frame, medium)
    if start is None or len(frame) < start + 20:
        return None
    old = int.from_bytes(frame[start : start + 2], "big")
    v4 = old >> 12 == 4
    if not v4 and old >> 12 != 6:
        return None
    shift = 0 if v4 else 4  # the traffic class ends half a byte before
    if old >> shift & 3 not in (1, 2):
        return None
    new = old | 3 << shift
    marked = bytearray(frame)
    marked[start : start + 2] = new.to_bytes(2, "big")
    if v4:
        check = int.from_bytes(frame[start + 10 : start + 12], "big")
        marked[start + 10 : start + 12] = update(check, old, new).to_bytes(2, "big")
    return bytes(marked)


def _covered(frame: bytes, start: int) -> tuple[int, int, int | None] | None:
    """The bytes a checksum vouches for: (first, end, place of a UDP checksum)."""
    if len(frame) < start + 20:
        return None
    if frame[start] >> 4 == 4:
        transport = start + (frame[start] & 15) * 4
        end = start + int.from_bytes(frame[start + 2 : start + 4], "big")
        if end > len(frame) or transport > end:
            return None
        fragment = int.from_bytes(frame[start + 6 : start + 8], "big") & 0x3FFF
        protocol, first, bare = frame[start + 9], start, transport
        if fragment:
            return first, bare, None
    elif frame[start] >> 4 == 6 and len(frame) >= start + 40:
        transport = first = bare = start + 40
        end = transport + int.from_bytes(frame[start + 4 : start + 6], "big")
        protocol = frame[start + 6]
        if end > len(frame):
            return None
    else:
        return None
    if protocol == _UDP and end - transport >= 8:
        if frame[transport + 6 : transport + 8] == b"\0\0":
            return (first, bare, None) if bare > first else None
        return first, end, transport + 6
    if protocol in (_TCP, _ICMP, _ICMPV6):
        return first, end, None
    return (first, bare, None) if bare > first else None


def flip_burst(frame: bytes, medium: Medium, entropy: Entropy) -> bytes | None:
    """Flip one burst of at most 15 bits where a checksum must notice it.

    None where no checksum vouches for anything: ARP, and what is no IP packet.
    """
    start = network_start(frame, medium)
    covered = None if start is None else _covered(frame, start)
    if covered is None:
        return None
    first, end, udp_checksum = covered
    bits = (end - first) * 8
    if bits < MAX_BURST:
        return None
    for _ in range(8):
        size = 1 + entropy.below(MAX_BURST)
        # the burst's first and last bit flip, those between may
        inner = entropy.below(1 << size) | 1 | 1 << (size - 1)
        at = entropy.below(bits - size + 1)
        mask = inner << (bits - size - at)
        region = int.from_bytes(frame[first:end], "big") ^ mask
        flipped = frame[:first] + region.to_bytes(end - first, "big") + frame[end:]
        # RFC 768: a checksum of zero says "no checksum": nobody would notice
        if udp_checksum is None or flipped[udp_checksum : udp_checksum + 2] != b"\0\0":
            return flipped
    return None


def wreck(frame: bytes, entropy: Entropy) -> bytes:
    """Anything: bits flipped all over, the end cut off, bytes moved in or repeated."""
    data = bytearray(frame)
    kind = entropy.below(5)
    if kind == 0 or not data:
        data += entropy.bytes(1 + entropy.below(64))
    elif kind == 1:
        del data[entropy.below(len(data)) :]
    elif kind == 2:
        at = entropy.below(len(data))
        data[at:at] = entropy.bytes(1 + entropy.below(8))
    elif kind == 3:
        at = entropy.below(len(data))
        size = 1 + entropy.below(32)
        data[at : at + size] = entropy.bytes(len(data[at : at + size]))
    else:
        for _ in range(1 + entropy.below(16)):
            data[entropy.below(len(data))] ^= 1 << entropy.below(8)
    return bytes(data)
