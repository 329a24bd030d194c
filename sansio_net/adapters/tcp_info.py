"""TCP_INFO of a connection, in the layout of Linux's ``struct tcp_info`` (6.1)."""

from __future__ import annotations

import struct
from typing import Final

from sansio_net.stack import Connection
from sansio_net.units import MICROSECOND, MILLISECOND

LAYOUT: Final = struct.Struct("=8B 24I 4Q 6I Q 3Q 2I 2Q 4I")

STATES: Final = {
    state: number
    for number, state in enumerate(
        (
            *("ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2"),
            *("TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"),
        ),
        1,
    )
}
"""include/net/tcp_states.h."""

CA_STATES: Final = ("open", "disorder", "cwr", "recovery", "loss")

NO_SSTHRESH: Final = 0x7FFFFFFF
UNLIMITED: Final = (1 << 64) - 1
FACKETS: Final = 0
"""Linux has not counted them since 4.15."""


def tcp_info(conn: Connection) -> bytes:
    """What ``getsockopt(IPPROTO_TCP, TCP_INFO)`` gives: segments, us and ms as there.
    Ages are those at the connection's last turn.
    """
    info = conn.info()
    mss = max(1, info.snd_mss)

    def segments(size: int) -> int:
        return -(-size // mss)

    def age(at: int) -> int:
        return _u32((conn.clock - at) // MILLISECOND) if at else 0

    agreed = info.timestamps, info.sack, info.wscale, info.ecn, info.ecn_seen
    flags = sum(on << bit for bit, on in enumerate((*agreed, info.syn_data)))
    head = (
        STATES[info.state.value],
        CA_STATES.index(info.ca_state),
        *map(_u8, (info.retransmits, info.probes, info.backoff)),
        flags,
        info.snd_wscale | info.rcv_wscale << 4,
        int(info.app_limited),
    )
    words = (
        *(info.rto // MICROSECOND, info.ato // MICROSECOND, info.snd_mss, info.rcv_mss),
        *map(segments, (info.unacked, info.sacked, info.lost, info.retrans)),
        *(FACKETS, age(info.last_data_sent), 0),
        *(age(info.last_data_recv), age(info.last_ack_recv)),
        *(info.pmtu, info.rcv_wnd),
        *(info.rtt // MICROSECOND, info.rttvar // MICROSECOND),
        info.snd_ssthresh // mss or NO_SSTHRESH,
        *(info.snd_cwnd // mss, info.advmss, info.reordering),
        *(info.rcv_rtt // MICROSECOND, info.rcv_space, info.total_retrans),
    )
    middle = (
        *(info.segs_out, info.segs_in, info.notsent_bytes),
        *(info.min_rtt // MICROSECOND, info.data_segs_in, info.data_segs_out),
    )
    limits = info.busy_time, info.rwnd_limited, info.sndbuf_limited
    tail = info.dsack_dups, info.reord_seen, info.rcv_ooopack, info.snd_wnd
    return LAYOUT.pack(
        *head,
        *map(_u32, words),
        *(info.pacing_rate or UNLIMITED, UNLIMITED),
        *(info.bytes_acked, info.bytes_received),
        *map(_u32, middle),
        info.delivery_rate,
        *(time // MICROSECOND for time in limits),
        *map(_u32, (segments(info.delivered), segments(info.delivered_ce))),
        *(info.bytes_sent, info.bytes_retrans),
        *map(_u32, tail),
    )


def _u8(value: int) -> int:
    return min(value, 0xFF)


def _u32(value: int) -> int:
    return min(max(value, 0), 0xFFFFFFFF)
