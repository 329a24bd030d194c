"""Fixtures: a lab of namespaces, and our stack's seat in it on each kind of link."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import SEATS, Lab, Seat


@pytest.fixture(autouse=True)
def frame_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a capture on this machine would have no checksums of ours."""
    monkeypatch.setenv("SANSIO_NET_OFFLOAD", "none")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as lab:
        yield lab


@pytest.fixture(params=["veth", "tap"])
def seat(lab: Lab, request: pytest.FixtureRequest) -> Seat:
    """On the original's veth, and on a TAP."""
    return SEATS[request.param](lab)


@pytest.fixture(params=["veth", "tap", "tun"])
def any_seat(lab: Lab, request: pytest.FixtureRequest) -> Seat:
    return SEATS[request.param](lab)
