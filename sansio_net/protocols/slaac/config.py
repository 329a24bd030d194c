"""What autoconfiguration can be told, and what it tells.

Constants: RFC 4861 10, RFC 7559 2, RFC 7217 6, RFC 8981 3.8.
"""

from __future__ import annotations

from dataclasses import dataclass

from sansio_net.units import HOUR, SECOND


@dataclass(slots=True, kw_only=True)
class SlaacConfig:
    """Times in ns.

    solicit_delay: longest wait before the first solicitation. solicit_interval and
    max_solicit_interval: RFC 7559's IRT and MRT. temporary: addresses that change, of
    temporary_preferred and temporary_valid at most (RFC 8981). idgen_retries: how often
    another identifier is tried after a duplicate. max_*: bounds of the tables.
    min_hop_limit: a router that wants less is not believed (accept_ra_min_hop_limit).
    """

    solicit_delay: int = 1 * SECOND
    solicit_interval: int = 4 * SECOND
    max_solicit_interval: int = 3600 * SECOND
    temporary: bool = False
    temporary_valid: int = 48 * HOUR
    temporary_preferred: int = 24 * HOUR
    idgen_retries: int = 3
    min_hop_limit: int = 32

    max_prefixes: int = 32
    max_addresses: int = 32
    max_routes: int = 64
    max_dns: int = 16


@dataclass(slots=True)
class AddressFormed:
    """To be checked for duplicates and used; `duplicate` says how that failed."""

    ip: bytes
    prefixlen: int
    temporary: bool


@dataclass(slots=True)
class AddressDeprecated:
    """No new conversation should begin from it; `preferred`: it may again."""

    ip: bytes
    preferred: bool


@dataclass(slots=True)
class AddressExpired:
    """It is no longer ours."""

    ip: bytes


@dataclass(slots=True)
class RouteChanged:
    """Through `via`, or directly where that is b"". lifetime 0: no longer.

    A default router is the route with prefixlen 0. preference: 1, 0 or -1.
    """

    prefix: bytes
    prefixlen: int
    via: bytes
    preference: int
    valid: bool


@dataclass(slots=True)
class ParametersAdvertised:
    """hop_limit, mtu and times (ns) that a router wants; 0: it does not say."""

    hop_limit: int
    mtu: int
    reachable_time: int
    retrans_delay: int


@dataclass(slots=True)
class DnsAdvertised:
    """All that is valid now (RFC 8106)."""

    servers: tuple[bytes, ...]
    search: tuple[str, ...]
