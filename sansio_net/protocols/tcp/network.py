"""What the network says of a connection: ICMP errors, no way at all.

RFC 5927 4 and 5, RFC 1122 4.2.3.9. What it says of packets' sizes is `mtu.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.counters import DropReason
from sansio_net.errors import SansioNetError

from .arming import blocked
from .lifecycle import finish
from .seq import unwrap
from .states import State

if TYPE_CHECKING:
    from .connection import Connection

OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


def unreachable(conn: Connection, error: SansioNetError, now: int) -> None:
    """No route or neighbour. An attempt to connect fails; others may recover."""
    conn.clock = now
    if conn.state is State.SYN_SENT:
        finish(conn, error)
    else:
        conn.soft_error = error
        blocked(conn, now)


def icmp_error(
    conn: Connection, error: SansioNetError, hard: bool, seq: int, now: int
) -> None:
    """An ICMP error that quotes a segment of ours with this sequence number."""
    conn.clock = now
    sender = conn.sender
    number = unwrap(seq, sender.snd_una)
    if conn.done or not sender.snd_una <= number < sender.snd_nxt:
        # RFC 5927 4.1: only about what is in flight
        conn.drop(DropReason.ICMP_NOT_CONCERNING)
    elif hard and conn.state in OPENING:
        # RFC 5927 5.2: connections that stand live on
        finish(conn, error)
    else:
        conn.soft_error = error
