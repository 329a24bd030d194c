"""The cells of the sweep: what a path does, and who sends over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from sansio_net.protocols.tcp.congestion import CONTROLLERS
from sansio_net.units import MILLISECOND, SECOND

LOSS: Final = (0, 1_000, 10_000, 30_000, 100_000)
"""Parts per million, both ways."""
RTT: Final = (1, 20, 100, 300)
"""Milliseconds."""
RATE: Final = (1, 10, 100)
"""Mbit/s of IP packets, both ways."""
REORDERING: Final = ("0", "3seg", "rtt/2")
"""None; a tenth of the packets behind three later ones, or half an RTT late."""
QUEUE: Final = ("0.25", "1", "4")
"""Of the bandwidth-delay product; eight packets at least."""
SEEDS: Final = (1, 2, 3)

PACKET: Final = 1500
LEAST_QUEUE: Final = 8
LEAST_TIME: Final = 10 * SECOND
LEAST_ROUND_TRIPS: Final = 60

_QUARTERS: Final = {"0.25": 1, "1": 4, "4": 16}


@dataclass(slots=True, frozen=True, order=True)
class Path:
    """What the link does. loss: ppm; rtt: ms; rate: Mbit/s."""

    loss: int
    rtt: int
    rate: int
    reordering: str
    queue: str

    @property
    def round_trip(self) -> int:
        return self.rtt * MILLISECOND

    @property
    def bits(self) -> int:
        return self.rate * 1_000_000

    @property
    def bdp(self) -> int:
        """Bytes."""
        return self.bits * self.round_trip // (8 * SECOND)

    @property
    def queue_packets(self) -> int:
        return max(LEAST_QUEUE, self.bdp * _QUARTERS[self.queue] // (4 * PACKET))

    @property
    def packet_time(self) -> int:
        """How long a full packet takes to leave, ns."""
        return PACKET * 8 * SECOND // self.bits

    @property
    def duration(self) -> int:
        return max(LEAST_TIME, LEAST_ROUND_TRIPS * self.round_trip)

    @property
    def is_clean(self) -> bool:
        """No excuse for less than nine tenths of the link."""
        return not self.loss and self.reordering == "0" and self.queue != "0.25"

    def __str__(self) -> str:
        return (
            f"loss={self.loss / 10_000:g}% rtt={self.rtt} rate={self.rate}"
            f" reorder={self.reordering} queue={self.queue}"
        )


@dataclass(slots=True, frozen=True, order=True)
class Cell:
    """One run."""

    congestion: str
    path: Path
    rack: bool
    seed: int

    def __str__(self) -> str:
        rack = " rack" if self.rack else ""
        return f"{self.congestion} {self.path}{rack} seed={self.seed}"

    @property
    def group(self) -> Cell:
        """The same with any seed."""
        return replace(self, seed=0)

    @property
    def weight(self) -> int:
        """Packets that a run carries, roughly: what it costs."""
        path = self.path
        most = path.bits * path.duration // (8 * PACKET * SECOND)
        loss = path.loss + (20_000 if path.reordering != "0" else 0)
        if not loss or self.congestion == "bbr":
            return most
        # RFC 5681's way to use a path: 1.2 segments a round trip over the root of the
        # loss; a queue makes round trips longer, losses rarer
        per_round_trip = 1_200_000 // int((loss * 1_000_000) ** 0.5) + 2
        return min(most, per_round_trip * path.duration // path.round_trip)


def paths() -> Iterator[Path]:
    for loss in LOSS:
        for rtt in RTT:
            for rate in RATE:
                for reordering in REORDERING:
                    for queue in QUEUE:
                        yield Path(loss, rtt, rate, reordering, queue)


def controllers() -> list[str]:
    return sorted(CONTROLLERS)


def cells(
    *,
    congestion: list[str] | None = None,
    seeds: tuple[int, ...] = SEEDS,
    rack: tuple[bool, ...] = (False,),
    every: int = 1,
) -> list[Cell]:
    """All of them, seed by seed, so that a part of the table shows every path.

    every: only each so many paths, evenly over all.
    """
    return [
        Cell(name, path, with_rack, seed)
        for seed in seeds
        for number, path in enumerate(paths())
        if not number % every
        for name in congestion or controllers()
        for with_rack in rack
    ]
