"""What an acceptable acknowledgment does: progress, a duplicate, a window.

RFC 9293 3.10.7.4, fifth; RFC 5681 2 and 3.2, RFC 6298 5, RFC 7323 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.units import MILLISECOND
from sansio_net.wire.tcp import ECE

from . import lifecycle
from .arming import arm_reordering, first_text, rearm, stop_probing
from .detection import DUP_THRESHOLD, in_order
from .ecn import window_reduced
from .events import SPACE
from .mtu import probe_acknowledged, probe_at, probe_lost, window_fell
from .phase import CWR, FAST, OPEN, TIMEOUT, Phase
from .scoreboard import NEVER, Scoreboard
from .segment import Segment
from .sent import Sent
from .seq import MASK, unwrap
from .tally import all_delivered, tally_of, time_outs_end
from .timers import PERSIST, RETRANSMIT, USER

if TYPE_CHECKING:
    from .connection import Connection

REDUCING: Final = (FAST, CWR)
"""Where PRR sets the window, and no ACK raises it (RFC 6937 3, RFC 3168 6.1.2)."""


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
        and not closed_before
    )
    echoes = seg.flags & ECE and conn.ecn is not None
    if echoes and ecn_echo(conn, seg.ack, now):
        window_reduced(conn)
    if seg.ack > sender.snd_una or duplicate or seg.sack:
        delivered = take_ack(
            conn, seg.ack, seg.ts_val, seg.ts_ecr, now, seg.sack, duplicate
        )
        if echoes:
            tally_of(conn).delivered_ce += delivered
    elif closed_before and not conn.closed:
        # RFC 9293 MUST-37: who answers probes keeps the connection, as long as there
        # is an application for which it waits (RFC 6429 5)
        time_outs_end(conn)
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


def take_ack(
    conn: Connection,
    ack: int,
    ts_val: int | None,
    ts_ecr: int,
    now: int,
    blocks: Sequence[tuple[int, int]] = (),
    duplicate: bool = False,
) -> int:
    """SND.UNA =< SEG.ACK =< SND.NXT: what arrived, and what that means for the rest.

    Returns how many bytes were delivered.
    """
    sender, recovery = conn.sender, conn.recovery
    una, nxt = sender.snd_una, sender.snd_nxt
    board = recovery.scoreboard or first_text(conn)
    sample = board.sample
    newly = ack - una
    phase = recovery.phase
    if phase is OPEN and not blocks and conn.trace is None:
        record = in_order(recovery, board, ack)
        if record is not None:
            return _in_order(conn, board, record, ack, now)
    age = echo_age(conn, ts_val, ts_ecr, now)
    plain = phase is OPEN and newly and not blocks and recovery.is_plain
    sample.now, sample.una, sample.nxt = now, ack, nxt
    sample.in_flight = nxt - una if plain else recovery.pipe(nxt - una)
    sample.limited = sender.cwnd_limited
    echo_at = NEVER if age is None else now - now % MILLISECOND - age + MILLISECOND - 1
    board.begin(now, conn.rtt.min_rtt, echo_at)
    dsack_end = NEVER
    if blocks and recovery.sack:
        dsack_end = _take_sack(conn, board, ack, blocks)
    if newly:
        board.acknowledge(ack)
        _advance(conn, ack)
    _measure(conn, board, age if newly else None, now)
    if plain:
        recovery.dup_acks, recovery.advance = 0, newly
        if recovery.rack is not None:
            recovery.rack.on_ack(
                board, ack, nxt, False, conn.rtt.min_rtt, conn.rtt.srtt
            )
        sample.acked, sample.lost, sample.pipe = board.delivered, 0, nxt - ack
    else:
        _tell_recovery(conn, board, newly, duplicate, dsack_end, now)
    _tell_congestion(conn, board, phase, newly)
    if newly and conn.path is not None and conn.path.search is not None:
        probe_acknowledged(conn, conn.path.search, now)
    if recovery.phase is not phase or recovery.undone:
        note_phase(conn, phase, now)
    if conn.trace is not None:
        note_window(conn, now)
    _arm(conn, board, newly, now)
    _go_on(conn, now)
    return sample.acked


def _in_order(
    conn: Connection, board: Scoreboard, record: Sent, ack: int, now: int
) -> int:
    """Text that left once has arrived, and nothing is missing: nearly every ACK.

    What `take_ack` does of that, in its order, and nothing else.
    """
    sender, recovery = conn.sender, conn.recovery
    nxt, sample, sent_at = sender.snd_nxt, board.sample, record.sent_at
    sample.now, sample.una, sample.nxt = now, ack, nxt
    sample.in_flight, sample.pipe = nxt - sender.snd_una, nxt - ack
    sample.limited, sample.lost, sample.recovering = sender.cwnd_limited, 0, False
    recovery.dup_acks, recovery.advance = 0, ack - sender.snd_una
    sample.acked = acked = board.deliver(record, ack, now)
    _advance(conn, ack)
    sample.rtt = rtt = now - sent_at or 1
    conn.rtt.sample(rtt, now, ack, nxt, sender.mss)
    if recovery.tail is not None:
        recovery.tail.timed = True
    sample.delivered += acked
    conn.congestion.on_ack(sample)
    if conn.path is not None and conn.path.search is not None:
        probe_acknowledged(conn, conn.path.search, now)
    rearm(conn, now)
    if conn.options.user_timeout is not None:
        _rearm_user(conn, now)
    _go_on(conn, now)
    return acked


def _go_on(conn: Connection, now: int) -> None:
    """There is more to send, or to wait for, or nothing."""
    sender = conn.sender
    if sender.queue is not None:
        conn.wake()
        return
    if conn.busy_time < 0:
        all_delivered(conn, now)
    if sender.fin:
        conn.wake()
    elif conn.recovery.rack is not None:
        conn.recovery.rest()


def _tell_recovery(
    conn: Connection,
    board: Scoreboard,
    newly: int,
    duplicate: bool,
    dsack_end: int,
    now: int,
) -> None:
    """Something is, was or may be missing."""
    recovery, sample = conn.recovery, board.sample
    srtt, reductions = conn.rtt.srtt, recovery.reductions
    if conn.path is not None and _lost_probe(conn, board, sample.una, duplicate):
        recovery.dup_acks = 0
        probe_lost(conn, now)
    recovery.on_ack(
        sample, newly, duplicate, conn.sender.mss, dsack_end, srtt, conn.congestion
    )
    if board.reordered:
        tally_of(conn).reord_seen += 1
    if recovery.reductions != reductions:
        window_reduced(conn)
        window_fell(conn, now)


def _lost_probe(conn: Connection, board: Scoreboard, ack: int, duplicate: bool) -> bool:
    """Is a probe of the path's MTU what is missing (RFC 4821 7.5)?"""
    recovery = conn.recovery
    if not probe_at(conn, ack):
        return False
    if recovery.sack:
        return board.loss_point(ack, recovery.reordering, conn.sender.mss) > ack
    return duplicate and recovery.dup_acks == DUP_THRESHOLD - 1


