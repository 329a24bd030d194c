"""How long to wait for an acknowledgment.

RFC 6298 with Karn's algorithm; RFC 7323 4.1 for what could not be timed otherwise.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND

GRANULARITY: Final = MILLISECOND
"""RFC 6298's G: less variance than this is not believed."""


class RttEstimator:
    """`srtt`, `rttvar` and the time-out made of them, in ns; 0 without a sample.

    One segment at a time is timed with the clock: `start` when new data leaves,
    `cancel` when anything is sent again (Karn), `on_ack` when it is acknowledged.
    """

    __slots__ = (
        "_max",
        "_min",
        "_timed_at",
        "_timed_end",
        "backoff",
        "base",
        "rttvar",
        "srtt",
    )

    def __init__(self, initial: int, minimum: int, maximum: int) -> None:
        self.srtt = 0
        self.rttvar = 0
        self.base = initial  # RFC 6298 (2.1)
        self.backoff = 0  # doublings
        self._min = minimum
        self._max = maximum
        self._timed_end = 0
        self._timed_at = 0

    @property
    def rto(self) -> int:
        """The time-out now, backed off (RFC 6298 (2.4), (2.5), (5.5))."""
        return min(self.base << self.backoff, self._max)

    def start(self, end: int, now: int) -> None:
        """What ends at sequence number `end` leaves now for the first time."""
        if not self._timed_end:
            self._timed_end, self._timed_at = end, now

    def cancel(self) -> None:
        """Something is sent again: an ACK could be for either (Karn)."""
        self._timed_end = 0

    def on_ack(self, ack: int, now: int, echoed: int | None) -> bool:
        """New data was acknowledged; did it give a sample?

        `echoed`: how old the echoed timestamp is in ns, the second choice: its clock
        is coarse, but it can tell an original from a retransmission.
        """
        if self._timed_end:
            if ack < self._timed_end:
                return False
            self._timed_end = 0
            self.sample(now - self._timed_at)
            return True
        if echoed is None:
            return False
        self.sample(echoed)
        return True

    def sample(self, rtt: int) -> None:
        """RFC 6298 (2.2) and (2.3): alpha 1/8, beta 1/4."""
        rtt = max(rtt, 1)
        if not self.srtt:
            self.srtt = rtt
            self.rttvar = rtt // 2
        else:
            self.rttvar += (abs(self.srtt - rtt) - self.rttvar) // 4
            self.srtt = max(self.srtt + (rtt - self.srtt) // 8, 1)
        rto = self.srtt + max(GRANULARITY, 4 * self.rttvar)
        self.base = min(max(rto, self._min), self._max)
        self.backoff = 0

    def back_off(self) -> None:
        """The timer ran out (RFC 6298 (5.5)); kept until the next sample."""
        if self.base << self.backoff < self._max:
            self.backoff += 1

    def syn_was_lost(self) -> None:
        """RFC 6298 (5.7): data begins with three seconds unless a sample says less."""
        if not self.srtt:
            self.base = max(self.base, 3_000 * MILLISECOND)
            self.backoff = 0
