"""What was largest lately: of rates, and of ACKs that came in bunches.

draft-cardwell-iccrg-bbr-congestion-control-00 4.1.1.3; aggregation as in Linux's
tcp_bbr.c (bbr_update_ack_aggregation).
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND, SECOND

AGGREGATION_ROUNDS: Final = 5
AGGREGATION_MOST: Final = 100 * MILLISECOND
"""More than what the path delivers in this time is not believed to be a bunch."""

_EPOCH_MOST: Final = 1 << 30


class MaxFilter:
    """The maximum of the last `window` rounds; it ages only when told something.

    What a later and larger value follows can never be the maximum again, so that at
    most one value a round is kept, the largest first.
    """

    __slots__ = ("_kept", "_window", "best")

    def __init__(self, window: int) -> None:
        self._window = window
        self._kept: list[tuple[int, int]] = []
        self.best = 0

    def update(self, value: int, round_count: int) -> None:
        kept = self._kept
        while kept and kept[-1][1] <= value:
            kept.pop()
        kept.append((round_count, value))
        while kept[0][0] <= round_count - self._window:
            del kept[0]
        self.best = kept[0][1]
        if len(kept) > 1 and kept[-2][0] == round_count:
            kept.pop()  # less, in the same round: it will never count


class AckAggregation:
    """How much more than the rate explains is acknowledged at a time.

    A receiver or a link that gathers ACKs lets the sender idle between two of them;
    so much above the BDP keeps it going.
    """

    __slots__ = ("_acked", "_begun_at", "_older", "_recent", "_rounds")

    def __init__(self) -> None:
        self._begun_at = 0
        self._acked = 0  # since then
        self._recent = self._older = 0
        self._rounds = 0

    def restart(self, now: int) -> None:
        """Nothing was in flight: there is nothing to compare with."""
        self._begun_at, self._acked = now, 0

    def on_ack(
        self, acked: int, rate: int, cwnd: int, round_start: bool, now: int
    ) -> None:
        if round_start:
            self._rounds += 1
            if self._rounds >= AGGREGATION_ROUNDS:
                self._rounds = 0
                self._older, self._recent = self._recent, 0
        expected = rate * (now - self._begun_at) // SECOND
        if self._acked <= expected or self._acked + acked >= _EPOCH_MOST:
            self.restart(now)
            expected = 0
        self._acked += acked
        self._recent = max(self._recent, min(self._acked - expected, cwnd))

    def extra(self, rate: int) -> int:
        most = rate * AGGREGATION_MOST // SECOND
        return min(max(self._recent, self._older), most)
