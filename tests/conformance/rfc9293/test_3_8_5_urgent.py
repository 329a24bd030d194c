"""RFC 9293 3.8.5: urgent information."""

from __future__ import annotations

from tests.conformance.peers import connected
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


@requirement(RFC, "MUST-30", "MUST include support for the urgent mechanism")
@requirement(RFC, "MUST-62", "The pointer MUST point to the octet after urgent data")
def test_an_urgent_pointer() -> None:
    t = connected()
    t.peer("PU.", data=b"now, please", urgent=4)
    assert t.conn.urgent == 4
    assert t.conn.recv(4) == b"now,"
    assert t.conn.urgent == 0
    assert t.conn.recv(100) == b" please"


@requirement(RFC, "MUST-31", "MUST support urgent data of any length")
def test_any_length() -> None:
    t = connected()
    t.peer("U.", seq=1, data=b"", urgent=50_000)
    assert t.conn.urgent == 50_000
    for _ in range(50):
        t.peer(".", data=bytes(1000), urgent=0)
    assert t.conn.urgent == 50_000
    assert len(t.conn.recv(60_000) or b"") == 50_000
    assert t.conn.urgent == 0


@requirement(RFC, "MUST-32", "MUST inform the application when the pointer advances")
def test_the_application_hears_of_it() -> None:
    t = connected()
    t.peer("U.", urgent=10)
    assert t.happened() == ["DataReceived"]
    t.peer("U.", urgent=10)
    assert t.happened() == []
    t.peer("U.", urgent=11)
    assert t.happened() == ["DataReceived"]


@requirement(RFC, "MUST-33", "The application MUST be able to learn how much remains")
def test_how_much_remains() -> None:
    t = connected()
    t.peer("PU.", data=b"0123456789", urgent=8)
    for left in (8, 6, 4, 2, 0):
        assert t.conn.urgent == left
        t.conn.recv(2)


@requirement(RFC, "SHLD-13", "New applications SHOULD NOT employ the urgent mechanism")
def test_we_never_send_it() -> None:
    t = connected()
    t.conn.send(b"text")
    t.us("P.", urgent=0)
    assert not hasattr(t.conn, "send_urgent")
