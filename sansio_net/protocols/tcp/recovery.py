"""What was lost and goes again: fast retransmit, NewReno, time-outs.

RFC 5681 3.2; RFC 6582 3.2; RFC 3042 (limited transmit). Facts of ACKs come in; a range
to send again and an allowance above cwnd come out.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .congestion import Cause, CongestionController

DUP_THRESHOLD: Final = 3


class Phase(Enum):
    """Open: nothing known lost. Fast: RFC 6582. Timeout: going back after an RTO."""

    OPEN = "open"
    FAST = "fast"
    TIMEOUT = "timeout"


OPEN, FAST, TIMEOUT = Phase.OPEN, Phase.FAST, Phase.TIMEOUT


class Recovery:
    """NewReno: a cumulative ACK is all it knows of the peer.

    ``[lost_nxt, lost_end)`` waits to be sent again. `inflation` is what may be in
    flight above cwnd because duplicate ACKs say that as much has left the network.
    """

    __slots__ = (
        "_flight",
        "cwr_point",
        "dup_acks",
        "inflation",
        "lost_end",
        "lost_nxt",
        "partial_acks",
        "phase",
        "reason",
        "recovery_point",
        "urgent",
    )

    def __init__(self) -> None:
        self.phase = OPEN
        self.recovery_point = 0
        self.cwr_point = 0  # marks are of one window until more is acknowledged
        self.dup_acks = 0
        self.inflation = 0
        self.lost_nxt = 0
        self.lost_end = 0
        self.reason = ""
        self.urgent = False  # the first lost segment goes whatever cwnd says
        self.partial_acks = 0
        self._flight = 0

    def start(self, iss: int) -> None:
        # RFC 6582 3.2 (1); one less, so that the first segment of all may be missed
        self.recovery_point = iss

    @property
    def lost(self) -> int:
        """Bytes known lost and not sent again."""
        return self.lost_end - self.lost_nxt

    def lose(self, start: int, end: int, reason: str) -> None:
        """``[start, end)`` is to be sent again; `reason` is for the trace."""
        self.lost_nxt, self.lost_end = start, end
        self.reason = reason
        self.urgent = start < end

    def resent(self, end: int) -> None:
        self.lost_nxt = min(end, self.lost_end)
        self.urgent = False

    def on_duplicate(
        self,
        una: int,
        nxt: int,
        mss: int,
        congestion: CongestionController,
        now: int,
    ) -> bool:
        """A duplicate ACK (RFC 5681 2); does fast retransmit begin with it?"""
        if self.phase is FAST:
            # RFC 5681 3.2 (4)
            self.inflation += mss
            return False
        if self.phase is TIMEOUT:
            return False
        self.dup_acks += 1
        if self.dup_acks == 1:
            self._flight = nxt - una
        if self.dup_acks < DUP_THRESHOLD:
            # RFC 3042 2: the next new segment for each of the first two
            self.inflation = self.dup_acks * mss
            return False
        # RFC 6582 3.2 (2): nothing after the last recovery was acknowledged yet, so
        # these may be duplicates that the recovery itself provoked
        if self.dup_acks > DUP_THRESHOLD or una <= self.recovery_point:
            return False
        self.phase = FAST
        self.recovery_point = nxt
        self.partial_acks = 0
        # RFC 5681 3.2 (2): without what limited transmit added
        congestion.on_congestion(Cause.LOSS, self._flight, now)
        self.inflation = DUP_THRESHOLD * mss
        self.lose(una, min(una + mss, nxt), "fast")
        return True

    def on_ack(
        self,
        newly: int,
        ack: int,
        nxt: int,
        mss: int,
        congestion: CongestionController,
        now: int,
    ) -> None:
        """`ack` acknowledges `newly` numbers for the first time."""
        if self.lost_nxt < ack:
            self.lost_nxt = ack
            self.lost_end = max(self.lost_end, ack)
        self.dup_acks = 0
        if self.phase is OPEN:
            self.inflation = 0
        elif ack >= self.recovery_point:
            if self.phase is FAST:
                # RFC 6582 3.2 (3), full acknowledgment, choice (2)
                congestion.on_recovered(now)
            self.phase = OPEN
            self.inflation = 0
            self.lost_nxt = self.lost_end = ack
        elif self.phase is FAST:
            # partial acknowledgment: the next hole begins where it ends
            self.partial_acks += 1
            self.inflation = max(0, self.inflation - newly)
            if newly >= mss:
                self.inflation += mss
            self.lose(ack, min(ack + mss, nxt), "partial")

    def congestion_window_reduced(
        self, ack: int, una: int, nxt: int, congestion: CongestionController, now: int
    ) -> bool:
        """The peer saw a mark; does cwnd come down for it (RFC 3168 6.1.2)?

        Not while it is down already, for a loss or for a mark in the same window.
        """
        if self.phase is not OPEN or ack <= self.cwr_point:
            return False
        self.cwr_point = nxt
        congestion.on_congestion(Cause.ECN, nxt - una, now)
        return True

    @property
    def restarts_timer(self) -> bool:
        """RFC 6582 3.2 (3): only the first partial ACK resets the timer."""
        return self.phase is not FAST or self.partial_acks <= 1

    def on_timeout(
        self,
        una: int,
        nxt: int,
        first: bool,
        congestion: CongestionController,
        now: int,
    ) -> None:
        """The retransmission timer ran out: everything in flight counts as lost."""
        congestion.on_timeout(nxt - una, first, now)
        self.phase = TIMEOUT
        self.recovery_point = nxt  # RFC 6582 3.2 (4)
        self.dup_acks = 0
        self.inflation = 0
        self.lose(una, nxt, "timeout")
