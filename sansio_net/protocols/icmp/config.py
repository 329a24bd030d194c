"""What ICMP can be told, and what it makes of messages. RFC 792, RFC 1122 3.2.2."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Final

from sansio_net.errors import ConnectionFailed, ConnectionRefused, Unreachable
from sansio_net.units import MIB, SECOND
from sansio_net.wire import icmpv6
from sansio_net.wire.icmp import (
    PARAMETER_PROBLEM,
    PORT_UNREACHABLE,
    UNREACHABLE,
    Quoted,
)


@dataclass(slots=True, kw_only=True)
class IcmpOptions:
    """Linux's defaults, by Linux's names (`icmp_*` of `ip-sysctl`).

    limited: False lifts every rate limit. ratemask: one bit for each type that is
    limited. ratelimit: ns between two messages to one destination, and burst: how many
    it may save up; msgs_per_sec, msgs_burst: for all together. 0 lifts either limit.
    destinations: how many are remembered.

    unreachable: False sends no destination unreachable (RFC 4443 3.1), but for those of
    path MTU discovery.

    queue_packets, queue_bytes: what waits to be sent. ttl: of what is sent.
    """

    limited: bool = True
    ratemask: int = 1 << 3 | 1 << 4 | 1 << 11 | 1 << 12
    ratelimit: int = 1 * SECOND
    burst: int = 6
    msgs_per_sec: int = 1000
    msgs_burst: int = 50
    destinations: int = 1024
    echo_ignore_all: bool = False
    echo_ignore_broadcasts: bool = True
    unreachable: bool = True
    queue_packets: int = 256
    queue_bytes: int = 1 * MIB
    ttl: int = 64


@dataclass(slots=True)
class IcmpError:
    """An error from `source` about a packet. mtu: what would have fitted, or 0."""

    type: int
    code: int
    quoted: Quoted
    mtu: int
    source: bytes


@dataclass(slots=True)
class IcmpRedirect:
    """`source` says that the quoted packet's way leads through `gateway`."""

    code: int
    quoted: Quoted
    gateway: bytes
    source: bytes


@dataclass(slots=True)
class EchoReply:
    """An answer to an echo request."""

    identifier: int
    sequence: int
    data: bytes
    source: bytes
    ttl: int


_ENONET: Final = getattr(errno, "ENONET", errno.EHOSTUNREACH)

_UNREACHABLE: Final = (
    (errno.ENETUNREACH, False, "Network is unreachable"),
    (errno.EHOSTUNREACH, False, "No route to host"),
    (errno.ENOPROTOOPT, True, "Protocol not available"),
    (errno.ECONNREFUSED, True, "Connection refused"),
    (errno.EMSGSIZE, False, "Message too long"),
    (errno.EOPNOTSUPP, False, "Operation not supported"),
    (errno.ENETUNREACH, True, "Network is unreachable"),
    (errno.EHOSTDOWN, True, "Host is down"),
    (_ENONET, True, "Machine is not on the network"),
    (errno.ENETUNREACH, True, "Network is unreachable"),
    (errno.EHOSTUNREACH, True, "No route to host"),
    (errno.ENETUNREACH, False, "Network is unreachable"),
    (errno.EHOSTUNREACH, False, "No route to host"),
    (errno.EHOSTUNREACH, True, "No route to host"),
    (errno.EHOSTUNREACH, True, "No route to host"),
    (errno.EHOSTUNREACH, True, "No route to host"),
)
"""Linux's icmp_err_convert, by code: errno, whether it is hard, and its text."""


def error_for(kind: int, code: int) -> tuple[ConnectionFailed, bool]:
    """The exception that an ICMP error means, and whether it is hard.

    A soft one may be a routing transient: a hint, no proof (RFC 1122 3.2.2.1).
    """
    if kind == UNREACHABLE:
        if code == PORT_UNREACHABLE:
            return ConnectionRefused(), True
        number, is_hard, text = _UNREACHABLE[code if code < len(_UNREACHABLE) else 1]
        return Unreachable(text, number), is_hard
    if kind == PARAMETER_PROBLEM:
        return Unreachable("Protocol error", errno.EPROTO), True
    return Unreachable("No route to host"), False


_UNREACHABLE6: Final = (
    (errno.ENETUNREACH, False, "Network is unreachable"),
    (errno.EACCES, True, "Permission denied"),
    (errno.EHOSTUNREACH, False, "No route to host"),
    (errno.EHOSTUNREACH, False, "No route to host"),
    (errno.ECONNREFUSED, True, "Connection refused"),
    (errno.EACCES, True, "Permission denied"),
    (errno.EACCES, True, "Permission denied"),
)
"""Linux's icmpv6_err_convert, by code."""


def error_for6(kind: int, code: int) -> tuple[ConnectionFailed, bool]:
    """The exception that an ICMPv6 error means, and whether it is hard."""
    if kind == icmpv6.UNREACHABLE:
        if code == icmpv6.PORT_UNREACHABLE:
            return ConnectionRefused(), True
        number, is_hard, text = _UNREACHABLE6[code if code < len(_UNREACHABLE6) else 0]
        return Unreachable(text, number), is_hard
    if kind == icmpv6.PARAMETER_PROBLEM:
        return Unreachable("Protocol error", errno.EPROTO), True
    if kind == icmpv6.PACKET_TOO_BIG:
        return Unreachable("Message too long", errno.EMSGSIZE), False
    if kind != icmpv6.TIME_EXCEEDED:
        return Unreachable("Protocol error", errno.EPROTO), False
    return Unreachable("No route to host"), False
