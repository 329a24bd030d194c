"""How a connection begins and how it ends.

RFC 9293 3.5, 3.6, 3.10.4, 3.10.5; RFC 6928 2 (initial window).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.counters import DropReason
from sansio_net.errors import ConnectionAborted, SansioNetError
from sansio_net.wire.tcp_options import SegmentOptions

from .events import ACCEPTED, CLOSED, CONNECTED, DATA, EOF, LOST, SPACE, STALLED
from .handshake import agree, effective_mss, our_mss
from .mtu import begin_path
from .seq import MASK
from .states import OWES_BARE_RST, OWES_RST, OWES_SYN, State
from .tally import all_delivered, time_outs_end
from .time_wait import TimeWaitRecord

if TYPE_CHECKING:
    from .connection import Connection

UNSYNCHRONIZED = (State.CLOSED, State.LISTEN, State.SYN_SENT, State.TIME_WAIT)
"""States in which no RST of ours would tell a peer anything."""

# Beginning --------------------------------------------------------------------------


def passive_open(
    conn: Connection,
    irs: int,
    wnd: int,
    offer: SegmentOptions,
    now: int,
    floor: int | None,
) -> None:
    """A listener got the peer's SYN (RFC 9293 3.10.7.2, third)."""
    conn.clock = now
    conn.isn_floor = floor
    conn.enter(State.LISTEN)
    meet(conn, irs, wnd, offer, now)
    conn.enter(State.SYN_RECEIVED)
    conn.owed |= OWES_SYN
    conn.wake()


def cookie_open(
    conn: Connection, irs: int, iss: int, wnd: int, offer: SegmentOptions, now: int
) -> None:
    """A cookie came back (RFC 4987 3.6): all is as if our SYN-ACK had just left."""
    conn.clock = now
    conn.enter(State.LISTEN)
    meet(conn, irs, wnd, offer, now)
    number_from(conn, iss)
    conn.sender.snd_nxt = iss + 1
    conn.receiver.advertise_unscaled()
    conn.enter(State.SYN_RECEIVED)


def meet(conn: Connection, irs: int, wnd: int, offer: SegmentOptions, now: int) -> None:
    """The peer's SYN is here: agree on options, number its text."""
    agreed = agree(conn.options, offer, conn.raddr)
    if conn.listener is not None:
        agreed = conn.listener.agreed(agreed)
    conn.agreed = agreed
    conn.peer_offer = offer
    receiver, sender = conn.receiver, conn.sender
    receiver.start(irs, our_mss(conn.laddr, conn.link_mtu, conn.options))
    receiver.wscale = agreed.rcv_wscale
    receiver.sack = agreed.sack
    sender.wscale = agreed.snd_wscale
    sender.mss = effective_mss(agreed, conn.laddr, conn.mtu, conn.options)
    # RFC 7323 2.2: the window of a SYN is never scaled
    sender.snd_wnd = sender.max_snd_wnd = wnd
    sender.snd_wl1 = irs
    if agreed.timestamps and offer.ts_val is not None:
        receiver.ts_recent = offer.ts_val
        receiver.ts_recent_at = now


def choose_iss(conn: Connection, now: int) -> None:
    """Our first SYN leaves now."""
    place = conn.laddr, conn.lport, conn.raddr, conn.rport
    iss = conn.isn.isn(*place, now)
    floor = conn.isn_floor
    if floor is not None and (iss - floor - 1) & MASK >= 1 << 31:
        # RFC 9293 3.6.1: above all that the last incarnation used; the distance is
        # Linux's
        iss = (floor + 0x10001) & MASK
    number_from(conn, iss)


def number_from(conn: Connection, iss: int) -> None:
    """Our numbers and our timestamps begin."""
    conn.ts_offset = conn.isn.ts_offset(conn.laddr, conn.lport, conn.raddr, conn.rport)
    conn.sender.start(iss)
    conn.recovery.start(iss)


def establish(conn: Connection, now: int) -> None:
    """The three-way handshake is complete."""
    fast = conn.fast_open
    accepted = fast is not None and fast.serving
    if fast is not None:
        fast.ended(False, now)
        conn.fast_open = None
    start_congestion(conn, now)
    time_outs_end(conn)
    conn.soft_error = None
    conn.peer_offer = None
    conn.established = True
    conn.last_sent_at = now
    conn.timers.stop_all()
    conn.enter(State.ESTABLISHED)
    begin_path(conn, now)
    if conn.listener is None:
        conn.notify(CONNECTED)
    elif not accepted:
        conn.listener.child_stands(conn)
        conn.notify(ACCEPTED)
    if conn.sender.fin:
        conn.enter(State.FIN_WAIT_1)
    conn.wake()


