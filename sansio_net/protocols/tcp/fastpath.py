"""The segment that nearly always comes, and the one that nearly always leaves.

Header prediction (RFC 7323 5.6): whatever is in the least unusual goes to `arrival.py`
and `output.py`; the result is the same, which a property test compares on arbitrary
conversations, variable by variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.packet import Buffer, Chunk, Packet
from sansio_net.wire.tcp import ACK, PSH
from sansio_net.wire.tcp_options import TIMESTAMPS, TIMESTAMPS_START

from .acknowledgment import take_ack
from .arming import await_ack, first_text
from .arrival import text_taken
from .events import DATA
from .header import options_of, segment
from .phase import OPEN
from .receiver import QUICK_AGAIN
from .reorder import append
from .seq import MASK
from .states import State
from .timers import PERSIST, PROBE, RETRANSMIT

if TYPE_CHECKING:
    from .connection import Connection

_ACK_PSH: Final = ACK | PSH
_TS1, _TS2 = TIMESTAMPS_START
ESTABLISHED: Final = State.ESTABLISHED


def predicted(
    conn: Connection,
    seq: int,
    ack: int,
    flags: int,
    wnd: int,
    options: bytes,
    body: Chunk,
    now: int,
    cuts: int,
) -> bool:
    """ESTABLISHED, next in sequence, nothing lost, no window shut. Taken?"""
    receiver, sender, nxt = conn.receiver, conn.sender, conn.receiver.rcv_nxt
    if (
        flags | PSH != _ACK_PSH
        or seq != nxt & MASK
        or receiver.reorder is not None
        or receiver.fin_seq is not None
        or not wnd
        or not sender.snd_wnd
        or conn.recovery.phase is not OPEN
    ):
        return False
    size, newly = len(body), (ack - sender.snd_una) & MASK
    una = sender.snd_una + newly
    if una > sender.snd_nxt or not (newly or size):  # of nothing: maybe a duplicate
        return False
    if nxt + size > receiver.rcv_adv or nxt < sender.snd_wl1:
        return False
    agreed, ts_val, ts_ecr = conn.agreed, None, 0
    if agreed is not None and agreed.timestamps:
        if len(options) != 12:
            return False
        start1, start2, ts_val, ts_ecr = TIMESTAMPS.unpack(options)
        if start1 != _TS1 or start2 != _TS2 or receiver.stamp_is_old(ts_val, now):
            return False
        if nxt <= receiver.last_ack_sent:
            receiver.ts_recent, receiver.ts_ecr = ts_val, ts_ecr
            receiver.ts_recent_at = now
    elif options:
        return False
    if now - conn.heard_at > QUICK_AGAIN:
        receiver.quick_acks = conn.options.quick_acks
    conn.heard_at, conn.keepalives = now, 0
    if newly:
        take_ack(conn, una, ts_val, ts_ecr, now)
    if sender.set_window(nxt, una, wnd << sender.wscale):
        conn.timers.stop(PERSIST)
        conn.wake()
    if size:
        if receiver.buffer is None:
            receiver.buffer = Buffer((body,))
        else:
            append(receiver.buffer, body)
        receiver.rcv_nxt = nxt + size
        receiver.owe(cuts)
        conn.notify(DATA)
        text_taken(conn, now)
    return True


def usual_text(conn: Connection, now: int) -> Packet | None:
    """New text as the peer's window and cwnd let it go, nothing being missing, marked,
    probed, paced or at its end; None: it is not that, or nothing of it can leave."""
    sender, recovery, timers = conn.sender, conn.recovery, conn.timers
    receiver, congestion, board = conn.receiver, conn.congestion, recovery.scoreboard
    nxt, mss = sender.snd_nxt, sender.mss
    in_flight = nxt - sender.snd_una
    if (
        conn.state is not ESTABLISHED
        or recovery.phase is not OPEN
        or conn.owed
        or sender.fin
        or receiver.reorder is not None
        or conn.ecn is not None
        or conn.path is not None
        or congestion.paced
        or recovery.left
    ):
        return None
    if board is not None and (
        board.lost or board.sacked or board.retransmitted or board.rate is not None
    ):
        return None
    if not in_flight and now - conn.last_sent_at > conn.rtt.rto:
        return None  # slow start again, perhaps
    size = sender.sendable(congestion.cwnd - in_flight, conn.options.nodelay)
    if size <= 0:
        return None
    gso = conn.gso_payload
    if size > mss and size > (largest := gso - gso % mss if gso > mss else mss):
        size = largest
    parts = sender.parts(nxt, size)
    if len(parts) > 1:
        size = sum(map(len, parts))
    end = nxt + size
    if board is None:
        board = first_text(conn)
    board.sent(nxt, end, in_flight, now)
    # the second of what leaves at a time has nothing to arm
    armed = in_flight > mss and conn.last_sent_at == now
    if not in_flight:
        timers.stop(RETRANSMIT)
        congestion.on_sent(now)
    sender.snd_nxt = end
    if size % mss:
        sender.small_end = end
    if size >= mss and not sender.full_end:
        sender.full_end = nxt + mss
    if not armed or timers.at(PROBE) is None:
        await_ack(conn, now)
    flags = _ACK_PSH if end == sender.queue_end else ACK  # RFC 9293 MUST-60
    options = options_of(conn, now)
    gso_size = mss if size > mss else 0
    return segment(conn, now, flags, nxt, options, parts, size, gso_size)
