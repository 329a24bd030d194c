"""What was sent when, and what has become of it: SACKed, lost, sent again.

RFC 6675 3 and 4 (Update, SetPipe), RFC 2018 5 and 8, RFC 2883 4.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from .congestion import AckSample
from .sent import Sent, is_current

if TYPE_CHECKING:
    from .delivery import DeliveryRate

MAX_RECORDS: Final = 16_384
"""Beyond, text is recorded with what left before it, and SACKs that would cut a record
are not heard: many holes in tiny segments cost no more (CVE-2019-11477 to 11479).
A queue that overflows leaves every other segment lost, and a path of 100 Mbit/s and
300 ms holds 10 000 of them with its queue."""

NEVER: Final = -1

_END: Final = attrgetter("end")


class Scoreboard:
    """Records without overlap, in order; bytes counted by what has become of them.

    sacked: SACKed. lost: called lost, not SACKed. waiting: lost, and not sent again.
    retransmitted: sent again and not SACKed. `islands` are the SACKed records: each
    stands for one range, so a SACK that says nothing new costs one look.

    What an ACK says is told between `begin` and the next `begin`: `delivered` bytes for
    the first time, `newly_sacked` of them; when the first and the last of what it
    acknowledges left (`first_at`, `last_at`; `sacked_at` for SACKs; NEVER without one
    that is sure); `original`, where the first never sent again begins; `reordered`;
    when what left last among it did, and where that ends (`newest_at`, `newest_end`).
    """

    __slots__ = (
        "_checked",
        "_next",
        "_prior_fack",
        "again_acked",
        "by_time",
        "delivered",
        "echo_at",
        "fack",
        "first_at",
        "floor",
        "ignored",
        "islands",
        "last_at",
        "lost",
        "newest_at",
        "newest_end",
        "newly_sacked",
        "now",
        "original",
        "rate",
        "records",
        "reordered",
        "retransmitted",
        "sacked",
        "sacked_at",
        "sample",
        "waiting",
    )

    def __init__(self, rate: DeliveryRate | None = None) -> None:
        self.records: list[Sent] = []
        self.islands: list[Sent] = []
        self.rate = rate
        self.sample = AckSample()
        self.sacked = self.lost = self.waiting = self.retransmitted = 0
        self.fack = 0  # the highest number that the peer is known to have, plus one
        self._checked = 0  # all originals before are lost or SACKed already
        self._next = 0  # nothing before waits to be sent again
        # what was sent again, by the time; only RACK wants to know
        self.by_time: list[tuple[int, Sent]] | None = None
        self.ignored = 0  # SACKs that were not heard, MAX_RECORDS being there
        self.begin(0)

    def begin(self, now: int, floor: int = 0, echo_at: int = NEVER) -> None:
        """An ACK arrives. `floor`: the least round trip that is believed for what was
        sent again; `echo_at`: what it answers had left by then, say timestamps."""
        self.now = now
        self._prior_fack = self.fack
        self.floor, self.echo_at = floor, echo_at
        self.delivered = self.newly_sacked = 0
        self.first_at = self.last_at = self.sacked_at = NEVER
        self.newest_at = self.newest_end = NEVER
        self.again_acked = self.reordered = False
        self.original = NEVER

    # What leaves ----------------------------------------------------------------------

    def sent(self, start: int, end: int, in_flight: int, now: int) -> None:
        """``[start, end)`` leaves for the first time, after all that left before."""
        records = self.records
        if records:
            last = records[-1]
            same = last.sent_at == now and not last.sacked and not last.lost
            if last.end == start and last.once and same:
                last.end = end
                return
            if len(records) >= MAX_RECORDS and not last.sacked:
                self._grow(last, end, now)
                return
        record = Sent(start, end, now)
        records.append(record)
        if self.rate is not None:
            self.rate.on_sent(record, in_flight, now)

    def _grow(self, last: Sent, end: int, now: int) -> None:
        """No room for another record: when this one left is not known any more."""
        size = end - last.end
        last.end, last.once, last.sent_at = end, False, now
        if last.lost:
            self.lost += size
            if not last.retransmitted:
                self.waiting += size
        if last.retransmitted:
            self.retransmitted += size

    def resent(self, start: int, end: int, in_flight: int, now: int) -> None:
        """``[start, end)`` leaves again."""
        records = self.records
        i = self._cut(start)
        j = self._cut(end)
        for record in records[i:j]:
            if record.sacked:
                continue
            size = record.end - record.start
            if not record.retransmitted:
                record.retransmitted = True
                self.retransmitted += size
                if record.lost:
                    self.waiting -= size
            record.once = False
            record.sent_at = now
        if len(records) > MAX_RECORDS and i and records[i - 1].retransmitted:
            i -= 1
            records[i].sent_at = now
        self._join(i, j)
        for record in records[i : self.find(end)]:
            if record.sacked:
                continue
            if self.by_time is not None:
                self.by_time.append((now, record))
            if self.rate is not None:
                self.rate.on_sent(record, in_flight, now)
        if self.by_time is not None and len(self.by_time) > 2 * MAX_RECORDS:
            self.by_time = [entry for entry in self.by_time if is_current(*entry)]

    # What arrives ---------------------------------------------------------------------

    def deliver(self, record: Sent, ack: int, now: int) -> int:
        """All of an ACK in order, without `begin`; how many bytes it delivers."""
        delivered = ack - record.start
        if ack == record.end:
            del self.records[0]
        record.start = self.fack = ack
        self.now = now
        return delivered

    def acknowledge(self, ack: int) -> None:
        """Everything before `ack` has arrived."""
        records, n = self.records, 0
        for record in records:
            end = record.end
            if end > ack:
                if record.start < ack:
                    self._leave(record, ack)
                    record.start = ack
                break
            self._leave(record, end)
            record.start = end
            n += 1
        if n:
            del records[:n]
        islands = self.islands
        while islands and islands[0].end <= ack:
            del islands[0]
        if ack > self.fack:
            self.fack = ack

    def _leave(self, record: Sent, end: int) -> None:
        """The cumulative ACK covers ``[record.start, end)``."""
        size = end - record.start
        if record.sacked:
            self.sacked -= size
            return
        if record.once:
            self.last_at = record.sent_at
            if self.first_at == NEVER:
                self.first_at = record.sent_at
        else:
            self.again_acked = True
        self._arrives(record, end, size)

    def _arrives(self, record: Sent, end: int, size: int) -> None:
        """``[record.start, end)`` is delivered, which was not known before."""
        self.delivered += size
        if record.lost:
            self.lost -= size
            if not record.retransmitted:
                self.waiting -= size
        if record.retransmitted:
            self.retransmitted -= size
        if record.once:
            if self.original == NEVER or record.start < self.original:
                self.original = record.start
            # RFC 8985 6.2, step 3
            if end < self._prior_fack:
                self.reordered = True
        if self.rate is not None:
            self.rate.on_delivered(record, self.now)
        sent_at = record.sent_at
        if not record.once and (
            self.now - sent_at < self.floor or NEVER < self.echo_at < sent_at
        ):
            # RFC 8985 6.2, step 2: it was not the retransmission that arrived
            return
        if sent_at > self.newest_at:
            self.newest_at, self.newest_end = sent_at, end
        elif sent_at == self.newest_at and end > self.newest_end:
            self.newest_end = end

    def sack(self, start: int, end: int) -> None:
        """The peer has ``[start, end)``; it lies within what is in flight."""
        records = self.records
        i = self.find(start)
        if i == len(records):
            return
        if records[i].sacked and records[i].end >= end:
            return
        if len(records) + 2 > MAX_RECORDS:
            self.ignored += 1
            return
        i = self._cut(start)
        j = self._cut(end)
        for record in records[i:j]:
            if not record.sacked:
                size = record.end - record.start
                if record.once and self.sacked_at == NEVER:
                    self.sacked_at = record.sent_at
                self._arrives(record, record.end, size)
                self.newly_sacked += size
                record.sacked, record.lost, record.retransmitted = True, False, False
                self.sacked += size
        if end > self.fack:
            self.fack = end
        if i and records[i - 1].sacked:
            i -= 1
        if j < len(records) and records[j].sacked:
            j += 1
        self._join(i, j)
        self._note_island(records[i])

    def _note_island(self, record: Sent) -> None:
        islands = self.islands
        at = bisect_right(islands, record.start, key=_END)
        upto = at
        while upto < len(islands) and islands[upto].start < record.end:
            upto += 1
        islands[at:upto] = [record]

    # What is lost ---------------------------------------------------------------------

    def loss_point(self, una: int, threshold: int, mss: int) -> int:
        """All before that is not SACKed is lost: RFC 6675 4, IsLost.

        `threshold` SACKed ranges, or more than one segment less in bytes, lie above.
        """
        enough = (threshold - 1) * mss
        islands = self.islands
        size = 0
        for n, island in enumerate(reversed(islands), 1):
            size += island.end - island.start
            if n >= threshold or size > enough:
                return island.start
        return una

    def lose_before(self, point: int) -> int:
        """What is not SACKed before `point` is lost; how many bytes are so only now."""
        if point <= self._checked:
            return 0
        at = self.find(self._checked)
        lost = 0
        for record in self.records[at : self._cut(point)]:
            lost += self.lose(record)
        self._checked = point
        return lost

    def lose(self, record: Sent) -> int:
        """This record is lost; how many bytes are so only now."""
        if record.sacked or record.lost:
            return 0
        size = record.end - record.start
        record.lost = True
        self.lost += size
        if not record.retransmitted:
            self.waiting += size
            self._next = min(self._next, record.start)
        return size

    def lose_again(self, record: Sent) -> int:
        """Its retransmission is lost as well."""
        if not record.retransmitted or record.sacked:
            return 0
        size = record.end - record.start
        record.retransmitted = False
        self.retransmitted -= size
        if not record.lost:
            record.lost = True
            self.lost += size
        self.waiting += size
        self._next = min(self._next, record.start)
        return size

    def lose_range(self, start: int, end: int) -> int:
        """What of ``[start, end)`` is not SACKed is lost, retransmissions as well."""
        lost = 0
        records = self.records
        if start < (records[0].start if records else end):
            # what left unrecorded, with a SYN
            upto = records[0].start if records else end
            records.insert(0, Sent(start, upto, self.now))
            records[0].once = False
        i = self._cut(start)
        j = self._cut(end)
        for record in records[i:j]:
            lost += self.lose_again(record) or self.lose(record)
        self._join(i, j)
        return lost

    def lose_originals(self, newest_at: int, newest_end: int, until: int) -> int:
        """Lose what never went again and left by `until`, and before what left at
        `newest_at` and ends at `newest_end`. They lie in the order of their times, so
        the first that is too young ends it; `next_original` is that one."""
        lost = 0
        records = self.records
        at = self.find(self._checked)
        while at < len(records):
            record = records[at]
            if not (record.sacked or record.lost or record.retransmitted):
                if record.sent_at > until or (record.sent_at, record.end) >= (
                    newest_at,
                    newest_end,
                ):
                    break
                lost += self.lose(record)
            at += 1
        if records:
            self._checked = records[at].start if at < len(records) else records[-1].end
        return lost

    def next_original(self) -> Sent | None:
        """The oldest that is neither delivered nor lost, and never went again."""
        records = self.records
        for at in range(self.find(self._checked), len(records)):
            record = records[at]
            if not (record.sacked or record.lost or record.retransmitted):
                return record
        return None

    def find_none_lost(self) -> None:
        """What was called lost is only late."""
        for record in self.records:
            record.lost = False
        self.lost = self.waiting = 0
        self._checked = self.records[0].start if self.records else 0

    def renege(self) -> None:
        """The peer may have dropped what it SACKed (RFC 2018 8)."""
        for record in self.records:
            if record.sacked:
                record.sacked = record.once = False
        self.islands.clear()
        self.sacked = 0
        self.fack = self._checked = self.records[0].start if self.records else 0

    @property
    def reneged(self) -> bool:
        """The left edge lies in what was SACKed: the peer does not have it now."""
        return bool(self.records) and self.records[0].sacked

    # What goes next -------------------------------------------------------------------

    def next_lost(self, limit: int) -> tuple[int, int]:
        """The first range that waits to be sent again, at most `limit`; (0, 0): none.

        RFC 6675 4, NextSeg (1).
        """
        if not self.waiting:
            return 0, 0
        records = self.records
        at = self.find(self._next)
        while not records[at].lost or records[at].retransmitted:
            at += 1
        start, end = records[at].start, records[at].end
        self._next = start
        at += 1
        while end - start < limit and at < len(records):
            record = records[at]
            if record.start != end or not record.lost or record.retransmitted:
                break
            end = record.end
            at += 1
        return start, end

    def next_hole(self) -> tuple[int, int]:
        """The first range below a SACK that neither is called lost nor went again.

        RFC 6675 4, NextSeg (3).
        """
        record = self.next_original()
        if record is None or not self.islands:
            return 0, 0
        if record.start >= self.islands[-1].start:
            return 0, 0
        return record.start, record.end

    def last_hole(self) -> tuple[int, int]:
        """The highest range that is not SACKed (RFC 6675 4, NextSeg (4)), unless it
        went again already."""
        for record in reversed(self.records):
            if not record.sacked:
                if record.retransmitted:
                    break
                return record.start, record.end
        return 0, 0

    # Records --------------------------------------------------------------------------

    def find(self, number: int) -> int:
        """The index of the first record that ends above `number`."""
        records = self.records
        if records and records[0].end > number:
            return 0
        return bisect_right(records, number, key=_END)

    def _cut(self, number: int) -> int:
        """Let a record begin at `number`; its index."""
        records = self.records
        at = self.find(number)
        if at == len(records) or records[at].start >= number:
            return at
        old = records[at]
        if old.sacked:
            return at + 1  # what is SACKed stays one piece
        new = Sent(number, old.end, old.sent_at)
        old.end = number
        new.once = old.once
        new.sacked, new.lost = old.sacked, old.lost
        new.retransmitted = old.retransmitted
        new.delivered, new.delivered_at = old.delivered, old.delivered_at
        new.first_sent_at, new.app_limited = old.first_sent_at, old.app_limited
        records.insert(at + 1, new)
        if new.retransmitted and self.by_time is not None:
            place = bisect_right(self.by_time, new.sent_at, key=_first)
            self.by_time.insert(place, (new.sent_at, new))
        return at + 1

    def _join(self, i: int, j: int) -> None:
        """Make one record of neighbours in ``[i, j)`` that met the same."""
        records = self.records
        if j - i < 2:
            return
        kept = [records[i]]
        for record in records[i + 1 : j]:
            last = kept[-1]
            again = not (record.once or last.once)
            again = again and last.sent_at == record.sent_at
            if (record.sacked or again) and last.alike(record):
                last.end = record.end
                last.once &= record.once
                record.end = record.start  # it may still lie in `by_time`
            else:
                kept.append(record)
        records[i:j] = kept


def _first(entry: tuple[int, Sent]) -> int:
    return entry[0]
