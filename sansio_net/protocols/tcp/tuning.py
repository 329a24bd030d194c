"""Options that change on a connection, and buffers that grow while it stands.

RFC 7323 2 for windows that can; the rules are Linux's: a buffer that was given a size
keeps it, any other begins small and grows to its maximum, never back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sansio_net.errors import StateError
from sansio_net.units import KIB, MILLISECOND

from .acknowledgment import echo_age, tell_space
from .drain import Drain
from .mtu import PATH_OPTIONS, options_changed
from .options import SETTABLE, TcpOptions, receive_limit, send_limit
from .receiver import MAX_WINDOW, NEVER, Receiver
from .sender import Sender
from .timers import KEEPALIVE, USER

if TYPE_CHECKING:
    from .connection import Connection

QUIET: Final = 16 * KIB
"""Who received less needs no larger buffer, nor the memory to measure that."""


def sender(options: TcpOptions) -> Sender:
    """The sending half of a new connection."""
    made = Sender(send_limit(options))
    made.corked = options.cork
    return made


def receiver(options: TcpOptions) -> Receiver:
    """The receiving half of a new connection."""
    grows = options.receive_buffer is None
    return Receiver(
        receive_limit(options),
        options.reorder_segments,
        options.quick_acks,
        0 if grows else NEVER,
    )


def set_options(conn: Connection, changes: dict[str, int | bool | str | None]) -> None:
    """Options of this connection only, from now on."""
    fixed = sorted(changes.keys() - SETTABLE)
    if fixed:
        raise StateError(f"cannot be set on a connection: {', '.join(fixed)}")
    conn.options = options = replace(conn.options, **changes)  # type: ignore[arg-type]
    for timer in (KEEPALIVE, USER):
        conn.timers.stop(timer)
    conn.recovery.rest()  # text that leaves from now on is under the new ones
    sender, receiver = conn.sender, conn.receiver
    if "send_buffer" in changes or "send_buffer_max" in changes:
        sender.limit = send_limit(options, sender.limit)
    sender.corked = options.cork
    before = receiver.limit
    if "receive_buffer" in changes or "receive_buffer_max" in changes:
        receiver.limit = receive_limit(options, before)
        receiver.tune_at = NEVER if options.receive_buffer is not None else 0
    if changes.keys() & PATH_OPTIONS and not conn.done:
        options_changed(conn)
    if not conn.done:
        if receiver.limit > before and conn.established:
            conn.window_may_open()
        tell_space(conn)
        conn.wake()


def fit_receive_buffer(conn: Connection, now: int) -> None:
    """A round trip of the peer's text is over; an ACK leaves and can offer more."""
    receiver = conn.receiver
    most = min(conn.options.receive_buffer_max, MAX_WINDOW << receiver.wscale)
    if receiver.limit >= most or receiver.fin_seq is not None:
        receiver.drain, receiver.tune_at = None, NEVER
        return
    receiver.tune_at = now + MILLISECOND
    read_to = receiver.rcv_nxt - receiver.pending
    drain, edge = receiver.drain, receiver.rcv_adv
    if drain is None:
        if receiver.rcv_nxt - receiver.irs > QUIET:
            drain = receiver.drain = Drain(read_to, QUIET, edge, now)
        return
    stamps = conn.agreed is not None and conn.agreed.timestamps
    age = None
    if stamps:
        age = echo_age(conn, 0, receiver.ts_ecr, receiver.ts_recent_at)
    if age is not None:
        drain.sample(age)
    elif not conn.rtt.srtt:
        drain.sample_by_window(receiver.rcv_nxt, edge, now)
    rtt = drain.rtt or conn.rtt.srtt
    if not rtt:
        return
    receiver.tune_at = now + max(rtt, MILLISECOND)
    wanted = min(drain.wanted(read_to, receiver.mss), most)
    if wanted > receiver.limit:
        receiver.limit = wanted
        conn.note(now, "tcp.receive_buffer", wanted)
