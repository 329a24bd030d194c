"""Group membership of one interface and one family: IGMP or MLD, a host's half.

RFC 3376 (IGMPv3, with versions 1 and 2), RFC 3810 (MLDv2, with version 1).

In and out are packets at their IP header. What is wanted is told by `listen`:

>>> from sansio_net import Entropy
>>> from sansio_net.addresses import format_ip, pack_ip
>>> made = Membership(4, entropy=Entropy.of(1))
>>> made.source = pack_ip("10.0.0.2")
>>> made.listen(1, pack_ip("239.1.2.3"), ANYTHING)
>>> [format_ip(packet.head[16:20]) for packet in made.transmit(0)]
['224.0.0.22']
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from sansio_net.addresses import is_multicast
from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError, StateError, WireError
from sansio_net.machine import ASAP, Sink, earliest, restore_state, versioned_state
from sansio_net.packet import Packet
from sansio_net.trace import Trace
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire import igmp, ipv4, ipv6, mld
from sansio_net.wire.groups import GroupLeave, GroupQuery, GroupReport
from sansio_net.wire.icmpv6 import parse_icmpv6
from sansio_net.wire.ipv6_extensions import walk

from . import packets
from .config import MulticastConfig
from .reception import ANYTHING, NOTHING, Filter, Reception, merge

__all__ = ["ANYTHING", "NOTHING", "Filter", "Membership"]

MAX_QUEUED: Final = 64
"""Packets that wait to be sent, besides one for each group; a report lost is told
again."""

ALL_NODES4: Final = bytes((224, 0, 0, 1))


class Membership:
    """`source` is the address that reports leave from; without one (zeros) IGMP waits,
    and MLD uses the unspecified address (RFC 3590).
    """

    __slots__ = (
        "_changed",
        "_compatible_until",
        "_config",
        "_counters",
        "_entropy",
        "_interval",
        "_receptions",
        "_respond_at",
        "_robustness",
        "_sending",
        "_size",
        "armed",
        "notified",
        "pending_kinds",
        "queued",
        "ready",
        "source",
        "trace",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        address_size: int,
        *,
        config: MulticastConfig | None = None,
        entropy: Entropy,
        counters: Counters | None = None,
        trace: Trace | None = None,
        ready: Sink[Membership] | None = None,
    ) -> None:
        self._size = address_size
        self._config = config = config or MulticastConfig()
        self._entropy = entropy
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._receptions: dict[bytes, Reception] = {}
        self._changed: dict[bytes, None] = {}  # by a verb, no time yet
        self._respond_at: int | None = None
        self._robustness = config.robustness
        self._interval = config.query_interval
        # until when a querier of an older version is believed to be there
        self._compatible_until: dict[int, int] = {}
        self._sending: deque[Packet] = deque()
        self.source = bytes(address_size)
        self.queued = False
        self.ready = ready
        self.notified: list[Membership] | None = None
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    # -- the five methods

    def receive(self, items: Sequence[Packet | bytes], now: int) -> None:
        """IP packets with an IGMP or MLD message in them."""
        for item in items:
            data = item if isinstance(item, bytes) else item.join()
            start = 0 if isinstance(item, bytes) else item.offset
            try:
                message, source = self._parse(data, start)
            except WireError:
                self._counters.drop(DropReason.GROUP_MALFORMED)
                continue
            self.message_arrives(message, source, now)

    def handle_timeout(self, now: int) -> None:
        self._begin(now)
        older = self._compatible_until
        if any(until <= now for until in older.values()):
            before = min(older)
            left = {version: until for version, until in older.items() if until > now}
            self._compatible_until = left
            if min(left, default=self._newest) != before:
                self._cancel()
        if self._respond_at is not None and self._respond_at <= now:
            self._respond_at = None
            self._answer_all(now)
        for reception in list(self._receptions.values()):
            if reception.respond_at is not None and reception.respond_at <= now:
                self._answer(reception, now)
            if reception.tell_at is not None and reception.tell_at <= now:
                self._tell(reception, now)

    def next_timeout(self) -> int | None:
        return ASAP if self.queued or self._changed else self.deadline()

    def events(self) -> list[None]:
        """It says nothing."""
        return []

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        self._begin(now)
        out: list[Packet] = []
        while len(out) < limit:
            packet = self.emit(now)
            if packet is None:
                self.queued = False
                break
            out.append(packet)
        return out

    # -- verbs

    def listen(self, owner: int, group: bytes, wanted: Filter) -> None:
        """What `owner` wants of a group from now on; NOTHING: it leaves.

        Raises StateError for what is no group, LimitError.
        """
        if len(group) != self._size or not is_multicast(group):
            raise StateError("not a group of this family")
        if len(wanted.sources) > self._config.max_sources:
            raise LimitError(f"more than {self._config.max_sources} sources")
        reception = self._receptions.get(group)
        if reception is None:
            if wanted == NOTHING:
                return
            if len(self._receptions) >= self._config.max_groups:
                raise LimitError("no more groups on this interface")
            reception = self._receptions[group] = Reception(group)
        if wanted == NOTHING:
            reception.filters.pop(owner, None)
        else:
            reception.filters[owner] = wanted
        self._changed[group] = None
        self._wake()

    def renew(self) -> None:
        """The link is new: whoever is there now has to hear it all again."""
        self._respond_at = None
        self._compatible_until.clear()
        for reception in self._receptions.values():
            reception.stop()
            reception.filter = NOTHING
            self._changed[reception.group] = None
        if self._changed:
            self._wake()

    def wanted(self, group: bytes) -> Filter:
        """What of a group is wanted here, told already or not."""
        reception = self._receptions.get(group)
        return NOTHING if reception is None else merge(reception.filters.values())

    def groups(self) -> list[bytes]:
        return [group for group, one in self._receptions.items() if one.filters]

    # -- inner doors

    def message_arrives(
        self,
        message: GroupQuery | GroupReport | GroupLeave | None,
        source: bytes,
        now: int,
    ) -> None:
        if isinstance(message, GroupQuery):
            self._query(message, source, now)
        elif (
            isinstance(message, GroupReport)
            and message.version < self._newest
            and self.version(now) < self._newest
        ):
            # RFC 2236 3, RFC 2710 4: somebody else has answered for the group
            for record in message.records:
                reception = self._receptions.get(record.group)
                if reception is not None and source != self.source:
                    reception.respond_at = None

    def _query(self, query: GroupQuery, source: bytes, now: int) -> None:
        self._counters.count("group_queries")
        newest = self._newest
        if query.version < newest and not query.group:
            # RFC 3376 8.12, RFC 3810 9.12
            span = self._robustness * self._interval + query.max_response * MILLISECOND
            if query.version < self.version(now):
                self._begin(now)  # what verbs asked for is told
                self._cancel()
            self._compatible_until[query.version] = now + span
        if query.version == newest:
            # RFC 3376 4.1.6, 4.1.7: the querier's variables
            self._robustness = query.robustness or self._config.robustness
            if query.interval:
                self._interval = query.interval * SECOND
        self._schedule(query, now)

    def _cancel(self) -> None:
        """The mode changes: nothing that is pending counts (RFC 3376 7.2.1)."""
        self._respond_at = None
        for reception in list(self._receptions.values()):
            reception.stop()
            self._forget(reception)

    def _schedule(self, query: GroupQuery, now: int) -> None:
        """RFC 3376 5.2: the five rules in their order."""
        spread = max(query.max_response, 1) * MILLISECOND
        if self.version(now) < self._newest:
            self._schedule_old(query.group, spread, now)
            return
        at = now + self._entropy.below(spread)
        if self._respond_at is not None and self._respond_at < at:
            return
        if not query.group:
            if self._receptions:
                self._respond_at = at
            return
        reception = self._receptions.get(query.group)
        if reception is None:
            return
        if reception.respond_at is None:
            reception.respond_at = at
            reception.queried = set(query.sources) or None
        else:
            reception.respond_at = min(reception.respond_at, at)
            if not query.sources or reception.queried is None:
                reception.queried = None
            elif len(reception.queried) <= self._config.max_sources:
                reception.queried.update(query.sources)
            else:
                reception.queried = None  # too many to remember: answer for all

    def _schedule_old(self, group: bytes, spread: int, now: int) -> None:
        """RFC 2236 3, RFC 2710 4: each group at a time of its own, unless it is sooner
        anyway.
        """
        for reception in self._receptions.values():
            if group and reception.group != group:
                continue
            due = reception.respond_at
            if due is None or due > now + spread:
                reception.respond_at = now + self._entropy.below(spread)
                reception.queried = None

    # -- what is said

    @property
    def _newest(self) -> int:
        return 3 if self._size == 4 else 2

    def version(self, now: int) -> int:
        """Which version is spoken here (RFC 3376 7.2.1, RFC 3810 8.2.1)."""
        present = [v for v, until in self._compatible_until.items() if until > now]
        return min(present, default=self._newest)

    def _begin(self, now: int) -> None:
        """Tell what verbs changed before there was a time."""
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        for group in changed:
            reception = self._receptions.get(group)
            if reception is None:
                continue
            if reception.change(self._robustness) and self._is_reported(group):
                if self.trace is not None:
                    exclude = reception.filter.exclude
                    self.trace.append((now, "group", group, exclude))
                self._tell(reception, now)
            else:
                self._forget(reception)

    def _is_reported(self, group: bytes) -> bool:
        """All-nodes never, nor MLD's scopes 0 and 1 (RFC 3376 5, RFC 3810 6)."""
        if self._size == 4:
            return group != ALL_NODES4
        return group != mld.ALL_NODES and group[1] & 15 > 1

    def _tell(self, reception: Reception, now: int) -> None:
        """A change, for the first time or again."""
        version = self.version(now)
        if version == self._newest:
            self._send(packets.reports(reception.changes(), self.source), now)
        else:
            self._tell_old(reception, version, now)
        reception.tell_at = None
        if reception.tell_mode or reception.tell_sources:
            wait = self._entropy.below(self._config.unsolicited_interval) + 1
            reception.tell_at = now + wait
        self._forget(reception)

    def _tell_old(self, reception: Reception, version: int, now: int) -> None:
        """RFC 2236 3, RFC 3810 8.3.1: a report on joining, a leave at the end."""
        group, is_leave = reception.group, not reception.filters
        reception.changes()
        if is_leave:
            reception.stop()
            if version != 1 or self._size == 16:
                self._send([packets.old_leave(group, self.source)], now)
        else:
            self._send([packets.old_report(version, group, self.source)], now)

    def _answer_all(self, now: int) -> None:
        wanted = [one for one in self._receptions.values() if one.filters]
        records = [one.current() for one in wanted if self._is_reported(one.group)]
        self._send(packets.reports(records, self.source), now)

    def _answer(self, reception: Reception, now: int) -> None:
        version, group = self.version(now), reception.group
        record = reception.response()
        if record is None or not self._is_reported(group):
            return
        if version == self._newest:
            self._send(packets.reports([record], self.source), now)
        else:
            self._send([packets.old_report(version, group, self.source)], now)

    def _forget(self, reception: Reception) -> None:
        if reception.is_over or (
            not reception.filters and not self._is_reported(reception.group)
        ):
            self._receptions.pop(reception.group, None)

    def _send(self, made: list[bytes], now: int) -> None:
        if self._size == 4 and not any(self.source):
            self._counters.count("group_reports_without_source")
            return
        for packet in made:
            # all that a general query asks for has to fit
            if len(self._sending) >= MAX_QUEUED + self._config.max_groups:
                self._counters.drop(DropReason.OUTPUT_QUEUE_FULL)
                return
            self._counters.count("group_reports_sent")
            self._sending.append(Packet(packet))
        self._wake()

    # -- the part's edge

    def emit(self, now: int) -> Packet | None:
        """The next report, at its IP header."""
        self._begin(now)
        return self._sending.popleft() if self._sending else None

    def deadline(self) -> int | None:
        times = [one.tell_at for one in self._receptions.values()]
        times += [one.respond_at for one in self._receptions.values()]
        return earliest(self._respond_at, *times, *self._compatible_until.values())

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    def _parse(
        self, data: bytes, start: int
    ) -> tuple[GroupQuery | GroupReport | GroupLeave | None, bytes]:
        if self._size == 4:
            header = ipv4.parse_ipv4(data, start)
            at, end = start + header.header_length, start + header.total_length
            if header.protocol != ipv4.PROTO_IGMP:
                return None, header.source
            return igmp.parse_igmp(data, at, end), header.source
        top = ipv6.parse_ipv6(data, start)
        end = start + ipv6.HEADER_SIZE + top.payload_length
        chain = walk(data, start, end)
        if chain.protocol != ipv4.PROTO_ICMPV6 or chain.router_alert is None:
            return None, top.source  # RFC 3810 5.1.14, 5.2.14
        at = start + chain.start
        message = parse_icmpv6(data, at, end, top.source, top.destination)
        return mld.parse_mld(message), top.source
