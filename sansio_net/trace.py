"""What a machine thought: plain tuples ``(now, kind, ...)`` in a list, or None.

A machine's `trace` is None until somebody wants to know. Entries are plain values
(int, str, bytes, None), so that they pickle, compare and print the same everywhere;
tracing never changes an output (law 8). A Stack shares one list with all its parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from .units import SECOND

TraceValue: TypeAlias = int | str | bytes | None
TraceEntry: TypeAlias = tuple[TraceValue, ...]
Trace: TypeAlias = list[TraceEntry]


def format_entry(entry: TraceEntry) -> str:
    """One line: seconds, kind, values; addresses and other bytes in hex."""
    now, kind, *values = entry
    assert isinstance(now, int)
    shown = (
        value.hex() if isinstance(value, bytes) else str(value) for value in values
    )
    return " ".join([f"{now // SECOND}.{now % SECOND:09}", str(kind), *shown])


def format_trace(entries: Iterable[TraceEntry]) -> str:
    return "\n".join(map(format_entry, entries))
