"""The contract every protocol keeps: five methods, no I/O, no clock.

Bytes and the time go in; events and outgoing bytes come out. Time is an int of
nanoseconds on a monotonic axis that the caller owns. docs/contract.md states the
eight laws; tests/property/test_laws.py runs them against every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from .errors import StateError

In_contra = TypeVar("In_contra", contravariant=True)
Out = TypeVar("Out")
Ev = TypeVar("Ev")

ASAP: Final = 0
"""What `next_timeout()` says while events or output wait: earlier than any clock."""

PICKLE_VERSION: Final = 1
"""Pickles of machines carry it; another release refuses them (law 5)."""


def versioned_state(machine: object) -> tuple[int, dict[str, object]]:
    """`__getstate__` of a machine with slots (law 5); compiled, they are attributes."""
    cls: Any = type(machine)
    names: tuple[str, ...] = getattr(cls, "__mypyc_attrs__", None) or cls.__slots__
    return PICKLE_VERSION, {name: getattr(machine, name) for name in names}


def restore_state(machine: object, state: tuple[int, dict[str, object]]) -> None:
    """`__setstate__` of a machine. Raises StateError for another version's pickle."""
    version, slots = state
    if version != PICKLE_VERSION:
        raise StateError(f"a pickle of version {version}, not {PICKLE_VERSION}")
    for name, value in slots.items():
        setattr(machine, name, value)


class Machine(Protocol[In_contra, Out, Ev]):
    """What a protocol looks like from outside. Structural: nobody inherits from it."""

    def receive(self, items: Sequence[In_contra], now: int) -> None:
        """Take what arrived. Never raises for any content of an item (law 1)."""

    def handle_timeout(self, now: int) -> None:
        """Do what is due at `now`. Calling early is harmless."""

    def next_timeout(self) -> int | None:
        """When to call again at the latest: ASAP, a point in time, or None (law 4)."""

    def events(self) -> list[Ev]:
        """Hand over what happened, and forget it (law 2)."""

    def transmit(self, now: int, limit: int = 64) -> list[Out]:
        """Hand over at most `limit` packets; a full list means "call again" (law 2)."""


class Sink(Protocol[In_contra]):
    """Where a part puts itself when it has something to send or to tell."""

    def append(self, part: In_contra, /) -> None: ...


class Nic(Protocol):
    """What a connection or socket says about the interface it is on."""

    @property
    def name(self) -> str: ...
    @property
    def index(self) -> int: ...


class Versioned(Protocol):
    """What changes its version with everything else of it."""

    @property
    def version(self) -> int: ...


class Router(Protocol):
    """What a socket asks of the stack before it takes a datagram."""

    @property
    def routes(self) -> Versioned:
        """Their version changes where an answer given before may not hold any more."""

    def source_for(self, destination: bytes, source: bytes, nic: str | None) -> bytes:
        """The address a packet to `destination` leaves with; `source` b"" is any.

        Raises Unreachable without a route, AddressNotAvailableError where `source`
        is not an address of the way out.
        """

    def path_mtu(self, destination: bytes, nic: str | None) -> int:
        """The longest IP packet that reaches `destination`, as far as is known.

        Raises Unreachable.
        """

    def is_broadcast(self, destination: bytes, nic: str | None) -> bool:
        """Is it the limited broadcast address, or a subnet's of ours?"""

    def interface_for(self, group: bytes, nic: str | None) -> str:
        """The name of the interface on which a group is joined; `nic` if given.

        Raises Unreachable.
        """

    def listen(
        self,
        owner: int,
        group: bytes,
        nic: str,
        exclude: bool,
        sources: Sequence[bytes],
    ) -> None:
        """What socket `owner` wants of a group; nothing of it: it left.

        Raises LimitError.
        """


def earliest(*deadlines: int | None) -> int | None:
    """The earliest of several `next_timeout()` answers; None counts as never."""
    due = None
    for deadline in deadlines:
        if deadline is not None and (due is None or deadline < due):
            due = deadline
    return due
