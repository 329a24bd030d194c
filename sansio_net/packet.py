"""Packets and what devices say of themselves.

A `Packet` is one frame or one super-segment, in either direction. `Buffer` is the one
class that keeps payload inside a machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

Chunk: TypeAlias = bytes | memoryview

CSUM_NONE: Final = 0
"""Verify on the way in; complete on the way out already done, nothing to do."""
CSUM_VALID: Final = 1
"""The device vouches for the transport checksum."""
CSUM_PARTIAL: Final = 2
"""The pseudo-header's sum is in place; whoever needs the checksum completes it."""

COPY_BELOW: Final = 512
"""A received payload below this many bytes is copied, a larger one viewed."""


class Medium(StrEnum):
    """What a device carries: Ethernet frames, or bare IP packets (TUN)."""

    ETHERNET = "ethernet"
    IP = "ip"


@dataclass(slots=True, kw_only=True)
class Capabilities:
    """What a device does by itself.

    mtu: the largest IP packet, bytes. checksum: it completes CSUM_PARTIAL on the way
    out. gso_max: the largest super-segment it cuts, bytes of frame; 0 for none. uso:
    those of UDP as well. gso_guess: what it hands over as super-segments does not say
    how they are to be cut, and `gso_size` is a guess.
    """

    mtu: int = 1500
    medium: Medium = Medium.ETHERNET
    checksum: bool = False
    gso_max: int = 0
    uso: bool = False
    gso_guess: bool = False


@dataclass(slots=True)
class PacketInfo:
    """What a layer knows and the bytes at `Packet.offset` do not say.

    src, dst: packed addresses. tos: DSCP and ECN. vlan: None or the tag control word.
    reason: why a packet was sent, for captures. options: IPv4's, whole words.
    """

    src: bytes = b""
    dst: bytes = b""
    tos: int = 0
    ttl: int = 64
    vlan: int | None = None
    reason: str | None = None
    options: bytes = b""


class Packet:
    """One frame or super-segment: `head` + the parts of `body`.

    Received, a packet is all head: `head` is the whole frame, `offset` is where the
    current layer starts and nothing is sliced on the way up. Sent, `head` holds the
    headers (each layer prepends its own) and `body` the payload, at most 64 views;
    `offset` is where the network header starts. So what one machine sends another may
    receive as it is.

    gso_size: 0, or the payload size of each cut of a super-segment. csum: CSUM_NONE,
    CSUM_VALID or CSUM_PARTIAL; with PARTIAL, csum_start is the transport header's
    place in the packet and csum_offset the checksum field's place in that header.
    """

    __slots__ = (
        "body",
        "csum",
        "csum_offset",
        "csum_start",
        "gso_size",
        "head",
        "info",
        "offset",
    )

    def __init__(
        self,
        head: bytes,
        body: Sequence[Chunk] = (),
        offset: int = 0,
        gso_size: int = 0,
        csum: int = CSUM_NONE,
        csum_start: int = 0,
        csum_offset: int = 0,
        info: PacketInfo | None = None,
    ) -> None:
        self.head = head
        self.body = body
        self.offset = offset
        self.gso_size = gso_size
        self.csum = csum
        self.csum_start = csum_start
        self.csum_offset = csum_offset
        self.info = info

    @classmethod
    def received(cls, frame: bytes, csum: int = CSUM_NONE) -> Packet:
        """A frame as it came; all that an embedder writes. The machine owns it now."""
        return cls(frame, (), 0, 0, csum)

    def __len__(self) -> int:
        size = len(self.head)
        for part in self.body:
            size += len(part)
        return size

    def join(self) -> bytes:
        """All bytes in one piece. Checksums and cuts stay as they are: see flatten."""
        return b"".join((self.head, *self.body)) if self.body else self.head

    def joined(self) -> Packet:
        """The same packet, all head: what a machine keeps of a packet that waits."""
        return Packet(
            self.join(),
            (),
            self.offset,
            self.gso_size,
            self.csum,
            self.csum_start,
            self.csum_offset,
            self.info,
        )

    def __repr__(self) -> str:
        return f"<Packet {len(self)} bytes at {self.offset} gso={self.gso_size}>"

    def __reduce__(self) -> tuple[type[Packet], tuple[object, ...]]:
        return type(self), (
            self.head,
            tuple(bytes(part) for part in self.body),
            self.offset,
            self.gso_size,
            self.csum,
            self.csum_start,
            self.csum_offset,
            self.info,
        )


@dataclass(slots=True)
class Datagram:
    """One UDP payload with its addresses: ``("10.0.0.1", 53)``, as asyncio has them.

    options: IPv4's, as they came (RFC 1122 4.1.3.2). segment_size: 0, or of several
    that came as one (`UdpSocket.set(gro=True)`), how long each is but the last.
    """

    data: bytes
    source: tuple[str, int]
    destination: tuple[str, int]
    nic: str = ""
    ttl: int = 64
    tos: int = 0
    options: bytes = b""
    segment_size: int = 0


