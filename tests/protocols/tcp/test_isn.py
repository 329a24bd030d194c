from __future__ import annotations

from sansio_net.units import SECOND

from .dialogue import PEER, US, isn

PLACE = (US, 4000, PEER, 80)


def test_grows_250_000_a_second() -> None:
    made = isn()
    first, later = made.isn(*PLACE, 5 * SECOND), made.isn(*PLACE, 6 * SECOND)
    assert (later - first) % 2**32 == 250_000


def test_every_part_of_the_place_counts() -> None:
    made = isn()
    places = [PLACE, (PEER, 4000, US, 80), (US, 4001, PEER, 80), (US, 4000, PEER, 81)]
    assert len({made.isn(*place, SECOND) for place in places}) == 4


def test_keyed() -> None:
    assert isn(1).isn(*PLACE, SECOND) == isn(1).isn(*PLACE, SECOND)
    assert isn(1).isn(*PLACE, SECOND) != isn(2).isn(*PLACE, SECOND)
    assert isn().isn(*PLACE, 0) != 0


def test_stamps_grow_from_one_connection_of_two_hosts_to_the_next() -> None:
    made = isn()
    assert made.ts_offset(*PLACE) == made.ts_offset(US, 4001, PEER, 81)
    assert made.ts_offset(*PLACE) != made.ts_offset(US, 4000, US, 80)
    assert made.ts_offset(*PLACE) != made.isn(*PLACE, 0)
