"""The receiving half: what is expected, what is kept, what to say about it.

RFC 9293 3.4, 3.8.6; RFC 2018 (SACK blocks), 2883 (duplicates); RFC 7323 2 and 4.3;
RFC 5681 4.2.
"""

from __future__ import annotations

from typing import Final

from sansio_net.packet import Buffer, Chunk

from .drain import Drain
from .reorder import Reorder, append, kept
from .seq import MASK

MAX_WINDOW: Final = 0xFFFF
TS_VALID: Final = 24 * 24 * 3600 * 1_000_000_000
"""RFC 7323 5.5: an idle connection's ts_recent is believed for 24 days."""
NEVER: Final = 1 << 62
"""A time that does not come."""
MIN_REORDER: Final = 32 * 1024
"""What lies beyond holes may take three times this, or three buffers, of memory: views
pin up to twice their size, and small pieces cost more than they hold."""
QUICK_AGAIN: Final = 1_000_000_000
"""After so long a silence the peer starts slowly again, and wants its ACKs quickly."""
MAX_DUPLICATES: Final = 64
"""Duplicate ACKs that one batch of segments may owe."""


class Receiver:
    """`rcv_nxt`, the window, text in and out of order, and when to acknowledge.

    `rcv_adv` is the right edge that was ever offered: what lies before it is taken,
    whatever the last window said (RFC 7323 2.4). It never moves left.
    """

    __slots__ = (
        "ack_now",
        "buffer",
        "drain",
        "dsack",
        "duplicates",
        "fin_seq",
        "irs",
        "last_ack_sent",
        "limit",
        "mss",
        "quick_acks",
        "rcv_adv",
        "rcv_nxt",
        "rcv_up",
        "reorder",
        "reorder_limit",
        "sack",
        "ts_ecr",
        "ts_recent",
        "ts_recent_at",
        "tune_at",
        "unacked",
        "wscale",
    )

    def __init__(
        self, limit: int, reorder_limit: int, quick_acks: int, tune_at: int = NEVER
    ) -> None:
        self.irs = 0
        self.rcv_nxt = 0
        self.rcv_adv = 0
        self.rcv_up = 0  # the urgent pointer; urgent text lies before it
        self.limit = limit
        self.reorder_limit = reorder_limit
        self.mss = 536
        self.wscale = 0
        self.buffer: Buffer | None = None
        self.reorder: Reorder | None = None
        self.fin_seq: int | None = None  # where the peer's FIN lies, once seen
        # what is owed
        self.ack_now = False
        self.duplicates = 0  # ACKs for segments beyond a hole, one each
        self.unacked = 0  # segments in order since the last ACK
        self.quick_acks = quick_acks
        self.last_ack_sent = 0
        self.sack = False  # the peer wants to know what arrived, and what did twice
        self.dsack: tuple[int, int] | None = None
        self.ts_recent = 0
        self.ts_recent_at = 0
        self.ts_ecr = 0  # the stamp of ours that came with it
        # how large `limit` should be, once much was received; when to ask again
        self.drain: Drain | None = None
        self.tune_at = tune_at

    def start(self, irs: int, mss: int) -> None:
        """The peer's SYN came. `mss` is what we take in one segment."""
        self.irs = irs
        self.rcv_nxt = self.rcv_up = self.last_ack_sent = irs + 1
        # the window of our SYN was in no proportion to anything the peer has said
        self.rcv_adv = self.rcv_nxt
        self.mss = mss

    # What may come ------------------------------------------------------------------

    def acceptable(self, seq: int, length: int) -> bool:
        """RFC 9293 3.4, table 6."""
        nxt, adv = self.rcv_nxt, self.rcv_adv
        if not length:
            # the table has < adv; at the edge the ACK of a peer that filled the window
            # must be heard when a segment before it was lost, as everywhere
            return nxt <= seq <= adv or seq == nxt
        return nxt < adv and seq < adv and seq + length > nxt

    @property
    def pending(self) -> int:
        return self.buffer.size if self.buffer is not None else 0

    @property
    def urgent(self) -> int:
        """Bytes yet to be read up to the end of the urgent text (MUST-33)."""
        read_to = self.rcv_nxt - self.pending - self.fin_reached
        return max(0, self.rcv_up - read_to)

    @property
    def fin_reached(self) -> bool:
        """Has everything up to and with the peer's FIN arrived?"""
        return self.fin_seq is not None and self.rcv_nxt > self.fin_seq

    # Text comes ---------------------------------------------------------------------

    def take_text(self, seq: int, text: Chunk, cuts: int) -> int:
        """Take text that lies in the window and ends beyond `rcv_nxt`.

        Returns how far `rcv_nxt` moved, or -1 when the text had to be dropped.
        """
        nxt = self.rcv_nxt
        if self.fin_seq is not None and seq + len(text) > self.fin_seq:
            text = text[: max(0, self.fin_seq - seq)]  # nothing follows a FIN
            if not text or seq + len(text) <= nxt:
                return 0
        if seq > nxt:
            return self._take_early(seq, text)
        if seq < nxt:
            # partly old: a retransmission, which wants its answer at once
            self.repeated(seq, nxt)
            text = kept(text[nxt - seq :])
            self.ack_now = True
            if not text:
                return 0  # only the FIN behind it is new
        if self.buffer is None:
            self.buffer = Buffer((text,))
        else:
            append(self.buffer, text)
        self.rcv_nxt = nxt = nxt + len(text)
        reorder = self.reorder
        if reorder is not None:
            self._fill(reorder)
        self.owe(cuts)
        return self.rcv_nxt - nxt + len(text)

    def _take_early(self, seq: int, text: Chunk) -> int:
        """Text beyond a hole: kept (SHLD-31) and answered at once (RFC 5681 4.2)."""
        self.duplicates = min(self.duplicates + 1, MAX_DUPLICATES)
        reorder, most = self.reorder, 3 * max(self.limit, MIN_REORDER)
        if reorder is None:
            reorder = self.reorder = Reorder()
        else:
            # room for what fills holes is left when the rest is taken: the text that
            # is missing must not be refused for the sake of what came after it
            room = self.reorder_limit << (seq < reorder.end)
            if reorder.n_chunks >= room or reorder.cost > most:
                return -1
        again = reorder.insert(seq, text)
        if again is not None:
            self.repeated(*again)
        return 0

    def _fill(self, reorder: Reorder) -> None:
        """A hole is filled, at least in part: its ACK goes at once (RFC 5681 4.2)."""
        self.ack_now = True
        start = reorder.start
        while start <= self.rcv_nxt:
            more = reorder.pop()
            end = start + more.size
            if start < self.rcv_nxt:
                self.repeated(start, min(end, self.rcv_nxt))
                more.discard(self.rcv_nxt - start)
            assert self.buffer is not None
            for chunk in more:
                append(self.buffer, chunk)
            self.rcv_nxt += more.size
            start = reorder.start
        self.duplicates = 0
        if not reorder.size:
            self.reorder = None

    def repeated(self, start: int, end: int) -> None:
        """Text that was here already: the next ACK says so (RFC 2883 4).

        One ACK reports one duplicate; what touches it is the same, as in Linux.
        """
        if not self.sack:
            return
        if self.dsack is None:
            self.dsack = start, end
        else:
            first, last = self.dsack
            if start <= last and first <= end:
                self.dsack = min(first, start), max(last, end)

    def sack_blocks(self, limit: int) -> list[tuple[int, int]]:
        """SACK blocks as on the wire: a duplicate, then what lies beyond holes."""
        dsack, reorder = self.dsack, self.reorder
        if dsack is None:
            return [] if reorder is None else reorder.blocks(limit)
        first = [(dsack[0] & MASK, dsack[1] & MASK)]
        return first if reorder is None else first + reorder.blocks(limit - 1, dsack[0])

    def take_fin(self, seq: int) -> None:
        """A FIN lies at `seq`, in the window; it may be early."""
        reorder = self.reorder
        if seq < self.rcv_nxt or (reorder is not None and reorder.end > seq):
            return  # text after its end: one of the two is not the peer's
        if self.fin_seq is None:
            self.fin_seq = seq
        if seq > self.rcv_nxt:
            self.duplicates = max(self.duplicates, 1)

    def pass_fin(self) -> bool:
        """Advance over the FIN if everything before it has come."""
        if self.fin_seq != self.rcv_nxt:
            return False
        self.rcv_nxt += 1
        self.ack_now = True
        return True

    def owe(self, cuts: int) -> None:
        """RFC 5681 4.2: an ACK for every second segment; while young, for each."""
        self.unacked += cuts
        if self.quick_acks > 0:
            self.quick_acks -= cuts
            self.ack_now = True
        elif self.unacked >= 2:
            self.ack_now = True

    # Text is read -------------------------------------------------------------------

    def read(self, limit: int) -> bytes:
        """At most `limit` bytes of what is pending, which is not nothing."""
        buffer = self.buffer
        assert buffer is not None
        data = buffer.take(limit)
        if not buffer.size:
            self.buffer = None
        return data

    def read_chunks(self) -> list[Chunk]:
        buffer = self.buffer
        if buffer is None:
            return []
        self.buffer = None
        return buffer.take_chunks()

    def discard(self) -> None:
        """Nobody will read any more."""
        self.buffer = None
        self.reorder = None

    # The window ---------------------------------------------------------------------

    def opened(self) -> bool:
        """Is the window so much larger than the peer knows that it must be told?

        Two segments' worth, and a quarter of the buffer unless little is left open;
        or half of the buffer (RFC 9293 3.8.6.2.2, with 4.4BSD's thrift).
        """
        limit, most = self.limit, MAX_WINDOW << self.wscale
        free = limit - self.buffer.size if self.buffer is not None else limit
        if limit < most:
            most = limit
        left = self.rcv_adv - self.rcv_nxt
        gain = (free if free < most else most) - left
        if gain * 2 >= most:
            return True
        return gain >= 2 * self.mss and (gain * 4 >= most or left * 8 <= most)

    def advertise(self) -> int:
        """The window field of a segment that leaves now. Moves `rcv_adv`.

        The edge advances by a segment or half the buffer at least (RFC 9293
        3.8.6.2.2) and never moves back; what the scale cannot express stays open.
        """
        nxt, buffer = self.rcv_nxt, self.buffer
        free = self.limit - buffer.size if buffer is not None else self.limit
        most = MAX_WINDOW << self.wscale
        edge = nxt + (free if free < most else most)
        gain = edge - self.rcv_adv
        if gain <= 0 or (gain < self.mss and gain * 2 < self.limit):
            edge = self.rcv_adv
        window = edge - nxt >> self.wscale if edge > nxt else 0
        if window > MAX_WINDOW:
            window = MAX_WINDOW
        offered = nxt + (window << self.wscale)
        if offered > self.rcv_adv:
            self.rcv_adv = offered
        return window

    def advertise_unscaled(self) -> int:
        """The window field of a SYN, which is never scaled (RFC 7323 2.2)."""
        window = min(max(self.limit - self.pending, 0), MAX_WINDOW)
        self.rcv_adv = max(self.rcv_adv, self.rcv_nxt + window)
        return window

    # What is owed -------------------------------------------------------------------

    def ack_sent(self) -> None:
        """A segment with our ACK leaves now."""
        if self.last_ack_sent != self.rcv_nxt:
            self.last_ack_sent = self.rcv_nxt
        self.ack_now = False
        self.unacked = 0
        self.dsack = None

    # Timestamps ---------------------------------------------------------------------

    def stamp_is_old(self, ts_val: int, now: int) -> bool:
        """PAWS (RFC 7323 5.3 R1, 5.5)."""
        is_older = (ts_val - self.ts_recent) & MASK > MASK >> 1  # `seq.is_older`
        return is_older and now - self.ts_recent_at < TS_VALID

    def note_stamp(self, ts_val: int, ts_ecr: int, seq: int, now: int) -> None:
        """RFC 7323 5.3 R3: remember what to echo."""
        if seq <= self.last_ack_sent and not self.stamp_is_old(ts_val, now):
            self.ts_recent = ts_val
            self.ts_recent_at = now
            self.ts_ecr = ts_ecr
