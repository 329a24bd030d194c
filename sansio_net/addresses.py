"""Addresses: packed bytes inside, text and `ipaddress` objects at the public edge.

An IP address is 4 or 16 bytes as on the wire, a MAC 6. Nothing here asks which family
it is but for the length. A link-local IPv6 address means something on one link alone:
above IP it has the index of its interface appended, its zone (RFC 4007 6), 4 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final, Protocol, TypeAlias

IpAddress: TypeAlias = str | bytes | IPv4Address | IPv6Address
"""What a verb takes as an address."""

SocketAddress: TypeAlias = Sequence[str | int]
"""``(host, port)``, or asyncio's ``(host, port, flowinfo, scope_id)`` for IPv6."""

ZONED_SIZE: Final = 20
"""Of a packed IPv6 address with its zone."""

BROADCAST4: Final = b"\xff" * 4
MAPPED4: Final = bytes(10) + b"\xff\xff"
BROADCAST_MAC: Final = b"\xff" * 6
ZERO_MAC: Final = b"\x00" * 6


class Zones(Protocol):
    """The interfaces whose links are zones (RFC 4007 5)."""

    def index(self, name: str) -> int:
        """Raises ValueError for an interface that is not there."""

    def name(self, index: int) -> str: ...

    def default(self, ip: bytes, nic: str | None) -> int:
        """Where an address without a zone belongs; 0: that cannot be told."""


def pack_ip(address: IpAddress, zones: Zones | None = None) -> bytes:
    """``"10.0.0.1"``, packed bytes or an `ipaddress` object -> packed bytes.

    Link-local IPv6 addresses may name their zone (RFC 4007 11), by its interface's
    index, or by its name where `zones` knows it: ``"fe80::1%eth0"``. Raises ValueError
    with the text that is no address.
    """
    if isinstance(address, bytes):
        if len(address) not in (4, 16) and not (
            len(address) == ZONED_SIZE and is_zoned(address)
        ):
            raise ValueError(f"{len(address)} bytes are no IP address")
        return address
    if isinstance(address, str):
        return _pack_text(address, zones)
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return _pack_text(str(address), zones)
    return address.packed


def _pack_text(text: str, zones: Zones | None) -> bytes:
    """A tenth of what `ipaddress` takes for a dotted quad in its one spelling."""
    if "%" in text:
        return _pack_zoned(text, zones)
    parts = text.split(".")
    if len(parts) == 4:
        try:
            packed = bytes(map(int, parts))
        except ValueError:
            return ip_address(text).packed  # raises, with its own words
        if format_ip(packed) == text:
            return packed
    return ip_address(text).packed


def _pack_zoned(text: str, zones: Zones | None) -> bytes:
    """``"fe80::1%eth0"``, ``"fe80::1%2"``."""
    host, _, zone = text.partition("%")
    packed = ip_address(host).packed
    if not is_zoned(packed):
        raise ValueError(f"{text!r}: only a link-local IPv6 address has a zone")
    if zone.isascii() and zone.isdigit():
        index = int(zone)
    elif zones is not None:
        index = zones.index(zone)
    else:
        raise ValueError(f"{text!r}: no such interface is known here")
    if not 0 < index <= 0xFFFFFFFF:
        raise ValueError(f"{text!r}: no index of an interface")
    return packed + index.to_bytes(4, "big")


def format_ip(address: bytes, zones: Zones | None = None) -> str:
    """Packed bytes -> text; a zone by its name where `zones` knows it."""
    if len(address) == 4:
        return ".".join(map(str, address))
    if len(address) != ZONED_SIZE:
        return str(IPv6Address(address))
    index = zone_of(address)
    zone = zones.name(index) if zones is not None else str(index)
    return f"{IPv6Address(address[:16])}%{zone}"


def pack_mac(mac: str | bytes) -> bytes:
    """``"f6:34:95:26:90:66"`` -> 6 bytes. Raises ValueError."""
    packed = mac if isinstance(mac, bytes) else _mac_bytes(mac)
    if len(packed) != 6:
        raise ValueError(f"not a MAC address: {mac!r}")
    return packed


