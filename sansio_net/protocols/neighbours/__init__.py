"""What ARP and neighbour discovery share: the table of neighbours and its states.

RFC 4861 5.1 and 7.3, RFC 1122 2.3.2.
"""

from .config import Claimed, Conflict, NeighbourConfig, ResolutionFailed, Resolved
from .deadlines import Deadlines
from .neighbour import Neighbour, NeighbourState
from .table import NeighbourTable

__all__ = [
    "Claimed",
    "Conflict",
    "Deadlines",
    "Neighbour",
    "NeighbourConfig",
    "NeighbourState",
    "NeighbourTable",
    "ResolutionFailed",
    "Resolved",
]
