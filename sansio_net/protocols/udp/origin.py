"""Where a datagram leaves from. RFC 1122 4.1.3.5, 4.1.4."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from sansio_net.addresses import (
    BROADCAST4,
    Endpoints,
    IpAddress,
    SocketAddress,
    is_multicast,
    is_unspecified,
)
from sansio_net.errors import AddressNotAvailableError


class Bound(Protocol):
    """A socket as it is bound: port 0 is every port, `laddr` b"" every address."""

    laddr: bytes
    lport: int
    nic: str | None


def origin(
    bound: Bound, endpoints: Endpoints, source: SocketAddress | IpAddress | None
) -> tuple[bytes, int]:
    """The address and port asked for; b"" where none is, or it is no address of a host.

    Raises ValueError, AddressNotAvailableError.
    """
    packed, port = b"", 0
    if source is None and bound.lport and not bound.laddr:
        return packed, bound.lport
    if isinstance(source, str | bytes | IPv4Address | IPv6Address):
        packed = endpoints.pack_ip(source, bound.nic)
    elif source is not None:
        packed, port = endpoints.pack(source, bound.nic)
    packed, port = packed or bound.laddr, port or bound.lport
    if not port:
        raise ValueError("a socket of every port is told from which one to send")
    if bound.lport not in (0, port):
        raise AddressNotAvailableError()
    # an answer to a broadcast leaves from an address, not from the broadcast's
    if is_unspecified(packed) or packed == BROADCAST4 or is_multicast(packed):
        packed = b""
    return packed, port
