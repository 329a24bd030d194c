"""RFC 9293 3.6: closing a connection."""

from __future__ import annotations

import pytest

from sansio_net.errors import ConnectionReset, StateError
from sansio_net.testing import Script
from tests.conformance.peers import SEC, accepted, connected, lost
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-12", "MUST inform whether it closed normally or was aborted")
def test_a_normal_close_and_an_abort() -> None:
    t = connected()
    t.peer("F.")
    t.conn.close()
    t.sent()
    t.peer(".")
    assert t.happened() == ["EofReceived", "Closed"]
    t = connected()
    t.peer("R", seq=1)
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(lost(t), ConnectionReset)


@requirement(RFC, "MAY-1", "MAY close half-duplex: after CLOSE nothing can be read")
def test_nothing_is_read_after_close() -> None:
    t = connected()
    t.conn.close()
    t.us("F.")
    with pytest.raises(StateError):
        t.conn.recv(1)


@requirement(RFC, "SHLD-3", "SHOULD send a RST to show that data was lost")
def test_unread_data_at_close() -> None:
    t = connected()
    t.peer("P.", data=b"unread")
    t.conn.close()
    t.us("R.", seq=1, ack=7)
    t.silent()


@requirement(RFC, "SHLD-3", "SHOULD send a RST to show that data was lost")
def test_data_after_close() -> None:
    t = connected()
    t.conn.close()
    t.us("F.", seq=1)
    t.peer("P.", ack=2, data=b"late")
    t.us("R.", seq=2)
    t.silent()


def in_time_wait(t: Script) -> Script:
    t.conn.shutdown()
    t.us("F.", seq=1)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    t.happened()
    return t


@requirement(RFC, "MUST-13", "MUST linger in TIME-WAIT for 2 MSL after an active close")
def test_time_wait_acknowledges_for_two_msl() -> None:
    t = in_time_wait(connected())
    t.wait(60 * SEC - 1)
    t.peer("F.", seq=1, ack=2)
    t.us(".", seq=2, ack=2)
    t.wait(60 * SEC - 1)
    t.peer("P.", seq=1, ack=2, data=b"!")
    t.us(".", seq=2, ack=2)
    t.wait(1)
    t.peer("F.", seq=1, ack=2)
    t.us("R", seq=2)


@requirement(RFC, "MAY-2", "MAY accept a new SYN from TIME-WAIT")
def test_a_new_incarnation() -> None:
    t = in_time_wait(accepted())
    first = t.our_isn
    assert first is not None
    t.peer("S", seq=0)  # an old duplicate
    t.us(".", seq=2, ack=2)
    t.peer("S", seq=5000)
    t.us("S.", ack=5001)
    # (1): ours is larger than the largest of the last connection
    assert t.our_isn is not None
    assert 2 < (t.our_isn - first) % 2**32 < 2**31


@requirement(RFC, "SHLD-4", "SHOULD use timestamps to reduce TIME-WAIT (RFC 6191)")
def test_a_newer_stamp_reopens_below_the_last_number() -> None:
    t = in_time_wait(accepted(stamps=True))
    t.stamps = False
    t.peer("S", seq=-5000, ts=(1, 0))  # not newer
    t.us(".", seq=2, ack=2)
    t.wait(SEC)
    t.peer("S", seq=-5000, ts=(2, 0))
    t.us("S.", ack=-4999)
