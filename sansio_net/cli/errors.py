"""What a command ends with."""

from __future__ import annotations

from typing import Final

from sansio_net.errors import SansioNetError

OK: Final = 0
FAILED: Final = 1
"""A negative result: refused, no answer, no such interface."""
USAGE: Final = 2
INTERRUPTED: Final = 130
"""A client was stopped by Ctrl-C; a server that is told to stop ends with 0."""
TERMINATED: Final = 143

MISSING_HTTP: Final = '{} needs aiohttp: pip install "sansio_net[http]"'
"""With what needs it."""


class UsageError(SansioNetError):
    """The command line makes no sense: one line, status 2."""


class ControlError(SansioNetError):
    """A control socket that cannot be made, or nobody who answers on one."""
