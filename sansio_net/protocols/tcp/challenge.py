"""Limits on ACKs that somebody else can make us send.

RFC 5961 3.2, 4.2, 5.2 and 7 (challenge ACKs); two ends that have lost their way would
else answer each other's ACKs for ever (Linux's tcp_invalid_ratelimit).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection


class ChallengeLimit:
    """Of one connection: nothing that another one does shows in it (CVE-2016-5696).

    How many an interval allows is drawn anew each time, half of the limit at least, so
    that counting them tells little even of this one. Made when the first is due.
    """

    __slots__ = ("_answered_at", "_left", "_since")

    def __init__(self) -> None:
        self._since: int | None = None
        self._left = 0
        self._answered_at: int | None = None

    def renews(self, now: int, interval: int) -> bool:
        """Does an interval begin? Then `begin` it."""
        return self._since is None or now - self._since >= interval

    def begin(self, now: int, left: int) -> None:
        self._since = now
        self._left = left

    def allows(self) -> bool:
        """May a challenge ACK leave?"""
        self._left -= 1
        return self._left >= 0

    def allows_answer(self, now: int, interval: int) -> bool:
        """May a segment without text that lies elsewhere be answered?"""
        at = self._answered_at
        if at is not None and now - at < interval:
            return False
        self._answered_at = now
        return True


def challenge(conn: Connection, now: int) -> None:
    """An ACK for a segment that may be an attack, if there were not too many."""
    limit, options = _limit(conn), conn.options
    if limit.renews(now, options.challenge_interval):
        most = options.challenge_acks
        place = conn.laddr, conn.lport, conn.raddr, conn.rport
        drawn = conn.isn.secret(b"ack", *place, now) % (most // 2 + 1)
        limit.begin(now, most - drawn)
    _answer(conn, limit.allows(), "tcp.challenge_ack")


def answer_stray(conn: Connection, now: int) -> None:
    """An ACK for an ACK, or the like, that lies outside the window: seldom."""
    allowed = _limit(conn).allows_answer(now, conn.options.stray_ack_interval)
    _answer(conn, allowed, "tcp.stray_ack")


def _limit(conn: Connection) -> ChallengeLimit:
    if conn.challenges is None:
        conn.challenges = ChallengeLimit()
    return conn.challenges


def _answer(conn: Connection, allowed: bool, name: str) -> None:
    if allowed:
        conn.owe_ack()
    if conn.counters is not None:
        conn.counters.count(f"{name}s" if allowed else f"{name}_limited")