def _mac_bytes(text: str) -> bytes:
    parts = text.replace("-", ":").split(":")
    if any(len(part) not in (1, 2) for part in parts):
        raise ValueError(f"not a MAC address: {text!r}")
    try:
        return bytes(int(part, 16) for part in parts)
    except ValueError:
        raise ValueError(f"not a MAC address: {text!r}") from None


def format_mac(mac: bytes) -> str:
    return mac.hex(":")


def pack_endpoint(
    address: SocketAddress, zones: Zones | None = None
) -> tuple[bytes, int]:
    """``("10.0.0.1", 80)`` -> ``(b"\\n\\0\\0\\1", 80)``; host "" -> b"" (any address).

    The zone of a link-local address stands in its text, or is the fourth of four.
    Raises ValueError.
    """
    try:
        host, port = address[0], address[1]
    except (IndexError, TypeError):
        raise ValueError(f"not an address: {address!r}") from None
    if not isinstance(host, str | bytes) or not isinstance(port, int):
        raise ValueError(f"not an address: {address!r}")
    if not 0 <= port <= 0xFFFF:
        raise ValueError(f"port out of range: {port}")
    packed = pack_ip(host, zones) if host else b""
    if len(address) == 4 and len(packed) == 16 and is_zoned(packed):
        zone = address[3]
        if not isinstance(zone, int) or not 0 <= zone <= 0xFFFFFFFF:
            raise ValueError(f"not a scope id: {zone!r}")
        packed += zone.to_bytes(4, "big") if zone else b""
    return packed, port


def format_endpoint(
    address: bytes, port: int, zones: Zones | None = None, *, zone: str | None = None
) -> tuple[str, int]:
    """The public form of an endpoint: ``("10.0.0.1", 80)``; b"" -> ``""``.

    zone: the name of a link-local address's, where it is known.
    """
    if zone and len(address) == ZONED_SIZE:
        return f"{format_ip(address[:16])}%{zone}", port
    return (format_ip(address, zones) if address else ""), port


class Endpoints:
    """The endpoints that were lately spoken of, packed and in their public form.

    Text costs more than all else about a small datagram. At most `limit` are kept.
    Link-local addresses without a zone get the one that `zones` gives them.
    """

    __slots__ = ("_limit", "_named", "_packed", "_zones")

    def __init__(self, limit: int = 1024, zones: Zones | None = None) -> None:
        self._limit = limit
        self._zones = zones
        self._named: dict[tuple[bytes, int], tuple[str, int]] = {}
        self._packed: dict[SocketAddress, tuple[bytes, int]] = {}

    def __len__(self) -> int:
        return max(len(self._named), len(self._packed))

    def format(self, address: bytes, port: int) -> tuple[str, int]:
        """As `format_endpoint`."""
        packed = address, port
        named = self._named.get(packed)
        if named is None:
            self._make_room()
            named = self._named[packed] = format_endpoint(address, port, self._zones)
            self._packed[named] = packed  # whoever answers gives it back
        return named

    def pack(self, address: SocketAddress, nic: str | None = None) -> tuple[bytes, int]:
        """As `pack_endpoint`. nic: whose link is meant where no zone is named.

        Raises ValueError, also where no zone is named and several links there are.
        """
        if type(address) is not tuple:
            return self._placed(*pack_endpoint(address, self._zones), nic)
        try:
            packed = self._packed.get(address)
        except TypeError:  # with something in it that is no address
            return pack_endpoint(address)
        if packed is None:
            packed = pack_endpoint(address, self._zones)
            if _lacks_zone(packed[0]):
                return self._placed(*packed, nic)  # another time it may be another one
            self._make_room()
            self._packed[address] = packed
        return packed

    def pack_ip(self, address: IpAddress, nic: str | None = None) -> bytes:
        """As `pack`, without a port."""
        return self._placed(pack_ip(address, self._zones), 0, nic)[0]

    def format_ip(self, address: bytes) -> str:
        return format_ip(address, self._zones)

    def _placed(self, ip: bytes, port: int, nic: str | None) -> tuple[bytes, int]:
        zones = self._zones
        if zones is None or not _lacks_zone(ip):
            return ip, port
        index = zones.default(ip, nic)
        if not index:
            text = format_ip(ip)
            raise ValueError(f"{text} may be on any link: name one, as {text}%eth0")
        return ip + index.to_bytes(4, "big"), port

    def forget(self) -> None:
        """Names and indices of interfaces are not what they were."""
        self._named.clear()
        self._packed.clear()

    def _make_room(self) -> None:
        if len(self) >= self._limit:
            self.forget()


