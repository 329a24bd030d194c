"""The link options that every subcommand with a link has, and what they open.

There may be several links. What says something of one of them belongs to the last
`--link` before it; the rest, such as `--seed`, stands anywhere.
"""

from __future__ import annotations

import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any, Final

from sansio_net.addresses import (
    format_ip,
    mask_ip,
    pack_interface,
    pack_ip,
    pack_mac,
)
from sansio_net.drivers import (
    Device,
    PcapReplayDevice,
    RawSocketDevice,
    TapDevice,
    Trunk,
    interface,
)
from sansio_net.errors import Unreachable
from sansio_net.packet import Medium
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.interface import Interface

from .errors import UsageError
from .linkname import FORMS, VLAN, LinkName, parse_link

ENVIRONMENT: Final = "SANSIO_NET_LINK"


@dataclass(slots=True)
class LinkOptions:
    """A `--link` and what was said of it. link: None for that of the environment.

    first: the first option of those behind it, as it was typed.
    """

    link: LinkName | None = None
    addresses: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    host_addresses: list[str] = field(default_factory=list)
    mac: bytes | None = None
    mtu: int | None = None
    slaac: bool = False
    link_local: bool = False
    first: str = ""

    @property
    def name(self) -> LinkName:
        assert self.link is not None  # check_link_options saw to it
        return self.link


