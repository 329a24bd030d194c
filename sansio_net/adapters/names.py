"""Names and ports to addresses: numbers, the NIC's own `hosts`, servers that are named.

The host's resolver is never asked: its answers are of another network.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sansio_net.addresses import SocketAddress, pack_ip
from sansio_net.stack import Stack
from sansio_net.units import SECOND

from .sockets import Sockname

AddrInfo = tuple[int, int, int, str, Sockname]

KINDS: Final = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)

LOCALHOST: Final = ("127.0.0.1", "::1")

MAPPED: Final = "::ffff:"


@dataclass(slots=True, kw_only=True)
class DnsConfig:
    """Who is asked for names, over the NIC.

    servers: addresses, asked in their order. search, ndots: a name with fewer dots than
    that is looked for in these domains before it is tried as it is, others after
    (resolv.conf(5)). timeout: of one question to one server, lifetime: of all of a
    name's, both in ns.
    """

    servers: Sequence[str]
    search: Sequence[str] = ()
    ndots: int = 1
    timeout: int = 2 * SECOND
    lifetime: int = 5 * SECOND

    def candidates(self, name: str) -> list[str]:
        """What is asked for, one after the other, each with its dot at the end."""
        if name.endswith("."):
            return [name]
        found = [f"{name}.{domain.strip('.')}." for domain in self.search]
        found.insert(0 if name.count(".") >= self.ndots else len(found), f"{name}.")
        return found


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


def destination(address: SocketAddress) -> SocketAddress:
    """Where a socket's address leads, as Linux takes it: one that is no address is this
    host, and an IPv4 one may be written as IPv6 (RFC 4291 2.5.5.2).
    """
    host, port = str(address[0]), address[1]
    if host in ("0.0.0.0", "::", ""):
        return LOCALHOST[0] if host == "0.0.0.0" else LOCALHOST[1], port
    if host.startswith(MAPPED) and "." in host:
        return host[len(MAPPED) :], port
    return address


def known(
    host: str | bytes | None, flags: int, hosts: Mapping[str, Sequence[str]]
) -> list[str] | None:
    """The addresses that a host has; None: only a server could know."""
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
    return None


def unknown() -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def mapped(address: str) -> str:
    """IPv4 as a socket of IPv6 has it (RFC 4291 2.5.5.2)."""
    return address if ":" in address else f"::ffff:{address}"


def resolve(
    stack: Stack,
    hosts: Mapping[str, Sequence[str]],
    family: int,
    type: int,
    address: Any,
    passive: bool,
) -> Sockname:
    """What a socket's `connect` or, passive, `bind` is given, in numbers of its family.

    Raises socket.gaierror, TypeError.
    """
    if not isinstance(address, tuple) or not 2 <= len(address) <= 4:
        raise TypeError("address should be a (host, port) tuple")
    host, port = address[:2]
    kind = None
    if isinstance(host, str) and isinstance(port, int):
        if host == "<broadcast>":
            host = "255.255.255.255"
        kind = family_of(host)
    if kind is None:
        flags = socket.AI_PASSIVE if passive else 0
        try:
            found = lookup(stack, hosts, host, port, family, type, 0, flags)
        except socket.gaierror:
            if family != socket.AF_INET6:
                raise
            found = lookup(stack, hosts, host, port, socket.AF_INET, type, 0, flags)
        host, port = found[0][4][:2]
    if family == socket.AF_INET6:
        return mapped(host), port, 0, 0
    if ":" in host:
        text = "Address family for hostname not supported"
        raise socket.gaierror(socket.EAI_ADDRFAMILY, text)
    return host, port


def nameinfo(
    hosts: Mapping[str, Sequence[str]], address: Any, flags: int
) -> tuple[str, str]:
    """As `socket.getnameinfo`: by `hosts`, or the number again. Raises gaierror."""
    host, port = address[:2]
    if family_of(host) is None:
        raise unknown()
    if not flags & socket.NI_NUMERICHOST:
        named = (name for name, found in hosts.items() if host in found)
        host = next(named, host)
    return host, str(port)


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
    """As `socket.getaddrinfo`, of what is known. Raises socket.gaierror."""
    found = known(host, flags, hosts)
    if found is None:
        raise unknown()
    return infos(stack, found, port, family, type, proto, flags)


def infos(
    stack: Stack,
    found: list[str],
    port: str | bytes | int | None,
    family: int,
    type: int,
    proto: int,
    flags: int,
    canonical: str = "",
) -> list[AddrInfo]:
    """Addresses of one host as `getaddrinfo` gives them, in the order of RFC 6724.

    Raises socket.gaierror where none is of that family.
    """
    number = port_of(port)
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
                said = "" if result else canonical
                result.append(
                    (socket.AddressFamily(kind_of), kind, protocol, said, name)
                )
    if not result:
        text = "Address family for hostname not supported"
        raise socket.gaierror(socket.EAI_ADDRFAMILY, text)
    return result
