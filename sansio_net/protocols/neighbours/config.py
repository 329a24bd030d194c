"""What a neighbour table can be told, and what it tells.

Constants: RFC 4861 10 with Linux's values (`man 7 arp`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sansio_net.packet import Packet
from sansio_net.units import KIB, MIB, SECOND

OVERHEAD: Final = 512
"""What a packet that waits costs besides its bytes, about; counts against bounds."""


@dataclass(slots=True, kw_only=True)
class NeighbourConfig:
    """Times in ns, sizes in bytes.

    base_reachable_time: how long an answer is believed, times 0.5 to 1.5 at random.
    retrans_delay: between two requests. ucast_solicit, mcast_solicit, mcast_resolicit:
    requests to a known address, to all for an unknown one, to all after the first kind.
    delay_first_probe: a stale neighbour that is used has this long to prove itself
    before it is asked. failed_delay: lookups this soon after a failure fail at once.

    table_limit: neighbours. queue_packets, queue_bytes: what waits for one of them,
    `OVERHEAD` counted (Linux's unres_qlen_bytes); queue_total_bytes: for all.
    reply_limit: answers not yet sent. claim_limit: own addresses.
    """

    base_reachable_time: int = 30 * SECOND
    retrans_delay: int = 1 * SECOND
    ucast_solicit: int = 3
    mcast_solicit: int = 3
    mcast_resolicit: int = 0
    delay_first_probe: int = 5 * SECOND
    failed_delay: int = 1 * SECOND

    table_limit: int = 1024
    queue_packets: int = 256
    queue_bytes: int = 208 * KIB
    queue_total_bytes: int = 4 * MIB
    reply_limit: int = 64
    claim_limit: int = 1024


@dataclass(slots=True)
class Resolved:
    """A neighbour that was waited for has answered."""

    ip: bytes
    mac: bytes


@dataclass(slots=True)
class ResolutionFailed:
    """Nobody answered; `packets` waited, at their IP headers, and are dropped."""

    ip: bytes
    packets: list[Packet]


@dataclass(slots=True)
class Conflict:
    """Another host, `mac`, uses or wants our address.

    lost: the claim is over; otherwise the address is kept.
    """

    ip: bytes
    mac: bytes
    lost: bool


@dataclass(slots=True)
class Claimed:
    """Probing met nobody: the address may be used from now on."""

    ip: bytes