class _Link(Action):
    """`--link` itself: what comes behind is said of it."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        links: list[LinkOptions] = getattr(namespace, "links", [])
        if links and links[0].link is None:
            parser.error(f"{links[0].first} says something of the --link before it")
        namespace.links = [*links, LinkOptions(values)]


class _OfLink(Action):
    """An option of the last `--link`, kept in the field that `dest` names."""

    def __call__(
        self,
        parser: ArgumentParser,
        namespace: Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if not hasattr(namespace, "links"):
            namespace.links = [LinkOptions()]
        options: LinkOptions = namespace.links[-1]
        options.first = options.first or option_string or ""
        known = getattr(options, self.dest)
        if isinstance(known, list):
            known.append(values)
        else:
            setattr(options, self.dest, True if self.nargs == 0 else values)


def parse_cidr(text: str) -> str:
    if "/" not in text:
        raise ArgumentTypeError(f"{text!r} has no prefix length; write {text}/24")
    try:
        pack_interface(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def parse_address(text: str) -> str:
    try:
        pack_ip(text.partition("%")[0])  # the stack knows zones
    except ValueError:
        raise ArgumentTypeError(f"not an IP address: {text!r}") from None
    return text


def parse_mac(text: str) -> bytes:
    try:
        return pack_mac(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def parse_seed(text: str) -> int:
    try:
        seed = int(text, 0)
        seed.to_bytes(32, "big")
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"not a seed: {text!r}") from None
    return seed


def parse_mtu(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 68 <= int(text) <= 65535:
        raise ArgumentTypeError(f"an MTU is 68 to 65535 bytes, not {text!r}")
    return int(text)


def add_link_options(parser: ArgumentParser, slaac: bool = False) -> None:
    """The same options, with the same short forms, everywhere.

    slaac: with `--slaac` and `--link-local`, for a command that waits for addresses.
    """
    group = parser.add_argument_group(
        "link", "Options from -a to --host-address belong to the --link before them."
    )
    add = group.add_argument
    add(
        "--link",
        type=parse_link,
        action=_Link,
        default=SUPPRESS,
        metavar="LINK",
        help=f"{FORMS}, with {VLAN}N for a VLAN; repeatable (or {ENVIRONMENT})",
    )

    def of_link(*flags: str, **words: Any) -> None:
        add(*flags, action=_OfLink, default=SUPPRESS, **words)

    of_link(
        *("-a", "--address"),
        dest="addresses",
        type=parse_cidr,
        metavar="CIDR",
        help="an address of ours, 10.0.0.2/24 or fd00::2/64; repeatable",
    )
    of_link(
        *("-g", "--gateway"),
        dest="gateways",
        type=parse_address,
        metavar="IP",
        help="the default route of its family; repeatable",
    )
    if slaac:
        of_link("--slaac", nargs=0, help="routers give addresses and routes")
        of_link(
            "--link-local",
            dest="link_local",
            nargs=0,
            help="one of 169.254/16, while there is no other IPv4 address",
        )
    of_link("--mac", type=parse_mac, help="ours; by default from link and address")
    of_link("--mtu", type=parse_mtu, metavar="BYTES")
    of_link(
        "--host-address",
        dest="host_addresses",
        type=parse_cidr,
        metavar="CIDR",
        help="the host's side of a tap or tun; repeatable",
    )
    add("--seed", type=parse_seed, metavar="N", help="repeatable, hence guessable")
    add("--pcap", metavar="FILE.pcapng", help="record everything")
    add("--force", action="store_true", help="take a veth that has addresses")


def check_link_options(args: Namespace) -> None:
    """What argparse cannot see. Raises UsageError."""
    links: list[LinkOptions] = getattr(args, "links", [])
    args.links = links = links or [LinkOptions()]
    if links[0].link is None:
        text = os.environ.get(ENVIRONMENT, "")
        if not text:
            raise UsageError(f"no link: give --link or set {ENVIRONMENT}; {FORMS}")
        try:
            links[0].link = parse_link(text)
        except ArgumentTypeError as error:
            raise UsageError(f"{ENVIRONMENT}: {error}") from None
    for options in links:
        _check_link(options, len(links))
    taken: set[tuple[str, tuple[int, ...]]] = set()
    for name in (options.name for options in links):
        if (name.device, name.vlans) in taken:
            raise UsageError(f"{name.text} is there twice")
        taken.add((name.device, name.vlans))


def _check_link(options: LinkOptions, n_links: int) -> None:
    link = options.name
    of_it = f" on {link.text}" if n_links > 1 else ""
    if not (options.addresses or options.slaac or options.link_local):
        raise UsageError(f"no address{of_it}: give -a, such as -a 10.0.0.2/24")
    if options.host_addresses and link.kind not in ("tap", "tun"):
        raise UsageError(f"--host-address is for tap and tun, not {link.kind}")
    if link.medium is Medium.IP:
        if options.mac is not None:
            raise UsageError(f"{link.text} has no MAC addresses")
        if options.slaac:
            raise UsageError(f"--slaac needs Ethernet, and {link.text} is a TUN")
        if options.link_local:
            raise UsageError(f"--link-local needs Ethernet, and {link.text} is a TUN")
    if link.kind == "pcap" and n_links > 1:
        raise UsageError("a capture is replayed alone: its time is its own")


def default_mac(link: str, address: str = "") -> bytes:
    """Locally administered, and the same on every run."""
    digest = blake2s(f"{link} {address}".encode(), digest_size=6).digest()
    return bytes((digest[0] & 0xFC | 0x02,)) + digest[1:]


def seed_of(args: Namespace) -> bytes:
    if args.seed is None:
        return os.urandom(32)
    print(
        "sansio-net: --seed makes keys and sequence numbers predictable",
        file=sys.stderr,
    )
    return bytes(args.seed.to_bytes(32, "big"))


@dataclass(slots=True)
class OpenLink:
    """A link, and what came of it."""

    options: LinkOptions
    nic: Interface
    device: Device

    @property
    def text(self) -> str:
        return self.options.name.text


def open_device(options: LinkOptions, mac: bytes, force: bool = False) -> Device:
    """The device of a link. Raises DeviceError."""
    link = options.name
    if link.kind == "veth":
        return RawSocketDevice(link.name, mac=mac, force=force, offload=link.offload)
    if link.kind == "pcap":
        addresses = [pack_interface(text)[0] for text in options.addresses]
        mtu = options.mtu or 1500
        return PcapReplayDevice(link.name, mac=mac, addresses=addresses, mtu=mtu)
    if link.kind == "fd":
        mtu = options.mtu or 1500
        return TapDevice.from_fd(int(link.name), link.medium, link.vnet, mtu=mtu)
    tap = TapDevice(
        link.name, medium=link.medium, mtu=options.mtu, offload=link.offload
    )
    try:
        for address in options.host_addresses:
            interface.add_address(tap.name, address)
    except BaseException:
        tap.close()
        raise
    return tap


def open_stack(
    args: Namespace, config: StackConfig | None = None
) -> tuple[Stack, list[OpenLink]]:
    """A stack with an interface for each link, and the devices to plug them into."""
    stack = Stack(config, seed_of(args))
    opened: list[OpenLink] = []
    trunks: dict[str, Trunk] = {}
    try:
        for options in args.links:
            device = _device_for(options, args, trunks)
            opened.append(_open_link(stack, options, device))
        for link in opened:
            for gateway in link.options.gateways:
                _add_default_route(stack, gateway, link.nic)
    except BaseException:
        for link in opened:
            link.device.close()
        raise
    return stack, opened


def _mac_for(options: LinkOptions) -> bytes:
    return options.mac or default_mac(options.name.text, *options.addresses[:1])


def _device_for(
    options: LinkOptions, args: Namespace, trunks: dict[str, Trunk]
) -> Device:
    """The device of a link, or its port where links with other VLANs share it."""
    link = options.name
    links: list[LinkOptions] = args.links
    same = [one for one in links if one.name.device == link.device]
    if len(same) == 1:
        return open_device(options, _mac_for(options), args.force)
    trunk = trunks.get(link.device)
    if trunk is None:
        shared = LinkOptions(link, mtu=max(one.mtu or 0 for one in same) or None)
        for one in same:
            shared.host_addresses += one.host_addresses
        device = open_device(shared, _mac_for(options), args.force)
        trunk = trunks[link.device] = Trunk(device)
    return trunk.port(link.vlans)


def _open_link(stack: Stack, options: LinkOptions, device: Device) -> OpenLink:
    link = options.name
    try:
        has_macs = device.capabilities.medium is Medium.ETHERNET
        nic = stack.add_interface(
            name=_interface_name(link),
            mac=_mac_for(options) if has_macs else None,
            addresses=options.addresses,
            mtu=options.mtu,
            capabilities=device.capabilities,
            slaac=options.slaac,
            link_local=options.link_local,
            vlan=link.vlans,
        )
    except BaseException:
        device.close()
        raise
    return OpenLink(options, nic, device)


def _interface_name(link: LinkName) -> str | None:
    """As `ip link` would name it: tap0, or tap0.7 for VLAN 7 on it."""
    if link.kind not in ("tap", "tun", "veth"):
        return None
    return ".".join((link.name, *map(str, link.vlans)))


def _add_default_route(stack: Stack, gateway: str, nic: Interface) -> None:
    # an IPv6 subnet is ours only once its address is known to be unique
    if ":" not in gateway and not nic.reaches(pack_ip(gateway)):
        raise Unreachable(f"{nic.name} does not reach {gateway}")
    stack.add_route("default", via=gateway, nic=nic)


def host_hint(link: LinkName, device: Device, addresses: Sequence[str]) -> str | None:
    """The line to type on the host where its side of the link has no address."""
    if (
        link.kind not in ("tap", "tun")
        or link.vlans
        or not isinstance(device, TapDevice)
        or not addresses
    ):
        return None
    ours, prefixlen = pack_interface(addresses[0])
    with interface.control_socket() as sock:
        if len(ours) == 4:
            has_one = interface.has_ipv4(sock, device.name)
        else:
            has_one = interface.has_ipv6(device.name)
    if has_one or interface.is_bridged(device.name):
        return None
    theirs = neighbour_address(ours, prefixlen)
    return f"ip address add {theirs} dev {device.name}"


def neighbour_address(ours: bytes, prefixlen: int) -> str:
    """Another address of the subnet: its first host, or the second if we are that."""
    network = int.from_bytes(mask_ip(ours, prefixlen), "big")
    bits = len(ours) * 8 - prefixlen
    for n in (1, 2) if bits > 1 else (0, 1):
        theirs = (network + n).to_bytes(len(ours), "big")
        if theirs != ours and bits:
            return f"{format_ip(theirs)}/{prefixlen}"
    return f"PEER/{prefixlen}"
