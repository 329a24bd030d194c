"""How long to wait for an acknowledgment.

RFC 6298 with Karn's algorithm; RFC 7323 4.1 for what could not be timed otherwise.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND, SECOND

GRANULARITY: Final = MILLISECOND
"""RFC 6298's G: less variance than this is not believed."""

MIN_RTT_WINDOW: Final = 150 * SECOND
"""`min_rtt` is the least of this window and the one before: Linux's 300 s in two."""


class RttEstimator:
    """`srtt`, `rttvar`, `min_rtt` and the time-out of them; ns, 0 without a sample.

    Text is timed by the scoreboard; a SYN here: `start` when it leaves, `cancel` when
    it leaves again (Karn), `on_ack` when it is acknowledged.
    """

    __slots__ = (
        "_base_var",
        "_max",
        "_min",
        "_min_now",
        "_min_until",
        "_round_end",
        "_timed",
        "_weight",
        "backoff",
        "base",
        "min_rtt",
        "rttvar",
        "srtt",
    )

    def __init__(self, initial: int, minimum: int, maximum: int) -> None:
        self.srtt = 0
        self.rttvar = 0
        self.min_rtt = 0
        self.base = initial  # RFC 6298 (2.1)
        self.backoff = 0  # doublings
        self._min = minimum
        self._max = maximum
        self._timed: tuple[int, int] | None = None  # a SYN: its end, when it left
        self._base_var = 0  # rttvar as the round began
        self._round_end = 0
        self._weight = 8
        self._min_now = 0  # of this window
        self._min_until = 0

    @property
    def rto(self) -> int:
        """The time-out now, backed off (RFC 6298 (2.4), (2.5), (5.5))."""
        rto, most = self.base << self.backoff, self._max
        return rto if rto < most else most

    def start(self, end: int, now: int) -> None:
        """What ends at sequence number `end` leaves now for the first time."""
        if self._timed is None:
            self._timed = end, now

    def cancel(self) -> None:
        """It is sent again: an ACK could be for either (Karn)."""
        self._timed = None

    def on_ack(self, ack: int, now: int, echoed: int | None) -> None:
        """The SYN was acknowledged. `echoed`: how old the echoed timestamp is in ns,
        the second choice: its clock is coarse, but it can tell an original from a
        retransmission."""
        if self._timed is not None and ack >= self._timed[0]:
            self.sample(now - self._timed[1], now)
        elif echoed is not None:
            self.sample(echoed, now)
        self._timed = None

    def sample(
        self, rtt: int, now: int, ack: int = 0, nxt: int = 0, mss: int = 1
    ) -> None:
        """RFC 6298 (2.2) and (2.3): alpha 1/8, beta 1/4.

        `ack` and `nxt`: SND.UNA and SND.NXT. The samples of one round trip weigh in
        `srtt` as one would (RFC 7323 appendix G), and the worst makes `rttvar`.
        """
        if rtt < 1:
            rtt = 1
        srtt = self.srtt
        if not srtt:
            self.srtt = rtt
            self.rttvar = self._base_var = rtt // 2
            self._round_end = nxt
        else:
            base = self._base_var
            if ack >= self._round_end:
                self._base_var = base = self.rttvar
                self._round_end = nxt
                # an ACK for every second segment
                left = nxt - ack
                self._weight = 8 if left <= 2 * mss else 8 * -(-left // (2 * mss))
                self.rttvar = 0
            off = rtt - srtt
            var = base + ((off if off > 0 else -off) - base) // 4
            if var > self.rttvar:
                self.rttvar = var
            self.srtt = srtt + off // self._weight or 1
        var = 4 * self.rttvar
        rto = self.srtt + (var if var > GRANULARITY else GRANULARITY)
        if rto < self._min:
            rto = self._min
        self.base = rto if rto < self._max else self._max
        self.backoff = 0
        if rtt <= self.min_rtt or now >= self._min_until:
            self._note_least(rtt, now)
        elif rtt < self._min_now:
            self._min_now = rtt

    def _note_least(self, rtt: int, now: int) -> None:
        if now >= self._min_until:
            # a new window; the one that ended still counts
            if self._min_until + MIN_RTT_WINDOW <= now or not self._min_now:
                self._min_now = rtt
            self.min_rtt = min(self._min_now, rtt)
            self._min_now = rtt
            self._min_until = now + MIN_RTT_WINDOW
        else:
            self.min_rtt = self._min_now = rtt

    def back_off(self) -> None:
        """The timer ran out (RFC 6298 (5.5)); kept until the next sample."""
        if self.base << self.backoff < self._max:
            self.backoff += 1

    def syn_was_lost(self) -> None:
        """RFC 6298 (5.7): data begins with three seconds unless a sample says less."""
        if not self.srtt:
            self.base = max(self.base, 3_000 * MILLISECOND)
            self.backoff = 0
