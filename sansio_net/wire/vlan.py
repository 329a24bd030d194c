"""VLAN tags, put on and taken off at the edge of an interface: nobody inside sees them.

IEEE 802.1Q 9.6; stacked tags: the outer ones are service tags (802.1ad).
"""

from __future__ import annotations

from typing import Final

from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.wire.ethernet import ETHERTYPE_QINQ, ETHERTYPE_VLAN

TAG_SIZE: Final = 4
_TAGS: Final = (ETHERTYPE_VLAN.to_bytes(2, "big"), ETHERTYPE_QINQ.to_bytes(2, "big"))


def is_tag(ethertype: bytes) -> bool:
    return ethertype in _TAGS


def read_tags(
    frame: bytes, info: PacketInfo | None
) -> tuple[tuple[int, ...], int] | None:
    """The VLANs of a frame, outermost first, and where its ethertype lies.

    A priority tag, VLAN 0, is no VLAN (802.1Q 6.9). None: a tag is cut short.
    """
    vlans: tuple[int, ...] = ()
    if info is not None and info.vlan is not None and info.vlan & 0xFFF:
        vlans = (info.vlan & 0xFFF,)
    at = 12
    while is_tag(frame[at : at + 2]):
        if len(frame) < at + TAG_SIZE + 2:
            return None
        vlan = int.from_bytes(frame[at + 2 : at + 4], "big") & 0xFFF
        if vlan:
            vlans += (vlan,)
        at += TAG_SIZE
    return vlans, at


def tags_of(vlans: tuple[int, ...]) -> bytes:
    """What to put behind the addresses of a frame. Raises ValueError."""
    tags = b""
    for n, vlan in enumerate(vlans):
        if not 1 <= vlan <= 4094:
            raise ValueError(f"a VLAN is 1 to 4094, not {vlan}")
        tags += _TAGS[n < len(vlans) - 1] + vlan.to_bytes(2, "big")
    return tags


def mtu_within(mtu: int, vlans: tuple[int, ...]) -> int:
    """The largest IP packet behind these tags, of a device that takes `mtu` without.

    One tag fits in beside it (IEEE 802.3 3.2.7: tagged frames are 4 bytes longer).
    """
    return mtu - TAG_SIZE * len(vlans) if len(vlans) > 1 else mtu


def put_on(packet: Packet, tags: bytes) -> None:
    head, n = packet.head, len(tags)
    packet.head = head[:12] + tags + head[12:]
    packet.offset += n
    if packet.csum == CSUM_PARTIAL:
        packet.csum_start += n
