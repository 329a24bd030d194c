"""What raw sockets can be told, and what they tell. raw(7), packet(7), RFC 3542."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sansio_net.errors import ConnectionFailed
from sansio_net.packet import CSUM_NONE
from sansio_net.units import KIB

if TYPE_CHECKING:
    from .endpoint import RawSocket
    from .frames import FrameSocket

OVERHEAD: Final = 512
"""What a queued datagram costs besides its payload, about; counts against bounds."""


@dataclass(slots=True, kw_only=True)
class RawOptions:
    """Bounds count payload and `OVERHEAD`; Linux's default is 208 KiB either way.

    error_limit: errors that wait to be told. multicast_ttl: TTL of what goes to a
    group (RFC 1112 6.1).
    """

    receive_bytes: int = 208 * KIB
    receive_datagrams: int = 1024
    send_bytes: int = 208 * KIB
    send_datagrams: int = 1024
    error_limit: int = 16
    ttl: int = 64
    multicast_ttl: int = 1
    tos: int = 0


@dataclass(slots=True, kw_only=True)
class FrameOptions:
    """Bounds of a frame socket; they count the frames' bytes and `OVERHEAD`."""

    receive_bytes: int = 208 * KIB
    receive_frames: int = 1024
    send_bytes: int = 208 * KIB
    send_frames: int = 1024


@dataclass(slots=True)
class Frame:
    """What passed an interface: a frame, or an IP packet where the medium is IP.

    at: the turn's time, ns. is_outgoing: the stack sent it. gso_size, csum, csum_start
    and csum_offset are those of `Packet`; from a socket that flattens, 0.
    """

    data: bytes
    nic: str
    at: int
    is_outgoing: bool = False
    gso_size: int = 0
    csum: int = CSUM_NONE
    csum_start: int = 0
    csum_offset: int = 0


@dataclass(slots=True)
class RawReceived:
    """Datagrams wait for `receive()`: `count` of them when the event was taken."""

    sock: RawSocket
    count: int


@dataclass(slots=True)
class RawError:
    """A datagram of a socket with a peer came to nothing.

    source: who said so by ICMP; "" where this host found out by itself.
    """

    sock: RawSocket
    error: ConnectionFailed
    peer: str
    source: str = ""


@dataclass(slots=True)
class RawSpaceFreed:
    """A `send_to` that raised LimitError may be tried again."""

    sock: RawSocket


@dataclass(slots=True)
class FrameReceived:
    """Frames wait for `receive()`: `count` of them when the event was taken."""

    sock: FrameSocket
    count: int


@dataclass(slots=True)
class FrameSpaceFreed:
    """A `send` that raised LimitError may be tried again."""

    sock: FrameSocket


RawEvent: TypeAlias = RawReceived | RawError | RawSpaceFreed
FrameEvent: TypeAlias = FrameReceived | FrameSpaceFreed
