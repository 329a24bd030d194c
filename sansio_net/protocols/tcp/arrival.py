"""SEGMENT ARRIVES, step by step and in RFC 9293's order.

RFC 9293 3.10.7.3 and 3.10.7.4; RFC 5961 3 to 5 (blind attacks), RFC 7323 5.3 (PAWS).
A step is a function of a connection and a segment that says whether to go on. CLOSED
and LISTEN (3.10.7.1, 3.10.7.2) have no connection: see `reset.py` and `listener.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.counters import DropReason
from sansio_net.errors import ConnectionRefused, ConnectionReset
from sansio_net.packet import Chunk
from sansio_net.wire.tcp import ACK, FIN, RST, SYN, URG
from sansio_net.wire.tcp_options import (
    parse_tcp_options,
)

from . import fastopen, lifecycle
from .acknowledgment import acknowledged, echo_age, syn_acknowledged, tell_space
from .challenge import answer_stray, challenge
from .ecn import ECT0, text_arrives
from .ecn import meet as meet_ecn
from .events import DATA, EOF
from .receiver import QUICK_AGAIN
from .segment import Segment
from .seq import unwrap
from .states import OWES_SYN, State
from .tally import tally_of
from .timers import DELAYED_ACK, FIN_WAIT_2

if TYPE_CHECKING:
    from .connection import Connection

RECEIVING: Final = (State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2)


def segment_arrives(
    conn: Connection,
    seq: int,
    ack: int,
    flags: int,
    wnd: int,
    urgent: int,
    options: bytes,
    body: Chunk,
    now: int,
    cuts: int,
    ecn: int = 0,
) -> None:
    """Any segment for this connection, in any state."""
    state = conn.state
    receiver, sender = conn.receiver, conn.sender
    if now - conn.heard_at > QUICK_AGAIN:
        receiver.quick_acks = conn.options.quick_acks
    conn.heard_at = now
    conn.keepalives = 0
    if ecn and not conn.ecn_known:
        conn.ecn_known = ECT0
    if state is State.SYN_SENT:
        number = unwrap(ack, sender.snd_una)
        seg = Segment(seq, number, flags, wnd, urgent, body, cuts, ecn)
        if in_syn_sent(conn, seg, options, now):
            continue_at_sixth(conn, seg, now)
    elif state is State.TIME_WAIT:
        in_time_wait(conn, seq, ack, flags, len(body), options, now)
    elif state is State.CLOSED or state is State.LISTEN:
        conn.drop(DropReason.TCP_NO_SOCKET)
    else:
        seg = Segment(
            unwrap(seq, receiver.rcv_nxt),
            unwrap(ack, sender.snd_una),
            flags,
            wnd if flags & SYN else wnd << sender.wscale,  # RFC 7323 2.2
            urgent,
            body,
            cuts,
            ecn,
        )
        seg.read_stamps(options)
        for step in STEPS if flags & (RST | SYN | URG) else PLAIN_STEPS:
            if not step(conn, seg, now):
                return


# 3.10.7.3 SYN-SENT ------------------------------------------------------------------


def in_syn_sent(conn: Connection, seg: Segment, options: bytes, now: int) -> bool:
    """Is our SYN acknowledged, with text or controls that may follow?"""
    sender, flags = conn.sender, seg.flags
    # First, check the ACK bit
    if flags & ACK and not sender.iss < seg.ack <= sender.snd_nxt:
        conn.drop(DropReason.TCP_BAD_ACK)
        if not flags & RST:
            conn.answer_reset(seg.ack)
        return False
    # Second, check the RST bit
    if flags & RST:
        if flags & ACK:
            conn.finish(ConnectionRefused())
        return False
    # Third, there is no security to check. Fourth, check the SYN bit
    if not flags & SYN:
        conn.drop(DropReason.TCP_UNACCEPTABLE)
        return False
    offer = parse_tcp_options(options)
    lifecycle.meet(conn, seg.seq, seg.wnd, offer, now)
    meet_ecn(conn, flags)
    if not flags & ACK:
        # simultaneous open: <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>; text on the SYN is
        # not kept: it is not acknowledged either
        conn.enter(State.SYN_RECEIVED)
        conn.owed |= OWES_SYN
        conn.wake()
        return False
    sender.snd_wl2 = seg.ack
    # our SYN offered this much, and the peer may use it at once
    conn.receiver.advertise_unscaled()
    sender.acknowledge(seg.ack)
    if conn.fast_open is not None:
        fastopen.answered(conn, conn.fast_open, offer, seg.ack, now)
        tell_space(conn)
    conn.rtt.on_ack(seg.ack, now, echo_age(conn, offer.ts_val, offer.ts_ecr, now))
    lifecycle.establish(conn, now)
    conn.owe_ack()
    seg.seq += 1
    seg.flags &= ~SYN
    return bool(seg.body) or bool(flags & (FIN | URG))


def continue_at_sixth(conn: Connection, seg: Segment, now: int) -> None:
    """A SYN-ACK with more in it goes on where URG is checked."""
    trim(conn, seg)
    if check_urg(conn, seg, now) and take_text(conn, seg, now):
        check_fin(conn, seg, now)


# 3.10.7.4 Other states --------------------------------------------------------------


def check_stamps(conn: Connection, seg: Segment, now: int) -> bool:
    """RFC 7323 5.3 R1, before everything else."""
    if conn.agreed is None or not conn.agreed.timestamps or seg.flags & RST:
        # 5.2: a RST is never subject to PAWS
        return True
    if seg.ts_val is None:
        if seg.flags & SYN:
            # a peer that has forgotten us may have forgotten its options: step four
            return True
        # 3.2: without the option that was agreed on it is dropped silently
        conn.drop(DropReason.TCP_NO_TIMESTAMP)
        return False
    if conn.receiver.stamp_is_old(seg.ts_val, now):
        conn.drop(DropReason.TCP_PAWS)
        challenge(conn, now)
        return False
    return True


def check_sequence(conn: Connection, seg: Segment, now: int) -> bool:
    """First, check sequence number; then trim to what is new and in the window."""
    receiver = conn.receiver
    again = seg.flags & (SYN | RST) == SYN and seg.seq == receiver.irs
    if again and conn.state is State.SYN_RECEIVED:
        if not seg.flags & ACK:
            # the same SYN again: our SYN-ACK was lost
            meet_ecn(conn, seg.flags)
            if not conn.owed & OWES_SYN:
                conn.owed |= OWES_SYN
                conn.wake()
            return False
        # simultaneous open (3.5, figure 8): its SYN is old, its ACK is not
        seg.seq += 1
        seg.flags &= ~SYN
    length = seg.length
    if not receiver.acceptable(seg.seq, length):
        # when the window is 0, text is refused, but ACK, URG and RST are heard
        if seg.seq == receiver.rcv_nxt:
            if seg.body:
                seg.body = b""
                seg.flags &= ~FIN
            conn.owe_ack()
        else:
            conn.drop(DropReason.TCP_UNACCEPTABLE)
            if seg.flags & RST:
                return False
            if seg.flags & SYN:
                challenge(conn, now)  # RFC 5961 4.2: wherever it lies
            elif length:
                # a retransmission, whose answer was lost
                if not seg.flags & SYN and seg.seq < receiver.rcv_nxt:
                    receiver.repeated(seg.seq, min(seg.seq + length, receiver.rcv_nxt))
                conn.owe_ack()
            else:
                answer_stray(conn, now)
            return False
    if seg.flags & RST:
        return True
    trim(conn, seg)
    return True


def trim(conn: Connection, seg: Segment) -> None:
    """Cut off what lies beyond the window; the receiver cuts what is old.

    A FIN just beyond is let in, as Linux does: it needs no room.
    """
    beyond = seg.seq + len(seg.body) - conn.receiver.rcv_adv
    if beyond > 0:
        seg.body = seg.body[: len(seg.body) - beyond]
        seg.flags &= ~FIN


def check_rst(conn: Connection, seg: Segment, now: int) -> bool:
    """Second, check the RST bit, as RFC 5961 3.2 has it."""
    if not seg.flags & RST:
        return True
    if seg.seq != conn.receiver.rcv_nxt:
        challenge(conn, now)
        return False
    state = conn.state
    if state is State.SYN_RECEIVED:
        # from a listener: silently gone; from a connect: refused
        conn.finish(ConnectionRefused() if conn.listener is None else ConnectionReset())
    elif state in (State.CLOSING, State.LAST_ACK) and not conn.sender.queued:
        conn.finish(None)
    else:
        conn.finish(ConnectionReset())
    return False


def check_syn(conn: Connection, seg: Segment, now: int) -> bool:
    """Fourth (there is no third: security), check the SYN bit: RFC 5961 4.2."""
    if not seg.flags & SYN:
        return True
    conn.drop(DropReason.TCP_UNACCEPTABLE)
    challenge(conn, now)
    return False


def check_ack(conn: Connection, seg: Segment, now: int) -> bool:
    """Fifth, check the ACK field."""
    sender = conn.sender
    if not seg.flags & ACK:
        conn.drop(DropReason.TCP_NO_ACK)
        return False
    ack = seg.ack
    if conn.state is State.SYN_RECEIVED:
        if not sender.snd_una < ack <= sender.snd_nxt:
            conn.drop(DropReason.TCP_BAD_ACK)
            conn.answer_reset(ack)
            return False
        if conn.listener is not None and not conn.listener.has_room_for(conn):
            # our SYN-ACK will make the peer say it again, as in Linux
            conn.drop(DropReason.TCP_BACKLOG_FULL)
            return False
        note_stamp(conn, seg, now)
        syn_acknowledged(conn, seg, now)
        if seg.ack > sender.snd_una:
            acknowledged(conn, seg, now)  # text that we sent before (RFC 7413)
    # RFC 5961 5.2: neither what was never sent, nor older than any window
    elif not sender.snd_una - sender.max_snd_wnd <= ack <= sender.snd_nxt:
        conn.drop(DropReason.TCP_BAD_ACK)
        challenge(conn, now)
        return False
    else:
        note_stamp(conn, seg, now)
        if ack >= sender.snd_una:
            acknowledged(conn, seg, now)
    state = conn.state
    if sender.fin_acked:
        if state is State.FIN_WAIT_1:
            conn.enter(State.FIN_WAIT_2)
            if conn.closed:
                conn.timers.set(FIN_WAIT_2, now + conn.options.fin_wait_2)
        elif state is State.CLOSING:
            lifecycle.enter_time_wait(conn, now)
            return False
        elif state is State.LAST_ACK:
            conn.finish(None)
            return False
    return True


def note_stamp(conn: Connection, seg: Segment, now: int) -> None:
    """RFC 7323 5.3 R3, but only from who knows our numbers (CVE-2005-0356)."""
    if seg.ts_val is not None and conn.agreed is not None and conn.agreed.timestamps:
        conn.receiver.note_stamp(seg.ts_val, seg.ts_ecr, seg.seq, now)


def check_urg(conn: Connection, seg: Segment, now: int) -> bool:
    """Sixth, check the URG bit. Urgent text stays in line (RFC 6093)."""
    if seg.flags & URG and conn.state in RECEIVING:
        pointer = seg.seq + seg.urg
        if pointer > conn.receiver.rcv_up and not conn.closed:
            conn.receiver.rcv_up = pointer
            # MUST-32: the application hears of it; `urgent` says how much
            conn.notify(DATA)
    return True


def take_text(conn: Connection, seg: Segment, now: int) -> bool:
    """Seventh, process the segment text."""
    body = seg.body
    if not body or conn.state not in RECEIVING:
        return True
    receiver = conn.receiver
    if conn.closed:
        if seg.seq + len(body) > receiver.rcv_nxt:
            lifecycle.refuse_text(conn)
            return False
        return True
    if conn.ecn is not None:
        text_arrives(conn, conn.ecn, seg.flags, seg.ecn, seg.cuts)
    hole = receiver.reorder is not None
    early = seg.seq > receiver.rcv_nxt
    moved = receiver.take_text(seg.seq, body, seg.cuts)
    if early and moved >= 0:
        tally_of(conn).rcv_ooopack += seg.cuts
    if moved < 0:
        conn.drop(DropReason.TCP_REORDER_LIMIT)
        seg.flags &= ~FIN
    elif moved:
        conn.notify(DATA)
        if hole and receiver.reorder is None:
            # the peer has just slowed down
            receiver.quick_acks = conn.options.quick_acks
    text_taken(conn, now)
    return True


def text_taken(conn: Connection, now: int) -> None:
    """Acknowledge at once or a little later (RFC 9293 3.8.6.3)."""
    receiver = conn.receiver
    delay = conn.options.delayed_ack
    if not delay and receiver.unacked:
        receiver.ack_now = True
    if receiver.ack_now or receiver.duplicates:
        conn.wake()
    elif receiver.unacked and conn.timers.at(DELAYED_ACK) is None:
        conn.timers.set(DELAYED_ACK, now + delay)


def check_fin(conn: Connection, seg: Segment, now: int) -> bool:
    """Eighth, check the FIN bit; it may have come before the text it follows."""
    receiver, state = conn.receiver, conn.state
    if seg.flags & FIN and state in RECEIVING:
        receiver.take_fin(seg.seq + len(seg.body))
        conn.wake()
    if receiver.fin_seq is None or not receiver.pass_fin():
        return True
    conn.wake()
    if not conn.closed:
        conn.notify(EOF)
    if state is State.ESTABLISHED:
        conn.enter(State.CLOSE_WAIT)
    elif state is State.FIN_WAIT_1:
        conn.enter(State.CLOSING)
    else:
        lifecycle.enter_time_wait(conn, now)
    return True


STEPS: Final = (
    check_stamps,
    check_sequence,
    check_rst,
    check_syn,
    check_ack,
    check_urg,
    take_text,
    check_fin,
)

PLAIN_STEPS: Final = tuple(
    step for step in STEPS if step not in (check_rst, check_syn, check_urg)
)
"""Of a segment with none of these bits."""


# TIME-WAIT, for a connection without a Stack ----------------------------------------


def in_time_wait(
    conn: Connection,
    seq: int,
    ack: int,
    flags: int,
    length: int,
    options: bytes,
    now: int,
) -> None:
    """The record answers; a SYN that would open a new incarnation finds nobody."""
    record = conn.time_wait
    assert record is not None
    verdict = record.segment_arrives(seq, ack, flags, length, options, now)
    if verdict == "closed":
        conn.enter(State.CLOSED)
    elif verdict is not None and verdict != "reopen":
        conn.owe_ack()
