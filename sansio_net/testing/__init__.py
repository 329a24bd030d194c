"""The public testing kit: a seeded link, stacks in virtual time, packet scripts.

`strategies` (hypothesis) is imported by name only: ``sansio_net.testing.strategies``.
"""

from .link import Conditions, Link, LinkCounts
from .network import Network
from .pair import Pair
from .script import Script, ScriptError
from .turns import Livelock, take_turn

__all__ = [
    "Conditions",
    "Link",
    "LinkCounts",
    "Livelock",
    "Network",
    "Pair",
    "Script",
    "ScriptError",
    "take_turn",
]
