"""The inside of a connection as plain values: to compare what should be equal."""

from __future__ import annotations

from collections import deque
from enum import Enum

from sansio_net.packet import Buffer

SKIPPED = (
    *("listener", "isn", "options", "counters", "trace", "armed", "notified"),
    # told of one ACK, and anew of the next
    *("again_acked", "delivered", "echo_at", "first_at", "floor", "last_at"),
    *("newest_at", "newest_end", "newly_sacked", "original", "reordered", "sacked_at"),
    "_prior_fack",
    *("segs_in", "data_segs_in", "text_at"),  # counted before the two paths part
)
"""What is no variable of the connection's own."""


def variables(part: object) -> object:
    """All that a part knows, as plain values."""
    if isinstance(part, Buffer):
        return b"".join(part)
    if isinstance(part, Enum | int | str | bytes | None):
        return part
    if isinstance(part, list | tuple | deque):
        return [variables(item) for item in part]
    if isinstance(part, dict):
        return {key: variables(value) for key, value in part.items()}
    if isinstance(part, Exception):
        return str(part)
    names = sorted(
        {
            name
            for kind in type(part).__mro__
            for where in ("__slots__", "__mypyc_attrs__")  # as the class is compiled
            for name in getattr(kind, where, ())
        }
    )
    return {
        name: variables(getattr(part, name)) for name in names if name not in SKIPPED
    }
