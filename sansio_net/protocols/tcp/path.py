"""What a connection knows of its path's MTU beside the number in use.

RFC 1191 3 to 7, RFC 8201 4 and 5.3, RFC 5927 7.2 (who is believed, and when). Sizes are
IP packets. Made when a router first says something, or when probing begins.
"""

from __future__ import annotations

from typing import Final

from .plpmtud import Search

PLATEAUS: Final = (32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)
"""RFC 1191 7: likely MTUs, for routers that do not say theirs."""

MIN_MTU4: Final = 68
MIN_MTU6: Final = 1280


def next_plateau(total_length: int, header_length: int, mtu: int) -> int:
    """What to try after a packet that a router of old found too big (RFC 1191 5).

    Some of those add the header's length to the packet's.
    """
    if total_length >= mtu:
        total_length -= header_length
    limit = min(total_length, mtu)
    return next((size for size in PLATEAUS if size < limit), MIN_MTU4)


class PathMtu:
    """RFC 5927 7.2: a router is believed at once about packets larger than any that
    was acknowledged; else only once what it quotes has timed out.

    proven: the largest packet that was acknowledged. news: the MTU fell, and whoever
    keeps such things for other connections may want to know.
    """

    __slots__ = ("_claimed", "_claimed_seq", "news", "proven", "search")

    def __init__(self) -> None:
        self.proven = 0
        self.news = False
        self.search: Search | None = None
        self._claimed = 0
        self._claimed_seq = 0

    def believes(self, mtu: int, seq: int) -> bool:
        """Is this to be acted on now? If not, it waits for a time-out of `seq`."""
        if mtu >= self.proven:
            return True
        self._claimed, self._claimed_seq = mtu, seq
        return False

    def claim(self, una: int) -> int:
        """`una` timed out: the MTU that was claimed of it, once; 0: none.

        A claim about what was acknowledged since is false.
        """
        claimed, self._claimed = self._claimed, 0
        return claimed if self._claimed_seq >= una else 0

    def shrank(self, mtu: int) -> None:
        self.proven = min(self.proven, mtu)
        self._claimed = 0
        self.news = True
