"""What an ARP cache can be told, and what it tells.

Constants: RFC 5227 1.1 for claiming addresses, RFC 4861 10 with Linux's values (`man 7
arp`) for neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.packet import Packet
from sansio_net.units import KIB, MIB, SECOND


@dataclass(slots=True, kw_only=True)
class ArpConfig:
    """Times in ns, sizes in bytes.

    base_reachable_time: how long an answer is believed, times 0.5 to 1.5 at random.
    retrans_delay: between two requests. ucast_solicit, mcast_solicit, mcast_resolicit:
    requests to a known address, to all for an unknown one, to all after the first kind.
    delay_first_probe: a stale neighbour that is used has this long to prove itself
    before it is asked. lock_delay: a new MAC this soon after the last is not believed,
    which keeps the first of several answers. failed_delay: lookups this soon after a
    failure fail at once. accept_gratuitous: unsolicited ARP also makes new entries.

    table_limit: neighbours. queue_packets, queue_bytes: what waits for one of them;
    queue_total_bytes: for all. reply_limit: answers not yet sent. claim_limit: own
    addresses.

    give_up_on_conflict: RFC 5227 2.4 (b), an address is given up at the second conflict
    within defend_interval; else (c), it is kept and defended.
    """

    base_reachable_time: int = 30 * SECOND
    retrans_delay: int = 1 * SECOND
    ucast_solicit: int = 3
    mcast_solicit: int = 3
    mcast_resolicit: int = 0
    delay_first_probe: int = 5 * SECOND
    lock_delay: int = 1 * SECOND
    failed_delay: int = 1 * SECOND
    accept_gratuitous: bool = False

    table_limit: int = 1024
    queue_packets: int = 16
    queue_bytes: int = 64 * KIB
    queue_total_bytes: int = 4 * MIB
    reply_limit: int = 64
    claim_limit: int = 1024

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
