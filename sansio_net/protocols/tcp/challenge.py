"""A limit on ACKs that somebody else can make us send.

RFC 5961 7. It also ends a war of ACKs between two ends that have lost their way.
"""

from __future__ import annotations


class ChallengeLimit:
    """So many in any interval. Made when the first is due."""

    __slots__ = ("_count", "_since")

    def __init__(self, now: int) -> None:
        self._since = now
        self._count = 0

    def allows(self, now: int, limit: int, interval: int) -> bool:
        if now - self._since >= interval:
            self._since = now
            self._count = 0
        self._count += 1
        return self._count <= limit
