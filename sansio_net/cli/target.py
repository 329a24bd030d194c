"""A HOST as it was typed, and when there is an address to reach it from."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sansio_net.addresses import pack_ip
from sansio_net.errors import StateError
from sansio_net.stack import (
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Event,
    LinkUp,
)

from .errors import UsageError
from .session import warn

if TYPE_CHECKING:
    from sansio_net.stack import Interface

    from .session import Session

_NEWS: Final = (AddressAdded, AddressConflict, AddressRemoved, LinkUp)


@dataclass(slots=True)
class Target:
    """text: as it was typed, with its zone. packed: without it, as on the wire. nic:
    that of the zone, or None for any.
    """

    text: str
    packed: bytes
    nic: Interface | None = None


def add_family_options(parser: ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    for family in (4, 6):
        group.add_argument(
            f"-{family}",
            dest="family",
            action="store_const",
            const=family,
            help=f"HOST is an IPv{family} address",
        )


def check_target(args: Namespace) -> None:
    """Before a link is opened. Raises UsageError."""
    host, percent, zone = args.host.partition("%")
    try:
        packed = pack_ip(host)
    except ValueError:
        raise UsageError(
            f"{args.host}: not an IP address, and names are not looked up"
        ) from None
    if args.family and args.family != (4 if len(packed) == 4 else 6):
        raise UsageError(f"{args.host}: Address family for hostname not supported")
    if percent and not (zone and len(packed) == 16):
        raise UsageError(f"{args.host}: no zone belongs there")


def bare_ip(text: str) -> bytes:
    """Packed, without a zone. Raises ValueError."""
    return pack_ip(text.partition("%")[0])


def find_target(session: Session) -> Target:
    """Raises UsageError for a zone that is no interface of ours, and closes."""
    text = session.args.host
    host, _, zone = text.partition("%")
    try:
        nic = session.stack.interface(zone) if zone else None
    except StateError:
        session.loop.close()
        session.close()
        raise UsageError(f"unknown iface: {zone}") from None
    return Target(text, pack_ip(host), nic)


class Readiness:
    """Calls once: as soon as the links have a carrier and all our addresses of the
    target's family, of `size` bytes, are known to be ours alone (RFC 4862 5.4).
    """

    def __init__(
        self, session: Session, size: int, ready: Callable[[int], None]
    ) -> None:
        self._session = session
        self._size = size
        self._ready: Callable[[int], None] | None = ready
        session.loop.call_at(0, self._first_turn)

    def __call__(self, events: Sequence[Event], now: int) -> None:
        if self._ready is not None and any(isinstance(one, _NEWS) for one in events):
            self._look(now)

    def _first_turn(self, now: int) -> None:
        """After it the devices have said whether there is a carrier."""
        self._session.loop.call_at(now + 1, self._look)

    def _look(self, now: int) -> None:
        session = self._session
        if self._ready is None or session.finishing:
            return
        for nic in (link.nic for link in session.links):
            if not nic.has_carrier:
                warn(f"{nic.name}: waiting for the carrier")
                return
            if any(len(a.ip) == self._size and not a.usable for a in nic.addresses):
                return
        ready, self._ready = self._ready, None
        ready(now)
