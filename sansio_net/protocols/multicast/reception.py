"""Which sources of a group are wanted: filters of sockets, merged for an interface.

RFC 3376 3 and 5.1; RFC 3810 4 and 6.1 say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sansio_net.wire.groups import (
    ALLOW_NEW_SOURCES,
    BLOCK_OLD_SOURCES,
    CHANGE_TO_EXCLUDE,
    CHANGE_TO_INCLUDE,
    MODE_IS_EXCLUDE,
    MODE_IS_INCLUDE,
    GroupRecord,
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Include or exclude these sources; sorted, so that equal filters are equal."""

    exclude: bool
    sources: tuple[bytes, ...] = ()

    def admits(self, source: bytes) -> bool:
        return (source in self.sources) is not self.exclude


NOTHING = Filter(False)
ANYTHING = Filter(True)


def include(sources: Iterable[bytes]) -> Filter:
    return Filter(False, tuple(sorted(set(sources))))


def exclude(sources: Iterable[bytes]) -> Filter:
    return Filter(True, tuple(sorted(set(sources))))


def merge(filters: Iterable[Filter]) -> Filter:
    """What an interface receives so that each filter gets its own (RFC 3376 3.2)."""
    wanted: set[bytes] = set()
    unwanted: set[bytes] | None = None
    for one in filters:
        if one.exclude:
            sources = set(one.sources)
            unwanted = sources if unwanted is None else unwanted & sources
        else:
            wanted.update(one.sources)
    if unwanted is None:
        return include(wanted)
    return exclude(unwanted - wanted)


class Reception:
    """One group on one interface: what is wanted, and what is still to be told.

    `tell_mode`: reports that still carry the filter mode; `tell_sources`: by source,
    reports that still carry it. `queried`: sources that a pending response is about,
    None: about the group.
    """

    __slots__ = (
        "filter",
        "filters",
        "group",
        "queried",
        "respond_at",
        "tell_at",
        "tell_mode",
        "tell_sources",
    )

    def __init__(self, group: bytes) -> None:
        self.group = group
        self.filters: dict[int, Filter] = {}  # by owner
        self.filter = NOTHING
        self.tell_mode = 0
        self.tell_sources: dict[bytes, int] = {}
        self.tell_at: int | None = None
        self.respond_at: int | None = None
        self.queried: set[bytes] | None = None

    @property
    def is_over(self) -> bool:
        """Nobody wants it, and everybody was told."""
        return not self.filters and not self.tell_mode and not self.tell_sources

    def change(self, robustness: int) -> bool:
        """The owners' filters changed; is there something to tell?"""
        old, new = self.filter, merge(self.filters.values())
        if old == new:
            return False
        self.filter = new
        if old.exclude != new.exclude:
            self.tell_mode = robustness
        for source in set(old.sources) ^ set(new.sources):
            self.tell_sources[source] = robustness
        return True

    def changes(self) -> list[GroupRecord]:
        """The next state-change report's records (RFC 3376 5.1)."""
        now = self.filter
        if self.tell_mode:
            self.tell_mode -= 1
            self._count_down()
            kind = CHANGE_TO_EXCLUDE if now.exclude else CHANGE_TO_INCLUDE
            return [GroupRecord(kind, self.group, now.sources)]
        told = sorted(self.tell_sources)
        allow = tuple(source for source in told if now.admits(source))
        block = tuple(source for source in told if not now.admits(source))
        self._count_down()
        pairs = ((ALLOW_NEW_SOURCES, allow), (BLOCK_OLD_SOURCES, block))
        return [GroupRecord(kind, self.group, some) for kind, some in pairs if some]

    def _count_down(self) -> None:
        left = {source: n - 1 for source, n in self.tell_sources.items()}
        self.tell_sources = {source: n for source, n in left.items() if n}

    def current(self) -> GroupRecord:
        kind = MODE_IS_EXCLUDE if self.filter.exclude else MODE_IS_INCLUDE
        return GroupRecord(kind, self.group, self.filter.sources)

    def response(self) -> GroupRecord | None:
        """To the pending query (RFC 3376 5.2); None: nothing of it is wanted."""
        queried, self.queried, self.respond_at = self.queried, None, None
        if not self.filters:
            return None
        if not queried:
            return self.current()
        sources = tuple(sorted(s for s in queried if self.filter.admits(s)))
        return GroupRecord(MODE_IS_INCLUDE, self.group, sources) if sources else None

    def stop(self) -> None:
        """Nothing is to be told any more."""
        self.tell_mode = 0
        self.tell_sources = {}
        self.tell_at = self.respond_at = None
        self.queried = None
