"""Frame sockets: what passes an interface, as it comes; and frames sent as they are.

Like Linux's packet(7). What is received is a copy: the stack does with the frame what
it always does. An interface with VLANs shows its own frames, without their tags, and
puts the tags on what is sent.

A socket is no machine: `receive` is its verb. It belongs to a Stack, which calls the
inner doors and takes its frames from `emit`.
"""

from __future__ import annotations

from typing import Final, Protocol

from sansio_net.counters import Counters, DropReason
from sansio_net.errors import LimitError, MessageTooLongError, StateError, WireError
from sansio_net.machine import Sink
from sansio_net.packet import Packet
from sansio_net.trace import Trace
from sansio_net.wire.segment import flatten

from .config import (
    OVERHEAD,
    Frame,
    FrameEvent,
    FrameOptions,
    FrameReceived,
    FrameSpaceFreed,
)
from .queue import BoundedQueue

_RECEIVED: Final = 1
_SPACE: Final = 2
_CLOSED: Final = 4


class FrameRouter(Protocol):
    """What a frame socket asks of the stack."""

    def frame_sizes(self, nic: str) -> tuple[int, int]:
        """Of the link header, and of the longest frame, bytes. Raises Unreachable."""


class FrameSocket:
    """One interface's frames. Made by `Stack.frame_open`, which has the options."""

    __slots__ = (
        "_counters",
        "_flatten",
        "_received",
        "_router",
        "_sending",
        "_space_wanted",
        "armed",
        "closed",
        "ethertype",
        "id",
        "nic",
        "notified",
        "outgoing",
        "pending_kinds",
        "queued",
        "ready",
        "trace",
    )

    def __init__(
        self,
        nic: str,
        *,
        router: FrameRouter,
        ethertype: int | None = None,
        outgoing: bool = False,
        flatten: bool = True,
        options: FrameOptions | None = None,
        id: int = 0,
        ready: Sink[FrameSocket] | None = None,
        notified: Sink[FrameSocket] | None = None,
        counters: Counters | None = None,
        trace: Trace | None = None,
    ) -> None:
        if ethertype is not None and not 0 <= ethertype <= 0xFFFF:
            raise ValueError(f"an ethertype is 0 to 0xffff, not {ethertype}")
        options = options or FrameOptions()
        self.id = id
        self.nic = nic
        self.ethertype = ethertype
        self.outgoing = outgoing
        self.closed = False
        self._router = router
        self._flatten = flatten
        self._counters = counters if counters is not None else Counters()
        self.trace = trace
        self._received: BoundedQueue[Frame] = BoundedQueue(
            options.receive_frames, options.receive_bytes
        )
        self._sending: BoundedQueue[Packet] = BoundedQueue(
            options.send_frames, options.send_bytes
        )
        self._space_wanted = False
        self.queued = False
        self.ready = ready
        self.notified = notified
        self.pending_kinds = 0
        self.armed: list[object] | None = None

    def __repr__(self) -> str:
        kind = "every type" if self.ethertype is None else f"{self.ethertype:#06x}"
        return f"<FrameSocket {self.id} {self.nic} {kind}>"

    @property
    def count(self) -> int:
        """How many frames wait for `receive()`."""
        return len(self._received)

    @property
    def pending(self) -> int:
        """What they pin, in bytes."""
        return self._received.size

    # -- verbs

    def send(self, frame: bytes | bytearray | memoryview | Packet) -> None:
        """Queue one frame; nothing of it is looked at or filled in.

        A Packet may ask for its checksum to be completed or to be cut (`csum`,
        `gso_size`), which is done here. Raises StateError, ValueError for less than a
        link header or metadata that does not fit, MessageTooLongError beyond the MTU,
        Unreachable where the interface was removed, LimitError (then FrameSpaceFreed
        follows); then nothing was taken.
        """
        self._check_open()
        if isinstance(frame, Packet):
            try:
                frames = flatten(frame)
            except WireError as error:
                raise ValueError(f"what cannot be cut or summed: {error}") from error
        else:
            frames = [frame if isinstance(frame, bytes) else bytes(frame)]
        header_size, max_size = self._router.frame_sizes(self.nic)
        for one in frames:
            if len(one) < max(1, header_size):
                raise ValueError(f"{len(one)} bytes are no frame")
            if len(one) > max_size:
                raise MessageTooLongError()
        size = sum(map(len, frames)) + OVERHEAD * len(frames)
        if not self._sending.has_room(size, len(frames)):
            self._space_wanted = True
            raise LimitError("the socket's send queue is full")
        for one in frames:
            self._sending.put(Packet(one, offset=header_size), len(one) + OVERHEAD)
        self._wake()

    def receive(self) -> Frame | None:
        """The next frame, or None. Raises StateError when closed."""
        self._check_open()
        return self._received.take()

    def close(self) -> None:
        """No more frames in; what `send` took still leaves."""
        if self.closed:
            return
        self.closed = True
        self._received.clear()
        self._space_wanted = False
        self._notify(_CLOSED)
        self._wake()

    # -- inner doors

    def frame_passes(
        self, packet: Packet, ethertype: int, is_outgoing: bool, now: int
    ) -> None:
        """A frame came or left. ethertype: -1 for a runt."""
        if self.closed or (is_outgoing and not self.outgoing):
            return
        if self.ethertype is not None and self.ethertype != ethertype:
            return
        if not self._flatten:
            self._keep(
                Frame(
                    packet.join(),
                    self.nic,
                    now,
                    is_outgoing,
                    packet.gso_size,
                    packet.csum,
                    packet.csum_start,
                    packet.csum_offset,
                )
            )
            return
        try:
            frames = flatten(packet)
        except (WireError, ValueError):
            self._counters.drop(DropReason.DEVICE_METADATA)
            return
        for one in frames:
            self._keep(Frame(one, self.nic, now, is_outgoing))

    # -- what leaves

    def emit(self, now: int) -> Packet | None:
        """The next frame."""
        packet = self._sending.take()
        if packet is None:
            return None
        if self._space_wanted and self._sending.is_relaxed():
            self._space_wanted = False
            self._notify(_SPACE)
        if self.trace is not None:
            self.trace.append((now, "frame-sent", self.id, len(packet)))
        return packet

    def drain(self, out: Sink[FrameEvent]) -> None:
        kinds, self.pending_kinds = self.pending_kinds, 0
        if self.closed:
            return
        if kinds & _RECEIVED and self._received:
            out.append(FrameReceived(self, len(self._received)))
        if kinds & _SPACE:
            out.append(FrameSpaceFreed(self))

    def deadline(self) -> int | None:
        """A frame socket has no timers."""
        return None

    def handle_timeout(self, now: int) -> None:
        """Nothing is ever due."""

    # -- helpers

    def _keep(self, frame: Frame) -> None:
        size = len(frame.data) + OVERHEAD
        if not self._received.has_room(size):
            self._counters.drop(DropReason.FRAME_QUEUE_FULL)
            if self.trace is not None:
                self.trace.append((frame.at, "frame-queue-full", self.id))
            return
        self._received.put(frame, size)
        self._notify(_RECEIVED)

    def _check_open(self) -> None:
        if self.closed:
            raise StateError("the socket is closed")

    def _wake(self) -> None:
        if not self.queued:
            self.queued = True
            if self.ready is not None:
                self.ready.append(self)

    def _notify(self, kind: int) -> None:
        if not self.pending_kinds and self.notified is not None:
            self.notified.append(self)
        self.pending_kinds |= kind
