"""RFC 6191 2: a SYN for a connection in TIME-WAIT."""

from __future__ import annotations

import pytest

from sansio_net.testing import Script
from tests.conformance.peers import SEC, accepted
from tests.conformance.requirements import requirement

RFC = "RFC 6191"

LAST = 1000
"""The timestamp of the peer's FIN, which lies at 1."""


def in_time_wait(stamped: bool) -> Script:
    t = accepted(stamps=stamped)
    t.conn.shutdown()
    t.us("F.", seq=1)
    t.stamps = False
    t.peer("F.", seq=1, ack=2, ts=(LAST, 0) if stamped else None)
    t.us(".", seq=2, ack=2)
    t.wait(SEC)
    return t


def honoured(t: Script, seq: int, stamp: int | None) -> bool:
    t.peer("S", seq=seq, ts=None if stamp is None else (stamp, 0))
    (answer,) = t.sent()
    return bool(answer.header.flags & 2)


@requirement(RFC, "2-1", "Timestamps then and now: a greater one SHOULD be honoured")
@pytest.mark.parametrize("seq", [-5000, 5000])
def test_a_greater_stamp(seq: int) -> None:
    assert honoured(in_time_wait(True), seq, LAST + 1)


@requirement(RFC, "2-2", "An equal one SHOULD be honoured with a greater number")
def test_an_equal_stamp() -> None:
    assert honoured(in_time_wait(True), 5000, LAST)
    assert not honoured(in_time_wait(True), -5000, LAST)


@requirement(RFC, "2-3", "Timestamps no more: a greater number SHOULD be honoured")
def test_no_stamp_any_more() -> None:
    assert honoured(in_time_wait(True), 5000, None)


@requirement(RFC, "2-4", "Otherwise the SYN SHOULD be dropped, and TIME-WAIT stays")
def test_everything_else() -> None:
    assert not honoured(in_time_wait(True), 5000, LAST - 1)
    assert not honoured(in_time_wait(True), -5000, None)
    t = in_time_wait(False)
    assert not honoured(t, -5000, None)
    assert len(t.stack.time_wait) == 1


@requirement(RFC, "2-5", "No timestamps then, but now: SHOULD be honoured")
@pytest.mark.parametrize("seq", [-5000, 5000])
def test_stamps_are_new(seq: int) -> None:
    assert honoured(in_time_wait(False), seq, 1)


@requirement(RFC, "2-6", "Never timestamps: a greater number SHOULD be honoured")
def test_a_greater_number() -> None:
    assert honoured(in_time_wait(False), 5000, None)
