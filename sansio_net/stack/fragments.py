"""IPv4 fragmentation on the way out, and the header of what was reassembled.

RFC 791 3.2 (the fragmentation procedure), RFC 6864 (identification).
"""

from __future__ import annotations

from typing import Final

from sansio_net.wire import ipv4
from sansio_net.wire.checksum import checksum

MORE_FRAGMENTS: Final = ipv4.MF << 13
DONT_FRAGMENT: Final = ipv4.DF << 13


def fragment(header: bytes, payload: bytes, mtu: int) -> list[bytes]:
    """Cut a packet in fragments of at most `mtu` bytes, which is at least 68.

    The first carries all options, the others those whose type says so (RFC 791 3.1).
    What is a fragment itself gives fragments of the same datagram.
    """
    later = _copied_options(header)
    pieces = []
    at, size = 0, len(payload)
    before = int.from_bytes(header[6:8], "big") & ~DONT_FRAGMENT
    while at < size:
        top = header if at == 0 else later
        step = (mtu - len(top)) & ~7
        piece = payload[at : at + step]
        word = before + (at >> 3) | (MORE_FRAGMENTS if at + step < size else 0)
        pieces.append(_with_fields(top, len(top) + len(piece), word) + piece)
        at += step
    return pieces


def unfragmented(header: bytes, payload_size: int) -> bytes:
    """The first fragment's header, as the whole packet's."""
    word = int.from_bytes(header[6:8], "big") & DONT_FRAGMENT
    return _with_fields(header, len(header) + payload_size, word)


def with_options(packet: bytes, options: bytes) -> bytes:
    """The packet with other options of the same length, checksum renewed."""
    size = ipv4.HEADER_SIZE + len(options)
    zeroed = packet[:10] + b"\0\0" + packet[12 : ipv4.HEADER_SIZE] + options
    check = checksum(zeroed).to_bytes(2, "big")
    return zeroed[:10] + check + zeroed[12:] + packet[size:]


def _copied_options(header: bytes) -> bytes:
    if len(header) == ipv4.HEADER_SIZE:
        return header
    kept = ipv4.build_options(
        [
            (kind, data)
            for kind, data in ipv4.parse_options(header[ipv4.HEADER_SIZE :])
            if kind & ipv4.OPT_COPIED
        ]
    )
    size = ipv4.HEADER_SIZE + len(kept)
    return bytes((0x40 | size >> 2,)) + header[1 : ipv4.HEADER_SIZE] + kept


def _with_fields(header: bytes, total: int, word: int) -> bytes:
    """The header with another total length and fragment word, checksum renewed."""
    zeroed = b"".join(
        (
            header[:2],
            total.to_bytes(2, "big"),
            header[4:6],
            word.to_bytes(2, "big"),
            header[8:10],
            b"\0\0",
            header[12:],
        )
    )
    return zeroed[:10] + checksum(zeroed).to_bytes(2, "big") + zeroed[12:]
