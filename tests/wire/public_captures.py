"""Where the public captures lie: beside the repository, never in it."""

from __future__ import annotations

from pathlib import Path

import pytest

DIRECTORY = Path(__file__).parents[3] / "shared" / "captures"


def captures() -> list[Path]:
    """Every public capture; none where they are absent."""
    return sorted(DIRECTORY.glob("*.pcap*"))


def need_captures() -> list[Path]:
    """The same, skipping the test when there are none."""
    found = captures()
    if not found:
        pytest.skip(f"no public captures in {DIRECTORY}")
    return found
