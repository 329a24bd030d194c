"""RFC 6928 2: an initial window of ten segments."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, connected, plain, sizes
from tests.conformance.requirements import requirement

RFC = "RFC 6928"


@requirement(RFC, "2-1", "IW: at most min(10 MSS, max(2 MSS, 14600))")
@pytest.mark.parametrize(
    ("mss", "segments"), [(536, 10), (1460, 10), (1461, 9), (7300, 2), (8960, 2)]
)
def test_ten_segments(mss: int, segments: int) -> None:
    t = connected(mss=mss, mtu=9000)
    t.conn.send(bytes(200_000))
    assert sizes(t) == [mss] * segments


@requirement(RFC, "2-2", "MAY start with less than ten")
def test_a_smaller_window() -> None:
    t = connected(initial_window=3)
    t.conn.send(bytes(200_000))
    assert sizes(t) == [1000] * 3


def after_losses(losses: int) -> int:
    t = Script(options=plain())
    t.connect()
    t.wait((2**losses - 1) * SEC)
    assert len(t.sent()) == losses + 1
    t.peer("S.", mss=1000)
    t.us(".")
    t.conn.send(bytes(200_000))
    return sum(sizes(t))


@requirement(RFC, "2-3", "More than one SYN lost: IW MUST be one segment")
def test_two_syns_lost() -> None:
    assert after_losses(2) == 1000


@requirement(RFC, "2-4", "RECOMMENDED: one SYN lost leaves IW as it is")
def test_one_syn_lost() -> None:
    assert after_losses(1) == 10_000


@requirement(RFC, "2-5", "The restart window MAY be min(IW, cwnd), never more")
def test_the_restart_window() -> None:
    t = connected()
    t.conn.send(bytes(2000))
    t.sent()
    t.wait(300 * MS)  # a time-out: cwnd is one segment
    t.sent()
    t.peer(".")
    t.wait(10 * SEC)
    before = t.conn.congestion.cwnd
    t.conn.send(bytes(50_000))
    assert sum(sizes(t)) <= before < 10_000


@requirement(RFC, "2-6", "The loss window MUST remain one segment")
def test_the_loss_window() -> None:
    t = connected()
    t.conn.send(bytes(10_000))
    t.sent()
    t.wait(200 * MS)
    assert sizes(t) == [1000]


@requirement(RFC, "3-1", "MUST restart the timer for each ACK of new data (RFC 6298)")
def test_the_timer_restarts() -> None:
    t = connected(rtt=100 * MS)
    t.conn.send(bytes(10_000))
    t.sent()
    for n in range(1, 10):
        t.wait(150 * MS)
        t.peer(".", ack=1 + 1000 * n)
    t.silent()
