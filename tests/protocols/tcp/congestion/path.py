"""A sender and a bottleneck in virtual time, without a stack: what a controller does.

Segments of one size, an ACK for each that says exactly which arrived. What three later
ones overtook is lost (RFC 6675's rule), a time-out comes after a second of silence.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from random import Random

from sansio_net.protocols.tcp.congestion import AckSample, Cause, controller
from sansio_net.protocols.tcp.delivery import DeliveryRate
from sansio_net.protocols.tcp.pacer import Pacer
from sansio_net.units import MILLISECOND, SECOND

MSS = 1_000
RTO = SECOND


@dataclass(slots=True)
class Sent:
    number: int
    sent_at: int
    again: bool
    lost: bool = False
    delivered: int = 0
    delivered_at: int = 0
    first_sent_at: int = 0
    app_limited: bool = False


class Path:
    """`rate` bytes a second, `delay` ns there and back, `queue` bytes, `loss` of 1."""

    def __init__(
        self,
        name: str,
        rate: int,
        delay: int,
        queue: int,
        loss: float = 0.0,
        paced: bool = False,
    ) -> None:
        self.cc = controller(name)
        self.cc.start(MSS, 10 * MSS, 7, 0, paced)
        self.rate, self.delay, self.queue, self.loss = rate, delay, queue, loss
        self.dice = Random(1)
        self.now = 0
        self.free_at = 0  # the bottleneck
        self.arrivals: list[tuple[int, int, Sent]] = []
        self.serial = 0
        self.flight: dict[int, Sent] = {}  # by number, in order of transmission
        self.again: deque[int] = deque()
        self.next = 0
        self.una = 0
        self.arrived: set[int] = set()
        self.recovery_point = -1
        self.heard_at = 0
        self.pipe = 0
        self.limited = False
        self.min_rtt = 0
        self.speed = DeliveryRate()
        self.pacer = Pacer(10 * MSS)
        self.wants = 1 << 60  # segments the application has
        self.dropped = 0
        self.timeouts = 0
        self.trace: list[tuple[int, str, int]] = []

    @property
    def goodput(self) -> int:
        return self.una * MSS

    def run(self, until: int) -> int:
        """Bytes delivered in order meanwhile."""
        before = self.goodput
        while self.now < until:
            self.send()
            times = [until, self.heard_at + RTO]
            if self.arrivals:
                times.append(self.arrivals[0][0])
            if self.cc.pacing_rate and self.pacer.next_at > self.now:
                times.append(self.pacer.next_at)
            self.now = max(min(times), self.now)
            while self.arrivals and self.arrivals[0][0] <= self.now:
                self.ack(heapq.heappop(self.arrivals)[2])
            if self.flight and self.now >= self.heard_at + RTO:
                self.timeout()
            elif not self.flight:
                self.heard_at = self.now
        return self.goodput - before

    def send(self) -> None:
        cc = self.cc
        while True:
            waits = bool(self.again) or self.next < self.wants
            self.limited = waits and self.pipe + MSS > cc.cwnd
            if self.limited:
                return
            if not waits:
                self.speed.on_app_limited(self.pipe)
                return
            if cc.pacing_rate and not self.pacer.allowed(cc.pacing_rate, MSS, self.now):
                return
            again = bool(self.again)
            number = self.again.popleft() if again else self.next
            self.next += not again
            self.transmit(Sent(number, self.now, again))

    def transmit(self, sent: Sent) -> None:
        cc, now = self.cc, self.now
        if not self.flight:
            cc.on_sent(now)
            self.heard_at = now
        self.speed.on_sent(sent, len(self.flight) * MSS, now)
        self.pacer.on_sent(MSS, cc.pacing_rate or 1 << 40, MSS, now)
        self.flight.pop(sent.number, None)
        self.flight[sent.number] = sent
        self.pipe += MSS
        begins = max(self.free_at, now)
        if (begins - now) * self.rate // SECOND > self.queue:
            self.dropped += 1
            return
        self.free_at = begins + MSS * SECOND // self.rate
        if self.dice.random() < self.loss:
            return
        self.serial += 1
        heapq.heappush(self.arrivals, (self.free_at + self.delay, self.serial, sent))

    def ack(self, sent: Sent) -> None:
        if self.flight.get(sent.number) is not sent:
            return  # it was sent again, or the like
        cc, now = self.cc, self.now
        self.heard_at = now
        before = self.pipe
        del self.flight[sent.number]
        if sent.lost:
            self.again.remove(sent.number)
        else:
            self.pipe -= MSS
        self.arrived.add(sent.number)
        while self.una in self.arrived:
            self.arrived.remove(self.una)
            self.una += 1
        sample = AckSample()
        rtt = 0 if sent.again else now - sent.sent_at
        if rtt and (not self.min_rtt or rtt < self.min_rtt):
            self.min_rtt = rtt
        recovering = self.recovery_point >= 0
        lost = self.find_lost(sent)
        sample.now, sample.acked, sample.rtt = now, MSS, rtt
        sample.in_flight, sample.pipe, sample.lost = before, self.pipe, lost
        sample.limited = self.limited
        sample.una, sample.nxt = self.una * MSS, self.next * MSS
        sample.recovering = recovering
        self.speed.on_delivered(sent, now)
        self.speed.sample(sample, now, self.min_rtt)
        if recovering and self.una > self.recovery_point:
            self.recovery_point = -1
            cc.on_recovered(now)
        elif lost and not recovering:
            self.recovery_point = self.next - 1
            cc.on_congestion(Cause.LOSS, before, now)
        if self.recovery_point < 0 or cc.owns_recovery:
            cc.on_ack(sample)
        self.trace.append((now, cc.phase, cc.cwnd))

    def find_lost(self, latest: Sent) -> int:
        """Those sent at least three before what has just arrived."""
        lost = 0
        for sent in list(self.flight.values()):
            if sent.sent_at > latest.sent_at:
                break
            overtaken = latest.number - sent.number >= 3
            if not sent.lost and (sent.sent_at < latest.sent_at or overtaken):
                late = self.now - sent.sent_at > self.min_rtt + MILLISECOND
                if late:
                    sent.lost = True
                    self.again.append(sent.number)
                    self.pipe -= MSS
                    lost += MSS
        return lost

    def timeout(self) -> None:
        self.timeouts += 1
        self.heard_at = self.now
        self.cc.on_timeout(self.pipe, True, self.now)
        for sent in self.flight.values():
            if not sent.lost:
                sent.lost = True
                self.again.append(sent.number)
                self.pipe -= MSS
        self.recovery_point = self.next - 1
