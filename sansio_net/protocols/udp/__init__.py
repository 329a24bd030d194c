"""UDP: sockets, their options and events. RFC 768."""

from .config import SocketSpaceFreed, UdpError, UdpEvent, UdpOptions, UdpReceived
from .endpoint import UdpSocket

__all__ = [
    "SocketSpaceFreed",
    "UdpError",
    "UdpEvent",
    "UdpOptions",
    "UdpReceived",
    "UdpSocket",
]
