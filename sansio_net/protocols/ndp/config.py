"""What neighbour discovery can be told, and what it tells besides outcomes.

Constants: RFC 4861 10, RFC 4862 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.protocols.neighbours import NeighbourConfig
from sansio_net.units import SECOND


@dataclass(slots=True, kw_only=True)
class NdpConfig(NeighbourConfig):
    """Times in ns; see `NeighbourConfig` for those of the table.

    dad_transmits: DupAddrDetectTransmits (RFC 4862 5.1); 0 switches detection off.
    dad_delay: MAX_RTR_SOLICITATION_DELAY, the longest random wait before the first.
    enhanced_dad: solicitations carry a nonce, so that our own, looped back, are known
    (RFC 7527). optimistic: an address is used while it is checked (RFC 4429);
    in a Stack, one that is formed while the MAC of its router is known.
    announcements: unsolicited advertisements of an address that became ours (RFC 9131).
    """

    dad_transmits: int = 1
    dad_delay: int = 1 * SECOND
    enhanced_dad: bool = True
    optimistic: bool = False
    announcements: int = 1


@dataclass(slots=True)
class RouterLost:
    """A neighbour says that it is no router any more (RFC 4861 7.2.5)."""

    ip: bytes
