"""CUBIC: the window as a cubic function of the time since the last congestion.

RFC 9438, with HyStart++ (RFC 9406) in the first slow start and RFC 8511 for ECN.
"""

from __future__ import annotations

from typing import ClassVar, Final

from sansio_net.protocols.tcp.pacer import window_rate
from sansio_net.units import SECOND

from .base import INFINITE, AckSample, Cause
from .hystart import HyStart

# C = 4/10, segments a second cubed (RFC 9438 5.1)
_C_TOP: Final = 4
_C_BOTTOM: Final = 10 * SECOND**3

# alpha_cubic = 3 * (1 - 0.7) / (1 + 0.7) = 9/17 (RFC 9438 4.3)
_ALPHA_TOP: Final = 9
_ALPHA_BOTTOM: Final = 17


def cube_root(n: int) -> int:
    """The largest integer whose cube is not above `n`."""
    if n < 8:
        return 1 if n > 0 else 0
    root = 1 << -(-n.bit_length() // 3)  # not below; Newton's steps come down
    while True:
        closer = (2 * root + n // (root * root)) // 3
        if closer >= root:
            return root
        root = closer


class Epoch:
    """A stage of congestion avoidance: RFC 9438's t_epoch, W_max, K and W_est."""

    __slots__ = ("alpha_rest", "at", "k", "paused_at", "rest", "w_est", "w_max")

    def __init__(self, cwnd: int, w_max: int, mss: int, now: int) -> None:
        self.at = now
        self.w_est = cwnd
        # without a W_max to come back to, or beyond it: 4.8, 4.10
        self.w_max = max(w_max, cwnd)
        room = (self.w_max - cwnd) * _C_BOTTOM
        self.k = cube_root(room // (_C_TOP * mss))
        self.rest = self.alpha_rest = 0  # of the divisions
        self.paused_at = -1  # since when the window is not used up

    def w_cubic(self, now: int, mss: int) -> int:
        """4.2: C * (t - K)^3 + W_max."""
        t = now - self.at
        return self.w_max + _C_TOP * mss * (t - self.k) ** 3 // _C_BOTTOM

    def pause(self, now: int) -> None:
        """5.8: t does not run while cwnd is not used up."""
        if self.paused_at < 0:
            self.paused_at = now

    def resume(self, now: int) -> None:
        if self.paused_at >= 0:
            self.at += now - self.paused_at
            self.paused_at = -1


class Cubic:
    """`_w_max` and `_cwnd_prior` are RFC 9438's; all of it in bytes and ns. What the
    first slow start and congestion avoidance need is there while they last."""

    __slots__ = (
        "_acked_at",
        "_cwnd_prior",
        "_epoch",
        "_first",
        "_hystart",
        "_initial",
        "_mss",
        "_saved",
        "_srtt",
        "_w_max",
        "cwnd",
        "paced",
        "ssthresh",
    )

    needs_rate: ClassVar[bool] = False
    owns_recovery: ClassVar[bool] = False

    def __init__(self) -> None:
        self.cwnd = 0
        self.ssthresh = INFINITE
        self.paced = False
        self._mss = 0
        self._initial = 0
        self._srtt = 0
        self._first = True  # the first slow start
        self._hystart: HyStart | None = None
        self._w_max = 0  # 0: undefined
        self._cwnd_prior = 0
        self._epoch: Epoch | None = None
        self._acked_at = 0
        self._saved: tuple[int, int, int, int, Epoch | None] | None = None

    @property
    def phase(self) -> str:
        if self.cwnd >= self.ssthresh:
            return "avoidance"
        hystart = self._hystart
        return "css" if hystart is not None and hystart.css_rounds else "slow_start"

    @property
    def pacing_rate(self) -> int:
        if not self.paced:
            return 0
        return window_rate(self.cwnd, self.ssthresh, self._srtt)

    def start(
        self, mss: int, initial_window: int, seed: int, now: int, paced: bool = False
    ) -> None:
        self._mss = mss
        self._initial = self.cwnd = initial_window
        self.paced = paced

    def set_mss(self, mss: int) -> None:
        if mss < self._mss:
            # RFC 5681 3.1: no burst of more segments than before
            self.cwnd = self.cwnd * mss // self._mss
        self._mss = mss
        self.cwnd = max(self.cwnd, mss)

    def on_sent(self, now: int) -> None:
        # RFC 9438 5.8: t does not run while there is nothing to send
        epoch = self._epoch
        if epoch is not None and epoch.paused_at < 0:
            epoch.at += max(now - self._acked_at, 0)

    def on_ack(self, sample: AckSample) -> None:
        now = self._acked_at = sample.now
        if sample.rtt:
            srtt = self._srtt
            self._srtt = srtt + (sample.rtt - srtt) // 8 if srtt else sample.rtt
        if self.cwnd < self.ssthresh:
            # a window that was not used says nothing about the path (RFC 7661 4.1)
            if self.cwnd <= 2 * sample.in_flight:
                self._slow_start(sample)
            return
        if self._epoch is None:
            if not sample.limited:
                return
            self._epoch = Epoch(self.cwnd, self._w_max, self._mss, now)
        if sample.limited:
            self._epoch.resume(now)
            self._avoidance(self._epoch, sample.acked, now)
        else:
            self._epoch.pause(now)

    def _slow_start(self, sample: AckSample) -> None:
        grown = sample.acked
        if self._first:
            if self._hystart is None:
                self._hystart = HyStart(self._mss, self.paced)
            grown = self._hystart.on_ack(sample)
        self.cwnd = min(self.cwnd + grown, self.ssthresh)
        if self._hystart is not None and self._hystart.done:
            # RFC 9438 4.10: nothing was lost, so W_max is undefined
            self.ssthresh = self._cwnd_prior = self.cwnd
            self._hystart, self._first = None, False

    def _avoidance(self, epoch: Epoch, acked: int, now: int) -> None:
        cwnd, mss = self.cwnd, self._mss
        # RFC 9438 4.3: what Reno would have
        reno = epoch.w_est >= self._cwnd_prior
        top, bottom = (1, 1) if reno else (_ALPHA_TOP, _ALPHA_BOTTOM)
        grown, epoch.alpha_rest = divmod(
            top * mss * acked + epoch.alpha_rest, bottom * cwnd
        )
        epoch.w_est += grown
        if epoch.w_cubic(now, mss) < epoch.w_est:
            self.cwnd = min(max(cwnd, epoch.w_est), INFINITE)
            return
        # RFC 9438 4.2, 4.4, 4.5
        target = min(epoch.w_cubic(now + self._srtt, mss), cwnd + cwnd // 2)
        if target > cwnd:
            grown, epoch.rest = divmod((target - cwnd) * acked + epoch.rest, cwnd)
            self.cwnd = min(cwnd + grown, target, INFINITE)

    def on_congestion(self, cause: Cause, in_flight: int, now: int) -> None:
        self._save()
        cwnd, mss = self.cwnd, self._mss
        # RFC 9438 4.7, fast convergence: (1 + 0.7) / 2
        self._w_max = cwnd * 17 // 20 if cwnd < self._w_max else cwnd
        self._cwnd_prior = cwnd
        flight = min(in_flight, cwnd)
        if cause is Cause.ECN:
            # RFC 8511 3; RFC 9438 4.6: down to a single segment
            self.ssthresh = flight * 17 // 20
            self.cwnd = max(self.ssthresh, mss)
        else:
            self.ssthresh = flight * 7 // 10
            self.cwnd = max(self.ssthresh, 2 * mss)
        self.ssthresh = max(self.ssthresh, 2 * mss)
        self._end_epoch()

    def on_timeout(self, in_flight: int, first: bool, now: int) -> None:
        # RFC 9438 4.8; RFC 5681 3.1: ssthresh is held when the same is lost again
        if first:
            self._save()
            self._cwnd_prior = self.cwnd
            kept = min(in_flight, self.cwnd) * 7 // 10
            self.ssthresh = max(kept, 2 * self._mss)
        self._w_max = 0
        self.cwnd = self._mss
        self._end_epoch()

    def on_recovered(self, now: int) -> None:
        # not up to ssthresh: a mark may have brought cwnd below its two segments
        self.cwnd = max(min(self.cwnd, self.ssthresh), self._mss)

    def undo(self, now: int) -> None:
        """RFC 9438 4.9."""
        saved, self._saved = self._saved, None
        if saved is None or self.cwnd >= self._cwnd_prior:
            return
        self.cwnd, self._cwnd_prior, self.ssthresh, self._w_max, self._epoch = saved
        self.cwnd = max(self.cwnd, self._mss)

    def on_idle(self, now: int) -> None:
        # RFC 5681 4.1; what the path had carried is remembered (RFC 7661 4.4.3)
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
        if self._initial < self.cwnd:
            self.cwnd = max(self._initial, self._mss)
            self._epoch = None

    def _end_epoch(self) -> None:
        self._epoch = self._hystart = None
        self._first = False  # RFC 9406 4.3: HyStart++ is for the first slow start

    def _save(self) -> None:
        self._saved = (
            self.cwnd,
            self._cwnd_prior,
            self.ssthresh,
            self._w_max,
            self._epoch,
        )
