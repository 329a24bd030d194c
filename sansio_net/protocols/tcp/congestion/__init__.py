"""Congestion controllers: how much may be in flight. Each one a file, by name here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sansio_net.errors import StateError

from .base import AckSample, Cause, CongestionController
from .bbr import Bbr
from .cubic import Cubic
from .reno import Reno

CONTROLLERS: Final[dict[str, Callable[[], CongestionController]]] = {
    "reno": Reno,
    "cubic": Cubic,
    "bbr": Bbr,
}


def controller(name: str) -> CongestionController:
    """A new controller by its name. Raises StateError for one that does not exist."""
    made = CONTROLLERS.get(name)
    if made is None:
        raise StateError(f"no congestion control {name!r}: {', '.join(CONTROLLERS)}")
    return made()


__all__ = [
    "CONTROLLERS",
    "AckSample",
    "Bbr",
    "Cause",
    "CongestionController",
    "Cubic",
    "Reno",
    "controller",
]
