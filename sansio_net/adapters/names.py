"""Names and ports to addresses: numbers, the NIC's own `hosts`, and nothing else.

The host's resolver is never asked: its answers are of another network.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Final

from sansio_net.addresses import pack_ip
from sansio_net.stack import Stack

from .sockets import Sockname

AddrInfo = tuple[int, int, int, str, Sockname]

KINDS: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)

LOCALHOST: Final = ("127.0.0.1", "::1")


def port_of(port: str | bytes | int | None) -> int:
    """A number, or the name of a service. Raises socket.gaierror."""
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode()
    if isinstance(port, str) and not port.isdecimal():
        try:
            return socket.getservbyname(port)
        except OSError:
            text = "Servname not supported for ai_socktype"
            raise socket.gaierror(socket.EAI_SERVICE, text) from None
    return int(port)


def family_of(address: str) -> int | None:
    """Of a numeric address, with or without a zone; None: it is a name."""
    try:
        packed = pack_ip(address.partition("%")[0])
    except ValueError:
        return None
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def addresses_of(
    host: str | bytes | None, flags: int, hosts: Mapping[str, Sequence[str]]
) -> list[str]:
    """The addresses that a host has. Raises socket.gaierror."""
    if isinstance(host, bytes):
        host = host.decode()
    if not host:
        passive = flags & socket.AI_PASSIVE
        return ["0.0.0.0", "::"] if passive else list(LOCALHOST)
    if family_of(host) is not None:
        return [host]
    name = host.rstrip(".").lower()
    if not flags & socket.AI_NUMERICHOST:
        if name in hosts:
            return list(hosts[name])
        if name == "localhost" or name.endswith(".localhost"):
            return list(LOCALHOST)  # RFC 6761 6.3: no server is asked
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def lookup(
    stack: Stack,
    hosts: Mapping[str, Sequence[str]],
    host: str | bytes | None,
    port: str | bytes | int | None,
    family: int,
    type: int,
    proto: int,
    flags: int,
) -> list[AddrInfo]:
    """As `socket.getaddrinfo`, in the order of RFC 6724. Raises socket.gaierror."""
    number = port_of(port)
    found = addresses_of(host, flags, hosts)
    if len(found) > 1 and not flags & socket.AI_PASSIVE:
        found = stack.sort_destinations(found)
    result: list[AddrInfo] = []
    for address in found:
        kind_of = family_of(address)
        if kind_of is None or family not in (0, kind_of):
            continue
        six = kind_of == socket.AF_INET6
        name: Sockname = (address, number, 0, 0) if six else (address, number)
        for kind, protocol in KINDS:
            if type in (0, kind) and proto in (0, protocol):
                result.append((socket.AddressFamily(kind_of), kind, protocol, "", name))
    if not result:
        text = "Address family for hostname not supported"
        raise socket.gaierror(socket.EAI_ADDRFAMILY, text)
    return result
