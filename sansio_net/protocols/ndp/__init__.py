"""Neighbour discovery: neighbours of an Ethernet interface, and our addresses on it.

RFC 4861, RFC 4862 5.4, RFC 7527.
"""

from sansio_net.protocols.neighbours import (
    Claimed,
    Conflict,
    Neighbour,
    NeighbourState,
    ResolutionFailed,
    Resolved,
)

from .config import NdpConfig, RouterLost
from .discovery import NdpEvent, NeighbourDiscovery
from .frames import solicited_node

__all__ = [
    "Claimed",
    "Conflict",
    "NdpConfig",
    "NdpEvent",
    "Neighbour",
    "NeighbourDiscovery",
    "NeighbourState",
    "ResolutionFailed",
    "Resolved",
    "RouterLost",
    "solicited_node",
]
