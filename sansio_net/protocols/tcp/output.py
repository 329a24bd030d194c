"""The next segment of a connection: what leaves, in which order, and what it arms.

RFC 9293 3.8 (retransmission, probes, windows), 3.7.4; RFC 5681 3.1 and 4.1.
Retransmission first, else new text, else a probe, else a pure ACK.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sansio_net.packet import Chunk, Packet
from sansio_net.wire.tcp import ACK, FIN, PSH, RST, SYN

from . import fastopen, fastpath
from .arming import SENDING, arm_waiting, await_ack, first_text
from .ecn import holds_back, mark_text, syn_flags
from .handshake import TIMESTAMPS_SIZE, headers_size, offer, our_mss
from .header import clock, options_of, segment, stamps
from .lifecycle import choose_iss
from .mtu import WAIT, probe_sent, probe_size
from .pacer import LARGEST_BURST, Pacer
from .phase import FAST, OPEN
from .plpmtud import Search
from .states import (
    OWES_BARE_RST,
    OWES_KEEPALIVE,
    OWES_PROBE,
    OWES_RST,
    OWES_SYN,
    OWES_TAIL_PROBE,
    State,
)
from .tally import note_retransmission
from .timers import PACING, PROBE, RETRANSMIT

if TYPE_CHECKING:
    from .connection import Connection
    from .scoreboard import Scoreboard


def emit(conn: Connection, now: int) -> Packet | None:
    """The next packet, at its TCP header and with `info` None; or None when nothing may
    leave now, and timers are armed."""
    conn.clock = now
    if conn.owed:
        packet = _control(conn, now)
        if packet is not None:
            return packet
    if conn.receiver.dsack is not None:
        # alone: every cut of a super-segment would report the duplicate again
        return _pure_ack(conn, now)
    sender = conn.sender
    if sender.queue is not None:
        packet = fastpath.usual_text(conn, now)
        if packet is not None:
            return packet
    if (sender.queue is not None or sender.fin) and (
        conn.state in SENDING or (conn.fast_open is not None and conn.fast_open.serving)
    ):
        packet = _next_text(conn, now)
        if packet is not None:
            return packet
    receiver = conn.receiver
    if receiver.ack_now or receiver.duplicates:
        return _pure_ack(conn, now)
    arm_waiting(conn, now)
    return None


def rests(conn: Connection, now: int) -> bool:
    """After a packet: would `emit` give None now? Then it need not be asked, and what
    it would arm is armed. False: it may give something."""
    sender, receiver, recovery = conn.sender, conn.receiver, conn.recovery
    behind = sender.queue_end - sender.snd_nxt
    board = recovery.scoreboard
    if (
        behind > 0
        or (not behind and sender.fin)
        or conn.owed
        or receiver.ack_now
        or receiver.duplicates
        or receiver.dsack is not None
        or recovery.phase is not OPEN
        or (board is not None and (board.waiting or board.rate is not None))
    ):
        return False
    arm_waiting(conn, now)
    return True


# What is not text -------------------------------------------------------------------


def _control(conn: Connection, now: int) -> Packet | None:
    owed = conn.owed
    if owed & OWES_BARE_RST:
        # <SEQ=SEG.ACK><CTL=RST>, without ACK
        conn.owed &= ~OWES_BARE_RST
        return segment(conn, now, RST, conn.bare_rst_seq)
    if owed & OWES_RST:
        conn.owed &= ~OWES_RST
        seq = conn.sender.bare_seq(conn.probing)
        return segment(conn, now, RST | ACK, seq, stamps(conn, now))
    if owed & OWES_SYN:
        conn.owed &= ~OWES_SYN
        return _syn(conn, now)
    if owed & OWES_KEEPALIVE:
        # RFC 9293 3.8.4: a sequence number that makes the peer answer
        conn.owed &= ~OWES_KEEPALIVE
        conn.note(now, "tcp.probe", "keepalive")
        options = stamps(conn, now)
        return segment(conn, now, ACK, conn.sender.snd_nxt - 1, options)
    return None


def _syn(conn: Connection, now: int) -> Packet:
    """Our SYN, or SYN-ACK, for the first time or again."""
    sender, receiver = conn.sender, conn.receiver
    fast, size = conn.fast_open, 0
    first = sender.snd_nxt == sender.iss
    if first:
        choose_iss(conn, now)
        conn.timers.stop(RETRANSMIT)
        conn.rtt.start(sender.iss + 1, now)
        sender.snd_nxt = sender.iss + 1
        if fast is not None:
            fastopen.begin(fast, now)
    else:
        if fast is not None:
            fast.timed_out(now)
        conn.rtt.cancel()
        note_retransmission(conn, now, sender.iss, 0, "syn")
    mss = our_mss(conn.laddr, conn.link_mtu, conn.options)
    options = offer(
        conn.options, mss, clock(conn, now), receiver.ts_recent, conn.peer_offer
    )
    parts: Sequence[Chunk] = ()
    flags = SYN if conn.state is State.SYN_SENT else SYN | ACK
    if fast is not None:
        options, parts = fastopen.on_syn(conn, fast, options)
        size = sum(map(len, parts))
        sender.snd_nxt += size
    flags |= syn_flags(conn, flags)
    packet = segment(conn, now, flags, sender.iss, options, parts, size)
    await_ack(conn, now)
    return packet


def _pure_ack(conn: Connection, now: int) -> Packet:
    receiver = conn.receiver
    if receiver.duplicates and receiver.last_ack_sent == receiver.rcv_nxt:
        receiver.duplicates -= 1
    seq = conn.sender.bare_seq(conn.probing)
    return segment(conn, now, ACK, seq, options_of(conn, now))


# Text -------------------------------------------------------------------------------


def _next_text(conn: Connection, now: int) -> Packet | None:
    """RFC 6675 4, NextSeg: what is lost, new text, and what may be lost."""
    recovery = conn.recovery
    if conn.owed & OWES_TAIL_PROBE:
        packet = _tail_probe(conn, now)
        if packet is not None:
            return packet
    if recovery.holds:
        # RFC 5682 2.1 (2b): new text, and then the answer is waited for
        packet = _new_text(conn, now) if recovery.prefers_new else None
        if packet is not None or not recovery.no_new_text(conn.sender.snd_nxt):
            return packet
    board = recovery.scoreboard
    if board is not None and board.waiting:
        packet = _retransmission(conn, board, now)
        if packet is not None:
            return packet
    packet = _new_text(conn, now)
    if packet is None and recovery.phase is FAST:
        packet = _hole(conn, now)
    if board is not None and board.rate is not None and packet is None:
        _note_limit(conn, board)
    return packet


def _retransmission(conn: Connection, board: Scoreboard, now: int) -> Packet | None:
    """What recovery calls lost, as far as cwnd and the peer's window let it go."""
    recovery, sender = conn.recovery, conn.sender
    options = options_of(conn, now)
    mss = _segment_size(conn, options)
    largest = _largest(conn, mss)
    seq, end = board.next_lost(largest)
    room = recovery.room(sender.in_flight, conn.congestion) // mss * mss
    size = min(room, sender.snd_una + sender.snd_wnd - seq, largest)
    if conn.congestion.paced and size > 0:
        size = min(size, _paced(conn, mss, now))
    if recovery.urgent and size < mss:
        # the first goes whatever cwnd says (RFC 5681 3.2 (3), 3.1), and even beyond
        # a window that was shrunk (RFC 9293 SHLD-16, MAY-7)
        size = mss
    size = min(size, end - seq)
    if size <= 0:
        return None
    return _text(conn, now, seq, size, mss, options, recovery.reason)


