"""Every exception the package raises.

Three kinds: a public codec was given bytes that are not what they claim
(`WireError`), a verb was called that the state forbids (`StateError`), a
conversation failed (`ConnectionFailed`). The last are also the builtins that
applications catch, with errno and strerror. Bad packets never raise: they are
dropped and counted (`counters.DropReason`).
"""

from __future__ import annotations

import errno
from typing import Final


class SansioNetError(Exception):
    """The base of every exception of this package."""


class WireError(SansioNetError, ValueError):
    """Bytes given to a public codec are not a valid unit of its protocol."""


class TruncatedError(WireError):
    """The bytes end before the header says they do."""


class MalformedError(WireError):
    """A field has a value that its RFC forbids."""


class ChecksumError(WireError):
    """A checksum does not match."""


class StateError(SansioNetError, RuntimeError):
    """The verb is not allowed in this state."""


class LimitError(SansioNetError):
    """A configured bound is full; try again after the event that says so."""


_STRERROR: Final = {
    errno.EADDRINUSE: "Address already in use",
    errno.EADDRNOTAVAIL: "Cannot assign requested address",
    errno.ENOTCONN: "Transport endpoint is not connected",
    errno.EMSGSIZE: "Message too long",
    errno.ECONNRESET: "Connection reset by peer",
    errno.ECONNREFUSED: "Connection refused",
    errno.ECONNABORTED: "Software caused connection abort",
    errno.ETIMEDOUT: "Connection timed out",
    errno.EHOSTUNREACH: "No route to host",
    errno.ENETUNREACH: "Network is unreachable",
    errno.EHOSTDOWN: "Host is down",
    errno.ENOPROTOOPT: "Protocol not available",
    errno.EPROTO: "Protocol error",
    errno.EACCES: "Permission denied",
}
"""The C library's texts, here so that they are the same everywhere."""


class _OsError(OSError, SansioNetError):
    """An OSError with its errno built in: `ConnectionReset()`, or with a text.

    OSError comes first: otherwise errno would be None.
    """

    code = 0

    def __init__(self, strerror: str | None = None) -> None:
        text = strerror or _STRERROR.get(self.code) or errno.errorcode[self.code]
        super().__init__(self.code, text)

    def __reduce__(self) -> tuple[type[_OsError], tuple[str | None]]:
        return type(self), (self.strerror,)


class AddressInUseError(_OsError, StateError):
    """The address and port are taken by another socket."""

    code = errno.EADDRINUSE


class AddressNotAvailableError(_OsError, StateError):
    """The local address asked for is not one of this stack's."""

    code = errno.EADDRNOTAVAIL


class NotConnectedError(_OsError, StateError):
    """The socket has no peer."""

    code = errno.ENOTCONN


class MessageTooLongError(_OsError, StateError):
    """The datagram does not fit its protocol or, unfragmented, the path."""

    code = errno.EMSGSIZE


class BroadcastError(_OsError, PermissionError, StateError):
    """A datagram to a broadcast address needs a socket with `broadcast=True`."""

    code = errno.EACCES


class ConnectionFailed(SansioNetError):
    """A conversation ended, or never began, for a reason outside this end."""


class ConnectionReset(_OsError, ConnectionResetError, ConnectionFailed):
    """The peer sent RST (RFC 9293 3.10.7.4)."""

    code = errno.ECONNRESET


class ConnectionRefused(_OsError, ConnectionRefusedError, ConnectionFailed):
    """The peer answered SYN with RST, or a datagram with port unreachable."""

    code = errno.ECONNREFUSED


class ConnectionAborted(_OsError, ConnectionAbortedError, ConnectionFailed):
    """The stack gave the connection up: it was closed, or its address went away."""

    code = errno.ECONNABORTED


class TimedOut(_OsError, TimeoutError, ConnectionFailed):
    """R2 or the user timeout passed without an answer (RFC 9293 3.8.3)."""

    code = errno.ETIMEDOUT


class Unreachable(_OsError, ConnectionFailed):
    """No way to the destination: no route, no neighbour, or an ICMP error.

    `errno` is EHOSTUNREACH unless another is given: ENETUNREACH, ENOPROTOOPT, ...
    """

    code = errno.EHOSTUNREACH

    def __init__(self, strerror: str | None = None, code: int = 0) -> None:
        self.code = code or type(self).code
        super().__init__(strerror)

    def __reduce__(self) -> tuple[type[_OsError], tuple[str | None, int]]:  # type: ignore[override]
        return type(self), (self.strerror, self.code)


class DeviceError(SansioNetError):
    """A driver's device cannot be used."""


class DeviceGone(DeviceError):
    """The interface under a device was removed."""


class MissingExtraError(DeviceError, ImportError):
    """An optional dependency is not installed; the text names the command."""
