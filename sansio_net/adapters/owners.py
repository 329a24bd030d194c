"""Who hears which event of a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from sansio_net.errors import SansioNetError
from sansio_net.stack import (
    Accepted,
    AddressAdded,
    AddressConflict,
    AddressRemoved,
    Closed,
    Connected,
    Connection,
    ConnectionLost,
    DataReceived,
    EofReceived,
    Event,
    Listener,
    SocketSpaceFreed,
    SpaceFreed,
    StackClosed,
    UdpError,
    UdpReceived,
    UdpSocket,
)

Source = Connection | Listener | UdpSocket

OF_CONNECTIONS: Final = (
    *(DataReceived, SpaceFreed, EofReceived),
    *(Connected, Closed, ConnectionLost),
)
OF_ADDRESSES: Final = (AddressAdded, AddressRemoved, AddressConflict)
OF_SOCKETS: Final = (UdpReceived, UdpError, SocketSpaceFreed)


class Owner(Protocol):
    """Who hears of a connection, a listener or a socket."""

    def handle(self, event: Event) -> None:
        """An event of what it owns, within a turn: verbs may be called."""

    def close(self) -> None:
        """The NIC closes, in good order: what is queued still goes."""

    def lose(self, error: SansioNetError) -> None:
        """At once: whoever waits hears of the error."""


class Owners:
    """The owners of a stack's sources; `told` hears of what concerns no single one:
    an owner that went, an address, the end of the stack.
    """

    def __init__(self, told: Callable[[], None]) -> None:
        self.stack_closed = False
        self._told = told
        self._of: dict[Source, Owner] = {}

    def __len__(self) -> int:
        return len(self._of)

    def own(self, source: Source, owner: Owner) -> None:
        """Events of `source` go to `owner` from now on."""
        self._of[source] = owner

    def forget(self, source: Source) -> None:
        self._of.pop(source, None)
        self._told()

    def close(self) -> None:
        """Close all of them."""
        for owner in list(self._of.values()):
            owner.close()

    def lose(self, error: SansioNetError) -> None:
        """All of them at once."""
        for owner in list(self._of.values()):
            owner.lose(error)
        self._told()

    def app(self, events: list[Event], now: int) -> None:
        """What a turn takes as its app."""
        owners = self._of
        for event in events:
            owner: Owner | None = None
            if isinstance(event, OF_CONNECTIONS):
                owner = owners.get(event.conn)
            elif isinstance(event, OF_SOCKETS):
                owner = owners.get(event.sock)
            elif isinstance(event, Accepted):
                owner = owners.get(event.listener)
                if owner is None:
                    event.conn.abort()
            elif isinstance(event, OF_ADDRESSES):
                self._told()
            elif isinstance(event, StackClosed):
                self.stack_closed = True
                self._told()
            if owner is not None:
                owner.handle(event)