def received_chunk(frame: bytes, start: int, end: int) -> Chunk:
    """The payload ``frame[start:end]`` in the form a machine may keep.

    Small ones are copied, large ones viewed; a view is kept only when it covers at
    least half of its frame, so that what is pinned is at most twice what is counted.
    """
    size = end - start
    if size < COPY_BELOW or size * 2 < len(frame):
        return frame[start:end]
    return memoryview(frame)[start:end]


class Buffer:
    """A FIFO of payload chunks, kept by reference, that pickles as bytes.

    Every view that a machine keeps lies in one of these. Bytes are addressed by their
    distance from the front. Appending, taking and discarding are O(1) a chunk; `peek`
    remembers where it last ended, so a sender that walks forward pays once a chunk.
    """

    __slots__ = ("_chunks", "_cursor_at", "_cursor_index", "_skip", "size")

    def __init__(self, chunks: Iterable[Chunk] = ()) -> None:
        self._chunks: deque[Chunk] = deque(filter(len, chunks))
        self._skip = 0  # bytes of the first chunk that are gone
        self._cursor_index = 0  # a chunk ...
        self._cursor_at = 0  # ... and its first byte's distance from the front
        self.size = sum(map(len, self._chunks))

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return self.size > 0

    def __iter__(self) -> Iterator[Chunk]:
        """The chunks from the front, without what is gone of the first."""
        skip = self._skip
        for chunk in self._chunks:
            yield memoryview(chunk)[skip:] if skip else chunk
            skip = 0

    @property
    def pinned(self) -> int:
        """Bytes of memory held alive, whole objects under views counted."""
        held = 0
        for chunk in self._chunks:
            owner = chunk.obj if isinstance(chunk, memoryview) else chunk
            held += len(owner)  # type: ignore[arg-type]
        return held

    @property
    def n_chunks(self) -> int:
        return len(self._chunks)

    def append(self, chunk: Chunk) -> None:
        if len(chunk):
            self._chunks.append(chunk)
            self.size += len(chunk)

    def extend_left(self, before: Buffer) -> None:
        """Put all of `before` in front. Nothing may have been discarded from either."""
        self._chunks.extendleft(reversed(before._chunks))
        self.size += before.size
        self._cursor_index = self._cursor_at = 0

    def coalesce(self, data: bytes, below: int) -> None:
        """Append, joining with a tail chunk while both stay below `below` bytes."""
        chunks = self._chunks
        if chunks and len(chunks[-1]) + len(data) < below:
            # a joined tail starts where the old one did: cursor and skip hold
            chunks[-1] = bytes(chunks[-1]) + data
            self.size += len(data)
        else:
            self.append(data)

    def peek(self, offset: int, size: int, limit: int = 64) -> list[Chunk]:
        """Views of at most `size` bytes from `offset`, in at most `limit` parts."""
        parts: list[Chunk] = []
        if offset >= self.size or size <= 0:
            return parts
        index, at = self._cursor_index, self._cursor_at
        if size >= self.size and not (offset or index or at or self._skip):
            parts += self._chunks  # all there is, from the start
            if len(parts) == 1:
                return parts
            parts.clear()
        if at > offset or index >= len(self._chunks):
            index, at = 0, -self._skip
        chunks = self._chunks
        while at + len(chunks[index]) <= offset:
            at += len(chunks[index])
            index += 1
        while size > 0 and index < len(chunks) and len(parts) < limit:
            chunk = chunks[index]
            start = offset - at
            if start == 0 and size >= len(chunk):
                part = chunk
            elif len(chunk) < COPY_BELOW:
                part = chunk[start : start + size]
            else:
                part = memoryview(chunk)[start : start + size]
            self._cursor_index, self._cursor_at = index, at
            parts.append(part)
            size -= len(part)
            offset += len(part)
            at += len(chunk)
            index += 1
        return parts

    def discard(self, size: int) -> None:
        """Forget `size` bytes from the front."""
        size = min(size, self.size)
        self.size -= size
        self._cursor_at -= size
        skip = self._skip + size
        chunks = self._chunks
        while chunks and skip >= len(chunks[0]):
            skip -= len(chunks.popleft())
            self._cursor_index -= 1
        self._skip = skip
        if self._cursor_index < 0:
            self._cursor_index, self._cursor_at = 0, -skip

    def take(self, limit: int) -> bytes:
        """Remove and return at most `limit` bytes from the front, in one piece."""
        chunks = self._chunks
        if len(chunks) == 1 and not self._skip and limit >= self.size:
            data = bytes(chunks.popleft())
            self.size = self._cursor_index = self._cursor_at = 0
            return data
        parts = self.peek(0, limit, len(chunks))
        data = b"".join(parts)
        self.discard(len(data))
        return data

    def take_chunks(self) -> list[Chunk]:
        """Remove and return everything, as it lies."""
        taken = list(self)
        self.clear()
        return taken

    def clear(self) -> None:
        self._chunks.clear()
        self.size = self._skip = self._cursor_index = self._cursor_at = 0

    def __reduce__(self) -> tuple[type[Buffer], tuple[list[bytes]]]:
        return type(self), ([bytes(chunk) for chunk in self],)
