"""The public testing kit: a seeded link, two stacks in virtual time, packet scripts.

`strategies` (hypothesis) is imported by name only: ``sansio_net.testing.strategies``.
"""

from .link import Conditions, Link, LinkCounts
from .pair import Pair
from .script import Script, ScriptError
from .turns import Livelock, take_turn

__all__ = [
    "Conditions",
    "Link",
    "LinkCounts",
    "Livelock",
    "Pair",
    "Script",
    "ScriptError",
    "take_turn",
]
