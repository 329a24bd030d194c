"""What `info` tells of a connection's past, and nothing else asks.

Most connections never have one of these: it begins with the first thing that is not
as usual. Only the time that text waited is kept for all, in `Connection.busy_time`.
As Linux has them in ``struct tcp_info`` (its tcp_chrono for the times).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .seq import MASK

if TYPE_CHECKING:
    from .connection import Connection

UNLIMITED: Final = 0
BY_WINDOW: Final = 1
BY_BUFFER: Final = 2


class Tally:
    """Times in ns, segments in numbers; `limit` is what holds text back since then."""

    __slots__ = (
        "bytes_retrans",
        "delivered_ce",
        "dsack_dups",
        "limit",
        "limited_since",
        "rcv_ooopack",
        "reord_seen",
        "rto_since",
        "rwnd_limited",
        "sndbuf_limited",
        "syn_data",
        "total_retrans",
        "total_rto",
        "total_rto_recoveries",
        "total_rto_time",
    )

    def __init__(self) -> None:
        self.limit = UNLIMITED
        self.limited_since = self.rwnd_limited = self.sndbuf_limited = 0
        self.total_retrans = self.bytes_retrans = self.dsack_dups = 0
        self.reord_seen = self.rcv_ooopack = self.delivered_ce = 0
        self.total_rto = self.total_rto_recoveries = self.total_rto_time = 0
        self.rto_since = 0
        self.syn_data = False

    def limited_by(self, limit: int, now: int) -> None:
        """From now on it is this that holds text back."""
        took = now - self.limited_since
        if self.limit == BY_WINDOW:
            self.rwnd_limited += took
        elif self.limit == BY_BUFFER:
            self.sndbuf_limited += took
        self.limit, self.limited_since = limit, now

    def timed_out(self, first: bool, now: int) -> None:
        """The retransmission timer ran out; `first` since something was heard."""
        self.total_rto += 1
        if first:
            self.total_rto_recoveries += 1
            self.rto_since = now


def tally_of(conn: Connection) -> Tally:
    """The connection's own; made when it has none."""
    tally = conn.tally
    if tally is None:
        tally = conn.tally = Tally()
    return tally


def time_outs_end(conn: Connection) -> None:
    """The peer was heard."""
    if conn.retransmits:
        conn.retransmits = 0
        tally = tally_of(conn)
        tally.total_rto_time += conn.clock - tally.rto_since


def text_waits(conn: Connection, now: int) -> None:
    """Nothing can leave any more, and text is queued or in flight: for want of what?"""
    sender, tally = conn.sender, conn.tally
    if conn.busy_time >= 0:
        # while text waits: what it had waited before, less the time when it began
        conn.busy_time -= now + 1
    limit, nxt = UNLIMITED, sender.snd_nxt
    unsent = sender.queue_end - nxt
    if unsent > 0:
        size = min(unsent, sender.mss)
        if sender.snd_una + sender.snd_wnd - nxt < size <= _room(conn):
            limit = BY_WINDOW
    elif sender.short_send and sender.mss <= _room(conn):
        limit = BY_BUFFER
    if tally is None:
        if not limit:
            return
        tally = tally_of(conn)
    if tally.limit != limit:
        tally.limited_by(limit, now)


def _room(conn: Connection) -> int:
    return conn.congestion.cwnd - conn.sender.in_flight


def all_delivered(conn: Connection, now: int) -> None:
    """No text waits any more."""
    conn.busy_time += now + 1
    if conn.tally is not None and conn.tally.limit:
        conn.tally.limited_by(UNLIMITED, now)


def note_retransmission(
    conn: Connection, now: int, seq: int, size: int, reason: str, segments: int = 1
) -> None:
    """`segments` with `size` bytes of text leave again."""
    segments = max(segments, 1)
    tally = tally_of(conn)
    tally.total_retrans += segments
    tally.bytes_retrans += size
    if conn.counters is not None:
        conn.counters.count("tcp.retransmitted", segments)
    conn.note(now, "tcp.retransmit", seq & MASK, size, reason)
