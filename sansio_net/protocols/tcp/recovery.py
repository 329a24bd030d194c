"""What was lost and goes again: when it begins, what leaves, when it ends.

RFC 6675 (SACK), 6582 (NewReno, for peers without), 5681 3.2, 3042 (limited transmit),
5682 (F-RTO), 6937 (`prr.py`), 8985 (`rack.py`, `tail.py`); `undo.py` for what was not
lost after all. Facts of ACKs come in; ranges to send again and room come out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .congestion import AckSample, Cause, CongestionController
from .detection import DUP_THRESHOLD, count, detect, lost_again
from .phase import CWR, DISORDER, FAST, OPEN, TIMEOUT
from .prr import Prr
from .rack import Rack
from .scoreboard import NEVER, Scoreboard
from .tail import TailProbe
from .undo import Undo

if TYPE_CHECKING:
    from .delivery import DeliveryRate


class Recovery:
    """The phases, and everything that is in flight as its `scoreboard` has it.

    `left` is what duplicate ACKs say has left the network where there is no SACK.
    `reordering` is DupThresh in segments: 3, and more where order is not kept.
    """

    __slots__ = (
        "_flight",
        "_frto",
        "_reduces",
        "advance",
        "cwr_point",
        "dup_acks",
        "holds",
        "left",
        "partial_acks",
        "phase",
        "prefers_new",
        "prr",
        "rack",
        "reason",
        "recovery_point",
        "reductions",
        "reorder_at",
        "reordering",
        "rescue_rxt",
        "sack",
        "scoreboard",
        "tail",
        "undo",
        "undone",
        "urgent",
    )

    def __init__(self) -> None:
        self.phase = OPEN
        self.scoreboard: Scoreboard | None = None
        self.sack = False
        self.recovery_point = 0
        self.cwr_point = 0  # marks are of one window until more is acknowledged
        self.dup_acks = 0
        self.left = 0
        self.reordering = DUP_THRESHOLD
        self.reason = ""  # why what is lost goes again, for the trace
        self.urgent = False  # the first lost segment goes whatever cwnd says
        self.partial_acks = 0
        self.rescue_rxt = 0  # RFC 6675 4, NextSeg (4): not before this is acknowledged
        # RFC 5682: so many bytes of new text, and nothing lost until the next ACK
        self.holds = False
        self.prefers_new = 0
        self.undone = ""  # what proved the last reduction wrong
        self.reorder_at = NEVER  # when RACK looks again
        self.reductions = 0  # of the window, by losses
        self.advance = 0  # by the latest ACK that did
        self._flight = 0
        self._frto = False
        self._reduces = False  # PRR allows what leaves
        self.prr: Prr | None = None
        self.rack: Rack | None = None
        self.tail: TailProbe | None = None
        self.undo: Undo | None = None

    def start(self, iss: int) -> None:
        # RFC 6582 3.2 (1); one less, so that the first segment of all may be missed
        self.recovery_point = iss

    def first_text(
        self, sack: bool, rack: bool, tail: bool, rate: DeliveryRate | None
    ) -> Scoreboard:
        """Text leaves, and nothing was in flight: what was agreed is known now."""
        board = self.scoreboard = Scoreboard(rate)
        self.sack = sack
        if sack and rack and self.rack is None:
            self.rack = Rack()
        if self.rack is not None:
            board.by_time = []
        if sack and tail and self.tail is None:
            self.tail = TailProbe()
        return board

    def rest(self) -> None:
        """Nothing that is recorded is in flight: an idle connection is small."""
        board = self.scoreboard
        if board is None or board.records or board.rate is not None:
            return
        if self.phase is OPEN:
            self.scoreboard = None
            if self.tail is not None and self.tail.may_probe:
                self.tail = None

    @property
    def by_time(self) -> bool:
        """RACK judges whatever is in flight, and RFC 6675 nothing."""
        return self.rack is not None and self.rack.whole

    # What leaves ----------------------------------------------------------------------

    def pipe(self, in_flight: int) -> int:
        """Bytes in the network (RFC 6675 4, SetPipe); `in_flight` from SND.UNA."""
        board = self.scoreboard
        if board is None:
            return in_flight
        left = in_flight - board.sacked - board.lost - self.left + board.retransmitted
        return left if left > 0 else 0

    def room(self, in_flight: int, congestion: CongestionController) -> int:
        """What may leave beyond what is in the network."""
        if self._reduces and not congestion.owns_recovery:
            assert self.prr is not None
            return self.prr.allowance
        if self.scoreboard is not None:
            in_flight = self.pipe(in_flight)
        return congestion.cwnd - in_flight

    @property
    def lost(self) -> int:
        """Bytes known lost and not sent again."""
        return self.scoreboard.waiting if self.scoreboard is not None else 0

    def on_sent(self, size: int) -> None:
        """New text leaves."""
        if self._reduces and self.prr is not None:
            self.prr.on_sent(size)
        if self.holds:
            self.prefers_new = max(0, self.prefers_new - size)

    def on_resent(self, start: int, end: int, in_flight: int, now: int) -> None:
        """``[start, end)`` leaves again."""
        assert self.scoreboard is not None
        self.scoreboard.resent(start, end, in_flight, now)
        self.urgent = False
        size = end - start
        if self._reduces and self.prr is not None:
            self.prr.on_sent(size)
        if self.undo is not None:
            self.undo.on_resent(size, now)

    def next_hole(self, una: int, mss: int) -> tuple[int, int]:
        """RFC 6675 4, NextSeg (3) and (4): not called lost, but nothing else can go."""
        board = self.scoreboard
        if board is None or self.phase is not FAST or not self.sack:
            return 0, 0
        if self.by_time:
            return 0, 0  # RACK's timer and the tail probe do this
        start, end = board.next_hole()
        if start == end and una > self.rescue_rxt:
            start, end = board.last_hole()
            start = max(start, end - mss)
            self.rescue_rxt = self.recovery_point
        return start, min(end, start + mss)

    # What is lost ---------------------------------------------------------------------

    def lose(self, start: int, end: int, reason: str) -> None:
        """``[start, end)`` is to be sent again: no matter for congestion control."""
        board = self.scoreboard
        if board is None:
            board = self.scoreboard = Scoreboard()
        board.lose_range(start, end)
        self.left = 0
        self.reason = reason
        self.urgent = start < end

    def on_timeout(
        self,
        una: int,
        nxt: int,
        mss: int,
        again: bool,
        frto: bool,
        congestion: CongestionController,
        now: int,
    ) -> None:
        """The retransmission timer ran out; `again`: not for the first time."""
        board = self.scoreboard
        if board is None:
            board = self.scoreboard = Scoreboard()
        fresh = self.phase not in (FAST, TIMEOUT) or una >= self.recovery_point
        first = not again and (fresh or self.phase is TIMEOUT)
        congestion.on_timeout(nxt - una, first, now)
        if first:
            self._begin_undo(una, 0)
        # RFC 5682 2.1 (1), 3.1 (1): not while an earlier loss is being repaired
        self._frto = frto and (fresh or again)
        if board.reneged:
            board.renege()
        elif self.phase is DISORDER and self.reordering > DUP_THRESHOLD:
            # it was a loss, and patience did not help: less of it (as Linux)
            self.reordering = DUP_THRESHOLD
        if self.rack is not None and self.rack.whole and self.rack.rtt:
            self.rack.on_timeout(board, una, mss, now)
        else:
            board.lose_range(una, nxt)
        self._watch_again(board)
        if self.tail is not None:
            self.tail.end = NEVER
        self.phase, self.recovery_point = TIMEOUT, nxt  # RFC 6582 3.2 (4)
        self.reductions += 1
        self._reduces = self.holds = False
        self.dup_acks = self.left = self._flight = 0
        self.reorder_at = NEVER
        self.reason = "timeout"
        self.urgent = True

    def congestion_window_reduced(
        self, ack: int, una: int, nxt: int, congestion: CongestionController, now: int
    ) -> bool:
        """The peer saw a mark; does cwnd come down for it (RFC 3168 6.1.2)?

        Not while it is down already, for a loss or for a mark in the same window.
        """
        if self.phase not in (OPEN, DISORDER) or ack <= self.cwr_point:
            return False
        self.cwr_point = nxt
        congestion.on_congestion(Cause.ECN, nxt - una, now)
        if self.undo is not None:
            self.undo.forget()
        self._reduce(nxt - una)
        self.phase, self.recovery_point = CWR, nxt
        return True

    # What an ACK does -----------------------------------------------------------------

    def on_ack(
        self,
        sample: AckSample,
        newly: int,
        duplicate: bool,
        mss: int,
        dsack_end: int,
        srtt: int,
        congestion: CongestionController,
    ) -> None:
        """The scoreboard knows what it says; `newly`: numbers acknowledged by it.

        duplicate: RFC 5681 2 calls it so. dsack_end: where a DSACK ends, or NEVER.
        Fills what of `sample` is known here.
        """
        board = self.scoreboard
        assert board is not None
        una, nxt, now = sample.una, sample.nxt, sample.now
        count(self, sample, newly, duplicate, mss)
        if board.newly_sacked and self.rack is None:
            self._watch_again(board)
        if self.rack is not None:
            self.rack.on_ack(board, una, nxt, dsack_end != NEVER, board.floor, srtt)
        self.holds = False
        lost = board.lost
        if self.phase is TIMEOUT:
            self._after_timeout(sample, newly, duplicate, mss, congestion)
        elif self.phase is FAST:
            self._in_recovery(sample, newly, mss, congestion)
        elif self.phase is CWR and una >= self.recovery_point:
            self._leave(nxt - una)
            congestion.on_recovered(now)
        elif self.undo is not None and self.undo.all_twice:
            self._undo("dsack", congestion, now)
        if self.phase is not TIMEOUT or self.by_time:
            found = detect(self, una, nxt, mss, now)
            if found and self.phase not in (FAST, TIMEOUT):
                self._enter(una, nxt, congestion, now)
        elif self.rack is not None:
            lost_again(self, now)
        if self.tail is not None and self.tail.end != NEVER:
            bare = duplicate and not board.newly_sacked
            if self.tail.on_ack(una, dsack_end, bare) and self.phase in (
                OPEN,
                DISORDER,
            ):
                congestion.on_congestion(Cause.LOSS, sample.in_flight, now)
                congestion.on_recovered(now)
                self.reductions += 1
        if self.phase in (OPEN, DISORDER):
            self.phase = DISORDER if board.sacked or self.left else OPEN
        sample.lost = max(board.lost - lost, 0)
        sample.pipe = pipe = self.pipe(nxt - una)
        if self._reduces:
            assert self.prr is not None
            safe = newly > 0 and not sample.lost
            self.prr.on_ack(sample.acked, pipe, congestion.ssthresh, mss, safe)

    def note_duplicate(self, in_flight: int) -> None:
        """Something arrived out of order, before any loss is sure."""
        self.dup_acks += 1
        if self.dup_acks == 1 and self.phase is OPEN:
            self._flight = in_flight

    def look_again(
        self, una: int, nxt: int, mss: int, congestion: CongestionController, now: int
    ) -> bool:
        """The reordering timer ran out (RFC 8985 6.2); is anything lost now?"""
        board = self.scoreboard
        self.reorder_at = NEVER
        if board is None or self.rack is None:
            return False
        board.begin(now)
        before = self.pipe(nxt - una)
        if self.phase is TIMEOUT and not self.by_time:
            found = lost_again(self, now)
        else:
            found = detect(self, una, nxt, mss, now)
        if not found:
            return False
        if self.phase not in (FAST, TIMEOUT):
            self._flight = before
            self._enter(una, nxt, congestion, now)
        if self._reduces:
            assert self.prr is not None
            pipe = self.pipe(nxt - una)
            self.prr.on_ack(0, pipe, congestion.ssthresh, mss, False)
        return True

    # Phases ---------------------------------------------------------------------------

    def _reduce(self, in_flight: int) -> None:
        if self.prr is None:
            self.prr = Prr()
        self.prr.start(in_flight)
        self._reduces = True

    def _begin_undo(self, una: int, retransmitted: int) -> None:
        if self.undo is None:
            self.undo = Undo()
        self.undo.begin(una, retransmitted)
        self.undone = ""

    def _enter(
        self, una: int, nxt: int, congestion: CongestionController, now: int
    ) -> None:
        """Fast recovery begins (RFC 6675 5 (4); RFC 6582 3.2 (2))."""
        board = self.scoreboard
        assert board is not None
        if self.phase is not CWR:
            flight = self._flight or nxt - una
            congestion.on_congestion(Cause.LOSS, flight, now)
            self.reductions += 1
            self._begin_undo(una, board.retransmitted)
            self._reduce(nxt - una)
        self._watch_again(board)
        self.phase, self.recovery_point = FAST, nxt
        self.partial_acks = 0
        self.rescue_rxt = una  # (4.3): once per recovery, and not at once
        self.reason = "fast"
        self.urgent = True
        if self.tail is not None:
            self.tail.end = NEVER

    def _watch_again(self, board: Scoreboard) -> None:
        """RFC 6675 does not say when a retransmission is lost: time does, from now."""
        if self.sack and self.rack is None:
            self.rack = Rack(whole=False)
            board.by_time = []

    def _leave(self, in_flight: int) -> None:
        self.phase = OPEN
        self._reduces = self._frto = self.holds = False
        self.dup_acks = self._flight = 0
        if not self.sack:
            self.left = 0
        if self.rack is not None:
            self.rack.recovered()

    def _undo(self, why: str, congestion: CongestionController, now: int) -> None:
        """Nothing had been lost: as if nothing had happened (RFC 4015 3)."""
        assert self.scoreboard is not None
        assert self.undo is not None
        self.scoreboard.find_none_lost()
        self.undo.forget()
        self.undone = why
        congestion.undo(now)
        if self.phase is not CWR:
            self._leave(0)

    def _in_recovery(
        self, sample: AckSample, newly: int, mss: int, congestion: CongestionController
    ) -> None:
        board, undo = self.scoreboard, self.undo
        assert board is not None
        una, now = sample.una, sample.now
        if una >= self.recovery_point:
            if undo is not None and undo.allows(board.echo_at):
                self._undo(self._proof(undo), congestion, now)
            else:
                self._leave(sample.nxt - una)
                congestion.on_recovered(now)
            return
        if newly:
            self.partial_acks += 1
            late = undo is not None and undo.is_late(board.echo_at)
            if late and not board.retransmitted:
                self._undo("timestamps", congestion, now)
                return
            if not self.sack:
                # RFC 6582 3.2 (3), partial: the next hole begins where it ends
                board.lose_range(una, min(una + mss, sample.nxt))
                self.reason = "partial"
                self.urgent = True
        if undo is not None and undo.all_twice:
            self._undo("dsack", congestion, now)

    @staticmethod
    def _proof(undo: Undo) -> str:
        if undo.bytes == NEVER:
            return "late"
        return "timestamps" if undo.bytes else "dsack"

    def _after_timeout(
        self,
        sample: AckSample,
        newly: int,
        duplicate: bool,
        mss: int,
        congestion: CongestionController,
    ) -> None:
        """F-RTO (RFC 5682 3.1 and, without SACK, 2.1), as Linux has it."""
        board, undo = self.scoreboard, self.undo
        assert board is not None
        una, nxt, now = sample.una, sample.nxt, sample.now
        again = newly and undo is not None and undo.bytes != NEVER
        if again and undo is not None and undo.allows(board.echo_at):
            self._undo(self._proof(undo), congestion, now)
            return
        recovered = una >= self.recovery_point
        if self._frto:
            # (3b): something that did not go again has arrived only now. Without SACK
            # it may have waited for the hole to be filled
            if NEVER < board.original < self.recovery_point and (
                self.sack or not board.again_acked
            ):
                self._undo("frto", congestion, now)
                return
            if nxt > self.recovery_point:
                if board.newly_sacked or duplicate:
                    self._frto = False  # (3a): the loss was real
            elif newly and not recovered:
                # (2b): up to two new segments, and their ACKs will tell
                self.recovery_point = nxt
                self.holds, self.prefers_new = True, 2 * mss
                return
            elif duplicate and not self.sack:
                self._frto = False  # 2.1 (2a)
        if recovered:
            self._leave(nxt - una)

    def no_new_text(self, nxt: int) -> bool:
        """RFC 5682 2.1 (2b): if nothing new could be sent, what is lost goes."""
        if nxt > self.recovery_point:
            return False
        self.holds = self._frto = False
        return True

    @property
    def is_plain(self) -> bool:
        """An ACK of the next segments has nothing to tell but that."""
        board, tail = self.scoreboard, self.tail
        return (
            board is not None
            and not (board.sacked or board.lost or board.retransmitted or self.left)
            and (tail is None or tail.end == NEVER)
        )

    @property
    def restarts_timer(self) -> bool:
        """RFC 6582 3.2 (3): only the first partial ACK resets the timer."""
        return self.sack or self.phase is not FAST or self.partial_acks <= 1
