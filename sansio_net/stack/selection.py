"""Which of our addresses speaks to whom, and whom of several to speak to first.

RFC 6724, for IPv4 by the same rules. Home addresses (rules 4) and encapsulation
(destination rule 7) there are none; which router advertised which prefix (source rule
5.5) is not remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from sansio_net.addresses import (
    is_link_local,
    is_loopback,
    is_multicast,
    pack_network,
)

from .prefixes import PrefixMap

if TYPE_CHECKING:
    from .address import Address
    from .interface import Interface
    from .stack import Stack

PolicyRow: TypeAlias = tuple[str, int, int]
"""A prefix, its precedence and its label."""

DEFAULT_POLICY: Final[tuple[PolicyRow, ...]] = (
    ("::1/128", 50, 0),
    ("::/0", 40, 1),
    ("::ffff:0:0/96", 35, 4),
    ("2002::/16", 30, 2),
    ("2001::/32", 5, 5),
    ("fc00::/7", 3, 13),
    ("::/96", 1, 3),
    ("fec0::/10", 1, 11),
    ("3ffe::/16", 1, 12),
)
"""RFC 6724 2.1."""

LINK_LOCAL: Final = 0x2
SITE_LOCAL: Final = 0x5
GLOBAL: Final = 0xE
"""Scopes, by the numbers of multicast addresses (RFC 4291 2.7)."""

_MAPPED: Final = bytes(10) + b"\xff\xff"
_UNNAMED: Final = (0, -1)


class PolicyTable:
    """Precedence and label of an address. Raises ValueError for rows that are none."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[PolicyRow]) -> None:
        self._rows: PrefixMap[tuple[int, int]] = PrefixMap(16)
        for prefix, precedence, label in rows:
            network, prefixlen = pack_network(prefix)
            if len(network) == 4:
                network, prefixlen = _MAPPED + network, prefixlen + 96
            self._rows.put(network, prefixlen, (precedence, label))

    def of(self, ip: bytes) -> tuple[int, int]:
        # RFC 6724 3.2: IPv4 addresses as mapped ones
        return next(self._rows.matches(_as_ipv6(ip)), _UNNAMED)

    def label(self, ip: bytes) -> int:
        return self.of(ip)[1]


def _as_ipv6(ip: bytes) -> bytes:
    return _MAPPED + ip if len(ip) == 4 else ip[:16]


def scope(ip: bytes) -> int:
    """RFC 6724 3.1 to 3.4."""
    if len(ip) != 4 and is_multicast(ip):
        return ip[1] & 0x0F
    if is_link_local(ip) or is_loopback(ip):
        return LINK_LOCAL
    if ip[0] == 0xFE and ip[1] & 0xC0 == 0xC0 and len(ip) != 4:
        return SITE_LOCAL
    return GLOBAL


def common_prefix(address: Address, ip: bytes) -> int:
    """Bits that `ip` shares with one of ours, up to its prefix (RFC 6724 2.2)."""
    size = len(address.ip)
    bits = int.from_bytes(address.ip, "big") ^ int.from_bytes(ip[:size], "big")
    return min(size * 8 - bits.bit_length(), address.prefixlen)


def choose_source(
    destination: bytes,
    next_hop: bytes,
    nic: Interface,
    candidates: Iterable[tuple[Interface, Address]],
    policy: PolicyTable,
    prefer_temporary: bool,
) -> Address | None:
    """RFC 6724 5: the best of `candidates` to send to `destination` over `nic`.

    None where no candidate is of its family. Of IPv4 addresses one on the subnet of the
    next hop comes first (RFC 1122 3.3.4.3). The first one wins a tie.
    """
    size = 4 if len(destination) == 4 else 16
    wanted, label = scope(destination), policy.label(destination)

    def worth(candidate: tuple[Interface, Address]) -> tuple[int | bool, ...]:
        where, address = candidate
        ip = address.ip
        own = scope(ip)
        return (
            ip == destination[:size],  # rule 1
            own >= wanted,  # rule 2
            -own if own >= wanted else own,
            not (address.deprecated or address.optimistic),  # rule 3, RFC 4429 3.1
            where is nic,  # rule 5
            policy.label(ip) == label,  # rule 6
            address.temporary is prefer_temporary,  # rule 7
            size == 4 and address.covers(next_hop),
            common_prefix(address, destination),  # rule 8
        )

    fit = [one for one in candidates if len(one[1].ip) == size]
    return max(fit, key=worth)[1] if fit else None


def candidates_on(
    stack: Stack, nic: Interface, destination: bytes
) -> list[tuple[Interface, Address]]:
    """RFC 6724 4: the addresses of the way out; a weak host's others as well, where
    the link does not matter.
    """
    found = [(nic, one) for one in nic.addresses if one.usable]
    if stack.is_weak and scope(destination) > LINK_LOCAL:
        if is_multicast(destination):
            return found
        found += [
            (other, one)
            for other in stack.interfaces()
            if other is not nic
            for one in other.addresses
            if one.usable and scope(one.ip) > LINK_LOCAL
        ]
    return found


def source_for(
    stack: Stack, nic: Interface, destination: bytes, next_hop: bytes
) -> bytes:
    """The address to send from, b"" where there is none."""
    chosen = choose_source(
        destination,
        next_hop,
        nic,
        candidates_on(stack, nic, destination),
        stack.policy,
        stack.config.prefer_temporary,
    )
    return chosen.known_as if chosen is not None else b""


class Prospect(NamedTuple):
    """A destination and the address of ours that would speak to it, if any."""

    destination: bytes
    source: Address | None


def sort_prospects(prospects: Sequence[Prospect], policy: PolicyTable) -> list[int]:
    """RFC 6724 6: the places of `prospects` in the order in which to try them."""

    def worth(prospect: Prospect) -> tuple[int | bool, ...]:
        destination, source = prospect
        precedence, label = policy.of(destination)
        own = scope(destination)
        if source is None:
            return False, 0, 0, 0, precedence, -own, 0  # rule 1
        return (
            True,
            own == scope(source.ip),  # rule 2
            not (source.deprecated or source.optimistic),  # rule 3
            policy.label(source.ip) == label,  # rule 5
            precedence,  # rule 6
            -own,  # rule 8
            common_prefix(source, destination),  # rule 9
        )

    worths = [worth(one) for one in prospects]

    def compare(one: int, other: int) -> int:
        a, b = worths[one], worths[other]
        if a[:-1] != b[:-1]:
            return -1 if a[:-1] > b[:-1] else 1
        sizes = len(prospects[one].destination), len(prospects[other].destination)
        if (sizes[0] == 4) is not (sizes[1] == 4):
            return 0
        return b[-1] - a[-1]

    return sorted(range(len(prospects)), key=cmp_to_key(compare))  # rule 10: stable
