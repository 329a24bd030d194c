"""What a Stack reports: past participles, the object concerned first.

At most one event per object and kind is pending; `pending` and `count` are read when
`events()` hands them over. Connection events: Accepted before DataReceived before
EofReceived; nothing after Closed or ConnectionLost, which exclude each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sansio_net.protocols.icmp import EchoFailed, EchoReplied
from sansio_net.protocols.raw import (
    FrameReceived,
    FrameSpaceFreed,
    RawError,
    RawReceived,
    RawSpaceFreed,
)
from sansio_net.protocols.tcp.events import (
    Accepted,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    EofReceived,
    SpaceFreed,
    Stalled,
)
from sansio_net.protocols.udp import SocketSpaceFreed, UdpError, UdpReceived

if TYPE_CHECKING:
    from .interface import Interface
    from .stack import Stack


@dataclass(slots=True)
class LinkUp:
    """The interface may send again: carrier and administrator agree."""

    nic: Interface


@dataclass(slots=True)
class LinkDown:
    """The interface lost its carrier or was taken down."""

    nic: Interface


@dataclass(slots=True)
class AddressAdded:
    """An address is usable: at once, or after RFC 5227's probes."""

    nic: Interface
    address: str


@dataclass(slots=True)
class AddressRemoved:
    nic: Interface
    address: str


@dataclass(slots=True)
class AddressConflict:
    """Another host uses our address (RFC 5227 2.4); `mac` is its MAC."""

    nic: Interface
    address: str
    mac: str


@dataclass(slots=True)
class StackClosed:
    """`close()` is complete: no connection is left."""

    stack: Stack


@dataclass(slots=True)
class DnsServersChanged:
    """What routers advertise now (RFC 8106), all of it; () when nothing is valid."""

    nic: Interface
    servers: tuple[str, ...]
    search: tuple[str, ...]


Report: TypeAlias = (
    LinkUp
    | LinkDown
    | AddressAdded
    | AddressRemoved
    | AddressConflict
    | DnsServersChanged
)


class Reports:
    """Events of the Stack's own that wait. A newer one takes the place of one that
    says the same of the same: what comes last is what is so.
    """

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[tuple[str, int, str], Report] = {}

    def add(self, event: Report) -> None:
        about = getattr(event, "address", "")
        key = type(event).__name__, event.nic.index, about
        self.waiting.pop(key, None)
        self.waiting[key] = event

    def drop(self, nic: Interface) -> None:
        """Nothing is said of an interface that never came to be."""
        for key in [k for k, event in self.waiting.items() if event.nic is nic]:
            del self.waiting[key]

    def take(self) -> list[Event]:
        taken: list[Event] = list(self.waiting.values())
        self.waiting.clear()
        return taken


Event: TypeAlias = (
    Accepted
    | AddressAdded
    | AddressConflict
    | AddressRemoved
    | Closed
    | Connected
    | ConnectionLost
    | DataReceived
    | DnsServersChanged
    | EchoFailed
    | EchoReplied
    | EofReceived
    | FrameReceived
    | FrameSpaceFreed
    | LinkDown
    | LinkUp
    | RawError
    | RawReceived
    | RawSpaceFreed
    | SocketSpaceFreed
    | SpaceFreed
    | StackClosed
    | Stalled
    | UdpError
    | UdpReceived
)

__all__ = [
    "Accepted",
    "AddressAdded",
    "AddressConflict",
    "AddressRemoved",
    "Closed",
    "Connected",
    "ConnectionLost",
    "DataReceived",
    "DnsServersChanged",
    "EchoFailed",
    "EchoReplied",
    "EofReceived",
    "Event",
    "FrameReceived",
    "FrameSpaceFreed",
    "LinkDown",
    "LinkUp",
    "RawError",
    "RawReceived",
    "RawSpaceFreed",
    "SocketSpaceFreed",
    "SpaceFreed",
    "StackClosed",
    "Stalled",
    "UdpError",
    "UdpReceived",
]
