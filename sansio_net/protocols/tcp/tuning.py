"""Options that change while a connection stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sansio_net.errors import StateError

from .acknowledgment import tell_space
from .options import SETTABLE
from .timers import KEEPALIVE, USER

if TYPE_CHECKING:
    from .connection import Connection


def set_options(conn: Connection, changes: dict[str, int | bool | str | None]) -> None:
    """Options of this connection only, from now on."""
    fixed = sorted(changes.keys() - SETTABLE)
    if fixed:
        raise StateError(f"cannot be set on a connection: {', '.join(fixed)}")
    conn.options = options = replace(conn.options, **changes)  # type: ignore[arg-type]
    for timer in (KEEPALIVE, USER):
        conn.timers.stop(timer)
    conn.sender.limit = options.send_buffer
    larger = options.receive_buffer > conn.receiver.limit
    conn.receiver.limit = options.receive_buffer
    if not conn.done:
        if larger and conn.established:
            conn.window_may_open()
        tell_space(conn)
        conn.wake()
