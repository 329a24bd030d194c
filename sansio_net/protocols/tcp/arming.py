"""What a connection waits for: the timers of retransmission, probes and users.

RFC 6298 5, RFC 8985 7.2, RFC 5482, RFC 9293 3.8.6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.units import MILLISECOND, SECOND

from . import orphans
from .delivery import DeliveryRate
from .phase import CWR, OPEN
from .scoreboard import NEVER, Scoreboard
from .states import OWES_SYN, State
from .tail import TailProbe, probe_timeout
from .tally import text_waits
from .timers import (
    CORK,
    FIN_WAIT_2,
    KEEPALIVE,
    PACING,
    PERSIST,
    PROBE,
    REORDER,
    RETRANSMIT,
    USER,
)

if TYPE_CHECKING:
    from .connection import Connection

CORK_DELAY: Final = 200 * MILLISECOND
"""The longest that a segment waits to be filled; Linux's TCP_CORK."""

_OF_TEXT: Final = (RETRANSMIT, PROBE, REORDER, PACING)
"""What runs for want of an acknowledgment, or of leave to send."""

SENDING: Final = (
    State.ESTABLISHED,
    State.CLOSE_WAIT,
    State.FIN_WAIT_1,
    State.CLOSING,
    State.LAST_ACK,
)
"""States in which text or our FIN may still have to go."""


def first_text(conn: Connection) -> Scoreboard:
    """What was agreed on is known now: what loss recovery has to go by."""
    options = conn.options
    sack = conn.agreed is not None and conn.agreed.sack
    rate = DeliveryRate() if conn.congestion.needs_rate else None
    return conn.recovery.first_text(sack, options.rack, options.tail_loss_probe, rate)


def await_ack(conn: Connection, now: int) -> None:
    """Something that the peer must acknowledge has left."""
    conn.last_sent_at = now
    tail = conn.recovery.tail
    if tail is not None and (board := _probes(conn, tail)) is not None:
        _arm_probe(conn, board, now)  # instead of the retransmission timer
        if conn.options.user_timeout is not None:
            _arm_user(conn, now)
    else:
        arm_retransmission(conn, now)


def rearm(conn: Connection, now: int) -> None:
    """RFC 6298 (5.2) and (5.3): something new was acknowledged."""
    timers, tail = conn.timers, conn.recovery.tail
    if conn.sender.snd_una == conn.sender.snd_nxt:
        timers.stop_several(_OF_TEXT)
    elif tail is not None and (board := _probes(conn, tail)) is not None:
        _arm_probe(conn, board, now)
    else:
        timers.stop(PROBE)
        timers.set(RETRANSMIT, now + conn.rtt.rto)


def arm_reordering(conn: Connection, now: int) -> None:
    """RFC 8985 6.2: when what only the window keeps from being lost will be."""
    at = conn.recovery.reorder_at
    if at != NEVER:
        conn.timers.set(REORDER, at)
    else:
        conn.timers.stop(REORDER)


def stop_probing(conn: Connection, now: int) -> None:
    """Something is missing: losses are found without a probe, or by an RTO."""
    timers = conn.timers
    if timers.at(PROBE) is not None:
        timers.stop(PROBE)
        timers.set(RETRANSMIT, now + conn.rtt.rto)


def _probes(conn: Connection, tail: TailProbe) -> Scoreboard | None:
    """Does a probe come before the RTO (RFC 8985 7.2)? One of the two runs."""
    recovery, sender = conn.recovery, conn.sender
    board, phase = recovery.scoreboard, recovery.phase
    if (
        board is None
        or (phase is not OPEN and phase is not CWR)
        or board.sacked
        or board.waiting
        or not tail.timed
        or tail.end != NEVER
        or conn.probing
        or conn.retransmits
        or not sender.snd_wnd
        or sender.snd_una == sender.snd_nxt
        or not conn.options.tail_loss_probe
    ):
        return None
    return board


def _arm_probe(conn: Connection, board: Scoreboard, now: int) -> None:
    sender, rtt, timers = conn.sender, conn.rtt, conn.timers
    one = sender.snd_nxt - sender.snd_una <= sender.mss
    at = now + probe_timeout(rtt.srtt, one, conn.options.min_rto)
    # never later than the RTO, which ran from the first that is not acknowledged
    expires_at = board.records[0].sent_at + rtt.rto
    if at > expires_at:
        at = expires_at if expires_at > now else now + 1
    timers.stop(RETRANSMIT)
    timers.set(PROBE, at)


def arm_retransmission(conn: Connection, now: int) -> None:
    """RFC 6298 (5.1); RFC 5482 for the user timeout."""
    timers = conn.timers
    if timers.at(RETRANSMIT) is None and timers.at(PROBE) is None:
        timers.set(RETRANSMIT, now + conn.rtt.rto)
    if conn.options.user_timeout is not None:
        _arm_user(conn, now)


def _arm_user(conn: Connection, now: int) -> None:
    user_timeout = conn.options.user_timeout
    if user_timeout is not None and conn.timers.at(USER) is None:
        conn.timers.set(USER, now + user_timeout)


def arm_waiting(conn: Connection, now: int) -> None:
    """Nothing can leave: arm what must happen if nothing comes either."""
    state, timers, sender = conn.state, conn.timers, conn.sender
    options = conn.options
    if conn.done:
        return
    if sender.queue is not None:
        text_waits(conn, now)
    if sender.corked:
        if not sender.held_back:
            timers.stop(CORK)
        elif timers.at(CORK) is None:
            timers.set(CORK, now + CORK_DELAY)
    in_flight = sender.snd_una != sender.snd_nxt
    stuck = not in_flight and sender.stuck
    if stuck and state in SENDING and timers.at(PERSIST) is None:
        # RFC 9293 3.8.6.1: the first probe after an RTO; 3.8.6.2.1: the override of
        # SWS avoidance within a second
        delay = conn.rtt.rto
        timers.set(PERSIST, now + (min(delay, SECOND) if sender.snd_wnd else delay))
    if sender.snd_wnd and (stuck or in_flight) and options.user_timeout is not None:
        # a shut window is the peer's right; only a probe without an answer counts
        _arm_user(conn, now)
    if conn.closed or options.zero_window_timeout is not None:
        orphans.arm(conn, now)
    if state is State.FIN_WAIT_2 and conn.closed and timers.at(FIN_WAIT_2) is None:
        timers.set(FIN_WAIT_2, now + options.fin_wait_2)
    if options.keepalive and conn.established and timers.at(KEEPALIVE) is None:
        timers.set(KEEPALIVE, now + options.keepalive_idle)


def blocked(conn: Connection, now: int) -> None:
    """Output cannot leave: count as if it had been sent, so that R2 and the user
    timeout end a connection whose device or neighbour never comes back."""
    conn.clock = now
    if conn.done:
        return
    sender = conn.sender
    if conn.owed & OWES_SYN or sender.in_flight or sender.stuck:
        arm_retransmission(conn, now)
    arm_waiting(conn, now)
