"""The Stack: a TCP/IP host as one machine."""

from sansio_net.protocols.tcp import Connection, Listener
from sansio_net.protocols.tcp.options import TcpOptions
from sansio_net.protocols.udp import UdpSocket

from .address import Address
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
    FrameReceived,
    FrameSpaceFreed,
    LinkDown,
    LinkUp,
    RawError,
    RawReceived,
    RawSpaceFreed,
    SocketSpaceFreed,
    SpaceFreed,
    StackClosed,
    Stalled,
    UdpError,
    UdpReceived,
)
from .interface import Interface
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
    "Connection",
    "ConnectionLost",
    "DataReceived",
    "DnsServersChanged",
    "EchoFailed",
    "EchoReplied",
    "EofReceived",
    "Event",
    "FrameReceived",
    "FrameSpaceFreed",
    "Interface",
    "LinkDown",
    "LinkUp",
    "Listener",
    "RawError",
    "RawReceived",
    "RawSpaceFreed",
    "Route",
    "SocketSpaceFreed",
    "SpaceFreed",
    "Stack",
    "StackClosed",
    "StackConfig",
    "Stalled",
    "TcpOptions",
    "UdpError",
    "UdpReceived",
    "UdpSocket",
]
