"""IPv6 fragmentation on the way out, and the header of what was reassembled.

RFC 8200 4.5; RFC 7739 for identifications that nobody can guess.
"""

from __future__ import annotations

from sansio_net.wire.ipv6 import HEADER_SIZE
from sansio_net.wire.ipv6_extensions import build_fragment

FRAGMENT_SIZE = 8


def fragment(
    header: bytes, payload: bytes, mtu: int, identification: int
) -> list[bytes]:
    """Cut a packet that has no extension headers in pieces of at most `mtu` bytes."""
    protocol = header[6]
    step = (mtu - HEADER_SIZE - FRAGMENT_SIZE) & ~7
    pieces = []
    for at in range(0, len(payload), step):
        piece = payload[at : at + step]
        more = at + step < len(payload)
        top = _with_length(header, FRAGMENT_SIZE + len(piece), 44)
        pieces.append(top + build_fragment(protocol, at, more, identification) + piece)
    return pieces


def unfragmented(header: bytes, payload_size: int) -> bytes:
    """The first fragment's headers, its fragment header at the end, as the whole
    packet's.

    What names the fragment header is looked for in these: other fragments of the packet
    may have other headers before theirs (RFC 8200 4.5).
    """
    named_at, at = 6, HEADER_SIZE
    while at < len(header) - FRAGMENT_SIZE:
        named_at, at = at, at + 8 + header[at + 1] * 8
    kept = bytearray(header[:-FRAGMENT_SIZE])
    kept[named_at] = header[-FRAGMENT_SIZE]
    size = len(kept) - HEADER_SIZE + payload_size
    kept[4:6] = size.to_bytes(2, "big")
    return bytes(kept)


def _with_length(header: bytes, size: int, protocol: int) -> bytes:
    return header[:4] + size.to_bytes(2, "big") + bytes((protocol,)) + header[7:]
