"""ARP packets."""

from __future__ import annotations

import dpkt
import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.wire.arp import REPLY, REQUEST, Arp, build_arp, parse_arp

MAC, IP = bytes.fromhex("f63495269066"), bytes((172, 17, 0, 253))
PACKET = build_arp(REQUEST, MAC, IP, bytes(6), bytes((172, 17, 0, 1)))


def test_request_as_dpkt_reads_it() -> None:
    arp = dpkt.arp.ARP(PACKET)
    assert (arp.op, arp.sha, arp.spa) == (REQUEST, MAC, IP)
    assert (arp.tha, arp.tpa) == (bytes(6), bytes((172, 17, 0, 1)))
    assert (arp.hrd, arp.pro, arp.hln, arp.pln) == (1, 0x800, 6, 4)


def test_parse_at_an_offset_with_padding() -> None:
    reply = build_arp(REPLY, MAC, IP, MAC, IP)
    assert parse_arp(bytes(14) + reply + bytes(18), 14) == Arp(REPLY, MAC, IP, MAC, IP)


def test_cut_short() -> None:
    with pytest.raises(TruncatedError):
        parse_arp(PACKET[:27])
    with pytest.raises(TruncatedError):
        parse_arp(PACKET, 1)


@pytest.mark.parametrize("at", [1, 2, 4, 5])
def test_other_families_are_refused(at: int) -> None:
    changed = PACKET[:at] + b"\x09" + PACKET[at + 1 :]
    with pytest.raises(MalformedError):
        parse_arp(changed)


def test_wrong_address_sizes() -> None:
    with pytest.raises(MalformedError):
        build_arp(REQUEST, MAC, IP, b"", IP)
