"""What a connection asks of its congestion control.

RFC 5681, 6928, 8511; RFC 8985 and 6675 decide what was lost, never this. Facts come in
as byte counts and times; a controller knows neither segments nor timers.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar, Final, Protocol

INFINITE: Final = 1 << 30
"""RFC 5681 3.1: ssthresh begins arbitrarily high: the largest window there is."""


class Cause(Enum):
    """Why the window comes down."""

    LOSS = "loss"
    ECN = "ecn"


class AckSample:
    """What one ACK says. A connection has one of these and fills it again each time.

    acked: bytes delivered by it, cumulatively or by SACK, for the first time.
    in_flight: bytes in the network before it; pipe: after it. lost: newly called lost.
    rtt: ns, 0 without a sample. limited: cwnd was what stopped the last transmission.
    una, nxt: SND.UNA after it, and SND.NXT. delivered: bytes delivered in all.
    recovering: fast recovery or what follows a time-out was in progress.

    Only for those with `needs_rate`: rate (bytes per second, 0 without a sample) of
    delivery over `interval` ns; prior_delivered: `delivered` when what this ACK is for
    was sent; app_limited: the application, not the path, set that rate.
    """

    __slots__ = (
        "acked",
        "app_limited",
        "delivered",
        "in_flight",
        "interval",
        "limited",
        "lost",
        "now",
        "nxt",
        "pipe",
        "prior_delivered",
        "rate",
        "recovering",
        "rtt",
        "una",
    )

    def __init__(self) -> None:
        self.now = self.acked = self.in_flight = self.pipe = self.lost = 0
        self.rtt = self.una = self.nxt = self.delivered = 0
        self.limited = self.recovering = self.app_limited = False
        self.rate = self.interval = self.prior_delivered = 0


class CongestionController(Protocol):
    """`cwnd` and `ssthresh` in bytes are its answer, and a rate where it paces.

    needs_rate: wants delivery rates in its samples. owns_recovery: its cwnd holds in
    fast recovery too, instead of what PRR allows (RFC 6937). paced: it may have a
    `pacing_rate`.
    """

    needs_rate: ClassVar[bool]
    owns_recovery: ClassVar[bool]
    cwnd: int
    ssthresh: int
    paced: bool

    @property
    def pacing_rate(self) -> int:
        """Bytes a second at which text may leave; 0: as fast as cwnd lets it."""

    @property
    def phase(self) -> str:
        """Where it stands, in a word, for `info` and traces."""

    def start(
        self, mss: int, initial_window: int, seed: int, now: int, paced: bool = False
    ) -> None:
        """The connection is made; `initial_window` in bytes; `seed` for its choices.

        paced: what leaves is spread over time even if the controller has no rate.
        """

    def set_mss(self, mss: int) -> None:
        """The path changed."""

    def on_sent(self, now: int) -> None:
        """Text leaves, and nothing was in flight before it."""

    def on_ack(self, sample: AckSample) -> None:
        """Something was delivered. In fast recovery only if it `owns_recovery`."""

    def on_congestion(self, cause: Cause, in_flight: int, now: int) -> None:
        """Recovery begins, or ECN says so: once for each window of data."""

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        """The retransmission timer ran out; `first` for what was lost."""

    def on_recovered(self, now: int) -> None:
        """Fast recovery ended."""

    def undo(self, now: int) -> None:
        """The last congestion or time-out was none: nothing had been lost."""

    def on_idle(self, now: int) -> None:
        """Nothing was sent for an RTO."""
