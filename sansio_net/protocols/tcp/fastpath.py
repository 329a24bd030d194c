"""Header prediction: the segment that nearly always comes, done in one go.

RFC 7323 5.6. Whatever is in the least unusual goes to `arrival.py`; the result of both
is the same, which a property test compares on arbitrary segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.packet import Buffer, Chunk
from sansio_net.wire.tcp import ACK, PSH
from sansio_net.wire.tcp_options import TIMESTAMPS, TIMESTAMPS_START

from .acknowledgment import take_ack
from .arrival import text_taken
from .events import DATA
from .phase import OPEN
from .receiver import QUICK_AGAIN
from .reorder import append
from .seq import MASK
from .timers import PERSIST

if TYPE_CHECKING:
    from .connection import Connection

_ACK_PSH: Final = ACK | PSH
_TS1, _TS2 = TIMESTAMPS_START


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
