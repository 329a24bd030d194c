from __future__ import annotations

from sansio_net.protocols.tcp.challenge import ChallengeLimit
from sansio_net.units import SECOND


def test_so_many_in_an_interval() -> None:
    limit = ChallengeLimit(0)
    assert [limit.allows(1, 2, SECOND) for _ in range(3)] == [True, True, False]
    assert not limit.allows(SECOND - 1, 2, SECOND)
    assert limit.allows(SECOND, 2, SECOND)