def _hole(conn: Connection, now: int) -> Packet | None:
    """RFC 6675 4, NextSeg (3) and (4): while nothing else can go."""
    recovery, sender = conn.recovery, conn.sender
    options = options_of(conn, now)
    mss = _segment_size(conn, options)
    if recovery.room(sender.in_flight, conn.congestion) < mss:
        return None
    if conn.congestion.paced and not _paced(conn, mss, now):
        return None
    seq, end = recovery.next_hole(sender.snd_una, mss)
    if seq == end or end > sender.snd_una + sender.snd_wnd:
        return None
    return _text(conn, now, seq, end - seq, mss, options, "rescue")


def _tail_probe(conn: Connection, now: int) -> Packet | None:
    """RFC 8985 7.3: a new segment, whatever cwnd says, or the last one again."""
    conn.owed &= ~OWES_TAIL_PROBE
    sender, recovery = conn.sender, conn.recovery
    tail, board = recovery.tail, recovery.scoreboard
    if tail is None or board is None or not board.records or board.waiting:
        return None
    options = options_of(conn, now)
    mss = _segment_size(conn, options)
    nxt = sender.snd_nxt
    conn.note(now, "tcp.probe", "tail")
    size = min(mss, sender.unsent, sender.snd_una + sender.snd_wnd - nxt)
    if size > 0:
        packet = _text(conn, now, nxt, size, mss, options, None)
        tail.on_sent(sender.snd_nxt, False)
    else:
        last = board.records[-1]
        end = min(nxt, sender.queue_end)
        # as it was cut: the peer will say if it got this twice
        size = (end - last.start) % mss or mss
        seq = max(last.start, end - size)
        packet = _text(conn, now, seq, nxt - seq, mss, options, "tail")
        tail.on_sent(nxt, True)
    conn.timers.stop(PROBE)
    conn.timers.set(RETRANSMIT, now + conn.rtt.rto)
    return packet


