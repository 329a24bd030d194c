"""RFC 8981 3: addresses that change from time to time."""

from __future__ import annotations

from sansio_net.protocols.ndp.frames import ALL_NODES, frame, group_mac
from sansio_net.protocols.slaac import Formed
from sansio_net.stack import StackConfig
from sansio_net.stack.hops import find_hop
from sansio_net.units import HOUR, SECOND
from sansio_net.wire import ndp
from tests.conformance.requirements import requirement
from tests.stack.host6 import PREFIX, ROUTER_MAC, Host, advertisement

RFC = "RFC 8981"

DAY = 24 * HOUR


def private(**options: int) -> Host:
    config = StackConfig()
    config.slaac.temporary = True
    for name, value in options.items():
        setattr(config.slaac, name, value)
    host = Host(config)
    host.wait(5 * SECOND)
    return host


def temporary(host: Host) -> list[Formed]:
    assert host.nic.slaac is not None
    return [one for one in host.nic.slaac.addresses() if one.temporary]


@requirement(RFC, "3.4-1", "A host SHOULD form one for a prefix that has none")
@requirement(RFC, "3.4-2", "Its identifier MUST be random")
@requirement(RFC, "3.4-3", "DAD MUST be performed on it")
@requirement(RFC, "3.3.1-1", "It MUST be another one than those there are")
@requirement(RFC, "3.7-1", "They MUST be something that one can switch on and off")
def test_one_more_for_each_prefix() -> None:
    host = private()
    host.wait(0, advertisement(30 * DAY // SECOND, 7 * DAY // SECOND))
    (one,) = temporary(host)
    assert one.ip[:8] == PREFIX[:8]
    first, second = (one for one in host.nic.addresses if one.formed)
    assert first.ip != second.ip
    assert not second.usable
    host.wait(3 * SECOND)
    assert second.usable
    hop = find_hop(host.stack, PREFIX[:15] + b"\x77")
    assert hop is not None
    assert hop.source == one.ip  # RFC 6724 5, rule 7
    off = Host()
    off.wait(5 * SECOND)
    off.wait(0, advertisement())
    assert temporary(off) == []


@requirement(RFC, "3.4-4", "Its lifetimes MUST be the prefix's, as far as ours allow")
@requirement(RFC, "3.8-1", "DESYNC_FACTOR MUST be less than the preferred lifetime")
def test_lifetimes() -> None:
    host = private()
    host.wait(0, advertisement(30 * DAY // SECOND, 7 * DAY // SECOND))
    (one,) = temporary(host)
    assert one.valid_until == host.now + 2 * DAY
    assert one.preferred_until == host.now + DAY - one.desync
    assert 0 <= one.desync <= DAY * 2 // 5
    short = private()
    short.wait(0, advertisement(3600, 1800))
    (one,) = temporary(short)
    assert one.valid_until == short.now + HOUR
    assert one.preferred_until == short.now + HOUR // 2


@requirement(RFC, "3.4-5", "One of no preferred lifetime MUST NOT be formed")
@requirement(RFC, "3.5-1", "Deprecated by the router, it MUST NOT have a successor")
def test_no_preferred_lifetime() -> None:
    host = private()
    host.wait(0, advertisement(3600, 0))
    assert temporary(host) == []
    host.wait(0, advertisement(3600, 5))
    assert temporary(host) == []
    host.wait(0, advertisement(3600, 600))
    assert len(temporary(host)) == 1
    host.wait(10 * SECOND, advertisement(3600, 0))
    assert [one.is_preferred for one in temporary(host)] == [False]
    host.wait(10 * SECOND, advertisement(3600, 600))  # and it goes on
    assert [one.is_preferred for one in temporary(host)] == [True]


@requirement(RFC, "3.5-2", "A successor MUST follow, SHOULD a little before its end")
@requirement(RFC, "3.6-1", "How often SHOULD be configurable")
def test_successors() -> None:
    host = private(temporary_preferred=1000 * SECOND, temporary_valid=3000 * SECOND)
    host.wait(0, advertisement(30 * DAY // SECOND, 7 * DAY // SECOND))
    (one,) = temporary(host)
    assert one.preferred_until is not None
    end = one.preferred_until
    host.wait(end - 6 * SECOND - host.now)
    assert len(temporary(host)) == 1
    host.wait(2 * SECOND)
    assert len(temporary(host)) == 2
    assert all(each.is_preferred for each in temporary(host))
    host.wait(5 * SECOND)
    assert [each.is_preferred for each in temporary(host)] == [False, True]
    host.wait(3000 * SECOND)
    assert one not in temporary(host)
    assert any(each.is_preferred for each in temporary(host))


@requirement(RFC, "3.5-3", "One whose time passed with none of the prefix is followed")
def test_deprecated_meanwhile() -> None:
    host = private(temporary_preferred=1000 * SECOND, temporary_valid=90_000 * SECOND)
    host.wait(0, advertisement(90_000, 80_000))
    host.wait(100 * SECOND, advertisement(90_000, 0))
    host.wait(1000 * SECOND)
    assert [each.is_preferred for each in temporary(host)] == [False]
    host.wait(0, advertisement(90_000, 80_000))
    assert [each.is_preferred for each in temporary(host)] == [False, True]


@requirement(RFC, "3.4-6", "After a duplicate another one MUST follow, a few times")
def test_duplicates() -> None:
    host = private()
    host.wait(0, advertisement(30 * DAY // SECOND, 7 * DAY // SECOND))
    seen = set()
    for _ in range(6):
        found = temporary(host)
        if not found:
            break
        (one,) = found
        assert one.ip not in seen
        seen.add(one.ip)
        body = ndp.build_neighbour_advertisement(
            one.ip, one.ip, ALL_NODES, ROUTER_MAC, 0
        )
        taken = frame(ROUTER_MAC, group_mac(ALL_NODES), one.ip, ALL_NODES, body)
        host.wait(0, taken.join())
    assert len(seen) == 4  # TEMP_IDGEN_RETRIES is 3


@requirement(RFC, "3.6-2", "On another link all MUST be others")
def test_another_link() -> None:
    host = private()
    host.wait(0, advertisement())
    (one,) = temporary(host)
    host.nic.carrier(False)
    host.wait(0)
    assert host.formed() == []
    host.nic.carrier(True)
    host.wait(5 * SECOND)
    host.wait(0, advertisement())
    (other,) = temporary(host)
    assert other.ip != one.ip
