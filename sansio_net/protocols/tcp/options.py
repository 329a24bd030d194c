"""What an application or a stack may choose about a connection.

One object is shared by all connections that were made with it; `Connection.set` gives
a connection its own. Sizes are bytes, times nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sansio_net.errors import StateError
from sansio_net.units import KIB, MILLISECOND, SECOND

SETTABLE: Final = frozenset(
    (
        "delayed_ack",
        "fin_wait_2",
        "idle_restart",
        "keepalive",
        "keepalive_idle",
        "keepalive_interval",
        "keepalive_probes",
        "nodelay",
        "receive_buffer",
        "retries1",
        "retries2",
        "send_buffer",
        "syn_retries",
        "synack_retries",
        "time_wait",
        "tos",
        "ttl",
        "user_timeout",
    )
)
"""What `Connection.set` may change on a connection that exists."""


@dataclass(slots=True, kw_only=True)
class TcpOptions:
    """Options of a connection; a listener's are inherited by what it accepts."""

    # what is offered in the SYN
    mss: int | None = None
    """Caps the segments that we take and send; None: what the MTU allows."""
    window_scale: bool = True
    timestamps: bool = True
    sack: bool = True

    # memory
    send_buffer: int = 512 * KIB
    receive_buffer: int = 512 * KIB
    """Also the largest window we offer."""
    reorder_segments: int = 1024
    """Chunks kept beyond a hole; more are dropped and counted."""

    # sending
    nodelay: bool = False
    """True switches Nagle's algorithm off (RFC 9293 3.7.4, MUST-17)."""
    congestion: str = "reno"
    initial_window: int = 10
    """Segments (RFC 6928 2)."""
    idle_restart: bool = True
    """Slow-start again after an idle RTO (RFC 5681 4.1)."""

    # acknowledging
    delayed_ack: int = 40 * MILLISECOND
    """Below half a second (RFC 9293 MUST-40); 0: never delay. Linux's minimum."""
    quick_acks: int = 16
    """Segments acknowledged at once while a connection is young, as Linux does."""

    # time-outs
    initial_rto: int = SECOND
    min_rto: int = 200 * MILLISECOND
    """Linux's; RFC 6298 2.4 says 1 s where the clock is coarse. Ours is not."""
    max_rto: int = 120 * SECOND
    retries1: int = 3
    """R1: after so many time-outs the neighbour is suspected (RFC 9293 SHLD-10)."""
    retries2: int = 15
    """R2: after so many the connection is lost; with 200 ms about 15 minutes."""
    syn_retries: int = 7
    """R2 of a SYN: 1 + 2 + ... + 64 + 120 s, over 3 minutes (RFC 9293 MUST-23)."""
    synack_retries: int = 5
    """R2 of a half-open connection of a listener, as Linux has it: a minute."""
    user_timeout: int | None = None
    """Longest time that data may stay unacknowledged (RFC 5482); None: R2 alone."""
    keepalive: bool = False
    """Off unless asked for (RFC 9293 MUST-25)."""
    keepalive_idle: int = 7200 * SECOND
    keepalive_interval: int = 75 * SECOND
    keepalive_probes: int = 9
    fin_wait_2: int = 60 * SECOND
    """Longest FIN-WAIT-2 of a closed connection."""
    time_wait: int = 60 * SECOND
    """2 MSL, as Linux has it."""
    challenge_acks: int = 10
    """Challenge ACKs in any `challenge_interval` (RFC 5961 7)."""
    challenge_interval: int = 5 * SECOND

    # IP
    ttl: int = 64
    tos: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.delayed_ack < SECOND // 2:
            raise StateError("delayed_ack must be below half a second")
        if self.mss is not None and not 64 <= self.mss <= 65_495:
            raise StateError(f"no MSS: {self.mss}")
        if not 0 < self.min_rto <= self.initial_rto <= self.max_rto:
            raise StateError("RTO bounds must be in order and above 0")
        if not 2 * KIB <= self.receive_buffer <= 0xFFFF << 14:
            raise StateError("receive_buffer must be 2 KiB to 1 GiB")
        if not 2 * KIB <= self.send_buffer <= 0xFFFF << 14:
            raise StateError("send_buffer must be 2 KiB to 1 GiB")
        if self.initial_window < 1:
            raise StateError("initial_window must be at least one segment")
