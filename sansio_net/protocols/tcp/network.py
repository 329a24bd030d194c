"""What the network says of a connection: ICMP errors, the path's MTU, no way at all.

RFC 5927 4 and 5, RFC 1122 4.2.3.9, RFC 1191 6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sansio_net.counters import DropReason
from sansio_net.errors import SansioNetError

from .handshake import effective_mss, headers_size
from .lifecycle import finish
from .output import blocked
from .seq import unwrap
from .states import State

if TYPE_CHECKING:
    from .connection import Connection

OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


def path_changed(conn: Connection, mtu: int, gso_max: int) -> None:
    """Another route: another MTU, another device to cut super-segments."""
    # the frame header and the longest options have room beside the payload
    frame = min(gso_max, 0xFFFF + 14)
    conn.gso_payload = frame - 14 - headers_size(conn.laddr) - 40 if gso_max else 0
    set_mtu(conn, mtu)


def set_mtu(conn: Connection, mtu: int) -> None:
    """What is in flight and now too big goes again."""
    conn.mtu = mtu
    if conn.agreed is None:
        return
    sender = conn.sender
    mss = effective_mss(conn.agreed, conn.laddr, mtu, conn.options)
    smaller = mss < sender.mss
    sender.mss = mss
    conn.congestion.set_mss(mss)
    if smaller and sender.in_flight and conn.established and not conn.done:
        # no sign of congestion, so cwnd stays as many segments
        conn.recovery.lose(sender.snd_una, sender.snd_nxt, "mtu")
        conn.wake()


def unreachable(conn: Connection, error: SansioNetError, now: int) -> None:
    """No route or neighbour. An attempt to connect fails; others may recover."""
    conn.clock = now
    if conn.state is State.SYN_SENT:
        finish(conn, error)
    else:
        conn.soft_error = error
        blocked(conn, now)


def path_mtu(conn: Connection, mtu: int, seq: int, now: int) -> None:
    """A router says that a segment was too big for the next link (RFC 1191 3, 6.4)."""
    conn.clock = now
    sender = conn.sender
    in_flight = sender.snd_una <= unwrap(seq, sender.snd_una) < sender.snd_nxt
    if conn.done or not in_flight or mtu >= conn.mtu:
        # RFC 5927 7.2: only about what is in flight, and never upwards
        conn.drop(DropReason.ICMP_NOT_CONCERNING)
    else:
        set_mtu(conn, mtu)


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
