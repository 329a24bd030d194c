"""asyncio on a virtual NIC: `open_nic`, and what it gives. docs/asyncio.md."""

from .datagram import DatagramTransport
from .loop import NetworkLoop, run, using
from .nic import Nic, open_nic
from .server import Server
from .stream import StreamTransport
from .virtual import VirtualClock, VirtualLoop

__all__ = [
    "DatagramTransport",
    "NetworkLoop",
    "Nic",
    "Server",
    "StreamTransport",
    "VirtualClock",
    "VirtualLoop",
    "open_nic",
    "run",
    "using",
]
