"""Standard input and output beside a loop: never blocking, never reading ahead."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Final

from .session import Watching

READ_SIZE: Final = 65536
PIPE_SIZE: Final = 4096
"""A pipe that poll calls writable takes this much at once (POSIX PIPE_BUF)."""


class Input:
    """Gives what it reads to `on_data`, b"" at the end, while it is not paused."""

    def __init__(
        self,
        loop: Watching,
        fd: int,
        on_data: Callable[[bytes, int], None],
        size: int = READ_SIZE,
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._on_data = on_data
        self._size = size
        self.ended = False
        self._is_watched = False

    def resume(self) -> None:
        if not self.ended and not self._is_watched:
            self._is_watched = True
            self._loop.watch(self._fd, self._readable)

    def pause(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._loop.unwatch(self._fd)

    def _readable(self, now: int) -> None:
        try:
            data = os.read(self._fd, self._size)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # a terminal that hung up
        if not data:
            self.ended = True
            self.pause()
        self._on_data(data, now)


class Output:
    """Takes bytes from `source` as fast as the descriptor does.

    `source(limit)` gives at most that many, b"" for none now. `on_broken` hears that
    nobody reads any more.
    """

    def __init__(
        self,
        loop: Watching,
        fd: int,
        source: Callable[[int], bytes],
        on_progress: Callable[[int], None],
        on_broken: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._fd = fd
        self._source = source
        self._on_progress = on_progress
        self._on_broken = on_broken
        self._is_watched = False
        self._is_broken = False
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        self._size = READ_SIZE if regular else PIPE_SIZE
        self._held = b""

    @property
    def is_idle(self) -> bool:
        """Everything that the source had is written."""
        return not self._is_watched

    def wake(self) -> None:
        """The source has something."""
        if not self._is_watched and not self._is_broken:
            self._is_watched = True
            self._loop.watch(self._fd, self._writable, write=True)

    def _writable(self, now: int) -> None:
        data = self._held or self._source(self._size)
        if not data:
            self._stop()
            self._on_progress(now)
            return
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            self._is_broken = True
            self._held = b""
            self._stop()
            self._on_broken()
            return
        self._held = data[written:]
        self._on_progress(now)

    def _stop(self) -> None:
        self._is_watched = False
        self._loop.unwatch(self._fd)
