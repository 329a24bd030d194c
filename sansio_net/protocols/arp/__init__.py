"""ARP: neighbours of an Ethernet interface, and our own addresses on it.

RFC 826, RFC 5227.
"""

from .cache import ArpCache, ArpEvent
from .config import ArpConfig, Claimed, Conflict, ResolutionFailed, Resolved
from .neighbour import Neighbour, NeighbourState

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
