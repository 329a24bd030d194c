"""Group membership: IGMP and MLD, a host's half. RFC 3376, RFC 3810."""

from .config import MulticastConfig
from .membership import Membership
from .reception import ANYTHING, NOTHING, Filter, exclude, include, merge

__all__ = [
    "ANYTHING",
    "NOTHING",
    "Filter",
    "Membership",
    "MulticastConfig",
    "exclude",
    "include",
    "merge",
]