def start_congestion(conn: Connection, now: int) -> None:
    """The initial window."""
    mss = conn.sender.mss
    segments = conn.options.initial_window
    # RFC 6928 2 with its 10 segments; one if more than one SYN was lost
    window = min(segments * mss, max(2 * mss, segments * 1460))
    if conn.retransmits:
        conn.rtt.syn_was_lost()
    if conn.retransmits > 1:
        window = mss
    seed = conn.sender.iss & MASK
    conn.congestion.start(mss, window, seed, now, conn.options.pacing)


# Ending -----------------------------------------------------------------------------


def finish_sending(conn: Connection) -> None:
    """FIN after what is queued. Before ESTABLISHED it waits for that."""
    conn.sender.fin = True
    if conn.state is State.ESTABLISHED:
        conn.enter(State.FIN_WAIT_1)
    elif conn.state is State.CLOSE_WAIT:
        conn.enter(State.LAST_ACK)
    conn.wake()


def close(conn: Connection) -> None:
    """The application will neither send nor receive any more."""
    conn.closed = True
    receiver = conn.receiver
    unread = receiver.pending or receiver.reorder is not None
    receiver.discard()
    conn.pending_kinds &= ~(DATA | EOF | SPACE | STALLED)
    if conn.done:
        return
    if conn.state in UNSYNCHRONIZED or unread:
        # RFC 2525 2.17: who closes without reading everything must say so
        reset(conn, None)
    elif conn.orphans is not None and not conn.orphans.take(conn.id):
        if conn.counters is not None:
            conn.counters.count("tcp.orphans_refused")
        reset(conn, None)
    elif conn.sender.fin:
        conn.wake()  # FIN-WAIT-2 has an end from now on
    else:
        finish_sending(conn)


def abort(conn: Connection) -> None:
    """In any state: a RST if somebody would wait, and one last event."""
    conn.closed = True
    conn.receiver.discard()
    if not conn.done:
        if conn.state in (State.CLOSING, State.LAST_ACK) and conn.sender.fin_sent:
            # RFC 9293 3.10.5: both ends have finished; nobody has to be told
            finish(conn, None)
        else:
            reset(conn, None)
    if conn.pending_kinds:
        conn.pending_kinds = CLOSED


def reset(conn: Connection, error: SansioNetError | None) -> None:
    """RST where there is a peer that would wait (RFC 9293 3.10.5), then CLOSED."""
    if conn.state not in UNSYNCHRONIZED:
        conn.owed |= OWES_RST
        conn.wake()
    finish(conn, error)


def refuse_text(conn: Connection) -> None:
    """Text for an application that has closed (RFC 9293 3.6.1, SHLD-3)."""
    conn.drop(DropReason.TCP_AFTER_CLOSE)
    reset(conn, None if conn.sender.fin_acked else ConnectionAborted())


def finish(conn: Connection, error: SansioNetError | None) -> None:
    """Enter CLOSED: the connection failed, or ended in some other way."""
    if conn.fast_open is not None:
        conn.fast_open.ended(error is not None, conn.clock)
    if conn.state is not State.CLOSED:
        conn.enter(State.CLOSED)
    _release(conn)
    conn.receiver.ack_now = False
    conn.receiver.duplicates = 0
    if conn.in_backlog and not conn.established:
        # RFC 9293 3.10.7.4, second: the user need not be informed
        conn.pending_kinds = 0
        if conn.listener is not None:
            conn.listener.child_gone(conn)
    elif error is not None:
        conn.error = error
        conn.notify(LOST)
    else:
        conn.notify(CLOSED)


def enter_time_wait(conn: Connection, now: int) -> None:
    """Both ends have finished. What remains is a record, and one ACK to send."""
    duration = conn.options.time_wait
    receiver = conn.receiver
    stamps = conn.agreed is not None and conn.agreed.timestamps
    conn.time_wait = TimeWaitRecord(
        conn.laddr,
        conn.lport,
        conn.raddr,
        conn.rport,
        conn.sender.snd_nxt & MASK,
        receiver.rcv_nxt & MASK,
        min(receiver.limit >> receiver.wscale, 0xFFFF),
        receiver.ts_recent if stamps else None,
        conn.ts_offset,
        duration,
        now + duration,
        conn.options.rfc1337,
    )
    conn.enter(State.TIME_WAIT)
    _release(conn)
    conn.notify(CLOSED)


def _release(conn: Connection) -> None:
    """Nothing will be sent again and no timer runs; reading may go on."""
    conn.done = True
    if conn.orphans is not None:
        conn.orphans.let_go(conn.id)
    conn.timers.stop_all()
    if conn.busy_time < 0:
        all_delivered(conn, conn.clock)
    conn.sender.discard()
    conn.receiver.reorder = None
    conn.peer_offer = conn.fast_open = None
    conn.owed &= OWES_RST | OWES_BARE_RST
