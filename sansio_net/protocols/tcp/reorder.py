"""What arrived beyond a hole: disjoint ranges of text, newest known.

RFC 9293 SHLD-31; RFC 2018 4 for the order in which they are reported.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from sansio_net.packet import COPY_BELOW, Buffer, Chunk

from .seq import MASK

MAX_BLOCKS: Final = 4
"""What has room among a segment's options (RFC 2018 3)."""
RANGE_COST: Final = 1024
CHUNK_COST: Final = 64
"""What keeping a range, and a chunk of it, costs besides its bytes, about."""
NOWHERE: Final = 1 << 62


def kept(chunk: Chunk) -> Chunk:
    """A piece in the form to keep: copied when it pins twice its size or is small."""
    if isinstance(chunk, memoryview):
        size = len(chunk)
        if size < COPY_BELOW or size * 2 < len(chunk.obj):  # type: ignore[arg-type]
            return bytes(chunk)
    return chunk


class Reorder:
    """Made by the receiver when the first hole opens, forgotten when none is left.

    However many ranges there are, a segment more costs a search (CVE-2018-5390).
    """

    __slots__ = ("_buffers", "_recent", "_starts", "n_chunks", "size")

    def __init__(self) -> None:
        # two lists side by side: where a range starts, its text
        self._starts: list[int] = []
        self._buffers: list[Buffer] = []
        self._recent: list[int] = []  # starts of those that grew last, the newest last
        self.n_chunks = 0
        self.size = 0

    @property
    def pinned(self) -> int:
        return sum(buffer.pinned for buffer in self._buffers)

    @property
    def cost(self) -> int:
        """Memory held, about: a view may pin twice its size."""
        ranges, text = len(self._starts) * RANGE_COST, self.n_chunks * CHUNK_COST
        return 2 * self.size + ranges + text

    @property
    def start(self) -> int:
        """Where the first range begins; without one, beyond every number."""
        return self._starts[0] if self._starts else NOWHERE

    @property
    def end(self) -> int:
        """Where the last range ends."""
        return self._starts[-1] + self._buffers[-1].size

    def ranges(self) -> list[tuple[int, int]]:
        """Start and end of each range, in order."""
        return [
            (start, start + buffer.size)
            for start, buffer in zip(self._starts, self._buffers, strict=True)
        ]

    def insert(self, seq: int, chunk: Chunk) -> tuple[int, int] | None:
        """Keep what of ``[seq, seq + len(chunk))`` is new; the old text stays.

        Returns the first part that was here already (RFC 2883 4.2).
        """
        starts, buffers = self._starts, self._buffers
        end = seq + len(chunk)
        at = seq
        gaps: list[tuple[int, int]] = []
        again: tuple[int, int] | None = None
        i = max(bisect_right(starts, seq) - 1, 0)
        while i < len(starts) and starts[i] < end:
            stop = starts[i] + buffers[i].size
            if again is None and stop > seq:
                again = max(starts[i], seq), min(stop, end)
            if at < starts[i]:
                gaps.append((at, starts[i]))
            at = max(at, stop)
            i += 1
        if at < end:
            gaps.append((at, end))
        for left, right in gaps:
            self._add(left, kept(chunk[left - seq : right - seq]))
        # whatever it touched is one range now
        self._heard(starts[bisect_right(starts, seq) - 1])
        return again

    def _add(self, seq: int, chunk: Chunk) -> None:
        """Put text into a gap that holds all of it; join the neighbours it touches."""
        self.size += len(chunk)
        end = seq + len(chunk)
        starts, buffers = self._starts, self._buffers
        i = bisect_right(starts, seq)
        if i and starts[i - 1] + buffers[i - 1].size == seq:
            i -= 1
            before = buffers[i].n_chunks
            append(buffers[i], chunk)
        else:
            starts.insert(i, seq)
            buffers.insert(i, Buffer((chunk,)))
            before = 0
        if i + 1 < len(starts) and starts[i + 1] == end:
            later = buffers[i + 1]
            before += later.n_chunks
            if later.n_chunks > buffers[i].n_chunks:
                later.extend_left(buffers[i])
                buffers[i] = later
            else:
                for each in later:
                    append(buffers[i], each)
            self._forget(starts[i + 1])
            del starts[i + 1], buffers[i + 1]
        self.n_chunks += buffers[i].n_chunks - before

    def _heard(self, start: int) -> None:
        self._forget(start)
        self._recent.append(start)
        if len(self._recent) > MAX_BLOCKS:
            del self._recent[0]

    def _forget(self, start: int) -> None:
        if start in self._recent:
            self._recent.remove(start)

    def pop(self) -> Buffer:
        """The text of the first range, of which there must be one."""
        buffer = self._buffers.pop(0)
        self._forget(self._starts.pop(0))
        self.size -= buffer.size
        self.n_chunks -= buffer.n_chunks
        return buffer

    def blocks(self, limit: int, duplicate: int | None = None) -> list[tuple[int, int]]:
        """SACK blocks as on the wire, the range that grew last first (RFC 2018 4); but
        before it the one that holds the `duplicate` just reported (RFC 2883 4 (4)).
        """
        starts, buffers = self._starts, self._buffers
        chosen = self._recent[: -limit - 1 : -1]
        if duplicate is not None and duplicate >= starts[0]:
            first = starts[bisect_right(starts, duplicate) - 1]
            chosen = [first, *(start for start in chosen if start != first)][:limit]
        # after the newest were filled in, the first say most
        for start in starts[:limit]:
            if len(chosen) < limit and start not in chosen:
                chosen.append(start)
        return [
            (start & MASK, (start + buffers[bisect_left(starts, start)].size) & MASK)
            for start in chosen
        ]


def append(buffer: Buffer, chunk: Chunk) -> None:
    """Append received text; small pieces are joined, so that memory stays counted."""
    if len(chunk) < COPY_BELOW:
        buffer.coalesce(bytes(chunk), 4 * COPY_BELOW)
    else:
        buffer.append(chunk)