def _take_sack(
    conn: Connection, board: Scoreboard, ack: int, blocks: Sequence[tuple[int, int]]
) -> int:
    """RFC 2018 5. Returns where a duplicate ends that is told of (RFC 2883 4)."""
    sender, recovery = conn.sender, conn.recovery
    una, nxt = sender.snd_una, sender.snd_nxt
    ranges = [
        (start := unwrap(left, una), start + ((right - left) & MASK))
        for left, right in blocks
    ]
    dsack_end = NEVER
    start, end = ranges[0]
    twice = end <= ack or (
        len(ranges) > 1 and ranges[1][0] <= start and end <= ranges[1][1]
    )
    if twice and una - sender.max_snd_wnd <= start < end <= nxt:
        dsack_end = end
        tally_of(conn).dsack_dups += 1
        _count(conn, "tcp.dsack_received")
        if recovery.undo is not None:
            recovery.undo.on_dsack(start, end)
    ignored = board.ignored
    for start, end in ranges[dsack_end != NEVER :]:
        # RFC 2018 3: beyond the cumulative ACK, and nothing that was never sent
        if ack < start < end <= nxt:
            board.sack(start, end)
        elif end > ack:
            _count(conn, "tcp.sack_invalid")
    if board.ignored != ignored:
        _count(conn, "tcp.sack_ignored")
    return dsack_end


def _advance(conn: Connection, ack: int) -> None:
    """SND.UNA moves."""
    conn.sender.acknowledge(ack)
    conn.forward_progress = True
    if conn.retransmits:
        time_outs_end(conn)
    conn.soft_error = None  # the way is there again
    conn.probing = False
    if conn.sender.short_send:
        tell_space(conn)


