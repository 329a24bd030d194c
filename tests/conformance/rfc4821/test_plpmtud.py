"""RFC 4821: the path's MTU by probing, an option (`plpmtud`)."""

from __future__ import annotations

from typing import Any

from sansio_net.testing import Script
from sansio_net.testing.seen import Seen
from tests.conformance.peers import MS, SEC, connected
from tests.conformance.requirements import requirement

RFC = "RFC 4821"


def run(path: int, rounds: int = 300, **options: Any) -> tuple[Script, list[Seen]]:
    """A transfer over a path that drops what is larger, and says nothing."""
    t = connected(mss=1460, sack_ok=True, rtt=10 * MS, win=20_000, **options)
    got: dict[int, int] = {}
    log: list[Seen] = []
    una = 1
    for _ in range(rounds):
        t.conn.send(bytes(20_000))
        for seen in t.sent():
            log.append(seen)
            start = t.relative(seen)
            if len(seen.packet) <= path and start >= una:
                got[start] = start + len(seen.data)
        # an ACK for the whole flight, or it never has room for a probe and three more
        while una in got:
            una = got.pop(una)
        t.wait(10 * MS)
        t.peer(".", ack=una, win=20_000, sack=sorted(got.items())[:3])
    return t, log


@requirement(RFC, "7.2-1", "search_low SHOULD begin low, and be configurable")
@requirement(RFC, "7.1-1", "A probe MUST be above search_low, at most search_high")
def test_it_begins_low_and_finds_more() -> None:
    t, log = run(1500, plpmtud="on")
    # the probe comes first: the largest that there can be
    assert [len(seen.packet) for seen in log[:3]] == [1500, 1064, 1064]
    assert t.conn.info().pmtu == 1500


@requirement(RFC, "7.6.2-1", "A probe that alone is lost SHOULD NOT be congestion")
@requirement(RFC, "7.6.2-2", "eff_pmtu MUST not exceed what a probe failed with")
def test_a_path_that_carries_less() -> None:
    t, log = run(1300, plpmtud="on")
    assert 1064 < t.conn.info().pmtu <= 1300
    assert t.conn.congestion.ssthresh >= 1 << 30
    assert max(len(seen.packet) for seen in log) > 1300


@requirement(RFC, "7.7-1", "A full-stop time-out SHOULD be taken as a black hole")
def test_a_black_hole() -> None:
    t = connected(mss=1460, plpmtud="blackhole")
    t.conn.send(bytes(5000))
    t.wait(10 * SEC)
    sizes = [len(seen.packet) for seen in t.sent()]
    assert sizes[0] == 1500
    assert sizes[-1] <= 1064


@requirement(RFC, "4-1", "All packets SHOULD have DF")
def test_df() -> None:
    _, log = run(1500, 10, plpmtud="on")
    assert all(seen.packet[6] & 0x40 for seen in log)
