"""Ethernet II headers, with any number of VLAN tags.

RFC 894; IEEE 802.1Q and 802.1ad for the tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from sansio_net.errors import MalformedError, TruncatedError

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_VLAN: Final = 0x8100
ETHERTYPE_IPV6: Final = 0x86DD
ETHERTYPE_QINQ: Final = 0x88A8

HEADER: Final = Struct("!6s6sH")
"""destination, source, ethertype"""

HEADER_SIZE: Final = 14
MIN_FRAME_SIZE: Final = 60
"""Shorter frames come padded to this (without the frame check sequence)."""

_TAG: Final = Struct("!HH")


@dataclass(slots=True)
class EthernetHeader:
    """vlan: the tag control words, outermost first. size: bytes, tags included."""

    destination: bytes
    source: bytes
    ethertype: int
    vlan: tuple[int, ...] = ()
    size: int = HEADER_SIZE


def parse_ethernet(frame: bytes) -> EthernetHeader:
    if len(frame) < HEADER_SIZE:
        raise TruncatedError(f"Ethernet header cut at {len(frame)} bytes")
    destination, source, ethertype = HEADER.unpack_from(frame)
    size = HEADER_SIZE
    vlan: tuple[int, ...] = ()
    while ethertype in (ETHERTYPE_VLAN, ETHERTYPE_QINQ):
        if len(frame) < size + 4:
            raise TruncatedError("VLAN tag cut short")
        tag, ethertype = _TAG.unpack_from(frame, size)
        vlan += (tag,)
        size += 4
    return EthernetHeader(destination, source, ethertype, vlan, size)


def build_ethernet(
    destination: bytes, source: bytes, ethertype: int, vlan: tuple[int, ...] = ()
) -> bytes:
    """The header; the innermost tag is an 802.1Q tag, those around it 802.1ad's."""
    if len(destination) != 6 or len(source) != 6:
        raise MalformedError("a MAC address has 6 bytes")
    if not vlan:
        return HEADER.pack(destination, source, ethertype)
    types = [ETHERTYPE_QINQ] * (len(vlan) - 1) + [ETHERTYPE_VLAN]
    tags = b"".join(map(_TAG.pack, vlan, [*types[1:], ethertype]))
    return HEADER.pack(destination, source, types[0]) + tags
