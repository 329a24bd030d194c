"""The course of a traceroute: which probe leaves when, and what was heard of each.

RFC 792 and RFC 4443 have the errors that routers send when a probe's TTL runs out; how
long to wait, when to stop and what marks to print are those of Linux's traceroute(8).

A machine: `Answer`s go in, `Probe`s come out to be sent, `ProbeResult`s are the events.
How a probe looks and how an answer names it is its user's affair: probes have numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sansio_net.machine import ASAP, earliest, restore_state, versioned_state
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire import icmp, icmpv6

PRECISION: Final = MILLISECOND
"""What a round trip is taken longer by, before it is multiplied."""


@dataclass(slots=True, kw_only=True)
class TracerouteOptions:
    """traceroute's -f, -m, -q, -N, -w and -z.

    first, hops: the first TTL and the last. queries: probes of each. parallel: how many
    are under way at most. wait: for an answer, ns. here: so many times as long as the
    first answer of the same hop took, in thousandths, 0 for no such limit; near: the
    same of a later hop. interval: between two probes, ns.
    """

    first: int = 1
    hops: int = 30
    queries: int = 3
    parallel: int = 16
    wait: int = 5 * SECOND
    here: int = 3_000
    near: int = 10_000
    interval: int = 0

    def __post_init__(self) -> None:
        for name, least, most in (
            ("hops", 1, 255),
            ("first", 1, self.hops),
            ("queries", 1, 10),
            ("parallel", 1, 1000),
            ("wait", 1, 3600 * SECOND),
            ("here", 0, 1_000_000),
            ("near", 0, 1_000_000),
            ("interval", 0, 3600 * SECOND),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} is {least} to {most}, not {value}")


@dataclass(slots=True)
class Probe:
    """Send it now, with this TTL. number: from 0, its own."""

    number: int
    ttl: int


@dataclass(slots=True)
class Answer:
    """Somebody said something of probe `number`. mark: what to print of it, "!H".
    is_final: it came from the target, or the probe could not go on.
    """

    number: int
    source: str
    mark: str = ""
    is_final: bool = False


@dataclass(slots=True)
class ProbeResult:
    """What became of a probe; in their order. source: None if nothing was heard.
    took: the time until its answer, ns. query: which of its hop, from 0.
    """

    ttl: int
    query: int
    source: str | None = None
    took: int = 0
    mark: str = ""


class _State:
    """A probe that was sent."""

    __slots__ = ("answer", "done_at", "is_done", "sent_at")

    def __init__(self, sent_at: int) -> None:
        self.sent_at = sent_at
        self.is_done = False
        self.answer: Answer | None = None
        self.done_at = 0


class Traceroute:
    """One run, to one target. Bounded by its options: hops times queries probes."""

    __slots__ = (
        "_end",
        "_last_sent_at",
        "_next",
        "_options",
        "_probes",
        "_results",
        "_start",
        "is_final",
    )

    def __init__(self, options: TracerouteOptions | None = None) -> None:
        self._options = options = options or TracerouteOptions()
        self._start = (options.first - 1) * options.queries
        """Of the probes that are not told yet, the first."""
        self._next = self._start
        self._end = options.hops * options.queries
        self._probes: dict[int, _State] = {}
        """Those of hops that are not told to their end."""
        self._results: list[ProbeResult] = []
        self._last_sent_at: int | None = None
        self.is_final = False
        """Something final was heard: there is nothing beyond."""

    __getstate__ = versioned_state
    __setstate__ = restore_state

    @property
    def is_over(self) -> bool:
        """Everything was told."""
        return self._start >= self._end and not self._results

    def is_waiting(self, number: int) -> bool:
        """Is it under way, and not given up?"""
        state = self._probes.get(number)
        return state is not None and not state.is_done

    # -- the five methods

    def receive(self, items: Sequence[Answer], now: int) -> None:
        """An answer to a probe that is not under way is of no matter."""
        for answer in items:
            state = self._probes.get(answer.number)
            if state is None or state.is_done:
                continue
            state.is_done, state.done_at, state.answer = True, now, answer
            if answer.is_final:
                self._stop_after(answer.number)
        self._tell()

    def handle_timeout(self, now: int) -> None:
        for number in self._under_way():
            if now >= self._gives_up_at(number):
                self._probes[number].is_done = True
        self._tell()

    def next_timeout(self) -> int | None:
        if self._results or (self._has_more() and not self._options.interval):
            return ASAP
        waits = [self._gives_up_at(number) for number in self._under_way()]
        if self._has_more():
            last = self._last_sent_at
            waits.append(ASAP if last is None else last + self._options.interval)
        return earliest(*waits)

    def events(self) -> list[ProbeResult]:
        results, self._results = self._results, []
        return results

    def transmit(self, now: int, limit: int = 64) -> list[Probe]:
        """The probes to send at `now`: it counts from here."""
        probes: list[Probe] = []
        options = self._options
        while len(probes) < limit and self._has_more():
            last = self._last_sent_at
            if last is not None and now < last + options.interval:
                break
            number = self._next
            self._next += 1
            self._probes[number] = _State(now)
            self._last_sent_at = now
            probes.append(Probe(number, number // options.queries + 1))
        return probes

    # -- helpers

    def _under_way(self) -> list[int]:
        return [
            number
            for number, state in self._probes.items()
            if not state.is_done and number < self._end
        ]

    def _has_more(self) -> bool:
        """Is there a probe to send, and may it go beside those under way?"""
        return (
            self._next < self._end and len(self._under_way()) < self._options.parallel
        )

    def _stop_after(self, number: int) -> None:
        """The probes of that hop are the last."""
        queries = self._options.queries
        self._end = min(self._end, (number // queries + 1) * queries)
        self.is_final = True

    def _gives_up_at(self, number: int) -> int:
        """As long as traceroute waits: others tell how long an answer takes."""
        options, queries = self._options, self._options.queries
        sent_at, wait = self._probes[number].sent_at, options.wait
        hop = number - number % queries
        for factor, others in (
            (options.here, range(hop, hop + queries)),
            (options.near, range(number + 1, self._next)),
        ):
            for other in others if factor else ():
                state = self._probes.get(other)
                if state is not None and state.answer is not None:
                    took = state.done_at - state.sent_at + PRECISION
                    return sent_at + min(wait, took * factor // 1000)
        return sent_at + wait

    def _tell(self) -> None:
        """All that is known from the first one on, in order."""
        queries = self._options.queries
        while self._start < self._end:
            state = self._probes.get(self._start)
            if state is None or not state.is_done:
                return
            result = ProbeResult(self._start // queries + 1, self._start % queries)
            if state.answer is not None:
                result.source = state.answer.source
                result.took = state.done_at - state.sent_at
                result.mark = state.answer.mark
            self._results.append(result)
            self._start += 1
            if self._start % queries == 0:
                for number in range(self._start - queries, self._start):
                    self._probes.pop(number, None)


_MARKS: Final = {
    icmp.NET_UNREACHABLE: "!N",
    icmp.HOST_UNREACHABLE: "!H",
    icmp.PROTOCOL_UNREACHABLE: "!P",
    icmp.PORT_UNREACHABLE: "",
    icmp.SOURCE_ROUTE_FAILED: "!S",
    icmp.NET_UNKNOWN: "!N",
    icmp.HOST_UNKNOWN: "!H",
    icmp.HOST_ISOLATED: "!N",
    icmp.NET_PROHIBITED: "!X",
    icmp.HOST_PROHIBITED: "!X",
    icmp.NET_UNREACHABLE_TOS: "!N",
    icmp.HOST_UNREACHABLE_TOS: "!H",
    icmp.COMMUNICATION_PROHIBITED: "!X",
    icmp.PRECEDENCE_VIOLATION: "!V",
    icmp.PRECEDENCE_CUTOFF: "!C",
}
_MARKS6: Final = {
    icmpv6.NO_ROUTE: "!N",
    icmpv6.PROHIBITED: "!X",
    icmpv6.BEYOND_SCOPE: "!H",
    icmpv6.ADDRESS_UNREACHABLE: "!H",
    icmpv6.PORT_UNREACHABLE: "",
}


def mark_of(kind: int, code: int, mtu: int) -> tuple[str, bool]:
    """What traceroute prints of an ICMP error, and whether it is final."""
    if kind == icmp.TIME_EXCEEDED and code == icmp.TTL_EXCEEDED:
        return "", False
    if kind != icmp.UNREACHABLE:
        return f"!<{kind}-{code}>", True
    if code == icmp.FRAGMENTATION_NEEDED:
        return f"!F-{mtu}", True
    return _MARKS.get(code, f"!<{code}>"), True


def mark_of6(kind: int, code: int, mtu: int) -> tuple[str, bool]:
    """The same for ICMPv6."""
    if kind == icmpv6.TIME_EXCEEDED and code == icmpv6.HOP_LIMIT_EXCEEDED:
        return "", False
    if kind == icmpv6.PACKET_TOO_BIG:
        return f"!F-{mtu}", True
    if kind != icmpv6.UNREACHABLE:
        return f"!<{kind}-{code}>", True
    return _MARKS6.get(code, f"!<{code}>"), True
