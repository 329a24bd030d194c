"""The loss of the last segments, which no later one tells of: a probe asks.

RFC 8985 7.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND, SECOND

from .scoreboard import NEVER

_SLACK: Final = 2 * MILLISECOND
"""Linux's least time-out: no probe because an ACK is a little late."""


class TailProbe:
    """end: SND.NXT after the probe that is in flight, NEVER without one (TLP.end_seq).

    again: it repeats the last segment (TLP.is_retrans). timed: there was a round-trip
    sample since the last probe.
    """

    __slots__ = ("again", "end", "timed")

    def __init__(self) -> None:
        self.end = NEVER
        self.again = False
        self.timed = True

    @property
    def may_probe(self) -> bool:
        """7.3: none is in flight, and it would not keep RTT samples away."""
        return self.end == NEVER and self.timed

    def on_sent(self, end: int, again: bool) -> None:
        self.end, self.again = end, again
        self.timed = False

    def on_ack(self, ack: int, dsack_end: int, duplicate: bool) -> bool:
        """7.4.2; did the probe repair a loss that nobody else noticed?

        dsack_end: where a DSACK ends, NEVER without one; duplicate: it acknowledges
        nothing new and carries no SACK.
        """
        if ack < self.end:
            return False
        if not self.again or dsack_end == self.end:
            self.end = NEVER
        elif ack > self.end:
            self.end = NEVER
            return True
        elif duplicate:
            self.end = NEVER
        return False


def probe_timeout(srtt: int, one: bool, max_ack_delay: int) -> int:
    """How long after the last transmission (7.2, TLP_calc_PTO).

    one: a single segment is in flight, whose ACK may be delayed.
    """
    if not srtt:
        return SECOND
    return 2 * srtt + (max_ack_delay if one else _SLACK)
