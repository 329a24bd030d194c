from __future__ import annotations

import pytest

from sansio_net.protocols.tcp import TRANSITIONS, State

from .dialogue import Talk


def test_every_state_has_its_ways() -> None:
    assert len(State) == 11
    assert set(TRANSITIONS) == set(State)


def test_every_state_can_be_reached_and_can_end() -> None:
    reached = {State.CLOSED}
    for _ in State:
        reached |= {after for before in reached for after in TRANSITIONS[before]}
    assert reached == set(State)
    for state in State:
        if state is not State.CLOSED:
            assert State.CLOSED in TRANSITIONS[state]


def test_a_wrong_way_is_caught() -> None:
    talk = Talk.active()
    with pytest.raises(AssertionError, match="ESTABLISHED -> "):
        talk.conn.enter(State.LAST_ACK)


def test_changes_are_traced() -> None:
    talk = Talk.active()
    assert talk.trace[0] == (0, "tcp.state", 0, "CLOSED", "SYN-SENT")
    changes = [entry for entry in talk.trace if entry[1] == "tcp.state"]
    assert changes[1] == (talk.now, "tcp.state", 0, "SYN-SENT", "ESTABLISHED")