def _measure(conn: Connection, board: Scoreboard, age: int | None, now: int) -> None:
    """A round trip (RFC 6298 3, Karn): of what left once, else by timestamps."""
    rtt, sample, mss = conn.rtt, board.sample, conn.sender.mss
    sample.rtt = 0
    if age is not None and conn.recovery.phase is TIMEOUT:
        # what never went again may have arrived long ago, its SACK being lost: the
        # stamp is of what fills the hole now (RFC 7323 4.1)
        rtt.sample(age, now, sample.una, sample.nxt, mss)
    elif board.last_at != NEVER and not board.again_acked:
        rtt.sample(now - board.first_at, now, sample.una, sample.nxt, mss)
        sample.rtt = max(now - board.last_at, 1)
    elif board.sacked_at != NEVER:
        rtt.sample(now - board.sacked_at, now, sample.una, sample.nxt, mss)
        sample.rtt = max(now - board.sacked_at, 1)
    elif age is not None:
        rtt.sample(age, now, sample.una, sample.nxt, mss)
    else:
        return
    if conn.recovery.tail is not None:
        conn.recovery.tail.timed = True
    if conn.trace is not None:
        conn.note(now, "tcp.rtt", rtt.srtt, rtt.rttvar, rtt.rto)


def _tell_congestion(
    conn: Connection, board: Scoreboard, before: Phase, newly: int
) -> None:
    """What was delivered: whoever owns recovery hears all, others what they grow by."""
    sample, phase, congestion = board.sample, conn.recovery.phase, conn.congestion
    if board.rate is not None:
        board.rate.sample(sample, sample.now, conn.rtt.min_rtt)
    else:
        sample.delivered += sample.acked
    sample.recovering = phase is FAST or phase is TIMEOUT
    if congestion.owns_recovery:
        if sample.acked or sample.lost:
            congestion.on_ack(sample)
    elif newly and sample.acked and before not in REDUCING and phase not in REDUCING:
        congestion.on_ack(sample)


def _arm(conn: Connection, board: Scoreboard, newly: int, now: int) -> None:
    sender, recovery, timers = conn.sender, conn.recovery, conn.timers
    if newly:
        if recovery.restarts_timer or sender.snd_una == sender.snd_nxt:
            rearm(conn, now)
        if conn.options.user_timeout is not None:
            _rearm_user(conn, now)
    if recovery.rack is not None:
        arm_reordering(conn, now)
    if recovery.phase is OPEN:
        return
    if recovery.tail is not None and recovery.phase is not CWR:
        stop_probing(conn, now)
    if board.reneged and sender.in_flight:
        # RFC 2018 8: the peer dropped what it SACKed, or is about to say more; Linux
        # gives it as long
        due, at = timers.at(RETRANSMIT), now + max(conn.rtt.srtt // 8, 10 * MILLISECOND)
        # not later for each ACK that comes meanwhile
        if newly or due is None or due > at:
            timers.set(RETRANSMIT, at)
            _count(conn, "tcp.sack_reneged")


def _rearm_user(conn: Connection, now: int) -> None:
    """RFC 5482: the peer was heard, and has so long for what is left."""
    sender, timers, user_timeout = conn.sender, conn.timers, conn.options.user_timeout
    if timers.at(USER) is not None:
        if user_timeout is not None and (sender.in_flight or sender.queued):
            timers.set(USER, now + user_timeout)
        else:
            timers.stop(USER)


def _count(conn: Connection, name: str) -> None:
    if conn.counters is not None:
        conn.counters.count(name)


def note_phase(conn: Connection, before: Phase, now: int) -> None:
    """Loss recovery began or ended, or what it did was undone."""
    recovery, congestion = conn.recovery, conn.congestion
    window = congestion.cwnd, congestion.ssthresh
    if recovery.undone:
        conn.note(now, "tcp.undo", recovery.undone, *window)
        recovery.undone = ""
    if recovery.phase is not before:
        conn.note(now, "tcp.recovery", before.value, recovery.phase.value, *window)


def ecn_echo(conn: Connection, ack: int, now: int) -> bool:
    """An acceptable ACK carries ECE: cwnd comes down once for each window of data.

    RFC 3168 6.1.2. True the first time: CWR goes with the next new text.
    """
    sender, recovery = conn.sender, conn.recovery
    one = conn.congestion.cwnd < 2 * sender.mss
    if not recovery.congestion_window_reduced(
        ack, sender.snd_una, sender.snd_nxt, conn.congestion, now
    ):
        return False
    if one and conn.ecn is not None:
        conn.ecn.waits_until = now + conn.rtt.rto
        if conn.timers.at(RETRANSMIT) is not None:
            conn.timers.set(RETRANSMIT, conn.ecn.waits_until)
        conn.note(now, "tcp.ecn", "wait")
    note_window(conn, now)
    return True


def tell_space(conn: Connection) -> None:
    """A send took less than it was given, and there is room again."""
    sender = conn.sender
    if not sender.short_send:
        return
    options = conn.options
    if options.send_buffer is None:
        # what follows goes on while a hole is filled twice over: Linux's two windows,
        # each segment counted three times for what it costs
        sender.grow(6 * conn.congestion.cwnd, options.send_buffer_max)
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
