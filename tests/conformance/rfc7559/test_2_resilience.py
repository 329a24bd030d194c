"""RFC 7559 2: solicitations until a router is found."""

from __future__ import annotations

import itertools

from sansio_net.units import HOUR, SECOND
from tests.conformance.requirements import requirement
from tests.stack.host6 import Host, advertisement

RFC = "RFC 7559"


@requirement(RFC, "2-1", "A host MUST ask again and again, by RFC 3315's back-off")
@requirement(RFC, "2-2", "IRT SHOULD be 4 s, MRT 3600 s, without an end")
def test_back_off() -> None:
    host = Host()
    host.wait(12 * HOUR)
    times = host.solicitations()
    gaps = [later - at for at, later in itertools.pairwise(times)]
    assert 3.6 * SECOND <= gaps[0] <= 4.4 * SECOND
    for one, two in itertools.pairwise(gaps):
        if two < 0.9 * HOUR:
            assert 1.9 * one <= two <= 2.1 * one
        else:
            assert two <= 1.1 * HOUR
    assert len(gaps) > 18


@requirement(RFC, "2.1-1", "It SHOULD end once there is a default router")
def test_the_end() -> None:
    host = Host()
    host.wait(100 * SECOND)
    host.wait(0, advertisement())
    n = len(host.solicitations())
    host.wait(1000 * SECOND)
    assert len(host.solicitations()) == n


@requirement(RFC, "2.1-2", "An advertisement of no default router MUST NOT end it")
def test_no_router() -> None:
    host = Host()
    host.wait(100 * SECOND)
    host.wait(0, advertisement(lifetime=0))
    n = len(host.solicitations())
    host.wait(1000 * SECOND)
    assert len(host.solicitations()) > n
