"""What is left of a connection for 2 MSL: small records in a bounded table.

RFC 9293 3.6.1 and 3.10.7.4 (TIME-WAIT), RFC 6191 2, RFC 1337 3, RFC 1122 4.2.2.13.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final, Literal

from sansio_net.counters import Counters, DropReason
from sansio_net.packet import Packet
from sansio_net.units import MILLISECOND
from sansio_net.wire.tcp import ACK, FIN, RST, SYN
from sansio_net.wire.tcp_options import build_tcp_options, parse_tcp_options

from .options import TcpOptions
from .reset import control_packet
from .seq import MASK, is_older

ANSWER_INTERVAL: Final = 500 * MILLISECOND
"""Segments that no peer in its senses sends are answered this often at most."""


@dataclass(slots=True)
class TimeWaitRecord:
    """Numbers as on the wire. ts_recent: None without timestamps."""

    laddr: bytes
    lport: int
    raddr: bytes
    rport: int
    snd_nxt: int
    rcv_nxt: int
    window: int
    ts_recent: int | None
    ts_offset: int
    duration: int
    expires_at: int
    rfc1337: bool = True
    serial: int = 0
    answered_at: int | None = None

    def answer(self, now: int) -> Packet:
        """<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>"""
        options = b""
        if self.ts_recent is not None:
            ts_val = (now // MILLISECOND + self.ts_offset) & MASK
            options = build_tcp_options(ts_val=ts_val, ts_ecr=self.ts_recent)
        return control_packet(
            self.laddr,
            self.lport,
            self.raddr,
            self.rport,
            seq=self.snd_nxt,
            ack=self.rcv_nxt,
            flags=ACK,
            window=self.window,
            options=options,
        )

    def honours(self, seq: int, ts_val: int | None) -> bool:
        """May this SYN begin a new incarnation? (RFC 6191 2)"""
        newer_seq = is_older(self.rcv_nxt, seq)
        if ts_val is None:
            return newer_seq
        if self.ts_recent is None:
            return True
        if ts_val == self.ts_recent:
            return newer_seq
        return is_older(self.ts_recent, ts_val)

    def gives_way(self, options: TcpOptions) -> bool:
        """May a connect of ours take its place? Only with timestamps: they grow from
        one connection of two hosts to the next, so that the peer can tell old segments
        from new ones (RFC 6191 2 and 3, seen from the other end)."""
        return options.timestamps and self.ts_recent is not None

    def segment_arrives(
        self, seq: int, ack: int, flags: int, length: int, options: bytes, now: int
    ) -> Packet | Literal["reopen", "closed"] | None:
        """RFC 9293 3.10.7.4 in TIME-WAIT: the answer, or what becomes of the record."""
        ts_val = parse_tcp_options(options).ts_val if options else None
        if flags & RST:
            # RFC 1337 3: old segments might find their way into a new connection; else
            # the check of RFC 5961 3.2
            ends = not self.rfc1337 and seq == self.rcv_nxt
            return "closed" if ends else None
        if flags & SYN:
            if not flags & ACK and self.honours(seq, ts_val):
                return "reopen"
            return self.acknowledge(now)
        if not flags & ACK:
            return None
        old = False
        if self.ts_recent is not None and ts_val is not None:
            old = is_older(ts_val, self.ts_recent)
        if flags & FIN and not old:
            # the last ACK was lost: again, and another 2 MSL
            self.expires_at = now + self.duration
            return self.answer(now)
        if length:
            return self.answer(now)
        if old or (seq - self.rcv_nxt) & MASK > self.window:
            return self.acknowledge(now)
        return None

    def acknowledge(self, now: int) -> Packet | None:
        """`answer`, but not often."""
        at = self.answered_at
        if at is not None and now - at < ANSWER_INTERVAL:
            return None
        self.answered_at = now
        return self.answer(now)


class TimeWaitTable:
    """Records by an opaque key, the oldest dropped and counted when it is full.

    After "reopen" the new connection's initial sequence number must lie above
    `reopened_nxt` (RFC 9293 3.6.1): give it to `Listener.segment_arrives`. The record
    stays (MUST-13) until there is that connection: then `remove` it.
    """

    __slots__ = (
        "_counters",
        "_heap",
        "_records",
        "_serial",
        "armed",
        "limit",
        "reopened_nxt",
    )

    def __init__(
        self,
        limit: int,
        *,
        counters: Counters | None = None,
    ) -> None:
        self.limit = limit
        self.armed: list[object] | None = None
        self.reopened_nxt = 0
        self._counters = counters
        self._records: dict[bytes, TimeWaitRecord] = {}
        self._heap: list[tuple[int, int, bytes]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: bytes) -> bool:
        return key in self._records

    def add(self, key: bytes, record: TimeWaitRecord) -> None:
        records = self._records
        records.pop(key, None)
        if len(records) >= self.limit:
            if self._counters is not None:
                self._counters.drop(DropReason.TCP_TIME_WAIT_FULL)
            if not self.limit:
                return
            del records[next(iter(records))]
        self._serial += 1
        record.serial = self._serial
        records[key] = record
        heappush(self._heap, (record.expires_at, record.serial, key))
        if len(self._heap) > 2 * len(records) + 64:
            self._sweep()

    def get(self, key: bytes) -> TimeWaitRecord | None:
        return self._records.get(key)

    def records(self) -> list[TimeWaitRecord]:
        """All of them, the oldest first."""
        return list(self._records.values())

    def remove(self, key: bytes) -> None:
        self._records.pop(key, None)

    def segment_arrives(
        self,
        key: bytes,
        seq: int,
        ack: int,
        flags: int,
        length: int,
        options: bytes,
        now: int,
    ) -> Packet | Literal["reopen"] | None:
        """A segment for a record: the answer, or "reopen": give it to the listener."""
        record = self._records.get(key)
        if record is None:
            return None
        verdict = record.segment_arrives(seq, ack, flags, length, options, now)
        if verdict == "closed":
            del self._records[key]
            return None
        if verdict == "reopen":
            self.reopened_nxt = record.snd_nxt
        return verdict

    def refuse(self, key: bytes, now: int) -> Packet | None:
        """The answer to what would reopen a connection where nobody listens."""
        record = self._records.get(key)
        return None if record is None else record.acknowledge(now)

    def deadline(self) -> int | None:
        """When the first record may expire; a little early after a restart."""
        heap, records = self._heap, self._records
        while heap:
            expires_at, serial, key = heap[0]
            record = records.get(key)
            if record is not None and record.serial == serial:
                return expires_at
            heappop(heap)
        return None

    def handle_timeout(self, now: int) -> None:
        heap, records = self._heap, self._records
        while heap and heap[0][0] <= now:
            _, serial, key = heappop(heap)
            record = records.get(key)
            if record is None or record.serial != serial:
                continue
            if record.expires_at > now:
                heappush(heap, (record.expires_at, serial, key))
            else:
                del records[key]

    def _sweep(self) -> None:
        """Forget heap entries of records that are gone."""
        self._heap = [
            (record.expires_at, record.serial, key)
            for key, record in self._records.items()
        ]
        heapify(self._heap)