def pack_interface(text: str | IPv4Interface | IPv6Interface) -> tuple[bytes, int]:
    """``"10.0.0.2/24"`` -> (packed address, prefix length). Raises ValueError."""
    interface = ip_interface(text)
    return interface.packed, interface.network.prefixlen


def pack_network(text: str) -> tuple[bytes, int]:
    """``"10.0.0.0/8"`` -> (packed network, prefix length). Raises ValueError.

    Host bits must be zero. ``"default"`` has no family: callers resolve it.
    """
    network = ip_network(text)
    return network.network_address.packed, network.prefixlen


def mask_ip(address: bytes, prefixlen: int) -> bytes:
    """The network of an address: bits beyond the prefix cleared."""
    bits = len(address) * 8
    keep = (1 << bits) - (1 << (bits - prefixlen))
    return (int.from_bytes(address, "big") & keep).to_bytes(len(address), "big")


def directed_broadcast(address: bytes, prefixlen: int) -> bytes | None:
    """The subnet's broadcast address (RFC 922), or None: /31, /32 (RFC 3021), IPv6."""
    if len(address) != 4 or prefixlen >= 31:
        return None
    host = (1 << (32 - prefixlen)) - 1
    return (int.from_bytes(address, "big") | host).to_bytes(4, "big")


def is_multicast(address: bytes) -> bool:
    """224.0.0.0/4 (RFC 1112) or ff00::/8 (RFC 4291 2.7)."""
    if len(address) == 4:
        return address[0] & 0xF0 == 0xE0
    return address[0] == 0xFF


def is_loopback(address: bytes) -> bool:
    """127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1."""
    if len(address) == 4:
        return address[0] == 127
    return address == b"\x00" * 15 + b"\x01"


def is_link_local(address: bytes) -> bool:
    """169.254.0.0/16 (RFC 3927) or fe80::/10."""
    if len(address) == 4:
        return address[:2] == b"\xa9\xfe"
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80


def is_zoned(address: bytes) -> bool:
    """Does it mean something on one link alone? Link-local IPv6 addresses, of hosts
    and of groups (RFC 4007 4, 5)."""
    if len(address) <= 4:
        return False
    if address[0] == 0xFE:
        return address[1] & 0xC0 == 0x80
    return address[0] == 0xFF and address[1] & 0x0F in (1, 2)


def _lacks_zone(address: bytes) -> bool:
    """A group without one is sent where its route leads."""
    return len(address) == 16 and address[0] == 0xFE and is_zoned(address)


def zone_of(address: bytes) -> int:
    """The index of its interface; 0: it names none."""
    return int.from_bytes(address[16:], "big")


def is_unspecified(address: bytes) -> bool:
    return not any(address)


def is_unicast(address: bytes) -> bool:
    """May this be the address of one host? Not 0/8, multicast, class E, broadcast.

    RFC 1122 3.2.1.3. Directed broadcasts need the prefix and are not seen here. Nor
    ::ffff:0:0/96: it stands for IPv4 in programs, never on a wire (RFC 6890 2.2.3).
    """
    if len(address) == 4:
        return 0 < address[0] < 224
    if not address[0]:
        return any(address) and address[:12] != MAPPED4
    return address[0] != 0xFF
