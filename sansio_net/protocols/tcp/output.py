"""The next segment of a connection: what leaves, in which order, and what it arms.

RFC 9293 3.8 (retransmission, probes, windows), 3.7.4; RFC 5681 3.1 and 4.1.
Retransmission first, else new text, else a probe, else a pure ACK.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sansio_net.packet import CSUM_PARTIAL, Chunk, Packet
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.tcp import ACK, CHECKSUM_OFFSET, ECE, FIN, HEADER, PSH, RST, SYN
from sansio_net.wire.tcp_options import (
    TIMESTAMPS,
    TIMESTAMPS_START,
    build_tcp_options,
)

from . import fastopen, orphans
from .ecn import mark_text, syn_flags
from .handshake import TIMESTAMPS_SIZE, headers_size, offer, our_mss
from .lifecycle import choose_iss
from .mtu import probe_sent, probe_size
from .plpmtud import Search
from .seq import MASK
from .states import (
    OWES_BARE_RST,
    OWES_KEEPALIVE,
    OWES_PROBE,
    OWES_RST,
    OWES_SYN,
    State,
)
from .timers import CORK, DELAYED_ACK, FIN_WAIT_2, KEEPALIVE, PERSIST, RETRANSMIT, USER
from .tuning import fit_receive_buffer

if TYPE_CHECKING:
    from .connection import Connection

SENDING: Final = (
    State.ESTABLISHED,
    State.CLOSE_WAIT,
    State.FIN_WAIT_1,
    State.CLOSING,
    State.LAST_ACK,
)
"""States in which text or our FIN may still have to go."""

CORK_DELAY: Final = 200 * MILLISECOND
"""The longest that a segment waits to be filled; Linux's TCP_CORK."""

_TS1, _TS2 = TIMESTAMPS_START


def emit(conn: Connection, now: int) -> Packet | None:
    """The next packet, or None when nothing may leave now; timers are armed then."""
    conn.clock = now
    if conn.owed:
        packet = _control(conn, now)
        if packet is not None:
            return packet
    if conn.receiver.dsack is not None:
        # alone: every cut of a super-segment would report the duplicate again
        return _pure_ack(conn, now)
    sender = conn.sender
    if (sender.queue is not None or sender.fin) and (
        conn.state in SENDING or (conn.fast_open is not None and conn.fast_open.serving)
    ):
        packet = _retransmission(conn, now)
        if packet is None:
            packet = _new_text(conn, now)
        if packet is not None:
            return packet
    receiver = conn.receiver
    if receiver.ack_now or receiver.duplicates:
        return _pure_ack(conn, now)
    arm_waiting(conn, now)
    return None


# What is not text -------------------------------------------------------------------


def _control(conn: Connection, now: int) -> Packet | None:
    owed = conn.owed
    if owed & OWES_BARE_RST:
        # <SEQ=SEG.ACK><CTL=RST>, without ACK
        conn.owed &= ~OWES_BARE_RST
        return _segment(conn, now, RST, conn.bare_rst_seq)
    if owed & OWES_RST:
        conn.owed &= ~OWES_RST
        seq = conn.sender.bare_seq(conn.probing)
        return _segment(conn, now, RST | ACK, seq, _stamps(conn, now))
    if owed & OWES_SYN:
        conn.owed &= ~OWES_SYN
        return _syn(conn, now)
    if owed & OWES_KEEPALIVE:
        # RFC 9293 3.8.4: a sequence number that makes the peer answer
        conn.owed &= ~OWES_KEEPALIVE
        conn.note(now, "tcp.probe", "keepalive")
        options = _stamps(conn, now)
        return _segment(conn, now, ACK, conn.sender.snd_nxt - 1, options)
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
        conn.note_retransmission(now, sender.iss, 0, "syn")
    mss = our_mss(conn.laddr, conn.link_mtu, conn.options)
    options = offer(
        conn.options, mss, _clock(conn, now), receiver.ts_recent, conn.peer_offer
    )
    parts: Sequence[Chunk] = ()
    flags = SYN if conn.state is State.SYN_SENT else SYN | ACK
    if fast is not None:
        options, parts = fastopen.on_syn(conn, fast, options)
        size = sum(map(len, parts))
        sender.snd_nxt += size
    flags |= syn_flags(conn, flags)
    packet = _segment(conn, now, flags, sender.iss, options, parts, size)
    _await_ack(conn, now)
    return packet


def _pure_ack(conn: Connection, now: int) -> Packet:
    receiver = conn.receiver
    if receiver.duplicates and receiver.last_ack_sent == receiver.rcv_nxt:
        receiver.duplicates -= 1
    seq = conn.sender.bare_seq(conn.probing)
    return _segment(conn, now, ACK, seq, _options(conn, now))


