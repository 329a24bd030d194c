"""RFC 9293 3.4: sequence numbers, the window, the initial number."""

from __future__ import annotations

from sansio_net.errors import ConnectionReset
from sansio_net.testing import Script
from tests.conformance.peers import SEC, connected, lost
from tests.conformance.requirements import requirement

RFC = "RFC 9293"


def shut() -> Script:
    """Our window is shut: nobody reads."""
    t = connected(receive_buffer=2048)
    t.peer(".", data=bytes(1000))
    t.peer(".", data=bytes(1000))
    t.us(".", ack=2001)
    t.peer(".", data=bytes(48))
    t.wait(SEC)
    t.us(".", ack=2049, win=0)
    t.happened()
    return t


@requirement(RFC, "MUST-66", "MUST process RST and URG even with a zero window")
def test_a_reset_at_a_shut_window() -> None:
    t = shut()
    t.peer("R.", seq=2049)
    assert t.happened() == ["ConnectionLost"]
    assert isinstance(lost(t), ConnectionReset)


@requirement(RFC, "MUST-66", "MUST process RST and URG even with a zero window")
def test_an_urgent_pointer_at_a_shut_window() -> None:
    t = shut()
    t.peer("U.", seq=2049, data=b"!", urgent=1)
    t.us(".", ack=2049, win=0)
    assert t.happened() == ["DataReceived"]
    assert t.conn.urgent == 2049
    assert t.conn.pending == 2048


@requirement(RFC, "3.4-1", "When the window is zero, no segment but ACKs is acceptable")
def test_acks_are_heard_at_a_shut_window() -> None:
    t = shut()
    t.conn.send(b"still sending")
    t.us("P.", seq=1)
    t.peer(".", seq=2049, ack=14)
    assert t.conn.info().unacked == 0


def first_number(seed: int, wait: int, peer_port: int = 4000) -> int:
    t = Script(seed=seed, peer_port=peer_port)
    t.wait(wait)
    t.connect()
    t.us("S")
    assert t.our_isn is not None
    return t.our_isn


@requirement(RFC, "MUST-8", "MUST use a clock of 4 microseconds to select ISNs")
def test_the_clock_of_the_initial_number() -> None:
    moved = first_number(1, SEC) - first_number(1, 0)
    assert moved % 2**32 == 250_000


@requirement(RFC, "SHLD-1", "SHOULD have ISN = M + F(addresses, ports, secret)")
@requirement(RFC, "MUST-9", "F() MUST NOT be computable from the outside")
def test_the_initial_number_depends_on_place_and_secret() -> None:
    numbers = {
        first_number(seed, 0, port) for seed in range(4) for port in range(4000, 4004)
    }
    assert len(numbers) == 16
    # nor does the distance between two ports say anything about another stack
    distances = {
        (first_number(seed, 0, 4001) - first_number(seed, 0, 4000)) % 2**32
        for seed in range(4)
    }
    assert len(distances) == 4
