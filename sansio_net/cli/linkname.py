"""The names of links, as they are typed: a kind, what it is called, and what of it."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Final

from sansio_net.drivers import Offload
from sansio_net.packet import Medium
from sansio_net.units import SECOND, parse_duration

OFFLOAD: Final = "SANSIO_NET_OFFLOAD"
BUSY_POLL: Final = "SANSIO_NET_BUSY_POLL"
MAX_BUSY_POLL: Final = SECOND
FORMS: Final = "tap:NAME, tun:NAME, veth:IFNAME, fd:N[,tun|tap][,vnet] or pcap:FILE"
VLAN: Final = ",vlan="


@dataclass(slots=True)
class LinkName:
    """A LINK as it was typed. `name` is the interface, the file, or the number.

    vlans: the 802.1Q tags of its frames, outermost first. offload: what the kernel
    does for us, and we for it. busy_poll: nanoseconds to spin before sleeping.
    """

    text: str
    kind: str
    name: str
    medium: Medium = Medium.ETHERNET
    vnet: bool = False
    offload: Offload = Offload.FULL
    vlans: tuple[int, ...] = ()
    busy_poll: int = 0

    @property
    def device(self) -> str:
        """What several links with different VLANs share."""
        return f"{self.kind}:{self.name}"


def parse_link(text: str) -> LinkName:
    """Raises ArgumentTypeError with the forms that there are."""
    untagged, comma, tags = text.rpartition(VLAN)
    kind, colon, name = (untagged if comma else text).partition(":")
    if not colon or not name:
        raise ArgumentTypeError(f"not a link: {text!r}; use {FORMS}")
    if kind == "pcap":
        link = LinkName(text, kind, name)
    elif kind in ("tap", "tun", "veth"):
        link = _parse_device(text, kind, name)
    elif kind == "fd":
        link = _parse_descriptor(text, name)
    else:
        raise ArgumentTypeError(f"not a kind of link: {kind!r}; use {FORMS}")
    if comma:
        if link.medium is Medium.IP:
            raise ArgumentTypeError(f"{text}: a TUN has no VLANs")
        link.vlans = parse_vlans(tags)
    return link


def _parse_device(text: str, kind: str, name: str) -> LinkName:
    name, *words = name.split(",")
    medium = Medium.IP if kind == "tun" else Medium.ETHERNET
    link = LinkName(text, kind, name, medium)
    link.busy_poll = _busy_poll_of_all()
    # what the link says itself is stronger
    words.insert(0, f"offload={os.environ.get(OFFLOAD, Offload.FULL.value)}")
    levels = [level.value for level in Offload]
    for word in words:
        key, _, value = word.partition("=")
        if key == "offload" and value in levels:
            link.offload = Offload(value)
        elif key == "busy_poll":
            link.busy_poll = parse_busy_poll(value)
        else:
            said = f"offload={'|'.join(levels)} or busy_poll=50us"
            raise ArgumentTypeError(f"{text}: not an option: {word!r}; {said}")
    return link


def _parse_descriptor(text: str, name: str) -> LinkName:
    number, *words = name.split(",")
    if not number.isascii() or not number.isdigit():
        raise ArgumentTypeError(f"not a descriptor: {number!r}; use {FORMS}")
    link = LinkName(text, "fd", number)
    link.busy_poll = _busy_poll_of_all()
    for word in words:
        if word == "vnet":
            link.vnet = True
        elif word.startswith("busy_poll="):
            link.busy_poll = parse_busy_poll(word.partition("=")[2])
        elif word in ("tun", "tap"):
            link.medium = Medium.IP if word == "tun" else Medium.ETHERNET
        else:
            raise ArgumentTypeError(f"not an option of fd: {word!r}; use {FORMS}")
    return link


def _busy_poll_of_all() -> int:
    return parse_busy_poll(os.environ.get(BUSY_POLL, "0"))


def parse_busy_poll(text: str) -> int:
    """``50us`` in nanoseconds. Raises ArgumentTypeError."""
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(f"busy_poll={text}: {error}") from None
    if value > MAX_BUSY_POLL:
        # it burns a core: 50, without a unit, is 50 s
        raise ArgumentTypeError(f"busy_poll={text}: at most 1s; use busy_poll=50us")
    return value


def parse_vlans(text: str) -> tuple[int, ...]:
    """``7``, or ``100.7`` for tag 7 within service tag 100."""
    words = text.split(".")
    if not all(word.isascii() and word.isdigit() for word in words):
        raise ArgumentTypeError(f"not a VLAN: {text!r}; use vlan=7, or vlan=100.7")
    vlans = tuple(map(int, words))
    if not all(1 <= vlan <= 4094 for vlan in vlans):
        raise ArgumentTypeError(f"a VLAN is 1 to 4094: {text!r}")
    return vlans
