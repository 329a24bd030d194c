"""What a message says of a neighbour, merged into the table.

RFC 4861 7.2.3, 7.2.5, 6.3.4, 8.3.
"""

from __future__ import annotations

from sansio_net.protocols.neighbours import NeighbourState, NeighbourTable
from sansio_net.wire.ndp import NeighbourAdvertisement

_UNRESOLVED = (NeighbourState.INCOMPLETE, NeighbourState.FAILED)


def mentioned(
    table: NeighbourTable,
    ip: bytes,
    mac: bytes | None,
    router: bool | None,
    now: int,
) -> None:
    """A solicitation, router message or redirect names the MAC of `ip`, or does not.

    router: what the message says of that; None: as it was.
    """
    entry = table.get(ip)
    if mac is None:
        if entry is not None and router is not None:
            entry.is_router = router  # RFC 4861 6.2.6, 6.3.4, 8.3: all the same
        return
    if entry is None:
        table.create(ip, mac, now)
        entry = table.get(ip)
        if entry is None:
            return
    elif entry.state is not NeighbourState.PERMANENT and (
        entry.state in _UNRESOLVED or entry.mac != mac
    ):
        table.set_mac(entry, mac, now)
        table.take_word(entry, False, now)
    if router is not None:
        entry.is_router = router


def advertised(
    table: NeighbourTable, message: NeighbourAdvertisement, now: int
) -> bool:
    """A neighbour advertisement (7.2.5). True: a router is one no longer."""
    entry = table.get(message.target)
    if entry is None or entry.state is NeighbourState.PERMANENT:
        return False
    mac = message.target_link
    if entry.state in _UNRESOLVED:
        if mac is None:
            return False
        table.set_mac(entry, mac, now)
        table.take_word(entry, message.solicited, now)
    elif not message.override and mac is not None and mac != entry.mac:
        if entry.state is NeighbourState.REACHABLE:
            table.take_word(entry, False, now)
        return False
    else:
        changed = mac is not None and mac != entry.mac
        if mac is not None and changed:
            table.set_mac(entry, mac, now)
        if message.solicited or changed:
            table.take_word(entry, message.solicited, now)
    was_router, entry.is_router = entry.is_router, message.router
    return was_router and not message.router
