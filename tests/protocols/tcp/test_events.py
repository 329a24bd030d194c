"""The order of events, and that each comes once."""

from __future__ import annotations

from sansio_net.protocols.tcp import ConnectionLost, SpaceFreed
from sansio_net.protocols.tcp.events import CONNECTED, DATA, EOF, SPACE

from .dialogue import Talk


def test_everything_at_once_in_order() -> None:
    talk = Talk(send_buffer=2048)
    talk.conn.connect()
    talk.conn.send(bytes(3000))
    talk.us("S")
    talk.peer("S.", seq=0, ack=1, mss=1000)
    talk.all_said()
    talk.peer(".", seq=1, ack=2001, data=b"x")
    talk.peer("F.", seq=2, ack=2049)
    talk.events("Connected", "DataReceived", "EofReceived", "SpaceFreed")


def test_lost_is_last_and_space_is_not_told_to_the_dead() -> None:
    talk = Talk.active()
    for kind in (CONNECTED, DATA, EOF, SPACE):
        talk.conn.notify(kind)
    talk.peer(".", seq=1, ack=1, data=b"x")
    talk.peer("R", seq=2)
    *_, last = talk.events("Connected", "DataReceived", "EofReceived", "ConnectionLost")
    assert isinstance(last, ConnectionLost)
    talk.events()


def test_space_is_read_when_drained() -> None:
    talk = Talk.active(send_buffer=6000)
    talk.conn.send(bytes(7000))
    talk.all_said()
    talk.peer(".", seq=1, ack=3001)
    talk.peer(".", seq=1, ack=6001)
    assert talk.events("SpaceFreed") == [SpaceFreed(talk.conn, 6000)]


def test_one_list_holds_a_connection_once() -> None:
    talk = Talk.active()
    notified: list[object] = []
    talk.conn.attach(None, notified)
    talk.peer(".", seq=1, ack=1, data=b"x")
    talk.peer("F.", seq=2, ack=1)
    assert notified == [talk.conn]
    # and it moves with what is pending
    other: list[object] = []
    ready: list[object] = []
    talk.conn.attach(ready, other)  # type: ignore[arg-type]
    assert other == ready == [talk.conn]
