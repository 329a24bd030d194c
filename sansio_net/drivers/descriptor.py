"""What drivers on a file descriptor share: reading in batches, writing what fits.

Linux's answers decide: EAGAIN and ENOBUFS mean later, EMSGSIZE and EINVAL never,
ENETDOWN and EIO no link, ENODEV, ENXIO and EBADFD no device.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import DeviceGone, WireError
from sansio_net.machine import ASAP, earliest
from sansio_net.packet import CSUM_PARTIAL, Chunk, Packet
from sansio_net.units import MILLISECOND, SECOND
from sansio_net.wire.segment import flatten
from sansio_net.wire.vnet import build_vnet, parse_vnet

BATCH_FRAMES: Final = 64
BATCH_BYTES: Final = 256 * 1024
"""A larger batch falls out of the cache, and of what malloc keeps."""

READ_SIZE: Final = 65_600
"""The largest super-segment with its Ethernet and virtio headers, and some."""

GSO_MAX: Final = 65_535
"""The longest super-segment that has a length an IP header can say."""

SOFT_GSO_MAX: Final = 12 * 1024
"""The longest that is cut here where the kernel does not: a connection speaks once for
eight full frames."""

JOIN_BELOW: Final = 2048
"""Up to here joining and `write` beats `writev`."""

QUEUE_FRAMES: Final = 1024
"""Frames kept while the kernel takes none: more than a batch of full ones, cut."""

HEADERS: Final = 64
"""Different virtio headers that are remembered."""

RETRY_DELAY: Final = MILLISECOND
RETRIES: Final = 100
"""ENOBUFS may mean a full queue, or a veth whose other end has a smaller MTU: that one
would never end, and hold up all behind it."""

CARRIER_DELAY: Final = SECOND

_LATER: Final = frozenset((errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM))
_DOWN: Final = frozenset((errno.ENETDOWN, errno.EIO))
GONE: Final = frozenset(
    (
        errno.ENODEV,
        errno.ENXIO,
        errno.EBADF,
        getattr(errno, "EBADFD", errno.EBADF),
        # a socket in place of a device
        errno.EPIPE,
        errno.ECONNRESET,
    )
)


class Offload(Enum):
    """What is left to the kernel of what is sent: nothing, checksums, or those and
    the cutting of super-segments. A TAP's kernel leaves us as much of what it sends.
    """

    NONE = "none"
    CHECKSUM = "checksum"
    FULL = "full"


def gso_max(offload: Offload) -> int:
    """The longest super-segment that leaves as one packet, whoever cuts it."""
    if offload is Offload.CHECKSUM:
        return 0  # the kernel could, and is asked not to
    return GSO_MAX if offload is Offload.FULL else SOFT_GSO_MAX


def keep_buffers_warm() -> None:
    """Make malloc keep freed memory instead of handing it back after each turn.

    glibc raises its trim threshold when a block that was mapped is freed; else every
    64 KB read faults its pages in anew. Other allocators lose a moment.
    """
    bytearray(16 << 20)


class Input:
    """How many frames to read before what has come is dealt with.

    One at first, doubled while reads succeed, halved by one that finds nothing: a
    request's answer leaves before that read, and many that come together stay together.
    """

    __slots__ = ("expected", "more")

    def __init__(self) -> None:
        self.expected = 1
        self.more = False

    def took_all(self) -> None:
        """Everything expected was there."""
        self.expected = min(self.expected * 2, BATCH_FRAMES)
        self.more = True

    def ran_dry(self, n: int = 0) -> None:
        """A read found nothing, after `n` frames."""
        self.expected = max(1, n, self.expected // 2)
        self.more = False


class Output:
    """Frames on their way into a descriptor; what the kernel refuses, and the carrier.

    `carries()` asks the kernel whether the link is up; it may raise DeviceGone. With
    `vnet_size` each frame is preceded by a virtio header of that size; with `offload`
    too, unfinished checksums and super-segments are the kernel's work.
    """

    __slots__ = (
        "_ask_at",
        "_carries",
        "_changed",
        "_headers",
        "_queue",
        "_retries",
        "_retry_at",
        "counters",
        "fd",
        "name",
        "offload",
        "up",
        "vnet_size",
    )

    def __init__(
        self,
        fd: int,
        name: str,
        carries: Callable[[], bool],
        *,
        vnet_size: int = 0,
        offload: bool = False,
    ) -> None:
        self.fd = fd
        self.name = name
        self.vnet_size = vnet_size
        self.offload = offload
        self.up = True
        self.counters = Counters()
        self._carries = carries
        self._changed = False
        self._ask_at: int | None = None
        self._retry_at: int | None = None
        self._retries = 0  # of the frame in front
        self._queue: deque[list[Chunk]] = deque()
        # virtio headers by what they say: those of one protocol are all alike
        self._headers: dict[tuple[int, int, int], bytes] = {}

    def room(self) -> int:
        return BATCH_FRAMES if self.up and not self._queue else 0

    def next_timeout(self) -> int | None:
        """A retry, a question about the carrier, or ASAP with news of it."""
        return ASAP if self._changed else earliest(self._retry_at, self._ask_at)

    def link(self) -> bool | None:
        if not self._changed:
            return None
        self._changed = False
        return self.up

    def send(self, packets: Sequence[Packet], now: int) -> None:
        for packet in packets:
            body = packet.body
            if (
                packet.gso_size
                or self._queue
                or not self.up
                or (body and (len(body) > 1 or len(body[0]) >= JOIN_BELOW))
            ):
                self._send_in_turn(packet, now)
                continue
            try:
                data = self._in_one_piece(packet)
            except WireError:
                self.counters.drop(DropReason.DEVICE_METADATA)
                continue
            try:
                os.write(self.fd, data)
            except OSError as error:
                self._queue.append([data])
                if self._is_refused(error, now):
                    self._flush(now)

    def _in_one_piece(self, packet: Packet) -> bytes:
        """The only frame of a packet. Raises WireError."""
        if packet.csum == CSUM_PARTIAL and not self.offload:
            (frame,) = flatten(packet)
            return bytes(self.vnet_size) + frame if self.vnet_size else frame
        if not self.vnet_size:
            return packet.join()
        key = packet.csum, packet.csum_start, packet.csum_offset
        header = self._headers.get(key)
        if header is None:
            if len(self._headers) >= HEADERS:
                self._headers.clear()
            header = bytes(self.vnet_size)
            if self.offload:
                header = build_vnet(packet, self.vnet_size)
            self._headers[key] = header
        return b"".join((header, packet.head, *packet.body))

    def _send_in_turn(self, packet: Packet, now: int) -> None:
        for parts in self._frames(packet):
            if not self.up:
                self.counters.drop(DropReason.LINK_DOWN)
            elif len(self._queue) >= QUEUE_FRAMES:
                self.counters.drop(DropReason.DEVICE_QUEUE_FULL)
            else:
                self._queue.append(parts)
                if self._retry_at is None:
                    self._flush(now)

    def handle_timeout(self, now: int) -> None:
        """Try again what the kernel did not take, and ask for a lost carrier."""
        if self._ask_at is not None and self._ask_at <= now:
            self.ask(now)
        if self._retry_at is not None and self.up:
            self._flush(now)

    def doubt(self) -> None:
        """Ask for the carrier as soon as there is a `now`."""
        self._ask_at = ASAP

    def ask(self, now: int) -> None:
        """Find out whether the link carries; while not, ask again every second."""
        up = self._carries()
        self._ask_at = None if up else now + CARRIER_DELAY
        if up != self.up:
            self.up = up
            self._changed = not self._changed  # twice unseen is no change
        if not up:
            # a cable that is out loses frames; they would be stale when it is back
            self.counters.drop(DropReason.LINK_DOWN, len(self._queue))
            self._queue.clear()
            self._retry_at = None
            self._retries = 0

    def _frames(self, packet: Packet) -> list[list[Chunk]]:
        try:
            if not self.offload:
                if not self.vnet_size:
                    return [[frame] for frame in flatten(packet)]
                prefix = bytes(self.vnet_size)
                return [[prefix, frame] for frame in flatten(packet)]
            return [[build_vnet(packet, self.vnet_size), packet.head, *packet.body]]
        except WireError:
            # metadata that does not fit the bytes: a forwarded peer's, not ours
            self.counters.drop(DropReason.DEVICE_METADATA)
            return []

    def _flush(self, now: int) -> None:
        """Write until the queue is empty or the kernel takes no more."""
        queue = self._queue
        self._retry_at = None
        while queue:
            parts = queue[0]
            try:
                if sum(map(len, parts)) < JOIN_BELOW:
                    os.write(self.fd, b"".join(parts))
                else:
                    os.writev(self.fd, parts)
            except OSError as error:
                if self._is_refused(error, now):
                    continue
                return
            queue.popleft()
            self._retries = 0

    def _is_refused(self, error: OSError, now: int) -> bool:
        """Deal with a failed write; True: that frame is out of the way, go on."""
        code = error.errno
        if code in GONE:
            raise DeviceGone(f"{self.name} is gone: {error.strerror}") from error
        if code in _LATER or code in _DOWN:
            # a device without carrier answers ENOBUFS, like one whose queue is full
            if code != errno.EAGAIN:
                self.ask(now)
            if code in _DOWN and self.up:
                # down a moment ago and up again: this frame is lost
                self._queue.popleft()
                self.counters.drop(DropReason.LINK_DOWN)
                return True
            self._retries += code == errno.ENOBUFS
            if self._retries <= RETRIES:
                if self.up:
                    self._retry_at = now + RETRY_DELAY
                return False
        cuts = self._cuts() if code == errno.EINVAL else []
        self._queue.popleft()
        self._retries = 0
        if cuts:
            self._queue.extendleft(reversed(cuts))
        else:
            self.counters.drop(DropReason.DEVICE_REFUSED)
        return True

    def _cuts(self) -> list[list[Chunk]]:
        """What the frame in front stands for, if it is a super-segment: UDP's are cut
        by Linux since 6.2.
        """
        if not self.offload:
            return []
        try:
            packet = parse_vnet(b"".join(self._queue[0]), self.vnet_size)
            frames = flatten(packet) if packet.gso_size else []
        except WireError:
            return []
        prefix = bytes(self.vnet_size)
        return [[prefix, frame] for frame in frames]
