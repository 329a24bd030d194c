"""The runs that every change must repeat exactly: some of each kind, cheap ones."""

from __future__ import annotations

from typing import Final

from .cells import Cell, Path, controllers
from .store import ROOT
from .transfer import Outcome

STORED: Final = ROOT / "tests" / "data" / "sweep.txt"

PATHS: Final = (
    Path(0, 1, 10, "0", "0.25"),
    Path(0, 20, 100, "0", "1"),
    Path(0, 300, 10, "0", "4"),
    Path(0, 100, 10, "3seg", "1"),
    Path(1_000, 100, 10, "0", "1"),
    Path(10_000, 20, 100, "0", "1"),
    Path(30_000, 100, 1, "3seg", "4"),
    Path(100_000, 20, 10, "rtt/2", "0.25"),
)


def subset() -> list[Cell]:
    return [
        Cell(name, path, rack=False, seed=1) for path in PATHS for name in controllers()
    ]


def line(cell: Cell, outcome: Outcome) -> str:
    return (
        f"{cell}: goodput={outcome.goodput} sent={outcome.sent}"
        f" retransmits={outcome.retransmits} timeouts={outcome.timeouts}"
        f" stall={outcome.stall} overflowed={outcome.overflowed}"
    )
