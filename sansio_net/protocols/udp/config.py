"""What UDP sockets can be told, and what they tell. RFC 1122 4.1.4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from sansio_net.errors import ConnectionFailed
from sansio_net.units import KIB

if TYPE_CHECKING:
    from .endpoint import UdpSocket

OVERHEAD: Final = 512
"""What a queued datagram costs besides its payload, about; counts against bounds."""


@dataclass(slots=True, kw_only=True)
class UdpOptions:
    """Bounds count payload and `OVERHEAD`; Linux's default is 208 KiB either way.

    multicast_ttl: TTL of datagrams to a group (RFC 1112 6.1). gro: `UdpSocket.set`.
    ways: addresses for which it is remembered how datagrams leave.
    """

    receive_bytes: int = 208 * KIB
    receive_datagrams: int = 1024
    send_bytes: int = 208 * KIB
    send_datagrams: int = 1024
    error_limit: int = 16
    ttl: int = 64
    multicast_ttl: int = 1
    tos: int = 0
    gro: bool = False
    ways: int = 1024


@dataclass(slots=True)
class UdpReceived:
    """Datagrams wait for `receive()`: `count` of them when the event was taken."""

    sock: UdpSocket
    count: int


@dataclass(slots=True)
class UdpError:
    """A datagram to `peer` came to nothing."""

    sock: UdpSocket
    error: ConnectionFailed
    peer: tuple[str, int]


@dataclass(slots=True)
class SocketSpaceFreed:
    """A `send_to` that raised LimitError may be tried again."""

    sock: UdpSocket


UdpEvent: TypeAlias = UdpReceived | UdpError | SocketSpaceFreed
