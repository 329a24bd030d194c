"""A link of two ends as a machine: delay, loss, reordering, damage, all from a seed.

RFC 3168 5 for the marks of its queue.

Items are ``(end, Packet)``, end 0 or 1: in, the end that sends; out, the end that the
packet reaches. Conditions belong to a direction, named by the end that sends. The
same seed and the same packets meet the same fate on every run.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from heapq import heappop, heappush
from typing import Final, TypeAlias

from sansio_net.entropy import Entropy
from sansio_net.errors import StateError, WireError
from sansio_net.machine import ASAP, earliest, restore_state, versioned_state
from sansio_net.packet import CSUM_PARTIAL, Medium, Packet
from sansio_net.trace import Trace
from sansio_net.units import (
    MIB,
    MILLISECOND,
    SECOND,
    parse_duration,
    parse_fraction,
    parse_rate,
)
from sansio_net.wire.segment import flatten

from .damage import flip_burst, mark_congestion, network_start, wreck

LinkItem: TypeAlias = tuple[int, Packet]

MILLION: Final = 1_000_000
_ETHERNET_SIZE: Final = 14
_UDP_CHECKSUM: Final = 6


@dataclass(slots=True, kw_only=True)
class Conditions:
    """What one direction of a link does to packets. All ints; zero means "never".

    Times are nanoseconds, probabilities parts per million, `rate` bits per second.
    `Conditions.of` takes the text forms of `units`: ``latency="20ms", loss="1%"``.
    """

    latency: int = 0
    jitter: int = 0
    """Added to the latency, uniform below this; keeps the order."""
    loss: int = 0
    reordering: int = 0
    """How many packets are held back by `reordering_delay`."""
    reordering_delay: int = 10 * MILLISECOND
    reordering_segments: int = 0
    """A packet held back goes on behind so many later ones, if they come before that
    delay has passed; 0: the delay alone counts."""
    duplication: int = 0
    corruption: int = 0
    """One burst of at most 15 bits where a checksum must notice it."""
    wreckage: int = 0
    """Any bytes, anywhere, also more or fewer of them: checksums may miss it."""
    rate: int = 0
    queue: int = 1000
    """Packets that wait for `rate`; the next is dropped (drop tail)."""
    queue_bytes: int = 4 * MIB
    ecn_threshold: int = 0
    """Where more packets than this wait, those that are capable of ECN are marked
    (CE); others pass, until the queue is full."""
    mtu: int = 0
    """The largest IP packet; larger ones are dropped."""
    offload: bool = False
    """Carry super-segments and unfinished checksums as they are, as a veth does."""
    capacity: int = 65_536
    """Packets that may be under way at once, whatever the delay."""
    capacity_bytes: int = 64 * MIB

    @classmethod
    def of(cls, **values: int | str) -> Conditions:
        """Conditions from numbers and texts. Raises ValueError, also for bad names."""
        made = cls()
        made.update(**values)
        return made

    def update(self, **values: int | str) -> None:
        """Change some of them. Raises ValueError, also for names that do not exist."""
        for name, value in values.items():
            if name not in _NAMES:
                raise ValueError(f"no such condition: {name!r}")
            number = _number(name, value) if isinstance(value, str) else value
            if number < 0 or (name in _FRACTIONS and number > MILLION):
                raise ValueError(f"{name} out of range: {value!r}")
            setattr(self, name, number)


_NAMES: Final = tuple(field.name for field in fields(Conditions))
_DURATIONS: Final = ("latency", "jitter", "reordering_delay")
_FRACTIONS: Final = ("loss", "reordering", "duplication", "corruption", "wreckage")


def _number(name: str, text: str) -> int:
    if name in _DURATIONS:
        return parse_duration(text)
    if name in _FRACTIONS:
        return parse_fraction(text)
    if name == "rate":
        return parse_rate(text)
    return int(text)


@dataclass(slots=True)
class LinkCounts:
    """What became of the packets that one end sent."""

    sent: int = 0
    """Packets as they are on the wire: a flattened super-segment counts its cuts."""
    delivered: int = 0
    lost: int = 0
    """By probability or by number."""
    cut: int = 0
    """While the link was partitioned."""
    overflowed: int = 0
    too_big: int = 0
    malformed: int = 0
    """Offload metadata that does not fit the bytes: nothing a wire could carry."""
    reordered: int = 0
    marked: int = 0
    """CE where there was ECT."""
    duplicated: int = 0
    corrupted: int = 0
    wrecked: int = 0


class _Direction:
    """One way of the link: the queue before the rate, and the dice."""

    __slots__ = (
        "busy_until",
        "carries",
        "conditions",
        "counts",
        "dice",
        "held",
        "held_back",
        "held_bytes",
        "last_arrival",
        "passed",
        "queue",
        "queued_bytes",
        "to_lose",
    )

    def __init__(self, entropy: Entropy) -> None:
        self.conditions = Conditions()
        self.counts = LinkCounts()
        # one child per purpose: asking for more loss does not move the corruption
        self.dice = {name: entropy.child(name) for name in (*_FRACTIONS, "jitter")}
        self.carries = True
        self.to_lose: list[int] = []
        self.busy_until = 0
        self.last_arrival = 0
        self.queue: deque[tuple[int, int]] = deque()  # (leaves at, size)
        self.queued_bytes = 0
        self.held = 0
        self.held_bytes = 0
        self.passed = 0  # packets that kept their order
        # (how many must have passed, at the latest at, serial, packet)
        self.held_back: deque[tuple[int, int, int, Packet]] = deque()

    def happens(self, name: str, probability: int) -> bool:
        return probability > 0 and self.dice[name].below(MILLION) < probability

    def is_lost(self) -> bool:
        """By the number of the packet, else by chance."""
        if self.to_lose:
            number = self.counts.sent
            if number in self.to_lose:
                self.to_lose.remove(number)
                return True
        return self.happens("loss", self.conditions.loss)

    def has_room(self, size: int) -> bool:
        return (
            self.held < self.conditions.capacity
            and self.held_bytes + size <= self.conditions.capacity_bytes
        )

    def leaves_at(self, size: int, now: int) -> int | None:
        """When the last bit of a packet is on the wire; None: the queue is full."""
        conditions, queue = self.conditions, self.queue
        while queue and queue[0][0] <= now:
            self.queued_bytes -= queue.popleft()[1]
        if not conditions.rate and not queue:
            return now
        if (
            len(queue) >= conditions.queue
            or self.queued_bytes + size > conditions.queue_bytes
        ):
            return None
        start = self.busy_until if self.busy_until > now else now
        if conditions.rate:
            start += -(-size * 8 * SECOND // conditions.rate)
        self.busy_until = start
        queue.append((start, size))
        self.queued_bytes += size
        return start

    def arrives_at(self, leaves_at: int) -> int:
        """In order."""
        conditions = self.conditions
        arrival = leaves_at + conditions.latency
        if conditions.jitter:
            arrival += self.dice["jitter"].below(conditions.jitter)
        return arrival if arrival > self.last_arrival else self.last_arrival

    def is_overtaken(self) -> bool:
        if self.happens("reordering", self.conditions.reordering):
            self.counts.reordered += 1
            return True
        return False

    def hold_back(self, until: int, serial: int, packet: Packet) -> None:
        """Until enough others have passed it, at the latest until then."""
        turn = self.passed + self.conditions.reordering_segments
        if self.held_back:  # who waits longest goes first, whatever the conditions
            until = max(until, self.held_back[-1][1])
            turn = max(turn, self.held_back[-1][0])
        self.held_back.append((turn, until, serial, packet))

    def let_go(self, passed: int, now: int) -> list[tuple[int, int, Packet]]:
        """What has waited long enough, in either sense: (at the latest at, serial,
        packet)."""
        held_back = self.held_back
        gone = []
        while held_back and (held_back[0][0] <= passed or held_back[0][1] <= now):
            gone.append(held_back.popleft()[1:])
        return gone


class Link:
    """A link with a seed: ``Link(7, latency="20ms", loss="1%", rate="10mbit")``.

    The conditions given hold for both directions; `set` changes one or both at any
    time, for the packets that enter from then on.

    >>> link = Link(7, latency="20ms")
    >>> link.receive([(0, Packet.received(bytes(60)))], now=0)
    >>> link.transmit(now=0), link.next_timeout()
    ([], 20000000)
    >>> link.transmit(now=20_000_000)
    [(1, <Packet 60 bytes at 0 gso=0>)]
    """

    __slots__ = ("_directions", "_due", "_heap", "_serial", "medium", "trace")

    def __init__(
        self,
        entropy: Entropy | int = 0,
        *,
        medium: Medium = Medium.ETHERNET,
        **conditions: int | str,
    ) -> None:
        source = Entropy.of(entropy) if isinstance(entropy, int) else entropy
        self.medium = medium
        self.trace: Trace | None = None
        self._directions = tuple(_Direction(source.child(f"end{n}")) for n in (0, 1))
        self._heap: list[tuple[int, int, int, Packet]] = []
        self._serial = 0
        self._due = 0  # up to here everything may be handed over at once
        self.set(None, **conditions)

    __getstate__ = versioned_state
    __setstate__ = restore_state

    # the five methods

    def receive(self, items: Sequence[LinkItem], now: int) -> None:
        """Packets sent by an end. A copy of each goes on; the sender's may change."""
        self._due = max(self._due, now)
        for end, packet in items:
            direction = self._directions[end & 1]
            for carried in self._on_the_wire(packet, direction):
                self._enter(end & 1, direction, carried, now)

    def handle_timeout(self, now: int) -> None:
        self._due = max(self._due, now)

    def next_timeout(self) -> int | None:
        """The next arrival at either end."""
        arrival = self._heap[0][0] if self._heap else None
        for direction in self._directions:
            if direction.held_back:
                arrival = earliest(arrival, direction.held_back[0][1])
        return ASAP if arrival is not None and arrival <= self._due else arrival

    def events(self) -> list[None]:
        """A link says nothing."""
        return []

    def transmit(self, now: int, limit: int = 64) -> list[LinkItem]:
        """What has arrived: ``(the end it reaches, packet)``."""
        self._due = max(self._due, now)
        arrived: list[LinkItem] = []
        heap = self._heap
        for end, direction in enumerate(self._directions):
            if direction.held_back:
                for until, serial, packet in direction.let_go(0, now):
                    heappush(heap, (until, serial, end, packet))
        while heap and heap[0][0] <= now and len(arrived) < limit:
            _, _, end, packet = heappop(heap)
            direction = self._directions[end]
            direction.held -= 1
            direction.held_bytes -= len(packet.head)
            direction.counts.delivered += 1
            arrived.append((1 - end, packet))
        return arrived

    # verbs

    def set(self, end: int | None = None, **conditions: int | str) -> None:
        """Change conditions of what `end` sends, or of both directions.

        Raises ValueError.
        """
        for direction in self._of(end):
            direction.conditions.update(**conditions)

    def lose(self, end: int, *numbers: int) -> None:
        """Lose the packets with these numbers; the first that `end` sends is 1."""
        to_lose = self._of(end)[0].to_lose
        to_lose += (number for number in numbers if number not in to_lose)

    def lose_next(self, end: int, n: int = 1) -> None:
        """Lose the next `n` packets that `end` sends."""
        sent = self.counts(end).sent
        self.lose(end, *range(sent + 1, sent + 1 + n))

    def partition(self, end: int | None = None) -> None:
        """Carry nothing any more (from `end`); what is under way still arrives."""
        for direction in self._of(end):
            direction.carries = False

    def heal(self, end: int | None = None) -> None:
        for direction in self._of(end):
            direction.carries = True

    def conditions(self, end: int) -> Conditions:
        return self._of(end)[0].conditions

    def counts(self, end: int) -> LinkCounts:
        """What became of the packets that `end` sent."""
        return self._of(end)[0].counts

    @property
    def held(self) -> int:
        """Packets under way, both directions."""
        return sum(direction.held for direction in self._directions)

    @property
    def held_bytes(self) -> int:
        return sum(direction.held_bytes for direction in self._directions)

    # the way of a packet

    def _of(self, end: int | None) -> tuple[_Direction, ...]:
        if end is None:
            return self._directions
        if end not in (0, 1):
            raise StateError(f"a link has the ends 0 and 1, not {end}")
        return self._directions[end : end + 1]

    def _on_the_wire(self, packet: Packet, direction: _Direction) -> list[Packet]:
        """The packets a device would see: cuts, or the super-segment as it is."""
        conditions = direction.conditions
        if conditions.offload and not (conditions.corruption or conditions.wreckage):
            whole = packet.joined()
            whole.offset, whole.info = 0, None
            return [whole]
        try:
            return [Packet.received(frame) for frame in flatten(packet)]
        except (WireError, ValueError, IndexError, struct.error):
            direction.counts.malformed += 1
            return []

    def _enter(self, end: int, direction: _Direction, packet: Packet, now: int) -> None:
        counts, conditions = direction.counts, direction.conditions
        counts.sent += 1
        size = len(packet.head)
        fate = ""
        if not direction.carries:
            counts.cut += 1
            fate = "cut"
        elif conditions.mtu and self._too_big(packet, conditions.mtu):
            counts.too_big += 1
            fate = "too_big"
        elif direction.is_lost():
            counts.lost += 1
            fate = "lost"
        else:
            fate = self._carry(end, direction, packet, size, now)
        if self.trace is not None:
            self.trace.append((now, "link", end, counts.sent, fate, size))

    def _too_big(self, packet: Packet, mtu: int) -> bool:
        frame = packet.head
        start = network_start(frame, self.medium)
        size = len(frame) - (_ETHERNET_SIZE if start is None else start)
        if packet.gso_size and packet.csum == CSUM_PARTIAL:
            # what counts of a super-segment is one cut
            place = packet.csum_start + 12
            if packet.csum_offset == _UDP_CHECKSUM:
                header = 8
            else:
                header = int.from_bytes(frame[place : place + 1], "big") >> 4 << 2
            cut = packet.csum_start - (start or 0) + header + packet.gso_size
            size = min(size, cut)
        return size > mtu

    def _carry(
        self, end: int, direction: _Direction, packet: Packet, size: int, now: int
    ) -> str:
        leaves_at = direction.leaves_at(size, now)
        if leaves_at is None:
            direction.counts.overflowed += 1
            return "overflowed"
        conditions = direction.conditions
        if 0 < conditions.ecn_threshold < len(direction.queue):
            marked = mark_congestion(packet.head, self.medium)
            if marked is not None:
                direction.counts.marked += 1
                packet.head = marked
        arrives_at = direction.arrives_at(leaves_at)
        late = direction.is_overtaken()
        copies = 1
        if direction.happens("duplication", conditions.duplication):
            direction.counts.duplicated += 1
            copies = 2
        fate = ""
        for _ in range(copies):
            if direction.has_room(size):
                carried, fate = packet, "carried"
                if conditions.wreckage or conditions.corruption:
                    carried, fate = self._damaged(direction, packet)
                direction.held += 1
                direction.held_bytes += len(carried.head)
                self._deliver(end, direction, carried, arrives_at, late)
            else:
                direction.counts.overflowed += 1
                fate = fate or "overflowed"
        if not late:
            self._pass(end, direction, arrives_at, now)
        return fate

    def _deliver(
        self, end: int, direction: _Direction, packet: Packet, at: int, late: bool
    ) -> None:
        """To the other end, or among those that let others pass."""
        self._serial += 1
        if late:
            at += direction.conditions.reordering_delay
            if direction.conditions.reordering_segments:
                direction.hold_back(at, self._serial, packet)
                return
        heappush(self._heap, (at, self._serial, end, packet))

    def _pass(self, end: int, direction: _Direction, at: int, now: int) -> None:
        """A packet keeps its order; who waited for that many goes on behind it."""
        direction.last_arrival = at
        direction.passed += 1
        if direction.held_back:
            for until, _, packet in direction.let_go(direction.passed, now):
                self._serial += 1
                heappush(self._heap, (min(at, until), self._serial, end, packet))

    def _damaged(self, direction: _Direction, packet: Packet) -> tuple[Packet, str]:
        """The packet as it arrives, and what to call it. A copy has its own luck."""
        counts, conditions = direction.counts, direction.conditions
        if direction.happens("wreckage", conditions.wreckage):
            counts.wrecked += 1
            data = wreck(packet.head, direction.dice["wreckage"])
            return Packet.received(data), "wrecked"
        if direction.happens("corruption", conditions.corruption):
            dice = direction.dice["corruption"]
            flipped = flip_burst(packet.head, self.medium, dice)
            if flipped is not None:
                counts.corrupted += 1
                return Packet.received(flipped), "corrupted"
        return packet, "carried"
