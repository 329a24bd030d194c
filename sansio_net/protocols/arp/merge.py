"""What an ARP packet says of its sender, merged into the neighbour table.

RFC 826 "Packet Reception"; Linux for whom to believe.
"""

from __future__ import annotations

from sansio_net.counters import Counters
from sansio_net.protocols.neighbours import NeighbourState, NeighbourTable


def learn(
    table: NeighbourTable,
    ip: bytes,
    mac: bytes,
    answer: bool,
    gratuitous: bool,
    lock_delay: int,
    counters: Counters,
    now: int,
) -> bool:
    """Merge a sender's addresses into its entry; False: there is none.

    answer: a reply to us; gratuitous: an announcement.
    """
    entry = table.get(ip)
    if entry is None:
        return False
    state = entry.state
    if state is NeighbourState.PERMANENT:
        return True
    if state in (NeighbourState.INCOMPLETE, NeighbourState.FAILED):
        table.set_mac(entry, mac, now)
        table.take_word(entry, answer, now)
    elif mac != entry.mac:
        # of several answers the first counts: a proxy is slower than the owner
        if not gratuitous and now < entry.updated_at + lock_delay:
            counters.count("arp.second_answer_ignored")
            return True
        asked = answer and state is NeighbourState.PROBE
        table.set_mac(entry, mac, now)
        table.take_word(entry, asked, now)
    elif answer:
        entry.updated_at = now
        table.take_word(entry, True, now)
    return True
