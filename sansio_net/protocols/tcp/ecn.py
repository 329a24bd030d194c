"""Explicit congestion notification: who may mark, who echoes, who slows down.

RFC 3168 6.1. A router marks text instead of dropping it (CE); the receiver says so on
every ACK (ECE) until the sender says that it has slowed down (CWR). Only text that is
sent for the first time may be marked: never a SYN, an ACK, a retransmission or a probe
(6.1.1, 6.1.4, 6.1.5, 6.1.6), whose loss nobody would notice or resend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sansio_net.wire.tcp import ACK, CWR, ECE

from .timers import PACING

if TYPE_CHECKING:
    from .connection import Connection

ECT0: Final = 2
"""The codepoint of packets that may be marked; of the two, the usual one (6.1.2)."""
CE: Final = 3
"""The codepoint of packets that were marked."""
ASKING_SYNS: Final = 2
"""So many SYNs ask for ECN; what drops those may let one through that does not ask."""

SETUP: Final = ECE | CWR


class Ecn:
    """What both ends agreed on; a connection without has none.

    may_mark: our text carries ECT. echo: a mark arrived, and the peer has not yet
    said that it slowed down. reduced: we did, and have not yet said so. waits_until:
    nothing new leaves before, for a window of one segment could not come down.
    """

    __slots__ = ("echo", "may_mark", "reduced", "waits_until")

    def __init__(self, may_mark: bool) -> None:
        self.may_mark = may_mark
        self.echo = False
        self.reduced = False
        self.waits_until = 0


# Agreeing ---------------------------------------------------------------------------


def asks(conn: Connection) -> bool:
    """Is our SYN an ECN-setup SYN? Not once two of them were lost (6.1.1.1)."""
    return conn.options.ecn == "on" and conn.retransmits < ASKING_SYNS


def syn_flags(conn: Connection, flags: int) -> int:
    """Our SYN's, or SYN-ACK's, ECN flags (6.1.1)."""
    if flags & ACK:
        return ECE if conn.ecn is not None else 0
    return SETUP if asks(conn) else 0


def meet(conn: Connection, flags: int) -> None:
    """The peer's SYN, or SYN-ACK, is here, perhaps for the second time.

    The reserved bits beside these two make no difference: a host that offers more (the
    AE bit of AccECN) takes the classic answer. A SYN-ACK with both flags is one that
    reflects what it does not understand (6.1.1.2).
    """
    conn.ecn = None
    setup = flags & SETUP
    if not flags & ACK:
        if setup == SETUP and conn.options.ecn != "off":
            conn.ecn = Ecn(may_mark=True)
    elif setup == ECE and conn.options.ecn == "on":
        # the answer to our first SYN, although a later one did not ask: then the peer's
        # marks are heard, but no text of ours may be marked
        conn.ecn = Ecn(may_mark=asks(conn))


# Receiving --------------------------------------------------------------------------


def text_arrives(conn: Connection, ecn: Ecn, flags: int, mark: int, cuts: int) -> None:
    """Text in the window (6.1.3; 6.1.5: only there). `mark`: its packet's codepoint."""
    if flags & CWR:
        ecn.echo = False
        # its sender may be down to one segment: it should not wait for the ACK
        conn.receiver.ack_now = True
    if mark == CE:
        if not ecn.echo:
            ecn.echo = True
            conn.receiver.ack_now = True
            conn.note(conn.clock, "tcp.ecn", "echo")
        if conn.counters is not None:
            conn.counters.count("tcp.ecn_ce_received", cuts)


# Sending ----------------------------------------------------------------------------


def window_reduced(conn: Connection) -> None:
    """For whatever reason (6.1.2): the next new text says so."""
    if conn.ecn is not None:
        conn.ecn.reduced = True


def holds_back(conn: Connection, ecn: Ecn, now: int) -> bool:
    """Nothing new may leave yet; a timer is set for when it may.

    RFC 3168 6.1.2, RFC 9438 4.6: below a segment in a round trip there is only one in
    an RTO. A window that is shut is probed all the same.
    """
    if now >= ecn.waits_until or not conn.sender.snd_wnd:
        return False
    at = conn.timers.at(PACING)
    if at is None or at > ecn.waits_until:  # else a retransmission is paced
        conn.timers.set(PACING, ecn.waits_until)
    return True


def mark_text(conn: Connection, ecn: Ecn) -> int:
    """New text leaves: it may be marked. Returns CWR if it is to say that we slowed
    down; of a super-segment the first cut does."""
    if ecn.may_mark:
        conn.ect = ECT0
    if not ecn.reduced:
        return 0
    ecn.reduced = False
    if conn.counters is not None:
        conn.counters.count("tcp.ecn_cwr_sent")
    return CWR
