"""What a connection tells its application.

Source first; order and number are fixed: `Accepted` or `Connected`, then
`DataReceived`, `EofReceived`, `SpaceFreed`, `Stalled`, and at the end one of `Closed`
and `ConnectionLost`. Each is pending at most once; numbers are read when it is drained.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sansio_net.errors import SansioNetError

if TYPE_CHECKING:
    from .connection import Connection
    from .listener import Listener

# the bits of Connection.pending_kinds, in the order of the events
ACCEPTED: Final = 1
CONNECTED: Final = 2
DATA: Final = 4
EOF: Final = 8
SPACE: Final = 16
STALLED: Final = 32
LOST: Final = 64
CLOSED: Final = 128


@dataclass(slots=True)
class Accepted:
    """A peer connected to a listener; `conn` is established."""

    listener: Listener
    conn: Connection


@dataclass(slots=True)
class Connected:
    """Our connect succeeded."""

    conn: Connection


@dataclass(slots=True)
class DataReceived:
    """Something came since the last of these; `pending` bytes can be read now."""

    conn: Connection
    pending: int


@dataclass(slots=True)
class EofReceived:
    """The peer has finished sending. What is pending can still be read."""

    conn: Connection


@dataclass(slots=True)
class SpaceFreed:
    """After a `send` that took less than it was given: there is room again."""

    conn: Connection
    space: int


@dataclass(slots=True)
class Stalled:
    """Nothing got through for R1 time-outs in a row; we go on trying (RFC 9293 3.8.3).

    error: what the network said about it (RFC 9293 3.9.1.8), or None: nothing. What
    gets through again is seen by `SpaceFreed`, data, or `info`.
    """

    conn: Connection
    error: SansioNetError | None


@dataclass(slots=True)
class Closed:
    """Both ends have finished, or this end aborted. The last event."""

    conn: Connection


@dataclass(slots=True)
class ConnectionLost:
    """The connection, or the attempt to make it, failed. The last event."""

    conn: Connection
    error: SansioNetError


TcpEvent: TypeAlias = (
    Accepted
    | Connected
    | DataReceived
    | EofReceived
    | SpaceFreed
    | Stalled
    | Closed
    | ConnectionLost
)


def drain(conn: Connection, out: list[TcpEvent]) -> None:
    """Append what is pending, in the order of the bits, and forget it."""
    kinds = conn.pending_kinds
    conn.pending_kinds = 0
    if kinds & ACCEPTED and conn.listener is not None:
        conn.listener.child_gone(conn)
        out.append(Accepted(conn.listener, conn))
    if kinds & CONNECTED:
        out.append(Connected(conn))
    if kinds & DATA:
        pending = conn.receiver.pending
        if pending or conn.urgent:
            out.append(DataReceived(conn, pending))
    if kinds & EOF:
        out.append(EofReceived(conn))
    if kinds & SPACE and not kinds & (LOST | CLOSED):
        out.append(SpaceFreed(conn, conn.sender.space))
    if kinds & STALLED and not kinds & (LOST | CLOSED):
        out.append(Stalled(conn, conn.soft_error))
    if kinds & LOST and conn.error is not None:
        out.append(ConnectionLost(conn, conn.error))
    elif kinds & CLOSED:
        out.append(Closed(conn))
