"""The Stack: a TCP/IP host as one machine."""

from .config import StackConfig
from .events import (
    Accepted,
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Closed,
    Connected,
    ConnectionLost,
    DataReceived,
    DnsServersChanged,
    EchoFailed,
    EchoReplied,
    EofReceived,
    Event,
    LinkDown,
    LinkUp,
    SocketSpaceFreed,
    SpaceFreed,
    StackClosed,
    Stalled,
    UdpError,
    UdpReceived,
)
from .interface import Address, Interface
from .routes import Route
from .stack import Stack

__all__ = [
    "Accepted",
    "Address",
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
    "Interface",
    "LinkDown",
    "LinkUp",
    "Route",
    "SocketSpaceFreed",
    "SpaceFreed",
    "Stack",
    "StackClosed",
    "StackConfig",
    "Stalled",
    "UdpError",
    "UdpReceived",
]
