"""Segments of connections that stand, from the IP header to the connection in one step.

What is in every way as expected is taken; of all others nothing is said, and `ingress`
finds out what is to be said of them. The addresses were validated when the connection
began. RFC 791, RFC 8200 3, RFC 9293 3.1.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from sansio_net.packet import COPY_BELOW, CSUM_NONE, Packet
from sansio_net.protocols.tcp import Connection, State
from sansio_net.protocols.tcp.seq import MASK
from sansio_net.wire.checksum import words
from sansio_net.wire.tcp import ACK

from . import upkeep

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack

ESTABLISHED: Final = State.ESTABLISHED

_HEADERS4: Final = Struct("!BBH2xHxB6x4s4xIIBBH2xH").unpack_from
"""IPv4 without options and TCP: version, tos, total length, fragment, protocol,
destination; seq, ack, data offset, flags, window, urgent pointer."""
_HEADERS6: Final = Struct("!IHBx16x16s4xIIBBH2xH").unpack_from
"""IPv6 and TCP: version and traffic class, payload length, next header, destination;
the same."""


class Run:
    """Full segments of a batch that follow on: to their connection they are one.

    As with the kernel's GRO, but only for text in order and within the window, while
    all else that is said is the same: nothing would come of them one by one.
    """

    __slots__ = (
        *("_at", "_data", "_end", "_fields", "_flow", "_link", "_parts", "_room"),
        *("_same", "_seq", "_stack", "_stamp", "_sum", "connection"),
    )

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.connection: Connection | None = None
        self._parts: list[bytes] = []

    def begins(
        self,
        connection: Connection,
        frame: bytes,
        at: int,
        data: int,
        end: int,
        seq: int,
    ) -> bool:
        """Does this segment, the next in order, wait for what follows?"""
        receiver, size = connection.receiver, end - data
        nxt = receiver.rcv_nxt
        room = receiver.rcv_adv - nxt - size
        if (
            size < COPY_BELOW
            or size & 1
            or room < size
            or seq != nxt & MASK
            or frame[at + 33] != ACK
            or connection.state is not ESTABLISHED
            or connection.closed
            or receiver.reorder is not None
            or receiver.fin_seq is not None
        ):
            return False
        self.connection, self._room = connection, room
        self._at, self._data, self._end = at, data, end
        self._seq = seq
        # all of its headers but for the identification, the numbers and the sums
        self._link, self._fields = frame[: at + 4], frame[at + 6 : at + 10]
        self._flow, self._same = frame[at + 12 : at + 24], frame[at + 28 : at + 36]
        self._stamp = frame[at + 38 : data]
        # what the pseudo-header has twice, with protocol and length
        pair = int.from_bytes(frame[at + 12 : at + 20], "big")
        self._sum = pair + 6 + end - at - 20
        self._parts.append(frame[data:end])
        return True

    def goes_on(self, packet: Packet) -> bool:
        """Does this one follow on, and all that is said is the same?"""
        frame, at, data, end = packet.head, self._at, self._data, self._end
        size = end - data
        if (
            frame[: at + 4] != self._link
            or frame[at + 28 : at + 36] != self._same
            or frame[at + 38 : data] != self._stamp
            or frame[at + 12 : at + 24] != self._flow
            or frame[at + 6 : at + 10] != self._fields
            or len(frame) < end
            or size > self._room
            or packet.gso_size
            or packet.info is not None
        ):
            return False
        seq = self._seq + len(self._parts) * size
        if int.from_bytes(frame[at + 24 : at + 28], "big") != seq & MASK:
            return False
        if int.from_bytes(frame[at : at + 20], "big") % 0xFFFF or (
            packet.csum == CSUM_NONE and (words(frame[at:end]) + self._sum) % 0xFFFF
        ):
            return False
        self._room -= size
        self._parts.append(frame[data:end])
        return True

    def ends(self, now: int) -> None:
        """To its connection with it."""
        connection, same, parts = self.connection, self._same, self._parts
        assert connection is not None
        self.connection, self._parts = None, []
        body = b"".join(parts) if len(parts) > 1 else parts[0]
        ack, wnd = int.from_bytes(same[:4], "big"), int.from_bytes(same[6:], "big")
        urgent, options = int.from_bytes(self._stamp[:2], "big"), self._stamp[2:]
        connection.segment_arrives(
            self._seq,
            ack,
            ACK,
            wnd,
            urgent,
            options,
            body,
            now,
            len(parts),
            self._link[-3] & 3,
        )
        upkeep.touch(self._stack, connection)


def takes(
    nic: Interface, packet: Packet, at: int, now: int, run: Run | None = None
) -> bool:
    """A packet at its IPv4 header, sent to us alone; True: it got where it should, or
    will with the `run` that it begins."""
    frame, stack = packet.head, nic.stack
    connection = stack.connection_table.get(frame[at + 12 : at + 24])
    if connection is None or connection.nic is not nic or len(frame) < at + 40:
        return False
    fields = _HEADERS4(frame, at)
    vihl, tos, total, fragment, protocol, dst, seq, ack, offset, flags, wnd, up = fields
    data, end = at + 20 + (offset >> 4 << 2), at + total
    if (
        vihl != 0x45
        or protocol != 6
        or fragment & 0x3FFF
        or not at + 40 <= data <= end <= len(frame)
        or int.from_bytes(frame[at : at + 20], "big") % 0xFFFF
        or not (dst in nic.local or upkeep.is_transparent(connection))
    ):
        return False
    # 6 is the protocol, total - 20 the length
    is_bare = packet.csum == CSUM_NONE
    if is_bare and (words(frame[at + 12 : end]) + total - 14) % 0xFFFF:
        return False
    if (
        run is not None
        and not packet.gso_size
        and run.begins(connection, frame, at, data, end, seq)
    ):
        return True
    size = end - data
    body: bytes | memoryview
    if size < COPY_BELOW or size * 2 < len(frame):
        body = frame[data:end]
    else:
        body = memoryview(frame)[data:end]
    cuts = -(-size // packet.gso_size) if packet.gso_size and size else 1
    options = frame[at + 40 : data]
    connection.segment_arrives(
        seq, ack, flags, wnd, up, options, body, now, cuts, tos & 3
    )
    if connection.done:
        upkeep.forget_connection(stack, connection)
    else:
        stack.deadlines.touched[connection.id] = connection
    return True


def takes6(nic: Interface, packet: Packet, at: int, now: int) -> bool:
    """The same at an IPv6 header; not for zones, which are not on the wire."""
    frame, stack = packet.head, nic.stack
    connection = stack.connection_table.get(frame[at + 8 : at + 44])
    if connection is None or connection.nic is not nic or len(frame) < at + 60:
        return False
    fields = _HEADERS6(frame, at)
    first, length, protocol, dst, seq, ack, offset, flags, wnd, up = fields
    data, end = at + 40 + (offset >> 4 << 2), at + 40 + length
    if (
        first >> 28 != 6
        or protocol != 6
        or not at + 60 <= data <= end <= len(frame)
        or not (dst in nic.local or upkeep.is_transparent(connection))
    ):
        return False
    is_bare = packet.csum == CSUM_NONE
    if is_bare and (words(frame[at + 8 : end]) + 6 + length) % 0xFFFF:
        return False
    size = end - data
    body: bytes | memoryview
    if size < COPY_BELOW or size * 2 < len(frame):
        body = frame[data:end]
    else:
        body = memoryview(frame)[data:end]
    cuts = -(-size // packet.gso_size) if packet.gso_size and size else 1
    options, ecn = frame[at + 60 : data], first >> 20 & 3
    connection.segment_arrives(seq, ack, flags, wnd, up, options, body, now, cuts, ecn)
    if connection.done:
        upkeep.forget_connection(stack, connection)
    else:
        stack.deadlines.touched[connection.id] = connection
    return True
