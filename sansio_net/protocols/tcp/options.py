"""What an application or a stack may choose about a connection.

One object is shared by all connections that were made with it; `Connection.set` gives
a connection its own. Sizes are bytes, times nanoseconds. A new option has a line with
its default, a docstring with its RFC, and its unit and bounds in `BOUNDS` or `CHOICES`;
docs/options.md is drawn from these.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, NamedTuple

from sansio_net.errors import StateError
from sansio_net.units import KIB, MIB, MILLISECOND, MINUTE, SECOND

FIXED: Final = frozenset(
    (
        "congestion",
        "ecn",
        "initial_rto",
        "initial_window",
        "max_rto",
        "min_mss",
        "min_rto",
        "fast_open",
        "max_fast_open",
        "max_half_open",
        "mss",
        "quick_acks",
        "rack",
        "reorder_segments",
        "sack",
        "syn_cookies",
        "timestamps",
        "window_scale",
    )
)
"""Agreed with the peer, or taken by a part when the connection was made."""


class Bound(NamedTuple):
    """The unit of a number, and the least and largest that make sense."""

    unit: str
    least: int
    most: int


_NS: Final = "ns"
_DAY: Final = 24 * 3600 * SECOND
_GIB: Final = 1 << 30

BOUNDS: Final[dict[str, Bound]] = {
    # what is offered
    "mss": Bound("bytes", 64, 65_495),
    "min_mss": Bound("bytes", 48, 536),
    # opening
    "max_half_open": Bound("connections", 0, 1 << 20),
    "max_fast_open": Bound("connections", 0, 1 << 16),
    # memory
    "send_buffer": Bound("bytes", 2 * KIB, _GIB),
    "send_buffer_max": Bound("bytes", 2 * KIB, _GIB),
    "receive_buffer": Bound("bytes", 2 * KIB, _GIB),
    "receive_buffer_max": Bound("bytes", 2 * KIB, _GIB),
    "reorder_segments": Bound("segments", 1, 1 << 20),
    # sending
    "initial_window": Bound("segments", 1, 1 << 10),
    # acknowledging
    "delayed_ack": Bound(_NS, 0, SECOND // 2 - 1),
    "quick_acks": Bound("segments", 0, 1 << 16),
    # time-outs
    "initial_rto": Bound(_NS, 1, _DAY),
    "min_rto": Bound(_NS, 1, _DAY),
    "max_rto": Bound(_NS, 1, _DAY),
    "retries1": Bound("time-outs", 1, 255),
    "retries2": Bound("time-outs", 1, 255),
    "syn_retries": Bound("time-outs", 0, 127),
    "synack_retries": Bound("time-outs", 0, 127),
    "user_timeout": Bound(_NS, 1, 30 * _DAY),
    "keepalive_idle": Bound(_NS, 1, 30 * _DAY),
    "keepalive_interval": Bound(_NS, 1, _DAY),
    "keepalive_probes": Bound("probes", 1, 127),
    "fin_wait_2": Bound(_NS, 0, _DAY),
    "time_wait": Bound(_NS, 0, _DAY),
    "challenge_acks": Bound("ACKs", 0, 1 << 16),
    "challenge_interval": Bound(_NS, 1, _DAY),
    "stray_ack_interval": Bound(_NS, 0, _DAY),
    "orphan_timeout": Bound(_NS, 1, _DAY),
    "zero_window_timeout": Bound(_NS, 1, 30 * _DAY),
    # path MTU
    "min_pmtu": Bound("bytes", 68, 65_535),
    "pmtu_age": Bound(_NS, 5 * MINUTE, 30 * _DAY),
    "plpmtud_base": Bound("bytes", 48, 65_495),
    # IP
    "ttl": Bound("hops", 1, 255),
    "tos": Bound("octet", 0, 252),
}

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "ecn": ("off", "passive", "on"),
    "syn_cookies": ("full", "always", "off"),
    "pmtud": ("on", "off", "probe"),
    "plpmtud": ("off", "blackhole", "on"),
}
"""Words an option may be. Congestion controllers are known by name elsewhere."""


@dataclass(slots=True, kw_only=True)
class TcpOptions:
    """Options of a connection; a listener's are inherited by what it accepts."""

    # what is offered in the SYN
    mss: int | None = None
    """Caps the segments that we take and send (RFC 9293 3.7.1); None: what the MTU
    allows."""
    min_mss: int = 48
    """A peer's MSS below it is taken for it: headers would be all there is
    (CVE-2019-11479; Linux's tcp_min_snd_mss)."""
    window_scale: bool = True
    """Offer windows above 64 KiB (RFC 7323 2)."""
    timestamps: bool = True
    """Offer timestamps, and with them PAWS (RFC 7323 3 and 5)."""
    sack: bool = True
    """Offer selective acknowledgments (RFC 2018 2)."""
    ecn: str = "passive"
    """RFC 3168 6.1.1: "passive" agrees if the peer asks, as Linux does; "on" asks."""

    # opening: of a listener
    max_half_open: int = 1024
    """Handshakes under way, each about 2 KiB; the backlog bounds what follows."""
    syn_cookies: str = "full"
    """RFC 4987 3.6: "full" when max_half_open is reached, "always", or "off"."""

    fast_open: bool = False
    """RFC 7413, on either side: text given to `send` before the SYN leaves goes with
    it; a listener takes such text before the handshake is complete."""
    max_fast_open: int = 128
    """Of those, so many at a time (RFC 7413 5.1); others get an ordinary handshake."""

    # memory
    send_buffer: int | None = None
    """What `send` takes before it is acknowledged; then it takes less. None: grows with
    cwnd, from 256 KiB to `send_buffer_max`. As Linux's SO_SNDBUF."""
    send_buffer_max: int = 4 * MIB
    """Where growing ends; Linux's tcp_wmem."""
    receive_buffer: int | None = None
    """Also the largest window we offer (RFC 9293 3.8.6). None: grows with what the
    application reads in a round trip, from 128 KiB to `receive_buffer_max`. As Linux's
    SO_RCVBUF."""
    receive_buffer_max: int = 6 * MIB
    """Where growing ends; the window scale of our SYN allows as much (RFC 7323 2.3).
    Linux's tcp_rmem."""
    reorder_segments: int = 8192
    """Chunks kept beyond a hole (RFC 9293 SHLD-31), twice as many if the rest fills
    holes between them; more are dropped and counted."""

    # sending
    nodelay: bool = False
    """True switches Nagle's algorithm off (RFC 9293 3.7.4, MUST-17)."""
    cork: bool = False
    """Only full segments leave, what is less after 200 ms or with False, as with
    Linux's TCP_CORK."""
    congestion: str = "cubic"
    """The controller's name: RFC 9438, 5681, and BBR, which has none."""
    rack: bool = False
    """Losses by time instead of by count (RFC 8985)."""
    tail_loss_probe: bool = True
    """A segment that asks what became of the last ones (RFC 8985 7); needs SACK."""
    frto: bool = True
    """After a time-out: was it one? (RFC 5682)"""
    pacing: bool = False
    """Text leaves spread over the round trip whatever the controller (RFC 7661 4.4.2):
    at 2 cwnd/srtt in slow start, else 1.2, as Linux does. BBR always paces."""
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
    """Before the first round trip is measured (RFC 6298 2.1)."""
    min_rto: int = 200 * MILLISECOND
    """Linux's; RFC 6298 2.4 says 1 s where the clock is coarse. Ours is not."""
    max_rto: int = 120 * SECOND
    """Where backing off ends (RFC 6298 5.5); Linux's."""
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
    """Silence before the first probe (RFC 9293 MUST-28)."""
    keepalive_interval: int = 75 * SECOND
    """Between probes that nobody answers; Linux's."""
    keepalive_probes: int = 9
    """Unanswered ones that end a connection; Linux's."""
    fin_wait_2: int = 60 * SECOND
    """Longest FIN-WAIT-2 of a closed connection; Linux's."""
    time_wait: int = 60 * SECOND
    """2 MSL (RFC 9293 MUST-13), as long as Linux has it."""
    challenge_acks: int = 10
    """Most challenge ACKs in a `challenge_interval` (RFC 5961 7); how many, between
    half of it and all, is drawn anew for each."""
    challenge_interval: int = 5 * SECOND
    """See `challenge_acks`."""
    stray_ack_interval: int = 500 * MILLISECOND
    """Segments without text that lie outside the window are answered so seldom, as
    Linux's tcp_invalid_ratelimit has it (RFC 9293 3.10.7.4, first)."""
    rfc1337: bool = True
    """TIME-WAIT ignores RST (RFC 1337 3); False: it ends it (RFC 9293 3.10.7.4)."""
    orphan_timeout: int = 100 * SECOND
    """A closed connection is reset when nothing was acknowledged for so long, at most
    twice that (R2 of RFC 9293 SHLD-11; Linux's eight tcp_orphan_retries)."""
    zero_window_timeout: int | None = None
    """The same for one that is open while the peer's window is shut; None: such a
    connection stays as long as its probes are answered (RFC 9293 MUST-37)."""

    # path MTU
    pmtud: str = "on"
    """RFC 1191: "on" sets DF and believes routers; "off" leaves fragmenting to them;
    "probe" sets DF and believes nobody, for `plpmtud`. As Linux's IP_MTU_DISCOVER."""
    min_pmtu: int = 552
    """A router that says less is answered with packets of this size without DF, as in
    Linux; IPv6's least is 1280 (RFC 8201 4)."""
    pmtu_age: int = 10 * MINUTE
    """A path that shrank is tried again with more after this long (RFC 1191 6.3)."""
    plpmtud: str = "off"
    """RFC 4821: "blackhole" finds the path's MTU by probing once `retries1` time-outs
    make a black hole likely; "on" always. As Linux's tcp_mtu_probing 0, 1, 2."""
    plpmtud_base: int = 1024
    """Text in the segments that probing starts from (RFC 4821 7.2)."""

    # IP
    ttl: int = 64
    """Hops (RFC 9293 MUST-49)."""
    tos: int = 0
    """DSCP (RFC 2474); the two ECN bits are the connection's own."""

    def __post_init__(self) -> None:
        for name, bound in BOUNDS.items():
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            if not isinstance(value, int) or not bound.least <= value <= bound.most:
                raise StateError(
                    f"{name} is {bound.least} to {bound.most} {bound.unit}: {value!r}"
                )
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                raise StateError(
                    f"{name} is one of {', '.join(words)}: {getattr(self, name)!r}"
                )
        if self.tos & 3:
            raise StateError("tos leaves the two bits of ECN alone (RFC 3168 5)")
        if not self.min_rto <= self.initial_rto <= self.max_rto:
            raise StateError("min_rto, initial_rto and max_rto must be in order")


OPTIONAL: Final = frozenset(
    field.name for field in fields(TcpOptions) if field.default is None
)
"""None means that there is none."""

SETTABLE: Final = frozenset(field.name for field in fields(TcpOptions)) - FIXED
"""What `Connection.set` may change on a connection that exists."""

INITIAL_SEND: Final = 256 * KIB
INITIAL_RECEIVE: Final = 128 * KIB
"""What a buffer without a size begins with."""


def send_limit(options: TcpOptions, now: int = INITIAL_SEND) -> int:
    """Bytes that a send buffer of size `now` holds under these options."""
    size = options.send_buffer
    return min(now, options.send_buffer_max) if size is None else size


def receive_limit(options: TcpOptions, now: int = INITIAL_RECEIVE) -> int:
    """Bytes that a receive buffer of size `now` holds under these options."""
    size = options.receive_buffer
    return min(now, options.receive_buffer_max) if size is None else size
