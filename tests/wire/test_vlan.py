"""Tags off and on, and what is no tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sansio_net.errors import WireError
from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.wire.ethernet import parse_ethernet
from sansio_net.wire.vlan import put_on, read_tags, tags_of

VLANS = st.integers(1, 4094)


@given(st.lists(VLANS, min_size=1, max_size=4).map(tuple), st.binary(max_size=64))
def test_what_was_put_on_is_read(vlans: tuple[int, ...], body: bytes) -> None:
    packet = Packet(bytes(12) + b"\x08\x00", (body,), 14, 0, CSUM_PARTIAL, 34, 16)
    put_on(packet, tags_of(vlans))
    frame = packet.join()
    assert read_tags(frame, None) == (vlans, 12 + 4 * len(vlans))
    header = parse_ethernet(frame)
    assert (header.vlan, header.ethertype) == (vlans, 0x0800)
    grown = 4 * len(vlans)
    assert (packet.offset, packet.csum_start) == (14 + grown, 34 + grown)
    assert frame.endswith(body)


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda b: bytes(12) + b))
def test_arbitrary_bytes(frame: bytes) -> None:
    """As the Ethernet codec reads them, but for tags of VLAN 0."""
    found = read_tags(frame, None)
    try:
        header = parse_ethernet(frame)
    except WireError:
        assert found is None or len(frame) < 14
        return
    vlans = tuple(tag & 0xFFF for tag in header.vlan if tag & 0xFFF)
    assert found == (vlans, header.size - 2)


def test_a_tag_beside_the_frame_is_the_outermost() -> None:
    frame = bytes(12) + b"\x81\0\0\x07\x08\x00"
    assert read_tags(frame, PacketInfo(vlan=0xE064)) == ((100, 7), 16)
    assert read_tags(frame, PacketInfo(vlan=0xE000)) == ((7,), 16)
    assert read_tags(frame[:-2], None) is None


@pytest.mark.parametrize("vlan", [-1, 0, 4095])
def test_no_vlan(vlan: int) -> None:
    with pytest.raises(ValueError, match="1 to 4094"):
        tags_of((7, vlan))