def _paced(conn: Connection, mss: int, now: int) -> int:
    """What pacing lets leave now; else the timer is set for when it does."""
    pacer, rate = conn.pacer, conn.congestion.pacing_rate
    if not rate:
        return LARGEST_BURST
    if pacer is None:
        pacer = conn.pacer = Pacer()
    allowed = pacer.allowed(rate, mss, now)
    if not allowed:
        conn.timers.set(PACING, max(pacer.next_at, now + 1))
    return allowed


def _note_limit(conn: Connection, board: Scoreboard) -> None:
    """Is it the application that keeps the path waiting? For the delivery rate."""
    sender = conn.sender
    pipe = conn.recovery.pipe(sender.in_flight)
    limited = sender.unsent < sender.mss and pipe < conn.congestion.cwnd
    if board.rate is not None and limited and not board.waiting:
        board.rate.on_app_limited(pipe)


def _new_text(conn: Connection, now: int) -> Packet | None:
    sender = conn.sender
    waiting = sender.queue_end - sender.snd_nxt
    if waiting < 0 or (not waiting and not sender.fin):
        return None
    if conn.ecn is not None and holds_back(conn, conn.ecn, now):
        return None
    congestion = conn.congestion
    if (
        sender.snd_nxt == sender.snd_una
        and now - conn.last_sent_at > conn.rtt.rto
        and conn.options.idle_restart
    ):
        congestion.on_idle(now)
        conn.last_sent_at = now
    room = conn.recovery.room(sender.snd_nxt - sender.snd_una, congestion)
    if conn.recovery.holds:
        room = min(room, conn.recovery.prefers_new)
    if conn.path is not None and conn.path.search is not None:
        probe = probe_size(conn, conn.path.search, room, now)
        if probe:
            return _mtu_probe(conn, conn.path.search, probe, now)
    size = sender.sendable(room, conn.options.nodelay)
    # a FIN alone takes a number, so a place in the window
    open_for_fin = not waiting and sender.snd_una + sender.snd_wnd > sender.snd_nxt
    if not size and not open_for_fin:
        if not conn.owed & OWES_PROBE:
            return None
        size = sender.probe_size()
        conn.probing = True
        conn.note(now, "tcp.probe", "window")
    conn.owed &= ~OWES_PROBE
    options = options_of(conn, now)
    mss = _segment_size(conn, options)
    if size > mss and size > (largest := _largest(conn, mss)):
        size = largest
    if congestion.paced and size:
        allowed = _paced(conn, mss, now)
        if not allowed:
            return None
        size = min(size, allowed)
    return _text(conn, now, sender.snd_nxt, size, mss, options, None)


