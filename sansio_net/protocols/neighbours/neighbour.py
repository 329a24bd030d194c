"""One neighbour: an address, the MAC behind it, and how sure that is.

RFC 4861 7.3.2 for the states (with Linux's FAILED and PERMANENT).
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final

from sansio_net.packet import Packet


class NeighbourState(StrEnum):
    INCOMPLETE = "incomplete"
    """Asked, not answered; packets wait."""
    REACHABLE = "reachable"
    """Confirmed a short time ago."""
    STALE = "stale"
    """Was true once; usable, but the next use starts to check it."""
    DELAY = "delay"
    """Used while stale: the transport has a moment to confirm it."""
    PROBE = "probe"
    """Being asked at its known address, and used meanwhile."""
    FAILED = "failed"
    """Did not answer."""
    PERMANENT = "permanent"
    """Set by hand; never asked, never forgotten."""


_UNCONFIRMED: Final = (NeighbourState.DELAY, NeighbourState.PROBE)


class Neighbour:
    """One entry. `header` is the Ethernet header to send with, as long as a packet may
    leave without telling the cache; None: ask the cache's `use`.
    """

    __slots__ = (
        "advised",
        "asking",
        "evicted",
        "failed_at",
        "header",
        "ip",
        "is_router",
        "link_header",
        "listed",
        "mac",
        "n_solicits",
        "packets",
        "queued_bytes",
        "reachable_until",
        "solicited_at",
        "state",
        "timer_at",
        "timer_serial",
        "updated_at",
    )

    def __init__(self, ip: bytes) -> None:
        self.ip = ip
        self.mac: bytes | None = None
        self.is_router = False  # it said so (RFC 4861)
        self.state = NeighbourState.INCOMPLETE
        self.header: bytes | None = None
        self.link_header = b""  # what `header` is while the state allows it
        self.evicted = True  # until the table takes it
        self.advised = False  # a transport doubts it: probe at the next use
        self.asking = False  # a request is to be sent
        self.listed = False  # lies in the cache's queue of what wants to send
        self.packets: deque[Packet] | None = None
        self.queued_bytes = 0
        self.n_solicits = 0
        self.solicited_at: int | None = None
        self.updated_at = 0
        self.reachable_until = 0
        self.failed_at = 0
        self.timer_at: int | None = None
        self.timer_serial = 0

    @property
    def suspect(self) -> bool:
        """In use, but unconfirmed: a transport that makes progress should say so."""
        return self.state in _UNCONFIRMED

    def __repr__(self) -> str:
        return f"<Neighbour {self.ip.hex()} {self.state}>"
