from __future__ import annotations

from sansio_net.protocols.tcp.timers import (
    DELAYED_ACK,
    KEEPALIVE,
    NAMES,
    RETRANSMIT,
    USER,
    Timers,
)


def test_the_earliest_is_known() -> None:
    timers = Timers()
    assert timers.earliest() is None
    timers.set(RETRANSMIT, 100)
    timers.set(KEEPALIVE, 500)
    assert timers.earliest() == 100
    timers.set(RETRANSMIT, 700)
    assert timers.earliest() == 500
    timers.stop(KEEPALIVE)
    assert timers.earliest() == 700
    timers.stop(RETRANSMIT)
    assert timers.earliest() is None


def test_due_gives_slots_in_order_and_stops_them() -> None:
    timers = Timers()
    timers.set(USER, 10)
    timers.set(DELAYED_ACK, 20)
    timers.set(RETRANSMIT, 20)
    timers.set(KEEPALIVE, 21)
    assert timers.due(9) == []
    assert timers.due(20) == [RETRANSMIT, DELAYED_ACK, USER]
    assert timers.due(20) == []
    assert timers.earliest() == timers.at(KEEPALIVE) == 21


def test_two_at_the_same_time() -> None:
    timers = Timers()
    timers.set(RETRANSMIT, 10)
    timers.set(USER, 10)
    timers.set(RETRANSMIT, 30)
    assert timers.earliest() == 10
    timers.stop_all()
    assert timers.earliest() is None
    assert [timers.at(slot) for slot in range(len(NAMES))] == [None] * len(NAMES)
