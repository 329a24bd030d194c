"""How fast the application reads, and how large a buffer that asks for.

Dynamic right-sizing (Fisk and Feng, 2001) with the growth of Linux's
tcp_rcv_space_adjust: a window that holds twice what was read in a round trip does not
hold the peer back, and more while that still grows.
"""

from __future__ import annotations

from typing import Final

from sansio_net.units import MILLISECOND

CUSHION: Final = 16
"""Segments on top, for rates that vary."""


class Drain:
    """Bytes read from the buffer in each round trip, as the receiver can tell.

    rtt: of the peer's text, smoothed; 0 before there is a sample.
    """

    __slots__ = ("_edge", "_edge_at", "_read_to", "_space", "rtt")

    def __init__(self, read_to: int, space: int, edge: int, now: int) -> None:
        self.rtt = 0
        self._read_to = read_to
        self._space = space
        self._edge, self._edge_at = edge, now

    def sample(self, rtt: int) -> None:
        """A round trip by timestamps. A pause of the peer looks like a long one, so
        none counts as more than twice what is known."""
        rtt = max(rtt, MILLISECOND)
        if not self.rtt:
            self.rtt = rtt
        else:
            self.rtt += (min(rtt, 2 * self.rtt) - self.rtt) // 8

    def sample_by_window(self, rcv_nxt: int, edge: int, now: int) -> None:
        """Without timestamps: a whole window of text takes a round trip at least."""
        if rcv_nxt >= self._edge:
            passed = max(now - self._edge_at, MILLISECOND)
            self.rtt = min(self.rtt, passed) if self.rtt else passed
            self._edge, self._edge_at = edge, now

    def wanted(self, read_to: int, mss: int) -> int:
        """A round trip is over: how large the buffer should be; 0: as it is."""
        read, known = read_to - self._read_to, self._space
        self._read_to = read_to
        if read <= known:
            return 0
        self._space = read
        window = 2 * read + CUSHION * mss
        return window + 2 * (window * (read - known) // known)
