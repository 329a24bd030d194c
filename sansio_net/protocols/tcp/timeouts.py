"""What a connection does when time has passed.

RFC 9293 3.8.3 (R1, R2), 3.8.4 (keep-alive), 3.8.6.1 (probes), 3.10.8; RFC 6298 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.errors import TimedOut

from .acknowledgment import note_phase, note_window
from .arming import arm_reordering
from .ecn import window_reduced
from .events import STALLED
from .lifecycle import reset
from .mtu import aged, timed_out
from .orphans import stalled
from .states import (
    OWES_KEEPALIVE,
    OWES_PROBE,
    OWES_SYN,
    OWES_TAIL_PROBE,
    State,
)
from .tally import tally_of
from .timers import (
    CORK,
    DELAYED_ACK,
    FIN_WAIT_2,
    KEEPALIVE,
    NAMES,
    PACING,
    PATH,
    PERSIST,
    PROBE,
    REORDER,
    RETRANSMIT,
    STALL,
    USER,
)

if TYPE_CHECKING:
    from .connection import Connection


def handle_timeout(conn: Connection, now: int) -> None:
    """Do what is due, in the order of the slots, until nothing is or all is over."""
    conn.clock = now
    if conn.state is State.TIME_WAIT:
        # only for a connection without a Stack: there the table has the record
        record = conn.time_wait
        if record is not None and record.expires_at <= now:
            conn.enter(State.CLOSED)
        return
    for slot in conn.timers.due(now):
        conn.note(now, "tcp.timer", NAMES[slot])
        _ACTIONS[slot](conn, now)
        if conn.done:
            return


def _retransmit(conn: Connection, now: int) -> None:
    """RFC 6298 (5.4) to (5.7); RFC 9293 3.8.3."""
    sender, recovery, options = conn.sender, conn.recovery, conn.options
    opening = conn.state in (State.SYN_SENT, State.SYN_RECEIVED)
    if not opening and not sender.in_flight and not sender.stuck:
        return  # what was blocked has left and was acknowledged meanwhile
    limit = options.retries2
    if opening:
        limit = options.syn_retries
        if conn.listener is not None:
            limit = options.synack_retries
    if conn.retransmits >= limit:
        give_up(conn)
        return
    tally_of(conn).timed_out(not conn.retransmits, now)
    conn.retransmits += 1
    if conn.retransmits >= options.retries1:
        conn.suspicious = True
    if conn.retransmits == options.retries1:
        _tell(conn)
    conn.rtt.back_off()
    if opening:
        conn.owed |= OWES_SYN
    elif sender.in_flight and (not sender.snd_wnd or conn.probing):
        # the window is shut: this is a probe, and says nothing about congestion
        una = sender.snd_una
        conn.probing = True
        recovery.lose(una, min(una + sender.mss, sender.snd_nxt), "probe")
    elif sender.in_flight and not timed_out(conn, now):
        _lose_all(conn, now)
    conn.timers.set(RETRANSMIT, now + conn.rtt.rto)
    conn.note(now, "tcp.rto", conn.rtt.rto, conn.retransmits)
    conn.wake()


def _tell(conn: Connection) -> None:
    """RFC 9293 SHLD-9: who has the connection hears that R1 is reached."""
    if not conn.closed and (conn.listener is None or conn.established):
        conn.notify(STALLED)


def _lose_all(conn: Connection, now: int) -> None:
    """An RTO: what is in flight counts as lost."""
    sender, recovery, congestion = conn.sender, conn.recovery, conn.congestion
    before = recovery.phase
    recovery.on_timeout(
        sender.snd_una,
        sender.snd_nxt,
        sender.mss,
        conn.retransmits > 1,
        conn.options.frto,
        congestion,
        now,
    )
    conn.timers.stop(PROBE)
    conn.timers.stop(REORDER)
    window_reduced(conn)
    note_window(conn, now)
    if before is not recovery.phase:
        note_phase(conn, before, now)


def _reorder(conn: Connection, now: int) -> None:
    """What was sent before something that has arrived had its time (RFC 8985 6.2)."""
    sender, recovery = conn.sender, conn.recovery
    before, reductions = recovery.phase, recovery.reductions
    if recovery.look_again(
        sender.snd_una, sender.snd_nxt, sender.mss, conn.congestion, now
    ):
        if recovery.reductions != reductions:
            window_reduced(conn)
        if before is not recovery.phase:
            note_phase(conn, before, now)
        note_window(conn, now)
        conn.wake()
    arm_reordering(conn, now)


def _probe(conn: Connection, now: int) -> None:
    """RFC 8985 7.3; if the probe fails, the RTO is there."""
    ecn = conn.ecn
    if not conn.sender.in_flight or conn.done:
        return
    if ecn is not None and now < ecn.waits_until:
        # a probe could be new text, and that has to wait (RFC 3168 6.1.2)
        conn.timers.set(RETRANSMIT, ecn.waits_until)
    else:
        conn.timers.set(RETRANSMIT, now + conn.rtt.rto)
        conn.owed |= OWES_TAIL_PROBE
        conn.wake()


def give_up(conn: Connection) -> None:
    """R2 or the user timeout: what ICMP hinted at is the better reason, as in Linux."""
    conn.finish(conn.soft_error or TimedOut())


def _delayed_ack(conn: Connection, now: int) -> None:
    conn.owe_ack()


def _persist(conn: Connection, now: int) -> None:
    if conn.sender.stuck:
        conn.owed |= OWES_PROBE
        conn.wake()


def _keepalive(conn: Connection, now: int) -> None:
    options = conn.options
    if not options.keepalive:
        return
    conn.recovery.rest()
    if not conn.keepalives:
        # RFC 9293 3.8.4: only when idle; text in flight has time-outs of its own
        due = conn.heard_at + options.keepalive_idle
        if due > now or conn.sender.in_flight:
            if due <= now:
                due = now + options.keepalive_interval
            conn.timers.set(KEEPALIVE, due)
            return
    elif conn.keepalives >= options.keepalive_probes:
        reset(conn, conn.soft_error or TimedOut())
        return
    conn.keepalives += 1
    conn.owed |= OWES_KEEPALIVE
    conn.timers.set(KEEPALIVE, now + options.keepalive_interval)
    conn.wake()


def _user(conn: Connection, now: int) -> None:
    sender = conn.sender
    opening = conn.state in (State.SYN_SENT, State.SYN_RECEIVED)
    if opening or sender.in_flight or sender.stuck:
        give_up(conn)


def _fin_wait_2(conn: Connection, now: int) -> None:
    conn.finish(None)


def _cork(conn: Connection, now: int) -> None:
    """Text below a segment was held back for as long as Linux would."""
    if conn.sender.held_back:
        conn.sender.flush()
        conn.wake()


def _paced(conn: Connection, now: int) -> None:
    """The next burst may leave."""
    conn.wake()


_ACTIONS: Final = {
    PATH: aged,
    RETRANSMIT: _retransmit,
    DELAYED_ACK: _delayed_ack,
    PERSIST: _persist,
    KEEPALIVE: _keepalive,
    USER: _user,
    FIN_WAIT_2: _fin_wait_2,
    REORDER: _reorder,
    PROBE: _probe,
    PACING: _paced,
    CORK: _cork,
    STALL: stalled,
}
