"""The link options that every subcommand with a link has, and what they open."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Final

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
    interface,
)
from sansio_net.packet import Medium
from sansio_net.stack import Stack, StackConfig
from sansio_net.stack.interface import Interface

from .errors import UsageError

ENVIRONMENT: Final = "SANSIO_NET_LINK"
FORMS: Final = "tap:NAME, tun:NAME, veth:IFNAME, fd:N[,tun|tap][,vnet] or pcap:FILE"


@dataclass(slots=True)
class LinkName:
    """A LINK as it was typed. `name` is the interface, the file, or the number."""

    text: str
    kind: str
    name: str
    medium: Medium = Medium.ETHERNET
    vnet: bool = False


def parse_link(text: str) -> LinkName:
    """Raises ArgumentTypeError with the forms that there are."""
    kind, colon, name = text.partition(":")
    if not colon or not name:
        raise ArgumentTypeError(f"not a link: {text!r}; use {FORMS}")
    if kind in ("tap", "veth", "pcap"):
        return LinkName(text, kind, name)
    if kind == "tun":
        return LinkName(text, kind, name, Medium.IP)
    if kind != "fd":
        raise ArgumentTypeError(f"not a kind of link: {kind!r}; use {FORMS}")
    number, *words = name.split(",")
    if not number.isascii() or not number.isdigit():
        raise ArgumentTypeError(f"not a descriptor: {number!r}; use {FORMS}")
    link = LinkName(text, kind, number)
    for word in words:
        if word == "vnet":
            link.vnet = True
        elif word in ("tun", "tap"):
            link.medium = Medium.IP if word == "tun" else Medium.ETHERNET
        else:
            raise ArgumentTypeError(f"not an option of fd: {word!r}; use {FORMS}")
    return link


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
        pack_ip(text)
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


def add_link_options(parser: ArgumentParser) -> None:
    """The same options, with the same short forms, everywhere."""
    group = parser.add_argument_group("link")
    add = group.add_argument
    add("--link", type=parse_link, metavar="LINK", help=f"{FORMS} (or {ENVIRONMENT})")
    add(
        "-a",
        "--address",
        type=parse_cidr,
        action="append",
        default=[],
        metavar="CIDR",
        help="an address of ours, 10.0.0.2/24; repeatable",
    )
    add("-g", "--gateway", type=parse_address, metavar="IP", help="the default route")
    add("--mac", type=parse_mac, help="ours; by default from link and address")
    add("--mtu", type=parse_mtu, metavar="BYTES")
    add(
        "--host-address",
        type=parse_cidr,
        metavar="CIDR",
        help="the host's side of a tap or tun",
    )
    add("--seed", type=parse_seed, metavar="N", help="repeatable, hence guessable")
    add("--pcap", metavar="FILE.pcapng", help="record everything")
    add("--force", action="store_true", help="take a veth that has addresses")


def check_link_options(args: Namespace) -> None:
    """What argparse cannot see. Raises UsageError."""
    if args.link is None:
        text = os.environ.get(ENVIRONMENT, "")
        if not text:
            raise UsageError(f"no link: give --link or set {ENVIRONMENT}; {FORMS}")
        try:
            args.link = parse_link(text)
        except ArgumentTypeError as error:
            raise UsageError(f"{ENVIRONMENT}: {error}") from None
    if not args.address:
        raise UsageError("no address: give -a, such as -a 10.0.0.2/24")
    if args.host_address and args.link.kind not in ("tap", "tun"):
        raise UsageError(f"--host-address is for tap and tun, not {args.link.kind}")
    if args.mac is not None and args.link.medium is Medium.IP:
        raise UsageError(f"{args.link.text} has no MAC addresses")


def default_mac(link: str, address: str) -> bytes:
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


def open_device(args: Namespace, mac: bytes) -> Device:
    """The device of --link. Raises DeviceError."""
    link: LinkName = args.link
    if link.kind == "veth":
        return RawSocketDevice(link.name, mac=mac, force=args.force)
    if link.kind == "pcap":
        addresses = [pack_interface(text)[0] for text in args.address]
        mtu = args.mtu or 1500
        return PcapReplayDevice(link.name, mac=mac, addresses=addresses, mtu=mtu)
    if link.kind == "fd":
        mtu = args.mtu or 1500
        return TapDevice.from_fd(int(link.name), link.medium, link.vnet, mtu=mtu)
    return TapDevice(
        link.name,
        medium=link.medium,
        mtu=args.mtu,
        host_address=args.host_address,
    )


def open_stack(
    args: Namespace, config: StackConfig | None = None
) -> tuple[Stack, Interface, Device]:
    """A stack with one interface, and the device to plug it into."""
    mac = args.mac or default_mac(args.link.text, args.address[0])
    stack = Stack(config, seed_of(args))
    device = open_device(args, mac)
    try:
        has_macs = device.capabilities.medium is Medium.ETHERNET
        nic = stack.add_interface(
            name=args.link.name if args.link.kind in ("tap", "tun", "veth") else None,
            mac=mac if has_macs else None,
            addresses=args.address,
            mtu=args.mtu,
            capabilities=device.capabilities,
        )
        if args.gateway:
            # an IPv6 subnet is ours only once its address is known to be unique
            only = nic if ":" in args.gateway else None
            stack.add_route("default", via=args.gateway, nic=only)
    except BaseException:
        device.close()
        raise
    return stack, nic, device


def host_hint(link: LinkName, device: Device, addresses: Sequence[str]) -> str | None:
    """The line to type on the host where its side of the link has no address."""
    if link.kind not in ("tap", "tun") or not isinstance(device, TapDevice):
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
