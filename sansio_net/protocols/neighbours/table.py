"""The neighbour table: who has which MAC, and how sure that is.

RFC 1122 2.3.2 for ageing and queueing, RFC 4861 7.3.2 for the states (with Linux's
FAILED and PERMANENT). What a message says of a neighbour is its protocol's to judge.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from sansio_net.counters import Counters, DropReason
from sansio_net.entropy import Entropy
from sansio_net.errors import LimitError
from sansio_net.machine import Sink
from sansio_net.packet import CSUM_PARTIAL, Packet
from sansio_net.trace import Trace
from sansio_net.units import SECOND
from sansio_net.wire.ethernet import build_ethernet

from .config import OVERHEAD, NeighbourConfig
from .deadlines import Deadlines
from .neighbour import Neighbour, NeighbourState

_INCOMPLETE: Final = NeighbourState.INCOMPLETE
_REACHABLE: Final = NeighbourState.REACHABLE
_STALE: Final = NeighbourState.STALE
_DELAY: Final = NeighbourState.DELAY
_PROBE: Final = NeighbourState.PROBE
_FAILED: Final = NeighbourState.FAILED
_PERMANENT: Final = NeighbourState.PERMANENT

_BELIEVED: Final = (_REACHABLE, _DELAY, _PROBE, _PERMANENT)
_REDRAW_DELAY: Final = 300 * SECOND
"""How long one draw of the reachable time holds, as in Linux."""


class NeighbourTable:
    """All neighbours of one interface, their timers and what waits for them.

    `sending` is the caller's queue of objects that want to send; what became of
    resolutions is left in `resolved` and `failed` until the caller takes it.
    """

    __slots__ = (
        "_config",
        "_counters",
        "_deadlines",
        "_drawn_at",
        "_entries",
        "_entropy",
        "_ethertype",
        "_mac",
        "_pools",
        "_reachable_time",
        "_sending",
        "base_reachable_time",
        "failed",
        "held_bytes",
        "resolved",
        "retrans_delay",
        "trace",
    )

    def __init__(
        self,
        mac: bytes,
        ethertype: int,
        config: NeighbourConfig,
        entropy: Entropy,
        counters: Counters,
        trace: Trace | None,
        sending: Sink[Neighbour],
    ) -> None:
        self._mac = mac
        self._ethertype = ethertype
        self._config = config
        self._entropy = entropy
        self._counters = counters
        self._sending = sending
        self._entries: dict[bytes, Neighbour] = {}
        # the same entries by state, in the order in which they came into it
        self._pools: dict[NeighbourState, dict[bytes, Neighbour]] = {
            state: {} for state in NeighbourState
        }
        self._deadlines: Deadlines[Neighbour] = Deadlines()
        # a router may say otherwise (RFC 4861 6.3.4)
        self.base_reachable_time = config.base_reachable_time
        self.retrans_delay = config.retrans_delay
        self._reachable_time = config.base_reachable_time
        self._drawn_at: int | None = None
        self.held_bytes = 0
        self.resolved: dict[bytes, bytes] = {}
        self.failed: dict[bytes, list[Packet]] = {}
        self.trace = trace

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, ip: bytes) -> Neighbour | None:
        return self._entries.get(ip)

    def entries(self) -> list[Neighbour]:
        return list(self._entries.values())

    def deadline(self) -> int | None:
        return self._deadlines.earliest()

    def set_times(self, reachable_time: int, retrans_delay: int) -> None:
        """0: as it is. RFC 4861 6.3.4: another base is drawn from at once."""
        if reachable_time and reachable_time != self.base_reachable_time:
            self.base_reachable_time = reachable_time
            self._drawn_at = None
        if retrans_delay:
            self.retrans_delay = retrans_delay

    # -- what senders do

    def lookup(self, ip: bytes, now: int) -> Neighbour:
        """The neighbour; asked for where nothing is known of it.

        Its state may be FAILED: a moment ago nobody answered, or the table is full.
        """
        entry = self._entries.get(ip)
        if entry is None:
            entry = Neighbour(ip)
            self._adopt(entry, now)
        elif entry.state is _FAILED:
            self._retry(entry, now)
        return entry

    def use(self, entry: Neighbour, now: int) -> bytes | None:
        """The header for a packet that leaves now, or None: it has to wait."""
        if entry.evicted:
            entry = self._current(entry, now)
        if entry.state is _STALE:
            if entry.advised:
                self._probe(entry, now)
            else:
                # RFC 4861 7.3.3: the first packet to a stale neighbour
                self._become(entry, _DELAY, now)
                self._deadlines.arm(entry, now + self._config.delay_first_probe)
        elif entry.state is _FAILED:
            self._retry(entry, now)
        return entry.header

    def enqueue(self, entry: Neighbour, packet: Packet, now: int) -> None:
        """Keep a packet (at its IP header) until the neighbour answers or fails."""
        config = self._config
        size = len(packet) + OVERHEAD
        if entry.evicted:
            entry = self._current(entry, now)
        if entry.state is _FAILED:
            self._retry(entry, now)
        if size > config.queue_bytes:
            self._counters.drop(DropReason.NEIGHBOUR_QUEUE_FULL)
            return
        packet = packet.joined() if packet.body else packet
        if entry.evicted or entry.state is _FAILED:
            self._report(entry.ip, [packet], owed=False)
            return
        # RFC 1122 2.3.2.2: the latest packets are the ones worth keeping
        while entry.packets and (
            len(entry.packets) >= config.queue_packets
            or entry.queued_bytes + size > config.queue_bytes
            or self.held_bytes + size > config.queue_total_bytes
        ):
            self._take(entry)
            self._counters.drop(DropReason.NEIGHBOUR_QUEUE_FULL)
        if self.held_bytes + size > config.queue_total_bytes:
            self._counters.drop(DropReason.NEIGHBOUR_QUEUE_FULL)
            return
        if entry.packets is None:
            entry.packets = deque()
        entry.packets.append(packet)
        entry.queued_bytes += size
        self.held_bytes += size
        if entry.state is not _INCOMPLETE:
            self._send(entry)

    def probe(self, ip: bytes, now: int) -> None:
        """Ask once, of one that did not answer (RFC 4191 3.5)."""
        limit = self._config.mcast_solicit
        entry = self._entries.get(ip)
        if entry is None:
            entry = self.lookup(ip, now)
            entry.n_solicits = limit
        elif entry.state is _FAILED and self._may_resolve():
            self._become(entry, _INCOMPLETE, now)
            entry.n_solicits = limit - 1
            self._solicit(entry, now)

    def confirm(self, entry: Neighbour, now: int) -> None:
        """A transport made progress through this neighbour (RFC 4861 7.3.1)."""
        if entry.state is _REACHABLE:
            entry.reachable_until = now + self._reachable_time
        elif entry.state in (_STALE, _DELAY, _PROBE) and not entry.evicted:
            self._reach(entry, now)

    def advise(self, entry: Neighbour, now: int) -> None:
        """A transport makes no progress: the next use asks again."""
        # RFC 1122 2.3.2.1 (4)
        if entry.state in (_REACHABLE, _STALE, _DELAY) and not entry.evicted:
            self._become(entry, _STALE, now)
            self._deadlines.cancel(entry)
            entry.advised = True

    # -- what the administrator does

    def add_static(self, ip: bytes, mac: bytes, now: int) -> None:
        entry = self._entries.get(ip)
        if entry is None:
            if not self._make_room(resolving=False):
                raise LimitError("the neighbour table is full")
            entry = Neighbour(ip)
            self._insert(entry, _PERMANENT)
        self.set_mac(entry, mac, now)
        self._deadlines.cancel(entry)
        self._settle(entry, _PERMANENT, now)

    def remove(self, ip: bytes) -> None:
        """Forget one neighbour; what waits for it is reported as failed."""
        entry = self._entries.get(ip)
        if entry is not None:
            self._forget(entry)

    def flush(self) -> None:
        """Forget all but the permanent ones."""
        for entry in self.entries():
            if entry.state is not _PERMANENT:
                self._forget(entry)

    # -- what arrives

    def take_word(self, entry: Neighbour, proven: bool, now: int) -> None:
        """Its MAC is known, and `proven` if it answered us: REACHABLE, else STALE."""
        self._deadlines.cancel(entry)
        if proven:
            self._reach(entry, now)
        else:
            self._settle(entry, _STALE, now)

    def create(self, ip: bytes, mac: bytes, now: int) -> None:
        """A host spoke to us first: it will want an answer (RFC 826)."""
        # nothing that waits makes room for what somebody claims to be
        if not self._make_room(resolving=False):
            self._counters.drop(DropReason.NEIGHBOUR_TABLE_FULL)
            return
        entry = Neighbour(ip)
        self._insert(entry, _STALE)
        self.set_mac(entry, mac, now)
        self._settle(entry, _STALE, now)

    # -- time

    def handle_timeout(self, now: int) -> None:
        config = self._config
        while (entry := self._deadlines.due(now)) is not None:
            state = entry.state
            if state is _REACHABLE:
                if entry.reachable_until > now:
                    self._deadlines.arm(entry, entry.reachable_until)
                else:
                    self._become(entry, _STALE, now)
            elif state is _DELAY:
                self._probe(entry, now)
            elif state is _PROBE:
                if entry.n_solicits < config.ucast_solicit + config.mcast_resolicit:
                    self._solicit(entry, now)
                else:
                    self._fail(entry, now)
            elif state is _INCOMPLETE:
                if entry.n_solicits < config.mcast_solicit:
                    self._solicit(entry, now)
                else:
                    self._fail(entry, now)

    # -- what leaves

    def asks_everybody(self, entry: Neighbour) -> bool:
        """Is its next request a broadcast?"""
        return (
            entry.state is not _PROBE
            or entry.mac is None
            or entry.n_solicits > self._config.ucast_solicit
        )

    def next_packet(self, entry: Neighbour, now: int) -> Packet | None:
        """The oldest packet that waited for a neighbour now known, as a frame."""
        if not entry.packets:
            return None
        header = entry.header or self.use(entry, now)
        if header is None:
            return None
        packet = self._take(entry)
        size = len(header)
        start = packet.csum_start + size if packet.csum == CSUM_PARTIAL else 0
        return Packet(
            header + packet.head,
            packet.body,
            packet.offset + size,
            packet.gso_size,
            packet.csum,
            start,
            packet.csum_offset,
            packet.info,
        )

    def take_failed(self) -> dict[bytes, list[Packet]]:
        failed, self.failed = self.failed, {}
        for packets in failed.values():
            self.held_bytes -= sum(map(len, packets)) + OVERHEAD * len(packets)
        return failed

    # -- transitions

    def _become(self, entry: Neighbour, state: NeighbourState, now: int) -> None:
        if self.trace is not None:
            states = entry.state.value, state.value
            self.trace.append((now, "neighbour", entry.ip, *states))
        self._pools[entry.state].pop(entry.ip, None)
        self._pools[state][entry.ip] = entry
        entry.state = state
        entry.advised = False
        entry.header = entry.link_header if state in _BELIEVED else None

    def _settle(self, entry: Neighbour, state: NeighbourState, now: int) -> None:
        """Its MAC is known now: tell who waits, send what waits."""
        waited_for = entry.state is _INCOMPLETE
        self._become(entry, state, now)
        entry.asking = False
        if waited_for and entry.mac is not None:
            self.resolved[entry.ip] = entry.mac
        if entry.packets:
            self.use(entry, now)
            self._send(entry)

    def _reach(self, entry: Neighbour, now: int) -> None:
        # RFC 4861 6.3.4: a fresh draw from time to time, so that hosts do not agree
        if self._drawn_at is None or now >= self._drawn_at + _REDRAW_DELAY:
            base = self.base_reachable_time
            self._reachable_time = base // 2 + self._entropy.below(base + 1)
            self._drawn_at = now
        entry.n_solicits = 0
        entry.reachable_until = now + self._reachable_time
        self._deadlines.arm(entry, entry.reachable_until)
        self._settle(entry, _REACHABLE, now)

    def _may_resolve(self) -> bool:
        """Whoever waits is told how it ends, so those not yet told count as well."""
        owed = len(self.failed) + len(self.resolved) + len(self._pools[_INCOMPLETE])
        return owed < 2 * self._config.table_limit

    def _resolve(self, entry: Neighbour, now: int) -> None:
        self._become(entry, _INCOMPLETE, now)
        entry.n_solicits = 0
        self._solicit(entry, now)

    def _probe(self, entry: Neighbour, now: int) -> None:
        self._become(entry, _PROBE, now)
        entry.n_solicits = 0
        self._solicit(entry, now)

    def _retry(self, entry: Neighbour, now: int) -> None:
        soon = now < entry.failed_at + self._config.failed_delay
        if not entry.evicted and not soon and self._may_resolve():
            self._resolve(entry, now)

    def _solicit(self, entry: Neighbour, now: int) -> None:
        last = entry.solicited_at
        if last is not None and now < last + self.retrans_delay:
            # RFC 1122 2.3.2.1: no more than one request a second for an address
            self._deadlines.arm(entry, last + self.retrans_delay)
            return
        entry.n_solicits += 1
        entry.solicited_at = now
        entry.asking = True
        self._send(entry)
        self._deadlines.arm(entry, now + self.retrans_delay)

    def _fail(self, entry: Neighbour, now: int) -> None:
        owed = entry.state is _INCOMPLETE
        self._become(entry, _FAILED, now)
        entry.failed_at = now
        entry.asking = False
        self._report_waiting(entry, owed)

    # -- the table and the queues

    def _adopt(self, entry: Neighbour, now: int) -> None:
        if self._may_resolve() and self._make_room(resolving=True):
            self._insert(entry, _INCOMPLETE)
            self._resolve(entry, now)
        else:
            self._counters.drop(DropReason.NEIGHBOUR_TABLE_FULL)
            entry.state = _FAILED

    def _current(self, entry: Neighbour, now: int) -> Neighbour:
        """What the table has in the place of an entry it forgot."""
        known = self._entries.get(entry.ip)
        if known is not None:
            return known
        self._adopt(entry, now)
        return entry

    def _insert(self, entry: Neighbour, state: NeighbourState) -> None:
        entry.evicted = False
        entry.state = state
        self._entries[entry.ip] = entry
        self._pools[state][entry.ip] = entry

    def _make_room(self, resolving: bool) -> bool:
        """Forget the neighbour that is missed least, where the table is full.

        Entries in use (REACHABLE, DELAY, PROBE) stay: a scan that fills the table
        pushes out what it put in.
        """
        if len(self._entries) < self._config.table_limit:
            return True
        for state in (_FAILED, _STALE, _INCOMPLETE):
            if state is _INCOMPLETE and not resolving:
                break
            for entry in self._pools[state].values():
                self._counters.count("neighbours_evicted")
                self._forget(entry)
                return True
        return False

    def _forget(self, entry: Neighbour) -> None:
        self._entries.pop(entry.ip, None)
        self._pools[entry.state].pop(entry.ip, None)
        self._deadlines.cancel(entry)
        waited_for = entry.state is _INCOMPLETE
        entry.evicted = True
        entry.state = _FAILED
        entry.header = None
        entry.mac = None
        entry.link_header = b""
        entry.asking = False
        if waited_for or entry.packets:
            self._report_waiting(entry, waited_for)

    def set_mac(self, entry: Neighbour, mac: bytes, now: int) -> None:
        if self.trace is not None:
            self.trace.append((now, "neighbour-mac", entry.ip, mac))
        entry.mac = mac
        entry.updated_at = now
        entry.link_header = build_ethernet(mac, self._mac, self._ethertype)

    def _send(self, entry: Neighbour) -> None:
        if not entry.listed:
            entry.listed = True
            self._sending.append(entry)

    def _take(self, entry: Neighbour) -> Packet:
        assert entry.packets
        packet = entry.packets.popleft()
        size = len(packet) + OVERHEAD
        entry.queued_bytes -= size
        self.held_bytes -= size
        if not entry.packets:
            entry.packets = None
        return packet

    def _report_waiting(self, entry: Neighbour, owed: bool) -> None:
        packets = list(entry.packets or ())
        self.held_bytes -= entry.queued_bytes
        entry.packets = None
        entry.queued_bytes = 0
        self._report(entry.ip, packets, owed)

    def _report(self, ip: bytes, packets: list[Packet], owed: bool) -> None:
        """Leave a failure for the caller, with no more packets than a queue holds.

        owed: senders may wait for it; else it may get lost where there are many.
        """
        config = self._config
        self._counters.drop(DropReason.NEIGHBOUR_UNREACHABLE, len(packets))
        failed = self.failed
        if not owed and ip not in failed and len(failed) >= config.table_limit:
            return
        self.resolved.pop(ip, None)
        reported = failed.setdefault(ip, [])
        for packet in packets:
            size = len(packet) + OVERHEAD
            if (
                len(reported) < config.queue_packets
                and self.held_bytes + size <= config.queue_total_bytes
            ):
                reported.append(packet)
                self.held_bytes += size
