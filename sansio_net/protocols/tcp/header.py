"""The header of a segment and its options, as they leave.

RFC 9293 3.1, RFC 7323 3 and 5.4, RFC 2018 4, RFC 3168 6.1.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sansio_net.packet import CSUM_PARTIAL, Chunk, Packet
from sansio_net.units import MILLISECOND
from sansio_net.wire.tcp import ACK, CHECKSUM_OFFSET, ECE, HEADER, SYN
from sansio_net.wire.tcp_options import (
    TIMESTAMPS,
    TIMESTAMPS_START,
    build_tcp_options,
)

from .seq import MASK
from .timers import DELAYED_ACK
from .tuning import fit_receive_buffer

if TYPE_CHECKING:
    from .connection import Connection

_TS1, _TS2 = TIMESTAMPS_START


def clock(conn: Connection, now: int) -> int:
    """The timestamp clock: a tick a millisecond (RFC 7323 5.4)."""
    return (now // MILLISECOND + conn.ts_offset) & MASK


def stamps(conn: Connection, now: int) -> bytes:
    agreed = conn.agreed
    if agreed is None or not agreed.timestamps:
        return b""
    return TIMESTAMPS.pack(_TS1, _TS2, clock(conn, now), conn.receiver.ts_recent)


def options_of(conn: Connection, now: int) -> bytes:
    """Timestamps, and SACK blocks while there is a hole (RFC 2018 4) or was text
    that came twice (RFC 2883)."""
    receiver, agreed, made = conn.receiver, conn.agreed, b""
    if agreed is not None and agreed.timestamps:  # `stamps`, without a call
        ts_val = (now // MILLISECOND + conn.ts_offset) & MASK
        made = TIMESTAMPS.pack(_TS1, _TS2, ts_val, receiver.ts_recent)
    if (receiver.reorder is None and receiver.dsack is None) or not receiver.sack:
        return made
    return made + build_tcp_options(sack=receiver.sack_blocks(3 if made else 4))


def segment(
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
    conn.segs_out += cuts
    if size:
        conn.data_segs_out += cuts
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
