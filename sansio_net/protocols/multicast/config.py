"""What a group membership machine can be told.

Variables: RFC 3376 8, RFC 3810 9.
"""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.units import SECOND


@dataclass(slots=True, kw_only=True)
class MulticastConfig:
    """Times in ns.

    robustness: how often a change is told, unless a querier says otherwise.
    unsolicited_interval: the longest time between two of these. query_interval: a
    querier's, until it says so. max_groups: of one interface (Linux's igmp_max_
    memberships is 20). max_sources: in one filter (Linux's igmp_max_msf is 10).
    """

    robustness: int = 2
    unsolicited_interval: int = 1 * SECOND
    query_interval: int = 125 * SECOND
    max_groups: int = 256
    max_sources: int = 64
