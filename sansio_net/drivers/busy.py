"""Spinning before sleeping: half the latency, for a core that does nothing else."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Mapping
from typing import Any

from sansio_net.units import SECOND

Found = list[tuple[selectors.SelectorKey, int]]


class BusyPollSelector(selectors.BaseSelector):
    """`selector`, but after something came it is asked again and again for `busy_poll`
    nanoseconds before it may sleep; what comes meanwhile waits for no wake-up.

    A request that follows its answer within that time is served at once; nothing else
    gains, and a core is busy for that long after all that comes. For `Loop` there is
    its `busy_poll`; an asyncio loop takes one where it takes a selector:

        asyncio.SelectorEventLoop(BusyPollSelector(DefaultSelector(), 50_000))

    Raises ValueError for less than nothing.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        busy_poll: int,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if busy_poll < 0:
            raise ValueError(f"busy_poll is a time in ns, not {busy_poll}")
        self._selector = selector
        self._busy_poll = busy_poll
        self._clock = clock
        self._came = False  # something, since it slept or spun in vain

    def select(self, timeout: float | None = None) -> Found:
        """As selectors have it; `timeout` in seconds, and never longer than that."""
        if self._came and (timeout is None or timeout > 0):
            self._came = False
            start = now = self._clock()
            spin = self._busy_poll
            if timeout is not None:
                spin = min(spin, int(timeout * SECOND))
            while now - start < spin:
                found = self._selector.select(0)
                if found:
                    self._came = True
                    return found
                now = self._clock()
            if timeout is not None:
                timeout = max(0.0, timeout - (now - start) / SECOND)
        found = self._selector.select(timeout)
        if found:
            self._came = True
        return found

    # -- all else is the selector's

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._selector.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(fileobj)

    def modify(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        return self._selector.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()

    def close(self) -> None:
        self._selector.close()