def _mtu_probe(conn: Connection, search: Search, size: int, now: int) -> Packet | None:
    """New text in a segment larger than the others (RFC 4821 7.5, 10.1)."""
    if size == WAIT:
        return None
    options = options_of(conn, now)
    text = size - headers_size(conn.laddr) - len(options)
    full_end, start = conn.sender.full_end, conn.sender.snd_nxt
    packet = _text(conn, now, start, text, text, options, None)
    conn.sender.full_end = full_end
    probe_sent(conn, search, size, start)
    return packet


def _text(
    conn: Connection,
    now: int,
    seq: int,
    size: int,
    mss: int,
    options: bytes,
    reason: str | None,
) -> Packet:
    """A segment, or super-segment, with `size` numbers from `seq`: text and FIN."""
    sender = conn.sender
    behind = sender.queue_end - seq
    text = size if size < behind else behind
    parts: Sequence[Chunk] = ()
    if text > 0:
        parts = sender.parts(seq, text)
        text = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
    end = seq + text
    flags = ACK
    if end == sender.queue_end:
        # RFC 9293 3.9.1.2, MUST-60: PSH on the last segment there is
        if text:
            flags |= PSH
        right = sender.snd_una + sender.snd_wnd
        if sender.fin and (reason is not None or not text or end < right):
            flags |= FIN
            end += 1
    if reason is not None:
        note_retransmission(conn, now, seq, text, reason, -(-text // mss))
    # more of what left just now: all that has to be armed is
    in_flight = sender.snd_nxt - sender.snd_una
    follows = in_flight > sender.mss and conn.last_sent_at == now
    _record(conn, seq, end, now)
    if text % mss:
        sender.small_end = seq + text
    if text >= mss and not sender.full_end:
        sender.full_end = seq + mss
    gso_size = mss if text > mss else 0
    if conn.ecn is not None:
        conn.ect = 0
        if reason is None and text and not conn.probing:
            flags |= mark_text(conn, conn.ecn)
    if not follows or reason is not None or conn.timers.at(PROBE) is None:
        await_ack(conn, now)
    return segment(conn, now, flags, seq, options, parts, text, gso_size)


def _record(conn: Connection, seq: int, end: int, now: int) -> None:
    """``[seq, end)`` leaves, for the first time or again."""
    sender, recovery, congestion = conn.sender, conn.recovery, conn.congestion
    nxt = sender.snd_nxt
    in_flight = nxt - sender.snd_una
    if seq < nxt:
        recovery.on_resent(seq, min(end, nxt), in_flight, now)
    if end > nxt:
        board = recovery.scoreboard or first_text(conn)
        board.sent(nxt, end, in_flight, now)
        if recovery.phase is not OPEN:
            recovery.on_sent(end - nxt)
        if not in_flight:
            # it may run since this was blocked (RFC 6298 (5.1))
            conn.timers.stop(RETRANSMIT)
            congestion.on_sent(now)
        sender.snd_nxt = end
    rate = congestion.pacing_rate if congestion.paced else 0
    if rate:
        if conn.pacer is None:
            conn.pacer = Pacer()
        conn.pacer.on_sent(end - seq, rate, sender.mss, now)


def _segment_size(conn: Connection, options: bytes) -> int:
    """Text in a full segment that carries these options."""
    stamps = conn.agreed is not None and conn.agreed.timestamps
    return conn.sender.mss - len(options) + (TIMESTAMPS_SIZE if stamps else 0)


def _largest(conn: Connection, mss: int) -> int:
    """Text in the largest packet: a segment, or whole segments for the device."""
    gso = conn.gso_payload
    return gso - gso % mss if gso > mss else mss