# Text -------------------------------------------------------------------------------


def _retransmission(conn: Connection, now: int) -> Packet | None:
    """What recovery calls lost, as far as cwnd and the peer's window let it go."""
    recovery = conn.recovery
    if not recovery.lost:
        return None
    sender = conn.sender
    options = _options(conn, now)
    mss = _segment_size(conn, options)
    seq = recovery.lost_nxt
    room = _room(conn) // mss * mss
    window = sender.snd_una + sender.snd_wnd - seq
    size = min(room, window, _largest(conn, mss))
    if recovery.urgent and size < mss:
        # the first goes whatever cwnd says (RFC 5681 3.2 (3), 3.1), and even beyond
        # a window that was shrunk (RFC 9293 SHLD-16, MAY-7)
        size = mss
    size = min(size, recovery.lost_end - seq)
    if size <= 0:
        return None
    conn.rtt.cancel()
    return _text(conn, now, seq, size, mss, options, recovery.reason)


def _new_text(conn: Connection, now: int) -> Packet | None:
    sender = conn.sender
    waiting = sender.queue_end - sender.snd_nxt
    if waiting < 0 or (not waiting and not sender.fin):
        return None
    rtt = conn.rtt
    if (
        sender.snd_nxt == sender.snd_una
        and now - conn.last_sent_at > rtt.rto
        and conn.options.idle_restart
    ):
        conn.congestion.on_idle(now)
        conn.last_sent_at = now
    room = _room(conn)
    if conn.path is not None and conn.path.search is not None:
        packet = _mtu_probe(conn, conn.path.search, room, now)
        if packet is not None:
            return packet
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
    options = _options(conn, now)
    mss = _segment_size(conn, options)
    size = min(size, _largest(conn, mss))
    seq = sender.snd_nxt
    packet = _text(conn, now, seq, size, mss, options, None)
    rtt.start(sender.snd_nxt, now)
    return packet


