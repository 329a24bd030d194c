"""asyncio on a virtual NIC: `open_nic`, and what it gives. docs/asyncio.md."""

from sansio_net.adapters.names import DnsConfig

from .datagram import DatagramTransport
from .loop import NetworkLoop, run, using
from .nic import Nic, Resolver
from .opening import open_nic
from .server import Server
from .stream import StreamTransport
from .virtual import VirtualClock, VirtualLoop

__all__ = [
    "DatagramTransport",
    "DnsConfig",
    "NetworkLoop",
    "Nic",
    "Resolver",
    "Server",
    "StreamTransport",
    "VirtualClock",
    "VirtualLoop",
    "open_nic",
    "run",
    "using",
]
