"""How fast the path delivers, measured on each ACK.

draft-cheng-iccrg-delivery-rate-estimation-00, as in Linux's tcp_rate.c, in bytes and
ns. Made only for a controller with `needs_rate`.
"""

from __future__ import annotations

from typing import Final, Protocol

from sansio_net.units import SECOND

from .congestion import AckSample

_NEVER: Final = -1


class Snapshot(Protocol):
    """What is noted in the record of a transmission, and told again on its delivery.

    sent_at: when it left, the last time. delivered, delivered_at: what had been
    delivered in all by then, and when. first_sent_at: when the window that it ends had
    begun to leave. app_limited: the application kept the path waiting.
    """

    sent_at: int
    delivered: int
    delivered_at: int
    first_sent_at: int
    app_limited: bool


class DeliveryRate:
    """The rate of an ACK is what was delivered from the sending of its segment until
    now, over the longer of the times that took to send and to be acknowledged.

    One ACK: `on_delivered` for each record it delivers, then `sample`.
    """

    __slots__ = (
        "_app_limited",
        "_prior_at",
        "_prior_delivered",
        "_send_elapsed",
        "_sent_at",
        "app_limited",
        "delivered",
        "delivered_at",
        "first_sent_at",
    )

    def __init__(self) -> None:
        self.delivered = 0
        self.delivered_at = 0
        self.first_sent_at = 0
        self.app_limited = 0  # limited until so much is delivered; 0: it is not
        # of the latest sent among what this ACK delivered
        self._sent_at = _NEVER
        self._prior_delivered = self._prior_at = 0
        self._send_elapsed = 0
        self._app_limited = False

    def on_sent(self, record: Snapshot, in_flight: int, now: int) -> None:
        """The record leaves, for the first time or again; `in_flight` is SND.NXT -
        SND.UNA before that."""
        if not in_flight:
            # the clocks start anew: nothing was there to be delivered
            self.first_sent_at = self.delivered_at = now
        record.delivered = self.delivered
        record.delivered_at = self.delivered_at
        record.first_sent_at = self.first_sent_at
        record.app_limited = self.app_limited > 0

    def on_app_limited(self, pipe: int) -> None:
        """All has left that there is, and more could: a bubble follows `pipe` bytes.

        That is: less than a segment is queued, `pipe` is below cwnd, and nothing lost
        waits to go again.
        """
        self.app_limited = self.delivered + pipe or 1

    def on_delivered(self, record: Snapshot, now: int) -> None:
        """The record, or a part of it, is acknowledged or SACKed for the first time."""
        if record.sent_at < self._sent_at:
            return
        self._sent_at = self.first_sent_at = record.sent_at
        self._prior_delivered = record.delivered
        self._prior_at = record.delivered_at
        self._app_limited = record.app_limited
        self._send_elapsed = record.sent_at - record.first_sent_at

    def sample(self, sample: AckSample, now: int, min_rtt: int) -> None:
        """After `on_delivered` of all of an ACK: its rate, from ``sample.acked``."""
        if sample.acked:
            self.delivered += sample.acked
            self.delivered_at = now
        if self.app_limited and self.delivered > self.app_limited:
            self.app_limited = 0  # the bubble is acknowledged
        sample.delivered = self.delivered
        sample.rate = sample.interval = 0
        if self._sent_at == _NEVER:
            # nothing was timed: not a round either
            sample.prior_delivered = 0
            sample.app_limited = False
            return
        self._sent_at = _NEVER
        sample.prior_delivered = self._prior_delivered
        sample.app_limited = self._app_limited
        interval = max(self._send_elapsed, now - self._prior_at)
        # an ACK of a retransmission may be for the original: too soon to be true
        if interval > 0 and interval >= min_rtt:
            sample.interval = interval
            delivered = self.delivered - self._prior_delivered
            sample.rate = delivered * SECOND // interval
