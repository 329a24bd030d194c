"""Reassembly: fragments of IP datagrams in, whole datagrams out.

RFC 791 3.2, RFC 1122 3.3.2, RFC 815; RFC 5722 (overlaps) and RFC 6946 (atomic
fragments), for IPv4 too; RFC 3168 5.3.

In are packets at their IP header; whole ones, and those made whole, come out as
Reassembled events: `transmit` never gives anything. The inner door takes any family.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import ChecksumError, TruncatedError, WireError
from sansio_net.machine import (
    ASAP,
    Sink,
    restore_state,
    versioned_state,
)
from sansio_net.packet import Chunk, Packet
from sansio_net.trace import Trace
from sansio_net.units import MIB, SECOND
from sansio_net.wire.checksum import checksum
from sansio_net.wire.ipv4 import DF, MF, parse_ipv4

FRAGMENT_OVERHEAD: Final = 128
DATAGRAM_OVERHEAD: Final = 1024
"""What keeping a fragment, and a datagram, costs besides its bytes, about."""

QUOTE_SIZE: Final = 576
"""How much of a first fragment an event keeps: enough for an ICMP error."""

_NOT_ECT: Final = 1 << 0
_CE: Final = 1 << 3


@dataclass(slots=True, kw_only=True)
class ReassemblyConfig:
    """timeout: 60 s, the least that RFC 1122 3.3.2 advises (60 to 120 s); Linux takes
    30 s. What waits is a lever for attackers, and a fragment that comes a minute late
    does not come.

    max_bytes: of all datagrams together, overheads included (Linux's ipfrag_high_thresh
    is 4 MB). max_datagrams: so many incomplete ones. max_fragments: of one datagram;
    64 KB at an MTU of 296 is 240.
    """

    timeout: int = 60 * SECOND
    max_bytes: int = 4 * MIB
    max_datagrams: int = 2048
    max_fragments: int = 256


@dataclass(slots=True)
class Reassembled:
    """A whole IP packet, at its IP header."""

    packet: Packet


@dataclass(slots=True)
class ReassemblyTimedOut:
    """Some fragments never came. Where the first did, `header` is its IP header and
    `data` what followed that, as far as an ICMP error quotes it; else b"" and None.
    """

    key: bytes
    header: bytes
    data: bytes | None


ReassemblyEvent: TypeAlias = Reassembled | ReassemblyTimedOut


class _Partial:
    """The fragments of one datagram so far, disjoint and in order."""

    __slots__ = (
        "cost",
        "ecn",
        "expires_at",
        "header",
        "held",
        "is_dead",
        "pieces",
        "starts",
        "total",
    )

    def __init__(self, expires_at: int) -> None:
        self.expires_at = expires_at
        self.header: bytes | None = None  # of the first fragment
        self.starts: list[int] = []
        self.pieces: list[bytes] = []
        self.held = 0  # bytes of payload
        self.total: int | None = None  # known from the last fragment
        self.ecn = 0  # the codepoints seen, one bit each
        self.cost = DATAGRAM_OVERHEAD
        self.is_dead = False  # what still comes of it is dropped


class Reassembler:
    """Datagrams that wait for fragments, oldest first."""

    __slots__ = (
        "_config",
        "_counters",
        "_events",
        "_events_bytes",
        "_partials",
        "armed",
        "held_bytes",
        "notified",
        "pending_kinds",
        "trace",
    )

    __getstate__ = versioned_state
    __setstate__ = restore_state

    def __init__(
        self,
        config: ReassemblyConfig | None = None,
        *,
        notified: Sink[Reassembler] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._config = config or ReassemblyConfig()
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        # every timeout is the same, so the order of arrival is that of expiry
        self._partials: dict[bytes, _Partial] = {}
        self.held_bytes = 0
        self._events: deque[ReassemblyEvent] = deque()
        self._events_bytes = 0
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    def __len__(self) -> int:
        return len(self._partials)

    # -- the five methods

    def receive(self, items: Sequence[Packet | bytes], now: int) -> None:
        """IPv4 packets, from `offset` on; what is no fragment comes out as it is."""
        for item in items:
            if isinstance(item, bytes):
                self._receive_ipv4(item, 0, now)
            else:
                self._receive_ipv4(item.join(), item.offset, now)

    def handle_timeout(self, now: int) -> None:
        partials = self._partials
        while partials:
            key = next(iter(partials))
            partial = partials[key]
            if partial.expires_at > now:
                break
            self._remove(key)
            if not partial.is_dead:
                self._time_out(key, partial, now)

    def next_timeout(self) -> int | None:
        return ASAP if self.pending_kinds else self.deadline()

    def events(self) -> list[ReassemblyEvent]:
        out: list[ReassemblyEvent] = []
        self.drain(out)
        return out

    def transmit(self, now: int, limit: int = 64) -> list[Packet]:
        """Nothing: what was made whole is an event."""
        return []

    # -- inner doors

    def fragment_arrives(
        self,
        key: bytes,
        header: bytes,
        offset: int,
        more: bool,
        data: Chunk,
        now: int,
    ) -> tuple[bytes, bytes] | None:
        """One fragment of the datagram that `key` names; the whole one if it was the
        last to come: the first fragment's header, as it was but for ECN, and the
        payload. `offset` is in bytes.
        """
        if not offset and not more:
            return header, bytes(data)  # RFC 6946 4: no part in any reassembly
        deadline = self.deadline()
        if deadline is not None and deadline <= now:
            self.handle_timeout(now)
        end = offset + len(data)
        # RFC 791 3.2: all but the last are multiples of 8 bytes; none may lead beyond
        # the longest datagram
        if end == offset or (more and end & 7) or offset & 7 or end > _longest(header):
            self._counters.drop(DropReason.FRAGMENT_MALFORMED)
            return None
        partial = self._partials.get(key)
        if partial is None:
            partial = self._open(key, now)
        elif partial.is_dead:
            # RFC 5722 4: the fragments not yet received as well
            self._counters.drop(DropReason.FRAGMENT_OVERLAP)
            return None
        at = bisect_left(partial.starts, offset)
        if _is_duplicate(partial, at, offset, end, more, data):
            self._counters.count("reassembly.duplicates")
            return None
        if not _fits(partial, at, offset, end, more):
            self._kill(key, partial, DropReason.FRAGMENT_OVERLAP, now)
            return None
        if len(partial.pieces) >= self._config.max_fragments:
            self._kill(key, partial, DropReason.REASSEMBLY_LIMIT, now)
            return None
        if not self._make_room(key, len(data) + FRAGMENT_OVERHEAD):
            self._counters.drop(DropReason.REASSEMBLY_LIMIT)
            return None
        self._insert(partial, at, header, offset, more, bytes(data))
        return self._whole(key, partial, now)

    def drain(self, out: list[ReassemblyEvent]) -> None:
        self.pending_kinds = 0
        out.extend(self._events)
        self._events.clear()
        self._events_bytes = 0

    def deadline(self) -> int | None:
        for partial in self._partials.values():
            return partial.expires_at
        return None

    # -- helpers

    def _receive_ipv4(self, data: bytes, offset: int, now: int) -> None:
        try:
            header = parse_ipv4(data, offset)
        except TruncatedError:
            self._counters.drop(DropReason.IP_TRUNCATED)
            return
        except ChecksumError:
            self._counters.drop(DropReason.IP_BAD_CHECKSUM)
            return
        except WireError:
            self._counters.drop(DropReason.IP_BAD_HEADER)
            return
        start, end = offset + header.header_length, offset + header.total_length
        if not header.is_fragment:
            self._tell(Reassembled(Packet(data[offset:end])), end - offset)
            return
        whole = self.fragment_arrives(
            # RFC 791 2.3: what belongs together
            header.source
            + header.destination
            + header.identification.to_bytes(2, "big")
            + bytes((header.protocol,)),
            data[offset:start],
            header.fragment_offset,
            bool(header.flags & MF),
            data[start:end],
            now,
        )
        if whole is not None:
            top, payload = whole
            packet = _ipv4_header(top, len(payload)) + payload
            self._tell(Reassembled(Packet(packet)), len(packet))

    def _open(self, key: bytes, now: int) -> _Partial:
        if len(self._partials) >= self._config.max_datagrams:
            self._evict()
        partial = self._partials[key] = _Partial(now + self._config.timeout)
        self.held_bytes += partial.cost
        return partial

    def _make_room(self, key: bytes, cost: int) -> bool:
        """Drop the oldest datagrams until `cost` fits; False: that one went as well."""
        while self.held_bytes + cost > self._config.max_bytes and self._partials:
            self._evict()
        return key in self._partials

    def _evict(self) -> None:
        partial = self._remove(next(iter(self._partials)))
        self._counters.drop(DropReason.REASSEMBLY_LIMIT, len(partial.pieces))

    def _remove(self, key: bytes) -> _Partial:
        partial = self._partials.pop(key)
        self.held_bytes -= partial.cost
        return partial

    def _insert(
        self,
        partial: _Partial,
        at: int,
        header: bytes,
        offset: int,
        more: bool,
        data: bytes,
    ) -> None:
        partial.starts.insert(at, offset)
        partial.pieces.insert(at, data)
        partial.held += len(data)
        cost = len(data) + FRAGMENT_OVERHEAD
        partial.cost += cost
        self.held_bytes += cost
        partial.ecn |= 1 << _ecn(header)
        if not offset:
            partial.header = header
        if not more:
            partial.total = offset + len(data)

    def _whole(
        self, key: bytes, partial: _Partial, now: int
    ) -> tuple[bytes, bytes] | None:
        header = partial.header
        if partial.held != partial.total or header is None:
            return None
        self._remove(key)
        if partial.ecn & _CE:
            if partial.ecn & _NOT_ECT:
                # RFC 3168 5.3: congestion was seen, and there is no way to say so
                reason = DropReason.FRAGMENT_MALFORMED
                self._counters.drop(reason, len(partial.pieces))
                return None
            header = _with_ce(header)
        payload = b"".join(partial.pieces)
        if len(payload) > _longest(header):
            # the first header is longer than those of the fragments at the end
            reason = DropReason.FRAGMENT_MALFORMED
            self._counters.drop(reason, len(partial.pieces))
            return None
        self._counters.count("reassembly.datagrams")
        if self.trace is not None:
            self.trace.append((now, "reassembled", key, len(payload)))
        return header, payload

    def _kill(
        self, key: bytes, partial: _Partial, reason: DropReason, now: int
    ) -> None:
        """Drop what came and, until the timeout, what still comes."""
        self._counters.drop(reason, len(partial.pieces) + 1)
        if self.trace is not None:
            self.trace.append((now, "reassembly-dropped", key, reason.value))
        self.held_bytes -= partial.cost - DATAGRAM_OVERHEAD
        partial.cost = DATAGRAM_OVERHEAD
        partial.is_dead = True
        partial.pieces, partial.starts, partial.header = [], [], None

    def _time_out(self, key: bytes, partial: _Partial, now: int) -> None:
        self._counters.drop(DropReason.REASSEMBLY_TIMEOUT, len(partial.pieces))
        if self.trace is not None:
            self.trace.append((now, "reassembly-timeout", key))
        if partial.header is not None:
            data = partial.pieces[0][:QUOTE_SIZE]
            event = ReassemblyTimedOut(key, partial.header, data)
        else:
            event = ReassemblyTimedOut(key, b"", None)
        self._tell(event, 2 * QUOTE_SIZE)

    def _tell(self, event: ReassemblyEvent, size: int) -> None:
        size += DATAGRAM_OVERHEAD
        if self._events_bytes + size > self._config.max_bytes and self._events:
            if isinstance(event, Reassembled):
                self._counters.drop(DropReason.REASSEMBLY_LIMIT)
            else:
                self._counters.count("reassembly.timeouts_untold")
            return
        self._events.append(event)
        self._events_bytes += size
        if not self.pending_kinds:
            self.pending_kinds = 1
            if self.notified is not None:
                self.notified.append(self)


def _is_duplicate(
    partial: _Partial, at: int, offset: int, end: int, more: bool, data: Chunk
) -> bool:
    """RFC 8200 4.5: an exact copy does no harm."""
    return (
        at < len(partial.starts)
        and partial.starts[at] == offset
        and partial.pieces[at] == data
        and more is (partial.total != end)
    )


def _fits(partial: _Partial, at: int, offset: int, end: int, more: bool) -> bool:
    """No byte of it is there, and it agrees about where the datagram ends."""
    starts, total = partial.starts, partial.total
    if at and starts[at - 1] + len(partial.pieces[at - 1]) > offset:
        return False
    if at < len(starts) and (starts[at] < end or not more):
        return False
    return total is None or (more and end < total)


def _longest(header: bytes) -> int:
    """The longest payload after this header: IPv4 counts it in its length, IPv6 but for
    its basic header, and the fragment header goes.
    """
    version = header[0] >> 4 if header else 0
    if version == 6:
        return 0xFFFF - max(len(header) - 48, 0)
    return 0xFFFF - len(header) if version == 4 else 0xFFFF


def _ecn(header: bytes) -> int:
    if len(header) < 2:
        return 0
    return (header[1] if header[0] >> 4 == 4 else header[1] >> 4) & 3


def _with_ce(header: bytes) -> bytes:
    """CE for the whole datagram. An IPv4 checksum is the caller's to renew."""
    mark = 3 if header[0] >> 4 == 4 else 3 << 4
    return header[:1] + bytes((header[1] | mark,)) + header[2:]


def _ipv4_header(first: bytes, payload_size: int) -> bytes:
    """The whole packet's header, made of its first fragment's."""
    header = bytearray(first)
    header[2:4] = (len(first) + payload_size).to_bytes(2, "big")
    header[6:8] = bytes((header[6] & DF << 5, 0))
    header[10:12] = bytes(2)
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header)
