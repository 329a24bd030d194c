"""The groups a socket has joined, and from whom it wants to hear there.

RFC 3376 2 and 3.1 (IPMulticastListen), RFC 3678 4 for the verbs.
"""

from __future__ import annotations

from sansio_net.addresses import IpAddress, is_multicast, is_unicast, pack_ip
from sansio_net.errors import AddressInUseError, AddressNotAvailableError, StateError
from sansio_net.machine import Router


class Wanted:
    """exclude: all but `sources`; else those alone."""

    __slots__ = ("exclude", "sources")

    def __init__(self, exclude: bool) -> None:
        self.exclude = exclude
        self.sources: dict[bytes, None] = {}

    def admits(self, source: bytes) -> bool:
        return (source in self.sources) is not self.exclude


class Groups:
    """Of one socket; each change is told to the interface through its router."""

    __slots__ = ("_bound", "_id", "_router", "_wanted")

    def __init__(self, id: int, router: Router, bound: str | None) -> None:
        self._id = id
        self._router = router
        self._bound = bound
        self._wanted: dict[tuple[bytes, str], Wanted] = {}

    def admits(self, group: bytes, source: bytes, nic: str) -> bool:
        wanted = self._wanted.get((group, nic))
        return wanted is not None and wanted.admits(source)

    def _key(self, group: IpAddress, nic: str | None) -> tuple[bytes, str]:
        if isinstance(group, str):  # with its zone
            group, _, zone = group.partition("%")
            nic = nic or zone or None
        packed = pack_ip(group)
        if not is_multicast(packed):
            raise StateError(f"not a group: {group!r}")
        return packed, self._router.interface_for(packed, nic or self._bound)

    def join(
        self,
        group: IpAddress,
        *,
        nic: str | None = None,
        source: IpAddress | None = None,
    ) -> None:
        """Receive what is sent to a group, from `source` alone where one is given.

        nic: the interface's name; None: the one that the route to the group names.
        Several sources add up. Raises StateError, Unreachable, LimitError, ValueError.
        """
        self._join(self._key(group, nic), _packed(source))

    def _join(self, key: tuple[bytes, str], source: bytes) -> None:
        group = key[0]
        wanted = self._wanted.get(key)
        if wanted is None:
            wanted = Wanted(not source)
        elif not source or wanted.exclude:
            # RFC 3678 4.1.3: what is joined for any source is joined once
            raise AddressInUseError("the group is joined already")
        if source:
            _check_source(group, source)
            if source in wanted.sources:
                raise AddressInUseError("the source is wanted already")
            wanted.sources[source] = None
        try:
            self._tell(key, wanted)
        except Exception:
            wanted.sources.pop(source, None)
            raise
        self._wanted[key] = wanted

    def leave(
        self,
        group: IpAddress,
        *,
        nic: str | None = None,
        source: IpAddress | None = None,
    ) -> None:
        """The opposite of the same `join`. Raises StateError where there was none."""
        key = self._key(group, nic)
        self._leave(key, self._joined(key), _packed(source))

    def _leave(self, key: tuple[bytes, str], wanted: Wanted, source: bytes) -> None:
        if not source:
            self._forget(key)
            return
        if wanted.exclude or source not in wanted.sources:
            raise AddressNotAvailableError("the source was not joined")
        del wanted.sources[source]
        if wanted.sources:
            self._tell(key, wanted)
        else:
            self._forget(key)

    def block(
        self, group: IpAddress, source: IpAddress, *, nic: str | None = None
    ) -> None:
        """Of a group joined for any source, not this one. Raises as `join`."""
        key, source = self._key(group, nic), pack_ip(source)
        wanted = self._joined(key)
        _check_source(key[0], source)
        if not wanted.exclude or source in wanted.sources:
            raise StateError("only the group as a whole can lack a source, and once")
        wanted.sources[source] = None
        try:
            self._tell(key, wanted)
        except Exception:
            del wanted.sources[source]
            raise

    def unblock(
        self, group: IpAddress, source: IpAddress, *, nic: str | None = None
    ) -> None:
        """The opposite of `block`."""
        key, source = self._key(group, nic), pack_ip(source)
        wanted = self._joined(key)
        if not wanted.exclude or source not in wanted.sources:
            raise AddressNotAvailableError("the source is not blocked")
        del wanted.sources[source]
        self._tell(key, wanted)

    def leave_all(self) -> None:
        for key in list(self._wanted):
            self._forget(key)

    def _joined(self, key: tuple[bytes, str]) -> Wanted:
        wanted = self._wanted.get(key)
        if wanted is None:
            raise AddressNotAvailableError("the group was not joined")
        return wanted

    def _forget(self, key: tuple[bytes, str]) -> None:
        del self._wanted[key]
        self._router.listen(self._id, *key, False, ())

    def _tell(self, key: tuple[bytes, str], wanted: Wanted) -> None:
        self._router.listen(self._id, *key, wanted.exclude, tuple(wanted.sources))


def _check_source(group: bytes, source: bytes) -> None:
    if len(source) != len(group) or not is_unicast(source):
        raise ValueError("not a source for this group")


def _packed(source: IpAddress | None) -> bytes:
    return pack_ip(source) if source is not None else b""
