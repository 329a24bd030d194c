"""The sending half: what is queued, what is in flight, what may leave.

RFC 9293 3.4, 3.7.4 (Nagle), 3.8.6 (windows); RFC 7323 2.
"""

from __future__ import annotations

from sansio_net.packet import Buffer, Chunk

COALESCE_BELOW = 2048
"""Smaller pieces of a `send` are joined to what is queued."""


class Sender:
    """`snd_una`, `snd_nxt`, the peer's window, and the application's chunks.

    The queue holds everything not acknowledged; the first byte of it has number
    `queue_end` - its size. A FIN lies at `queue_end`, after all text.
    """

    __slots__ = (
        "corked",
        "cwnd_limited",
        "fin",
        "flush_to",
        "full_end",
        "iss",
        "limit",
        "max_snd_wnd",
        "mss",
        "queue",
        "queue_end",
        "short_send",
        "small_end",
        "snd_nxt",
        "snd_una",
        "snd_wl1",
        "snd_wl2",
        "snd_wnd",
        "wscale",
    )

    def __init__(self, limit: int) -> None:
        self.iss = 0
        self.snd_una = 0
        self.snd_nxt = 0
        self.snd_wnd = 0
        self.snd_wl1 = 0
        self.snd_wl2 = 0
        self.max_snd_wnd = 0
        self.wscale = 0
        self.mss = 536
        self.limit = limit
        self.queue: Buffer | None = None
        self.queue_end = 1
        self.fin = False  # queued, perhaps sent
        self.full_end = 0  # where the first full segment of this MSS ended; 0: none
        self.small_end = 0  # where the last segment below the MSS ended
        self.short_send = False  # a send took less than it was given
        self.corked = False  # only whole segments leave
        self.flush_to = 0  # but what lies before this has waited long enough
        self.cwnd_limited = False  # cwnd was what stopped the last transmission

    def start(self, iss: int) -> None:
        """Number everything from `iss`. What is queued already keeps its place."""
        moved = iss - self.iss
        self.iss = self.snd_una = self.snd_nxt = iss
        self.small_end = iss
        self.queue_end += moved

    # The queue ----------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Bytes that are not acknowledged."""
        return self.queue.size if self.queue is not None else 0

    @property
    def space(self) -> int:
        return max(0, self.limit - self.queued)

    @property
    def unsent(self) -> int:
        """Bytes that have never left."""
        return self.queue_end - max(self.snd_nxt, self.iss + 1)

    @property
    def in_flight(self) -> int:
        return self.snd_nxt - self.snd_una

    def bare_seq(self, probing: bool) -> int:
        """Where a segment without text lies: `snd_nxt`, unless the peer's window ends
        before. It would hear neither ACK nor RST beyond a shut window, so an unanswered
        probe does not count; what its scale rounds off does (as Linux has it).
        """
        edge = self.snd_una + self.snd_wnd
        if probing and not self.snd_wnd:
            return self.snd_una
        if self.snd_nxt - edge < 1 << self.wscale:
            return self.snd_nxt
        return max(edge, self.iss + 1)

    @property
    def fin_sent(self) -> bool:
        return self.snd_nxt > self.queue_end

    @property
    def fin_acked(self) -> bool:
        return self.snd_una > self.queue_end

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Queue as much of `data` as there is room for; returns how much.

        Bytes are kept by reference, anything that could change is copied.
        """
        view = data if isinstance(data, bytes) else memoryview(data).cast("B")
        queue, size, room = self.queue, len(view), self.limit
        if not size:
            return 0
        if queue is not None:
            room -= queue.size
        self.short_send = size > room
        if size > room:
            if room <= 0:
                return 0
            size = room
        if isinstance(view, memoryview):
            chunk: Chunk = view[:size]
            if not isinstance(view.obj, bytes):
                chunk = bytes(chunk)
        else:
            chunk = view if size == len(view) else memoryview(view)[:size]
        if queue is None:
            self.queue = Buffer((chunk if size >= COALESCE_BELOW else bytes(chunk),))
        elif size < COALESCE_BELOW:
            queue.coalesce(bytes(chunk), COALESCE_BELOW)
        else:
            queue.append(chunk)
        self.queue_end += size
        return size

    def parts(self, seq: int, size: int) -> list[Chunk]:
        """Views of `size` bytes of text at `seq`; fewer if that takes many parts."""
        queue = self.queue
        assert queue is not None
        return queue.peek(seq - self.queue_end + queue.size, size)

    def discard(self) -> None:
        """Nothing will be sent any more."""
        self.queue = None

    def rest(self, rcv_nxt: int) -> None:
        """An idle connection is small: of its numbers those that are equal are one."""
        nxt = self.snd_nxt
        if self.snd_una == nxt:
            self.snd_una = nxt
        if self.snd_wl2 == nxt:
            self.snd_wl2 = nxt
        if self.queue_end == nxt:
            self.queue_end = nxt
        if self.small_end == nxt:
            self.small_end = nxt
        if self.snd_wl1 == rcv_nxt:
            self.snd_wl1 = rcv_nxt
        if self.max_snd_wnd == self.snd_wnd:
            self.max_snd_wnd = self.snd_wnd

    # What may leave -----------------------------------------------------------------

    def sendable(self, room: int, nodelay: bool) -> int:
        """New bytes that may leave now, `room` being what the path allows."""
        nxt = self.snd_nxt
        unsent = self.queue_end - nxt
        usable = self.snd_una + self.snd_wnd - nxt
        n = unsent if unsent < usable else usable
        if n <= 0:
            return 0
        self.cwnd_limited = n > room
        if n > room:
            n = room if room > 0 else 0
        mss = self.mss
        tail = n % mss
        if not tail:
            return n
        # RFC 9293 3.8.6.2.1 (2): everything queued can go; Nagle as John Nagle and
        # Greg Minshall have it: no second short segment while one is in flight
        small = nodelay or self.small_end <= self.snd_una
        if n == unsent and (self.fin or (small and self._may_be_short)):
            return n
        if n > tail:
            return n - tail
        # (3): half of the largest window ever seen, not for want of cwnd
        idle = nodelay or nxt == self.snd_una
        if n == usable and idle and n * 2 >= self.max_snd_wnd:
            return n
        return 0

    @property
    def held_back(self) -> bool:
        """Corked, and less than a segment waits for more."""
        return self.corked and not self.fin and self.unsent > 0

    @property
    def _may_be_short(self) -> bool:
        return not self.corked or self.snd_nxt < self.flush_to

    def flush(self) -> None:
        """What is held back has waited long enough."""
        self.flush_to = self.queue_end

    @property
    def stuck(self) -> bool:
        """Only the peer's window, or SWS avoidance, holds back what is queued."""
        if self.snd_una != self.snd_nxt:
            return False
        return self.unsent > 0 or (self.fin and not self.fin_sent)

    def probe_size(self) -> int:
        """What a probe carries: a byte, or what SWS avoidance withheld."""
        usable = self.snd_una + self.snd_wnd - self.snd_nxt
        return max(1, min(usable, self.unsent, self.mss))

    # What comes back ----------------------------------------------------------------

    def acknowledge(self, ack: int) -> int:
        """Everything before `ack` has arrived; returns how many numbers are new."""
        newly = ack - self.snd_una
        queue = self.queue
        if queue is not None:
            text = ack - self.queue_end + queue.size
            if text >= queue.size:
                self.queue = None
            elif text > 0:
                queue.discard(text)
        self.snd_una = ack
        return newly

    def set_window(self, seq: int, ack: int, wnd: int) -> bool:
        """Take the window of a segment unless it is an old one; did it grow?

        RFC 9293 3.10.7.4, fifth: SND.WL1 and SND.WL2 keep old segments out.
        """
        if seq < self.snd_wl1 or (seq == self.snd_wl1 and ack < self.snd_wl2):
            return False
        grew = ack + wnd > self.snd_wl2 + self.snd_wnd
        self.snd_wnd = wnd
        self.snd_wl1 = seq
        self.snd_wl2 = ack
        if wnd > self.max_snd_wnd:
            self.max_snd_wnd = wnd
        return grew

    def grow(self, limit: int, most: int) -> None:
        """A buffer that the path could empty faster than it is filled."""
        self.limit = max(self.limit, min(limit, most))

    def space_is_worth_telling(self) -> bool:
        """After a short send: a third of the buffer is free."""
        return self.short_send and self.space * 3 >= self.limit
