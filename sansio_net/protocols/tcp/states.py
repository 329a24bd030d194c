"""The eleven states and every way between them, as data.

RFC 9293 3.3.2. `Connection` asserts `TRANSITIONS` whenever it enters a state, the tests
walk it, and the documentation's picture is drawn from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """The states of RFC 9293 by their full names."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"

    __hash__ = object.__hash__  # as they compare; Enum's own is slow


# what a connection owes beside text and ACKs: bits of Connection.owed
OWES_SYN: Final = 1
OWES_RST: Final = 2
OWES_BARE_RST: Final = 4
OWES_PROBE: Final = 8
OWES_KEEPALIVE: Final = 16
OWES_TAIL_PROBE: Final = 32

TRANSITIONS: Final[dict[State, tuple[State, ...]]] = {
    # LISTEN: what a listener's child is born in
    State.CLOSED: (State.LISTEN, State.SYN_SENT),
    State.LISTEN: (State.SYN_RECEIVED, State.CLOSED),
    State.SYN_SENT: (State.SYN_RECEIVED, State.ESTABLISHED, State.CLOSED),
    # A close in SYN-RECEIVED waits for ESTABLISHED, as RFC 9293 3.10.4 allows
    State.SYN_RECEIVED: (State.ESTABLISHED, State.CLOSED),
    State.ESTABLISHED: (State.FIN_WAIT_1, State.CLOSE_WAIT, State.CLOSED),
    State.FIN_WAIT_1: (
        State.FIN_WAIT_2,
        State.CLOSING,
        State.TIME_WAIT,
        State.CLOSED,
    ),
    State.FIN_WAIT_2: (State.TIME_WAIT, State.CLOSED),
    State.CLOSE_WAIT: (State.LAST_ACK, State.CLOSED),
    State.CLOSING: (State.TIME_WAIT, State.CLOSED),
    State.LAST_ACK: (State.CLOSED,),
    State.TIME_WAIT: (State.CLOSED,),
}
