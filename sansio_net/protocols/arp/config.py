"""What an ARP cache can be told.

Constants: RFC 5227 1.1 for claiming addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.protocols.neighbours import NeighbourConfig
from sansio_net.units import SECOND


@dataclass(slots=True, kw_only=True)
class ArpConfig(NeighbourConfig):
    """Times in ns; see `NeighbourConfig` for those of the table.

    lock_delay: a new MAC this soon after the last is not believed, which keeps the
    first of several answers. accept_gratuitous: unsolicited ARP also makes new entries.
    give_up_on_conflict: RFC 5227 2.4 (b), an address is given up at the second conflict
    within defend_interval; else (c), it is kept and defended.
    """

    lock_delay: int = 1 * SECOND
    accept_gratuitous: bool = False

    probe_wait: int = 1 * SECOND
    probe_num: int = 3
    probe_min: int = 1 * SECOND
    probe_max: int = 2 * SECOND
    announce_wait: int = 2 * SECOND
    announce_num: int = 2
    announce_interval: int = 2 * SECOND
    max_conflicts: int = 10
    rate_limit_interval: int = 60 * SECOND
    defend_interval: int = 10 * SECOND
    give_up_on_conflict: bool = False
