"""What an acceptable acknowledgment does: progress, a duplicate, a window.

RFC 9293 3.10.7.4, fifth; RFC 5681 2 and 3.2, RFC 6298 5, RFC 7323 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.units import MILLISECOND
from sansio_net.wire.tcp import ECE

from . import lifecycle
from .ecn import window_reduced
from .events import SPACE
from .mtu import probe_acknowledged, probe_at, probe_lost
from .recovery import DUP_THRESHOLD, FAST
from .segment import Segment
from .seq import MASK
from .timers import PERSIST, RETRANSMIT, USER

if TYPE_CHECKING:
    from .connection import Connection


def syn_acknowledged(conn: Connection, seg: Segment, now: int) -> None:
    """SYN-RECEIVED: our SYN is acknowledged."""
    sender = conn.sender
    conn.rtt.on_ack(seg.ack, now, echo_age(conn, seg.ts_val, seg.ts_ecr, now))
    sender.acknowledge(sender.iss + 1)
    if conn.fast_open is not None and not conn.fast_open.serving:
        sender.snd_nxt = sender.snd_una  # text on our SYN is not known to have arrived
    sender.snd_wl1, sender.snd_wl2 = seg.seq, seg.ack
    sender.snd_wnd = seg.wnd
    sender.max_snd_wnd = max(sender.max_snd_wnd, seg.wnd)
    conn.forward_progress = True
    lifecycle.establish(conn, now)
    if sender.in_flight:
        conn.timers.set(RETRANSMIT, now + conn.rtt.rto)


def acknowledged(conn: Connection, seg: Segment, now: int) -> None:
    """SND.UNA =< SEG.ACK =< SND.NXT: progress, a duplicate, or a window."""
    sender = conn.sender
    closed_before = not sender.snd_wnd
    probing = closed_before and conn.probing
    duplicate = (
        seg.ack == sender.snd_una
        and sender.in_flight > 0
        and not seg.carried
        and seg.wnd == sender.snd_wnd
    )
    if seg.flags & ECE and conn.ecn is not None and ecn_echo(conn, seg.ack, now):
        window_reduced(conn)
    if seg.ack > sender.snd_una:
        progress(conn, seg.ack, seg.ts_val, seg.ts_ecr, now)
    elif closed_before and not conn.closed:
        # RFC 9293 MUST-37: who answers probes keeps the connection, as long as there
        # is an application for which it waits (RFC 6429 5)
        conn.retransmits = 0
        conn.soft_error = None
        conn.timers.stop(USER)
    if sender.set_window(seg.seq, seg.ack, seg.wnd):
        conn.timers.stop(PERSIST)
        if probing and seg.wnd:
            # open again: how far the probes backed off says nothing about the path
            conn.probing = False
            conn.rtt.backoff = 0
            if sender.in_flight:
                # and our probe was not taken: it goes with the rest
                conn.recovery.lose(sender.snd_una, sender.snd_nxt, "window")
                conn.timers.set(RETRANSMIT, now + conn.rtt.rto)
        conn.wake()
    if duplicate:
        duplicate_ack(conn, now)


def duplicate_ack(conn: Connection, now: int) -> None:
    """RFC 5681 2: nothing new, but something arrived over there."""
    sender, recovery = conn.sender, conn.recovery
    if sender.snd_wnd == 0:
        return
    congestion = conn.congestion
    una, nxt = sender.snd_una, sender.snd_nxt
    if recovery.dup_acks == DUP_THRESHOLD - 1 and probe_at(conn, una):
        recovery.dup_acks = 0
        probe_lost(conn, now)
        return
    if recovery.on_duplicate(una, nxt, sender.mss, congestion, now):
        window_reduced(conn)
        note_window(conn, now)
    conn.wake()


def progress(
    conn: Connection, ack: int, ts_val: int | None, ts_ecr: int, now: int
) -> None:
    """SND.UNA < SEG.ACK =< SND.NXT: text or our FIN arrived."""
    sender, recovery, timers = conn.sender, conn.recovery, conn.timers
    in_flight = sender.in_flight
    limited = sender.cwnd_limited
    newly = sender.acknowledge(ack)
    conn.forward_progress = True
    conn.retransmits = 0
    conn.soft_error = None  # the way is there again
    conn.probing = False
    if conn.rtt.on_ack(ack, now, echo_age(conn, ts_val, ts_ecr, now)):
        rtt = conn.rtt
        conn.note(now, "tcp.rtt", rtt.srtt, rtt.rttvar, rtt.rto)
    if recovery.phase is not FAST:
        sample = conn.sample
        sample.now, sample.acked = now, newly
        sample.in_flight, sample.limited = in_flight, limited
        conn.congestion.on_ack(sample)
    recovery.on_ack(newly, ack, sender.snd_nxt, sender.mss, conn.congestion, now)
    note_window(conn, now)
    if conn.path is not None and conn.path.search is not None:
        probe_acknowledged(conn, conn.path.search, now)
    if ack == sender.snd_nxt:
        timers.stop(RETRANSMIT)  # RFC 6298 (5.2)
    elif recovery.restarts_timer:
        timers.set(RETRANSMIT, now + conn.rtt.rto)  # (5.3)
    if timers.at(USER) is not None:
        waiting = sender.in_flight or sender.queued
        if waiting and conn.options.user_timeout is not None:
            timers.set(USER, now + conn.options.user_timeout)
        else:
            timers.stop(USER)
    tell_space(conn)
    if sender.queue is not None or sender.fin:
        conn.wake()


def ecn_echo(conn: Connection, ack: int, now: int) -> bool:
    """An acceptable ACK carries ECE: cwnd comes down once for each window of data.

    RFC 3168 6.1.2. True the first time: CWR goes with the next new text.
    """
    sender, recovery = conn.sender, conn.recovery
    if not recovery.congestion_window_reduced(
        ack, sender.snd_una, sender.snd_nxt, conn.congestion, now
    ):
        return False
    note_window(conn, now)
    return True


def tell_space(conn: Connection) -> None:
    """A send took less than it was given, and there is room again."""
    sender = conn.sender
    if not sender.short_send:
        return
    options = conn.options
    if options.send_buffer is None:
        # what is in flight, and as much again to follow it
        sender.grow(2 * conn.congestion.cwnd, options.send_buffer_max)
    if sender.space_is_worth_telling():
        sender.short_send = False
        if not sender.fin:
            conn.notify(SPACE)


def note_window(conn: Connection, now: int) -> None:
    if conn.trace is not None:
        congestion = conn.congestion
        conn.note(now, "tcp.cwnd", congestion.cwnd, congestion.ssthresh)


def echo_age(
    conn: Connection, ts_val: int | None, ts_ecr: int | None, now: int
) -> int | None:
    """How long ago the stamp that the peer echoes was made (RFC 7323 4.1)."""
    agreed = conn.agreed
    # 0: some hosts have nothing to echo and say so
    if ts_val is None or not ts_ecr or agreed is None or not agreed.timestamps:
        return None
    age = (now // MILLISECOND + conn.ts_offset - ts_ecr) & MASK
    return age * MILLISECOND if age < 1 << 31 else None
