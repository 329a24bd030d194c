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


class Cubic:
    """`_w_max`, `_k`, `_w_est`, `_cwnd_prior` are RFC 9438's, in bytes and ns; an epoch
    is a stage of congestion avoidance, -1 before its first ACK."""

    __slots__ = (
        "_acked_at",
        "_alpha_rest",
        "_cwnd_prior",
        "_epoch_at",
        "_hystart",
        "_initial",
        "_k",
        "_mss",
        "_origin",
        "_paced",
        "_paused_at",
        "_rest",
        "_saved",
        "_srtt",
        "_w_est",
        "_w_max",
        "cwnd",
        "ssthresh",
    )

    needs_rate: ClassVar[bool] = False
    owns_recovery: ClassVar[bool] = False

    def __init__(self) -> None:
        self.cwnd = 0
        self.ssthresh = INFINITE
        self._paced = False
        self._mss = 0
        self._initial = 0
        self._srtt = 0
        self._hystart: HyStart | None = None
        self._w_max = 0  # 0: undefined
        self._cwnd_prior = 0
        self._origin = 0  # W_max of this epoch
        self._k = 0
        self._w_est = 0
        self._rest = self._alpha_rest = 0  # of the divisions
        self._epoch_at = -1
        self._acked_at = 0
        self._paused_at = -1  # since when the window is not used up
        self._saved: tuple[int, int, int, int, int, int, int, int] | None = None

    @property
    def phase(self) -> str:
        if self.cwnd >= self.ssthresh:
            return "avoidance"
        hystart = self._hystart
        return "css" if hystart is not None and hystart.css_rounds else "slow_start"

    @property
    def pacing_rate(self) -> int:
        if not self._paced:
            return 0
        return window_rate(self.cwnd, self.ssthresh, self._srtt)

    def start(
        self, mss: int, initial_window: int, seed: int, now: int, paced: bool = False
    ) -> None:
        self._mss = mss
        self._initial = self.cwnd = initial_window
        self._paced = paced
        self._hystart = HyStart(mss, paced)

    def set_mss(self, mss: int) -> None:
        if mss < self._mss:
            # RFC 5681 3.1: no burst of more segments than before
            self.cwnd = self.cwnd * mss // self._mss
        self._mss = mss
        self.cwnd = max(self.cwnd, mss)

    def on_sent(self, now: int) -> None:
        # RFC 9438 5.8: t does not run while there is nothing to send
        if self._epoch_at >= 0:
            since = self._acked_at if self._paused_at < 0 else self._paused_at
            self._epoch_at += max(now - since, 0)
            if self._paused_at >= 0:
                self._paused_at = now

    def on_ack(self, sample: AckSample) -> None:
        now = self._acked_at = sample.now
        if sample.rtt:
            srtt = self._srtt
            self._srtt = srtt + (sample.rtt - srtt) // 8 if srtt else sample.rtt
        if self.cwnd < self.ssthresh:
            self._slow_start(sample)
        elif not sample.limited:
            # RFC 9438 5.8: neither cwnd nor t goes on while cwnd is not used up
            if self._paused_at < 0:
                self._paused_at = now
        else:
            if self._paused_at >= 0:
                if self._epoch_at >= 0:
                    self._epoch_at += now - self._paused_at
                self._paused_at = -1
            self._avoidance(sample.acked, now)

    def _slow_start(self, sample: AckSample) -> None:
        hystart, grown = self._hystart, sample.acked
        if hystart is not None:
            grown = hystart.on_ack(sample)
        # a window that was not used says nothing about the path (RFC 7661 4.1)
        if self.cwnd <= 2 * sample.in_flight:
            self.cwnd = min(self.cwnd + grown, self.ssthresh)
        if hystart is not None and hystart.done:
            # RFC 9438 4.10: nothing was lost, so W_max is undefined
            self.ssthresh = self._cwnd_prior = self.cwnd
            self._hystart = None

    def _avoidance(self, acked: int, now: int) -> None:
        if self._epoch_at < 0:
            self._begin_epoch(now)
        cwnd, mss = self.cwnd, self._mss
        # RFC 9438 4.3: what Reno would have
        reno = self._w_est >= self._cwnd_prior
        top, bottom = (1, 1) if reno else (_ALPHA_TOP, _ALPHA_BOTTOM)
        grown, self._alpha_rest = divmod(
            top * mss * acked + self._alpha_rest, bottom * cwnd
        )
        self._w_est += grown
        t = now - self._epoch_at
        if self._w_cubic(t) < self._w_est:
            self.cwnd = min(max(cwnd, self._w_est), INFINITE)
            return
        # RFC 9438 4.2, 4.4, 4.5
        target = min(self._w_cubic(t + self._srtt), cwnd + cwnd // 2)
        if target > cwnd:
            grown, self._rest = divmod((target - cwnd) * acked + self._rest, cwnd)
            self.cwnd = min(cwnd + grown, target, INFINITE)

    def _begin_epoch(self, now: int) -> None:
        cwnd = self.cwnd
        self._epoch_at = now
        self._w_est = cwnd
        self._rest = self._alpha_rest = 0
        if self._w_max <= cwnd:
            # RFC 9438 4.8, 4.10, and where cwnd is there already
            self._origin, self._k = cwnd, 0
        else:
            self._origin = self._w_max
            room = (self._w_max - cwnd) * _C_BOTTOM
            self._k = cube_root(room // (_C_TOP * self._mss))

    def _w_cubic(self, t: int) -> int:
        """RFC 9438 4.2: C * (t - K)^3 + W_max."""
        return self._origin + _C_TOP * self._mss * (t - self._k) ** 3 // _C_BOTTOM

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
        self.cwnd = max(self.ssthresh, self._mss)

    def undo(self, now: int) -> None:
        """RFC 9438 4.9."""
        saved, self._saved = self._saved, None
        if saved is None or self.cwnd >= self._cwnd_prior:
            return
        self.cwnd, self._cwnd_prior, self.ssthresh, self._w_max = saved[:4]
        self._origin, self._k, self._epoch_at, self._w_est = saved[4:]
        self.cwnd = max(self.cwnd, self._mss)
        self._rest = self._alpha_rest = 0

    def on_idle(self, now: int) -> None:
        # RFC 5681 4.1; what the path had carried is remembered (RFC 7661 4.4.3)
        self.ssthresh = max(self.ssthresh, self.cwnd * 3 // 4)
        if self._initial < self.cwnd:
            self.cwnd = max(self._initial, self._mss)
            self._epoch_at = self._paused_at = -1

    def _end_epoch(self) -> None:
        self._epoch_at = self._paused_at = -1
        self._hystart = None  # RFC 9406 4.3: for the first slow start only

    def _save(self) -> None:
        self._saved = (
            self.cwnd,
            self._cwnd_prior,
            self.ssthresh,
            self._w_max,
            self._origin,
            self._k,
            self._epoch_at,
            self._w_est,
        )
