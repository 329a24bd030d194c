"""What a connection asks of its congestion control.

RFC 5681. Facts come in as byte counts; a controller knows neither segments nor timers.
"""

from __future__ import annotations

from typing import Protocol


class CongestionController(Protocol):
    """`cwnd` and `ssthresh` in bytes are its answer."""

    cwnd: int
    ssthresh: int

    def start(self, mss: int, initial_window: int) -> None:
        """The connection is made; `initial_window` in bytes."""

    def set_mss(self, mss: int) -> None:
        """The path changed."""

    def on_ack(self, acked: int, in_flight: int, limited: bool, now: int) -> None:
        """`acked` new bytes; `in_flight` before them; `limited`: cwnd was in the way.

        Not called during fast recovery.
        """

    def on_loss(self, in_flight: int, now: int) -> None:
        """Fast retransmit begins: once for each window of data."""

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        """The retransmission timer ran out; `first` for what was lost."""

    def on_recovered(self, cwnd: int) -> None:
        """Fast recovery ended; `cwnd` is what its algorithm allows at most."""

    def on_idle(self) -> None:
        """Nothing was sent for an RTO."""
