"""RFC 9293 3.5: establishing a connection, and resets."""

from __future__ import annotations

import pytest

from sansio_net.errors import ConnectionRefused, ConnectionReset
from sansio_net.protocols.tcp import State
from sansio_net.testing import Script
from tests.conformance.peers import accepted, connected, lost
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-10", "MUST support simultaneous open attempts")
def test_both_open_at_once() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("S.", seq=0, ack=1)
    assert t.happened() == ["Connected"]
    t.conn.send(b"both")
    t.us("P.", seq=1, ack=1)


@requirement(RFC, "MUST-11", "MUST know whether SYN-RECEIVED came of a passive OPEN")
def test_a_reset_leads_back_to_listen() -> None:
    t = Script()
    listener = t.listen()
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("R", seq=1)
    assert (listener.half_open, t.happened()) == (0, [])
    t.peer("S", seq=100)
    t.us("S.", ack=101)


@requirement(RFC, "MUST-11", "MUST know whether SYN-RECEIVED came of a passive OPEN")
def test_a_reset_refuses_what_we_opened() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("S", seq=0)
    t.us("S.", seq=0, ack=1)
    t.peer("R", seq=1)
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(lost(t), ConnectionRefused)


@requirement(RFC, "SHLD-2", "SHOULD allow a received RST to include data")
@pytest.mark.parametrize("size", [1, 100, 2000])
def test_a_reset_with_an_explanation(size: int) -> None:
    t = connected()
    t.peer("R.", seq=1, data=bytes(size))
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(lost(t), ConnectionReset)
    t.silent()


# The rules of 3.5.2 and 3.5.3 have no numbers


@requirement(RFC, "3.5.2-1", "CLOSED: a RST answers anything but a RST")
def test_resets_for_nobody() -> None:
    t = Script()
    t.peer("S", seq=0, data=b"abc")
    t.us("R.", seq=0, ack=4)
    t.peer(".", seq=10, ack=500)
    t.us("R", seq=500)
    t.peer("R", seq=10)
    t.silent()


@requirement(
    RFC, "3.5.2-2", "Not synchronized: a RST answers an ACK of what was not sent"
)
def test_resets_while_opening() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("S.", seq=0, ack=2)
    t.us("R", seq=2)
    assert t.conn.state is State.SYN_SENT


@requirement(
    RFC, "3.5.2-3", "Synchronized: only an ACK answers an unacceptable segment"
)
def test_no_resets_once_synchronized() -> None:
    t = accepted()
    t.peer("P.", seq=-100, data=b"old")
    t.us(".", seq=1, ack=1, length=0)
    t.peer("P.", seq=100_000, data=b"far")
    t.us(".", seq=1, ack=1, length=0)
    t.peer(".", seq=1, ack=5000)
    t.us(".", seq=1, ack=1, length=0)
    assert t.conn.state is State.ESTABLISHED


@requirement(RFC, "3.5.3-1", "SYN-SENT: a RST counts if its ACK acknowledges the SYN")
def test_resets_must_acknowledge_the_syn() -> None:
    t = Script()
    t.connect()
    t.us("S", seq=0)
    t.peer("R.", seq=0, ack=7)
    t.peer("R", seq=0)
    assert t.conn.state is State.SYN_SENT
    t.peer("R.", seq=0, ack=1)
    assert isinstance(lost(t), ConnectionRefused)
