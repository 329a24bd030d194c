"""A virtual NIC with a complete TCP/IP stack behind it, built on a sans-IO core."""

from .entropy import Entropy
from .machine import ASAP, Machine, earliest
from .packet import Capabilities, Datagram, Medium, Packet

__version__ = "0.1.0.dev0"

compiled: bool = not hasattr(Packet.join, "__code__")
"""Were the hot modules compiled with mypyc (SANSIO_NET_COMPILE=1 at installation)?"""

__all__ = [
    "ASAP",
    "Capabilities",
    "Datagram",
    "Entropy",
    "Machine",
    "Medium",
    "Packet",
    "compiled",
    "earliest",
]
