"""Loss by time: what was sent before something that has arrived, and a little more.

RFC 8985 6. With the option `rack` it judges all that is in flight; without it only what
went again, of whose loss RFC 6675 says nothing: so a retransmission that is lost does
not wait for the timer. Needs SACK.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND

from .scoreboard import NEVER, Scoreboard
from .sent import is_current

_PERSIST: Final = 16
"""RFC 8985 6.2, step 4: recoveries without a DSACK until the window is small again."""

_FOREVER: Final = 1 << 62


class Rack:
    """`xmit_at`, `end`: when the latest sent of all that arrived left, and its end.

    whole: it judges all that is in flight, not only what went again.
    reordering: something arrived out of order that had not been sent again.
    """

    __slots__ = (
        "dsack_round",
        "end",
        "min_rtt",
        "reo_wnd",
        "reo_wnd_mult",
        "reo_wnd_persist",
        "reordering",
        "rtt",
        "srtt",
        "whole",
        "xmit_at",
    )

    def __init__(self, whole: bool = True) -> None:
        self.whole = whole
        self.xmit_at = NEVER
        self.end = 0
        self.rtt = 0
        self.reordering = False
        self.reo_wnd = 0
        self.reo_wnd_mult = 1
        self.reo_wnd_persist = _PERSIST
        self.dsack_round = NEVER
        self.min_rtt = self.srtt = 0

    def on_ack(
        self,
        board: Scoreboard,
        una: int,
        nxt: int,
        dsack: bool,
        min_rtt: int,
        srtt: int,
    ) -> None:
        """Steps 2 to 4, when the scoreboard knows what the ACK says."""
        self.min_rtt, self.srtt = min_rtt, srtt
        newest_at = board.newest_at
        if newest_at != NEVER:
            self.rtt = board.now - newest_at
            if (newest_at, board.newest_end) > (self.xmit_at, self.end):
                self.xmit_at, self.end = newest_at, board.newest_end
        if board.reordered:
            self.reordering = True
        if self.dsack_round != NEVER and una >= self.dsack_round:
            self.dsack_round = NEVER
        if dsack and self.dsack_round == NEVER:
            self.dsack_round = nxt
            self.reo_wnd_mult += 1
            self.reo_wnd_persist = _PERSIST

    def recovered(self) -> None:
        """Fast or RTO recovery ends."""
        self.reo_wnd_persist -= 1
        if self.reo_wnd_persist <= 0:
            self.reo_wnd_mult = 1
            self.reo_wnd_persist = _PERSIST

    def detect(
        self, board: Scoreboard, now: int, recovering: bool, many: bool
    ) -> tuple[int, int]:
        """Step 5: bytes that are lost only now, and when to look again (NEVER).

        `many`: as many segments as DupThresh are SACKed.
        """
        if self.xmit_at == NEVER:
            return 0, NEVER
        window = self._window(recovering or many)
        until = now - self.rtt - window
        lost = board.lose_originals(self.xmit_at, self.end, until)
        lost += self._detect_again(board, until)
        if self._again_waits(board) or self._original_waits(board):
            return lost, max(self.xmit_at + self.rtt + window, now + 1)
        return lost, NEVER

    def detect_again(self, board: Scoreboard, now: int, few: bool) -> tuple[int, int]:
        """The same where RFC 6675 finds what is lost for the first time, unless `few`
        segments are in flight: those are given a quarter of a round trip."""
        if self.xmit_at == NEVER:
            return 0, NEVER
        window, patience = self._window(True), max(self._window(False), MILLISECOND)
        arrived, lost, when = self.xmit_at + self.rtt, 0, NEVER
        if few:
            lost = board.lose_originals(
                self.xmit_at, self.end, now - self.rtt - patience
            )
            if self._original_waits(board):
                when = arrived + patience
        lost += self._detect_again(board, now - self.rtt - window)
        if self._again_waits(board) and (when == NEVER or arrived + window < when):
            when = arrived + window
        return lost, when if when == NEVER else max(when, now + 1)

    def _window(self, sure: bool) -> int:
        """Step 4: `sure` that something was lost, there is none where order is kept."""
        if sure and not self.reordering:
            self.reo_wnd = 0
        else:
            self.reo_wnd = min(self.reo_wnd_mult * self.min_rtt // 4, self.srtt)
        return self.reo_wnd

    def _detect_again(self, board: Scoreboard, until: int) -> int:
        """Retransmissions that are lost as well: in the order of time, too."""
        again = board.by_time
        if not again:
            return 0
        lost = n = 0
        for sent_at, record in again:
            if is_current(sent_at, record):
                if sent_at > until or (sent_at, record.end) >= (self.xmit_at, self.end):
                    break
                lost += board.lose_again(record)
            n += 1
        del again[:n]
        return lost

    def _original_waits(self, board: Scoreboard) -> bool:
        """Is there anything that only the reordering window keeps from being lost?"""
        record = board.next_original()
        latest = self.xmit_at, self.end
        return record is not None and (record.sent_at, record.end) < latest

    def _again_waits(self, board: Scoreboard) -> bool:
        if not board.by_time:
            return False
        sent_at, record = board.by_time[0]
        return (sent_at, record.end) < (self.xmit_at, self.end)

    def on_timeout(self, board: Scoreboard, una: int, mss: int, now: int) -> int:
        """6.3: the first segment, and all that had time enough to arrive."""
        lost = board.lose_range(una, una + mss)
        until = now - self.rtt - self.reo_wnd
        lost += board.lose_originals(_FOREVER, _FOREVER, until)
        for sent_at, record in board.by_time or ():
            if sent_at <= until and is_current(sent_at, record):
                lost += board.lose_again(record)
        return lost
