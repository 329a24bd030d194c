"""What has been run already: a JSON line for each run, and of which code it tells."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import blake2s
from pathlib import Path
from typing import Final

from .cells import Cell
from .transfer import Outcome

ROOT: Final = Path(__file__).resolve().parents[2]
DECISIVE: Final = (
    "benchmarks/sweep/transfer.py",
    "sansio_net/entropy.py",
    "sansio_net/packet.py",
    "sansio_net/protocols/tcp",
    "sansio_net/testing/link.py",
)
"""What decides how a run goes: another hash of this, and it is run again."""


def code_hash() -> str:
    digest = blake2s(digest_size=8)
    for name in DECISIVE:
        place = ROOT / name
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()


class Store:
    """Results in a file that only grows. A line cut short by a crash is ignored."""

    def __init__(self, path: Path, code: str) -> None:
        self.path = path
        self.code = code
        self.outcomes: dict[str, Outcome] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                self._load(line)

    def _load(self, line: str) -> None:
        try:
            entry = json.loads(line)
            if entry["code"] == self.code:
                self.outcomes[entry["cell"]] = Outcome(**entry["outcome"])
        except (ValueError, KeyError, TypeError):
            pass

    def add(self, cell: Cell, outcome: Outcome) -> None:
        self.outcomes[str(cell)] = outcome
        entry = {"cell": str(cell), "code": self.code, "outcome": asdict(outcome)}
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def has(self, cell: Cell) -> bool:
        return str(cell) in self.outcomes
