"""ARP: neighbours of an Ethernet interface, and our own addresses on it.

RFC 826, RFC 5227.
"""

from sansio_net.protocols.neighbours import (
    Claimed,
    Conflict,
    Neighbour,
    NeighbourState,
    ResolutionFailed,
    Resolved,
)

from .cache import ArpCache, ArpEvent
from .config import ArpConfig

__all__ = [
    "ArpCache",
    "ArpConfig",
    "ArpEvent",
    "Claimed",
    "Conflict",
    "Neighbour",
    "NeighbourState",
    "ResolutionFailed",
    "Resolved",
]
