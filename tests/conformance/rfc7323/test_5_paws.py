"""RFC 7323 5: protection against wrapped sequences."""

from __future__ import annotations

import pytest

from sansio_net.errors import ConnectionReset
from sansio_net.testing import Script
from tests.conformance.peers import MS, SEC, accepted, lost
from tests.conformance.requirements import requirement

RFC = "RFC 7323"

DAY = 86_400 * SEC


def stamped() -> Script:
    """TS.Recent is 1000."""
    t = accepted(stamps=True, delayed_ack=0)
    t.stamps = False
    t.peer("P.", data=b"x", ts=(1000, 0))
    t.us(".", ack=2, ts=(0, 1000))
    t.conn.recv(1)
    t.happened()
    return t


@requirement(RFC, "5.3-1", "PAWS MUST be done on all segments, before anything else")
@requirement(RFC, "5.3-2", "R1: an old timestamp: drop the segment and send an ACK")
@pytest.mark.parametrize("stamp", [999, 0, 2**32 - 1, 1000 + 2**31])
def test_an_old_stamp(stamp: int) -> None:
    t = stamped()
    t.peer("P.", seq=2, data=b"old", ts=(stamp, 0))
    t.us(".", ack=2, ts=(0, 1000))
    assert t.happened() == []


@requirement(RFC, "5.3-1", "PAWS MUST be done on all segments, before anything else")
def test_old_acks_and_fins_too() -> None:
    t = stamped()
    t.conn.send(b"text")
    t.us("P.")
    t.peer(".", ack=5, ts=(999, 0))
    assert t.conn.info().unacked != 0
    t.peer("F.", seq=2, ts=(999, 0))
    assert t.happened() == []


@requirement(RFC, "5.2-1", "What is compared MUST be monotonically non-decreasing")
@requirement(RFC, "5.3-3", "R3: SEG.SEQ =< Last.ACK.sent: record the timestamp")
def test_the_stamp_grows() -> None:
    t = stamped()
    t.peer(".", seq=2, data=b"a", ts=(2000, 0))
    t.us(".", ts=(0, 2000))
    t.peer(".", seq=9, data=b"z", ts=(3000, 0))  # beyond: not recorded
    t.us(".", ts=(0, 2000))
    t.peer(".", seq=3, data=b"b", ts=(1500, 0))  # old
    t.us(".", ack=3, ts=(0, 2000))
    t.peer(".", seq=3, data=b"b", ts=(2000, 0))  # the same is not older
    t.us(".", ack=4, ts=(0, 2000))


@requirement(RFC, "5.3-4", "R2: what is outside the window is rejected as usual")
def test_outside_the_window() -> None:
    t = stamped()
    t.peer(".", seq=200_000, data=b"far", ts=(5000, 0))
    t.us(".", ack=2, ts=(0, 1000))


@requirement(RFC, "5.3-5", "The timestamp MUST be checked only when a segment arrives")
def test_what_is_queued_is_not_checked_again() -> None:
    t = stamped()
    t.peer(".", seq=3, data=b"C", ts=(1000, 0))
    t.us(".", ack=2)
    t.peer(".", seq=2, data=b"B", ts=(2000, 0))
    t.us(".", ack=4)
    assert t.conn.recv(10) == b"BC"


@requirement(RFC, "5.2-2", "A RST MUST NOT be subject to PAWS")
def test_a_reset_with_an_old_stamp() -> None:
    t = stamped()
    t.peer("R", seq=2, ts=(1, 0))
    assert isinstance(lost(t), ConnectionReset)
    t = stamped()
    t.peer("R", seq=2)
    assert isinstance(lost(t), ConnectionReset)


@requirement(RFC, "5.2-3", "A RST's timestamps MUST NOT change the connection")
def test_a_reset_s_stamp_is_not_recorded() -> None:
    t = stamped()
    t.peer("R", seq=10, ts=(9000, 0))  # in the window: a challenge
    t.us(".", ts=(0, 1000))


@requirement(
    RFC, "5.2-4", "RECOMMENDED: a RST answers timestamps, TSval 0, TSecr theirs"
)
def test_a_reset_for_who_has_stamps() -> None:
    t = Script()
    t.peer("S", seq=0, ts=(4711, 0))
    t.us("R.", seq=0)
    assert t.last is not None
    assert (t.last.options.ts_val, t.last.options.ts_ecr) == (0, 4711)


@requirement(RFC, "5.2-5", "A RST of an abort SHOULD have timestamps")
def test_a_reset_of_ours() -> None:
    t = stamped()
    t.conn.abort()
    t.us("R.", ts=(0, 1000))


@requirement(RFC, "5.5-1", "After 24 days of idleness TS.Recent is not valid")
def test_a_connection_that_slept() -> None:
    t = stamped()
    t.wait(23 * DAY)
    t.peer("P.", seq=2, data=b"old", ts=(999, 0))
    t.us(".", ack=2)
    t.wait(2 * DAY)
    t.peer("P.", seq=2, data=b"new", ts=(999, 0))
    t.us(".", ack=5)
    assert t.last is not None
    assert t.last.options.ts_ecr == 999


@requirement(RFC, "5.7-1", "Who does PAWS MUST also do path MTU discovery")
def test_path_mtu_discovery() -> None:
    t = accepted(stamps=True, mss=1460)
    t.conn.send(bytes(1400))
    t.us("P.", length=1400)
    assert t.last is not None
    assert t.last.packet[6] & 0x40  # DF
    t.router(3, 4, mtu=1000)
    assert len(t.sent()[0].data) == 1000 - 40 - 12


@requirement(RFC, "5.8-1", "Stamps of a host grow from connection to connection")
def test_the_next_connection() -> None:
    t = Script()
    first = t.connect()
    t.us("S", ts=(0, 0))
    first.abort()
    t.wait(10 * MS)
    t.port = 81
    t.connect()
    t.us("S", ts=(10, 0))
