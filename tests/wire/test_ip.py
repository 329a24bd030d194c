"""IP headers off and on, for machines used alone."""

from __future__ import annotations

import pytest

from sansio_net.errors import MalformedError, TruncatedError
from sansio_net.packet import CSUM_PARTIAL, Packet, PacketInfo
from sansio_net.wire import ipv4
from sansio_net.wire.ip import ip_protocol, ip_unwrap, ip_wrap

A4, B4 = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
A6, B6 = bytes(15) + b"\x01", bytes(15) + b"\x02"


@pytest.mark.parametrize(("a", "b", "size"), [(A4, B4, 20), (A6, B6, 40)])
def test_wrap_and_unwrap(a: bytes, b: bytes, size: int) -> None:
    info = PacketInfo(a, b, tos=0x10, ttl=9)
    sent = Packet(b"headhead", (b"pay", b"load"), 0, 3, CSUM_PARTIAL, 0, 6, info)
    wrapped = ip_wrap(sent, 17, identification=5, flags=ipv4.DF)
    assert (wrapped.offset, wrapped.csum_start, wrapped.csum_offset) == (0, size, 6)
    assert (wrapped.gso_size, wrapped.csum) == (3, CSUM_PARTIAL)
    assert wrapped.body == (b"pay", b"load")
    back = ip_unwrap(Packet(wrapped.join() + b"padding"), 17)
    assert back.head[back.offset :] == b"headheadpayload"
    assert back.info == info
    assert ip_protocol(wrapped) == 17


def test_wrap_drops_what_lies_before_the_offset() -> None:
    packet = Packet(b"xxxxhead", (), 4, 0, CSUM_PARTIAL, 4, 6, PacketInfo(A4, B4))
    wrapped = ip_wrap(packet, 17)
    assert wrapped.head[20:] == b"head"
    assert wrapped.csum_start == 20


def test_refused() -> None:
    with pytest.raises(TruncatedError):
        ip_unwrap(Packet(b""))
    with pytest.raises(MalformedError):
        ip_wrap(Packet(b"head"), 17)
    with pytest.raises(MalformedError):
        ip_wrap(Packet(b"head", info=PacketInfo(A4, B6)), 17)
    fragment = ipv4.build_ipv4(A4, B4, 17, 8, flags=ipv4.MF) + bytes(8)
    with pytest.raises(MalformedError):
        ip_unwrap(Packet(fragment))
    with pytest.raises(MalformedError):
        ip_unwrap(Packet(ipv4.build_ipv4(A4, B4, 17, 0)), 6)
