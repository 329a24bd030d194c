from __future__ import annotations

import pytest

from sansio_net.protocols.tcp.cookies import (
    MSS4,
    MSS6,
    SLOT,
    SynCookies,
    offer_from,
    stamp_with,
)
from sansio_net.wire.tcp_options import SegmentOptions

US, PEER = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
PLACE = (US, 80, PEER, 4000)
COOKIES = SynCookies(bytes(32))


@pytest.mark.parametrize(
    ("mss", "kept"),
    [(48, 48), (535, 48), (536, 536), (1459, 1440), (1460, 1460), (65535, 8960)],
)
def test_the_mss_is_rounded_down(mss: int, kept: int) -> None:
    cookie = COOKIES.make(*PLACE, 7, mss, SLOT)
    assert COOKIES.check(*PLACE, 7, cookie, SLOT) == kept


def test_tables_for_both_families() -> None:
    assert len(MSS4) == len(MSS6) == 8
    assert list(MSS4) == sorted(MSS4)
    assert list(MSS6) == sorted(MSS6)
    place = (US * 4, 80, PEER * 4, 4000)
    cookie = COOKIES.make(*place, 7, 1440, SLOT)
    assert COOKIES.check(*place, 7, cookie, SLOT) == 1440


@pytest.mark.parametrize("slot", [0, 1, 2, 7])
def test_good_in_its_slot_and_the_next(slot: int) -> None:
    made_at = slot * SLOT + SLOT // 2
    cookie = COOKIES.make(*PLACE, 7, 1460, made_at)
    for at, good in (
        (made_at, True),
        ((slot + 2) * SLOT - 1, True),
        ((slot + 2) * SLOT, False),
        ((slot + 4) * SLOT, False),
    ):
        assert (COOKIES.check(*PLACE, 7, cookie, at) is not None) == good


@pytest.mark.parametrize(
    "place",
    [
        (US, 81, PEER, 4000),
        (US, 80, PEER, 4001),
        (PEER, 80, US, 4000),
        (US, 4000, PEER, 80),
    ],
)
def test_good_for_one_connection(place: tuple[bytes, int, bytes, int]) -> None:
    cookie = COOKIES.make(*PLACE, 7, 1460, SLOT)
    assert COOKIES.check(*place, 7, cookie, SLOT) is None
    assert COOKIES.check(*PLACE, 8, cookie, SLOT) is None
    assert SynCookies(bytes(31) + b"1").check(*PLACE, 7, cookie, SLOT) is None


@pytest.mark.parametrize("clock", [0, 1, 63, 64, 1000, 2**32 - 1])
@pytest.mark.parametrize("wscale", [None, 0, 7, 14, 200])
@pytest.mark.parametrize("sack", [False, True])
@pytest.mark.parametrize("ecn", [False, True])
def test_stamps_say_what_was_offered(
    clock: int, wscale: int | None, sack: bool, ecn: bool
) -> None:
    offer = SegmentOptions(mss=1, wscale=wscale, sack_permitted=sack, ts_val=5)
    stamp = stamp_with(clock, offer, ecn)
    assert (clock - stamp) % 2**32 < 64
    found, with_ecn = offer_from(1460, 9, stamp)
    assert (found.mss, found.ts_val) == (1460, 9)
    assert found.wscale == (None if wscale is None else min(wscale, 14))
    assert (found.sack_permitted, with_ecn) == (sack, ecn)


def test_without_a_stamp_the_mss_is_all() -> None:
    assert offer_from(536, None, None) == (SegmentOptions(mss=536), False)