def _mtu_probe(conn: Connection, search: Search, room: int, now: int) -> Packet | None:
    """New text in a segment larger than the others (RFC 4821 7.5, 10.1)."""
    size = probe_size(conn, search, room, now)
    if not size:
        return None
    options = _options(conn, now)
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
    text = min(size, sender.queue_end - seq)
    parts: Sequence[Chunk] = ()
    if text > 0:
        parts = sender.parts(seq, text)
        text = sum(map(len, parts))
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
        conn.note_retransmission(now, seq, text, reason, -(-text // mss))
        conn.recovery.resent(end)
    if end > sender.snd_nxt:
        if sender.snd_nxt == sender.snd_una:
            # it may run since this was blocked (RFC 6298 (5.1))
            conn.timers.stop(RETRANSMIT)
        sender.snd_nxt = end
    if text % mss:
        sender.small_end = seq + text
    if text >= mss and not sender.full_end:
        sender.full_end = seq + mss
    gso_size = mss if text > mss else 0
    if conn.ecn is not None:
        conn.ect = 0
        if reason is None and text and not conn.probing:
            flags |= mark_text(conn, conn.ecn)
    packet = _segment(conn, now, flags, seq, options, parts, text, gso_size)
    _await_ack(conn, now)
    return packet


def _room(conn: Connection) -> int:
    """What cwnd lets go beyond what is in the network."""
    sender, recovery = conn.sender, conn.recovery
    in_network = sender.snd_nxt - sender.snd_una - recovery.lost
    return conn.congestion.cwnd + recovery.inflation - in_network


def _segment_size(conn: Connection, options: bytes) -> int:
    """Text in a full segment that carries these options."""
    stamps = conn.agreed is not None and conn.agreed.timestamps
    return conn.sender.mss - len(options) + (TIMESTAMPS_SIZE if stamps else 0)


def _largest(conn: Connection, mss: int) -> int:
    """Text in the largest packet: a segment, or whole segments for the device."""
    gso = conn.gso_payload
    return gso - gso % mss if gso > mss else mss


# Headers ----------------------------------------------------------------------------


def _clock(conn: Connection, now: int) -> int:
    """The timestamp clock: a tick a millisecond (RFC 7323 5.4)."""
    return (now // MILLISECOND + conn.ts_offset) & MASK


def _stamps(conn: Connection, now: int) -> bytes:
    agreed = conn.agreed
    if agreed is None or not agreed.timestamps:
        return b""
    return TIMESTAMPS.pack(_TS1, _TS2, _clock(conn, now), conn.receiver.ts_recent)


def _options(conn: Connection, now: int) -> bytes:
    """Timestamps, and SACK blocks while there is a hole (RFC 2018 4) or was text
    that came twice (RFC 2883)."""
    stamps = _stamps(conn, now)
    receiver = conn.receiver
    if (receiver.reorder is None and receiver.dsack is None) or not receiver.sack:
        return stamps
    return stamps + build_tcp_options(sack=receiver.sack_blocks(3 if stamps else 4))


def _segment(
    conn: Connection,
    now: int,
    flags: int,
    seq: int,
    options: bytes = b"",
    parts: Sequence[Chunk] = (),
    size: int = 0,
    gso_size: int = 0,
) -> Packet:
    receiver, ecn = conn.receiver, conn.ecn
    if ecn is not None and not size:
        conn.ect = 0
    if flags & ACK:
        ack = receiver.rcv_nxt & MASK
        if flags & SYN:
            wnd = receiver.advertise_unscaled()
        else:
            if now >= receiver.tune_at:
                fit_receive_buffer(conn, now)
            wnd = receiver.advertise()
        if receiver.unacked:
            conn.timers.stop(DELAYED_ACK)
            if size:
                # the application answers: an ACK that waits for it costs no packet
                receiver.quick_acks = 0
        receiver.ack_sent()
        if ecn is not None and ecn.echo:
            flags |= ECE
    else:
        ack = 0
        wnd = min(receiver.limit, 0xFFFF) if flags & SYN else 0
    cuts = -(-size // gso_size) if gso_size else 1
    conn.traffic.segs_out += cuts
    if size:
        conn.traffic.data_segs_out += cuts
    length = 20 + len(options)
    total = conn.pseudo + length + size
    head = HEADER.pack(
        conn.lport,
        conn.rport,
        seq & MASK,
        ack,
        length << 2,
        flags,
        wnd,
        total % 65535 or 65535,
        0,
    )
    if options:
        head += options
    return Packet(head, parts, 0, gso_size, CSUM_PARTIAL, 0, CHECKSUM_OFFSET)


# Timers -----------------------------------------------------------------------------


def _await_ack(conn: Connection, now: int) -> None:
    """Something that the peer must acknowledge has left."""
    conn.last_sent_at = now
    _arm_retransmission(conn, now)


def _arm_retransmission(conn: Connection, now: int) -> None:
    """RFC 6298 (5.1); RFC 5482 for the user timeout."""
    if conn.timers.at(RETRANSMIT) is None:
        conn.timers.set(RETRANSMIT, now + conn.rtt.rto)
    _arm_user(conn, now)


def _arm_user(conn: Connection, now: int) -> None:
    user_timeout = conn.options.user_timeout
    if user_timeout is not None and conn.timers.at(USER) is None:
        conn.timers.set(USER, now + user_timeout)


def arm_waiting(conn: Connection, now: int) -> None:
    """Nothing can leave: arm what must happen if nothing comes either."""
    state, timers, sender = conn.state, conn.timers, conn.sender
    if conn.done:
        return
    if sender.held_back:
        if timers.at(CORK) is None:
            timers.set(CORK, now + CORK_DELAY)
    elif sender.corked:
        timers.stop(CORK)
    if sender.stuck and state in SENDING and timers.at(PERSIST) is None:
        # RFC 9293 3.8.6.1: the first probe after an RTO; 3.8.6.2.1: the override of
        # SWS avoidance within a second
        delay = conn.rtt.rto
        timers.set(PERSIST, now + (min(delay, SECOND) if sender.snd_wnd else delay))
    if sender.snd_wnd and (sender.in_flight or sender.stuck):
        # a shut window is the peer's right; only a probe without an answer counts
        _arm_user(conn, now)
    if conn.closed or conn.options.zero_window_timeout is not None:
        orphans.arm(conn, now)
    if state is State.FIN_WAIT_2 and conn.closed and timers.at(FIN_WAIT_2) is None:
        timers.set(FIN_WAIT_2, now + conn.options.fin_wait_2)
    if conn.options.keepalive and conn.established and timers.at(KEEPALIVE) is None:
        timers.set(KEEPALIVE, now + conn.options.keepalive_idle)


def blocked(conn: Connection, now: int) -> None:
    """Output cannot leave: count as if it had been sent, so that R2 and the user
    timeout end a connection whose device or neighbour never comes back."""
    conn.clock = now
    if conn.done:
        return
    sender = conn.sender
    if conn.owed & OWES_SYN or sender.in_flight or sender.stuck:
        _arm_retransmission(conn, now)
    arm_waiting(conn, now)
