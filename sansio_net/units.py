"""Units of time, size and rate: everything inside is an int.

Time is nanoseconds, size is bytes, rate is bits per second. Text forms are those of
`tc` and `sleep`: ``200ms``, ``1s``, ``10mbit``, ``1%``.
"""

from __future__ import annotations

import re
from typing import Final

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

KIB: Final = 1024
MIB: Final = 1024 * KIB

_DURATIONS: Final = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
}
_RATES: Final = {
    "": 1,
    "bit": 1,
    "kbit": 1_000,
    "mbit": 1_000_000,
    "gbit": 1_000_000_000,
}
_NUMBER: Final = re.compile(r"(\d+)(?:\.(\d{1,9}))?([a-z%]*)")


def _scaled(text: str, units: dict[str, int], what: str) -> int:
    match = _NUMBER.fullmatch(text.strip().lower())
    if match is None or match[3] not in units:
        raise ValueError(f"not a {what}: {text!r}")
    whole, fraction, unit = match[1], match[2] or "", units[match[3]]
    scale: int = 10 ** len(fraction)
    return int(whole) * unit + int(fraction or 0) * unit // scale


def parse_duration(text: str) -> int:
    """``"200ms"``, ``"1.5s"``, ``"2"`` (seconds) -> nanoseconds.

    Raises ValueError.
    """
    return _scaled(text, _DURATIONS, "duration")


def parse_rate(text: str) -> int:
    """``"10mbit"`` -> bits per second. Raises ValueError."""
    return _scaled(text, _RATES, "rate")


def parse_fraction(text: str) -> int:
    """``"1%"`` or ``"0.01"`` -> parts per million. Raises ValueError."""
    return _scaled(text, {"%": 10_000, "": 1_000_000}, "fraction")


def format_duration(value: int) -> str:
    """Nanoseconds as a short text: ``"1.5s"``, ``"200ms"``, ``"12us"``."""
    for unit, size in (("s", SECOND), ("ms", MILLISECOND), ("us", MICROSECOND)):
        if abs(value) >= size:
            return f"{value / size:.3f}".rstrip("0").rstrip(".") + unit
    return f"{value}ns"
