from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import TcpOptions
from sansio_net.protocols.tcp.handshake import (
    agree,
    effective_mss,
    offer,
    our_mss,
    our_wscale,
)
from sansio_net.wire.tcp_options import SegmentOptions, parse_tcp_options

V4, V6 = bytes(4), bytes(16)
ALL = SegmentOptions(mss=1400, wscale=7, sack_permitted=True, ts_val=5, ts_ecr=0)


def test_our_mss() -> None:
    assert our_mss(V4, 1500, TcpOptions()) == 1460
    assert our_mss(V6, 1500, TcpOptions()) == 1440
    assert our_mss(V4, 1500, TcpOptions(mss=700)) == 700
    assert our_mss(V4, 68, TcpOptions(mss=700)) == 48


@pytest.mark.parametrize(
    ("buffer", "shift"), [(65_535, 0), (65_536, 1), (1 << 20, 5), (0xFFFF << 14, 14)]
)
def test_our_wscale(buffer: int, shift: int) -> None:
    assert our_wscale(TcpOptions(receive_buffer=buffer)) == shift


def test_a_syn_offers_everything() -> None:
    found = parse_tcp_options(offer(TcpOptions(), 1460, 7, 0, None))
    assert found == SegmentOptions(
        mss=1460, wscale=7, sack_permitted=True, ts_val=7, ts_ecr=0
    )


def test_a_syn_ack_offers_what_the_syn_had() -> None:
    bare = parse_tcp_options(offer(TcpOptions(), 1460, 7, 5, SegmentOptions()))
    assert bare == SegmentOptions(mss=1460)
    full = parse_tcp_options(offer(TcpOptions(), 1460, 7, 5, ALL))
    assert full.ts_ecr == 5
    assert full.sack_permitted
    assert full.wscale == 7


def test_options_can_be_withheld() -> None:
    plain = TcpOptions(window_scale=False, timestamps=False, sack=False)
    assert parse_tcp_options(offer(plain, 1460, 7, 0, None)) == SegmentOptions(mss=1460)
    agreed = agree(plain, ALL, V4)
    assert not agreed.sack
    assert not agreed.timestamps
    assert (agreed.snd_wscale, agreed.rcv_wscale) == (0, 0)


def test_agreement() -> None:
    agreed = agree(TcpOptions(), ALL, V4)
    assert agreed.sack
    assert agreed.timestamps
    assert (agreed.mss, agreed.snd_wscale, agreed.rcv_wscale) == (1400, 7, 7)
    # both ends must scale, or nobody does
    assert agree(TcpOptions(), SegmentOptions(), V4).rcv_wscale == 0


def test_odd_offers() -> None:
    assert agree(TcpOptions(), SegmentOptions(), V4).mss == 536
    assert agree(TcpOptions(), SegmentOptions(), V6).mss == 1220
    assert agree(TcpOptions(), SegmentOptions(mss=0), V4).mss == 536
    assert agree(TcpOptions(), SegmentOptions(mss=1), V4).mss == 48
    assert agree(TcpOptions(), SegmentOptions(wscale=99), V4).snd_wscale == 14


def test_effective_mss() -> None:
    agreed = agree(TcpOptions(), ALL, V4)
    assert effective_mss(agreed, V4, 1500, TcpOptions()) == 1388
    assert effective_mss(agreed, V4, 576, TcpOptions()) == 524
    assert effective_mss(agreed, V4, 1500, TcpOptions(mss=100)) == 88
