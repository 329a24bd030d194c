"""Ethernet II headers and VLAN tags."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire.ethernet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_QINQ,
    EthernetHeader,
    build_ethernet,
    parse_ethernet,
)

OURS, THEIRS = bytes.fromhex("f63495269066"), bytes.fromhex("020000000001")


def test_header_as_dpkt_reads_it() -> None:
    header = build_ethernet(THEIRS, OURS, ETHERTYPE_ARP)
    frame = dpkt.ethernet.Ethernet(header + bytes(46))
    assert (frame.dst, frame.src, frame.type) == (THEIRS, OURS, ETHERTYPE_ARP)
    assert parse_ethernet(header) == EthernetHeader(THEIRS, OURS, ETHERTYPE_ARP)


def test_tags_outermost_first() -> None:
    header = build_ethernet(THEIRS, OURS, ETHERTYPE_IPV4, vlan=(0x2005, 7))
    assert header[12:14] == ETHERTYPE_QINQ.to_bytes(2, "big")
    assert len(header) == 22
    parsed = parse_ethernet(header)
    assert parsed == EthernetHeader(THEIRS, OURS, ETHERTYPE_IPV4, (0x2005, 7), 22)


def test_one_tag_as_dpkt_reads_it() -> None:
    frame = build_ethernet(THEIRS, OURS, ETHERTYPE_ARP, vlan=(0x6007,)) + bytes(46)
    (tag,) = dpkt.ethernet.Ethernet(frame).vlan_tags
    assert (tag.pri, tag.id, tag.type) == (3, 7, ETHERTYPE_ARP)


@pytest.mark.parametrize("size", [0, 13, 14, 17])
def test_cut_short(size: int) -> None:
    header = build_ethernet(THEIRS, OURS, ETHERTYPE_IPV4, vlan=(5,))
    with pytest.raises(TruncatedError):
        parse_ethernet(header[:size])


def test_addresses_have_six_bytes() -> None:
    with pytest.raises(MalformedError):
        build_ethernet(b"\x01", OURS, ETHERTYPE_IPV4)
