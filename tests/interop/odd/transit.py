"""Odd packets for others: what a router gets to pass on."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack

from sansio_net.addresses import format_ip, pack_ip

from . import ipv4, ipv6
from .tools import (
    BROADCAST_MAC,
    OUR_MAC,
    Dice,
    Odd,
    frame,
    group_mac,
    icmp4,
    icmp6,
    ip4,
    ip6,
    named_upper,
    tcp,
    udp,
    upper,
)

NEIGHBOURS = 60
"""So many hosts on our link send, each seldom: redirects are limited by sender."""

BEYOND4, BEYOND6 = map(pack_ip, ("198.51.100.9", "2001:db8:51::9"))
"""Behind the gateway on the other link."""
NEXT4, NEXT6 = map(pack_ip, ("10.8.0.77", "fd08::77"))
"""On the other link itself."""
BACK4, BACK6 = map(pack_ip, ("203.0.113.9", "2001:db8:203::9"))
"""Behind a gateway on the link it came by."""
LOST4, LOST6 = map(pack_ip, ("100.64.9.9", "2001:db8:dead::9"))
"""Nowhere."""


def near(dice: Dice, size: int = 4) -> bytes:
    """A host on our link."""
    n = 130 + dice.serial % NEIGHBOURS
    return pack_ip(f"10.9.0.{n}" if size == 4 else f"fd09::{n:x}")


def far(dice: Dice, size: int = 4) -> bytes:
    """A host somewhere else, behind a gateway on our link."""
    n = dice.serial % 0xFFFF
    if size == 4:
        return pack("!BBH", 10, 20, n)
    return pack_ip(f"2001:db8:20::{n:x}")


def _ends(dice: Dice, size: int) -> tuple[bytes, bytes]:
    src = dice.pick((near, far))(dice, size)
    return src, dice.pick((BEYOND4, NEXT4) if size == 4 else (BEYOND6, NEXT6))


def header4(dice: Dice) -> Odd:
    src, dst = _ends(dice, 4)
    name, protocol, data = upper(dice, src, dst)
    what, options = dice.pick(
        (
            ("version 5", {"version": 5}),
            ("IHL 4", {"ihl": 4}),
            ("IHL 15", {"ihl": 15}),
            ("total length 20", {"total": 20}),
            ("total length 4 too short", {"total": 16 + len(data)}),
            ("total length 1 too long", {"total": max(60, 21 + len(data))}),
            ("checksum off by one", {"wrong_by": 1}),
            ("TTL 0", {"ttl": 0}),
            ("TTL 1", {"ttl": 1}),
            ("TTL 1", {"ttl": 1}),
            ("TTL 2", {"ttl": 2}),
            ("TTL 255", {"ttl": 255}),
            ("TOS 255", {"tos": 255}),
            ("the evil bit", {"word": 0x8000}),
            ("DF", {"word": 0x4000}),
            ("a later fragment", {"word": 5}),
            ("a later fragment of TTL 1", {"word": 5, "ttl": 1}),
            ("a first fragment", {"word": 0x2000}),
            ("a first fragment of TTL 1", {"word": 0x2000, "ttl": 1}),
        )
    )
    packet = ip4(data, protocol, src, dst, **{"ident": dice.ident, **options})  # type: ignore[arg-type]
    packet += dice.pick((b"", b"", bytes(3), dice.bytes(40)))
    return Odd(f"ip4 header: {what}, {name}", (frame(packet, ethertype=0x0800),))


def checksum4(dice: Dice) -> Odd:
    """Sums that come out as 0 or 0xFFFF when the TTL goes down."""
    src, dst = _ends(dice, 4)
    protocol, data = named_upper("protocol 253", dice.port, src, dst)
    ident = dice.number(0, 0xFFFF)
    wanted = dice.pick((0x0000, 0xFEFF, 0xFFFF, 0x0100, 0x00FF))
    for _ in range(2):
        packet = ip4(data, protocol, src, dst, ident=ident)
        check = int.from_bytes(packet[10:12], "big")
        ident = (ident + check - wanted) % 0xFFFF
    packet = ip4(data, protocol, src, dst, ident=ident)
    return Odd(f"ip4 checksum {packet[10:12].hex()}", (frame(packet),))


def option4(dice: Dice) -> Odd:
    odd = ipv4.option(dice)
    options = odd.frames[0][34 : 14 + (odd.frames[0][14] & 15) * 4]
    ttl = dice.pick((64, 64, 64, 1))
    src, dst = _ends(dice, 4)
    name, protocol, data = upper(dice, src, dst)
    size = dice.pick((len(data), len(data), 1260, 1400))
    text = "" if size == len(data) else f" of {size}"
    if text:
        protocol, data = named_upper("protocol 253", 0, src, dst, dice.bytes(size))
        name = f"protocol 253{text}"
    what = odd.label.removeprefix("ip4 option: ").rpartition(", ")[0]
    packet = ip4(data, protocol, src, dst, options=options, ttl=ttl, ident=dice.ident)
    ending = ", TTL 1" if ttl == 1 else ""
    return Odd(f"ip4 option: {what}{ending}, {name}", (frame(packet),))


DESTINATIONS4 = (
    *("10.8.0.77", "10.8.0.255", "10.8.0.0", "198.51.100.9", "203.0.113.9"),
    *("100.64.9.9", "127.0.0.1", "224.0.0.9", "239.1.2.3", "240.0.0.2", "0.0.0.0"),
    *("255.255.255.255", "169.254.7.7", "0.1.2.3", "10.8.0.2", "10.9.0.77"),
)


def address4(dice: Dice) -> Odd:
    given = dice.pick(("near", "far", *ipv4.SOURCES))
    if given in ("near", "far"):
        src = (near if given == "near" else far)(dice)
    else:
        src = pack_ip(given)
    dst = pack_ip(dice.pick(DESTINATIONS4))
    name, protocol, data = upper(dice, src, dst)
    kind = dice.pick(("ours", "ours", "ours", "broadcast", "its group"))
    mac = {"ours": OUR_MAC, "broadcast": BROADCAST_MAC, "its group": group_mac(dst)}
    label = f"ip4 from {given} to {format_ip(dst)}, link {kind}, {name}"
    packet = ip4(data, protocol, src, dst, ident=dice.ident)
    return Odd(label, (frame(packet, mac[kind]),))


def big4(dice: Dice) -> Odd:
    """More than the next link takes, in fragments already or not."""
    src, dst = _ends(dice, 4)
    size = dice.pick((1260, 1261, 1268, 1300, 1480))
    flags = dice.pick((0, 0, 0x4000, 0x8000, 0x2000, 0x6000))
    offset = dice.pick((0, 0, 0, 7, 0x1FFF))
    ttl = dice.pick((64, 64, 64, 1))
    if flags & 0x2000:
        size &= ~7
    protocol, data = named_upper("protocol 253", 0, src, dst, dice.bytes(size))
    packet = ip4(
        data, protocol, src, dst, word=flags | offset, ttl=ttl, ident=dice.ident
    )
    label = f"ip4 big: {size}, word {flags | offset:#06x}, TTL {ttl}"
    return Odd(label, (frame(packet),))


def back4(dice: Dice) -> Odd:
    """It leaves by where it came from."""
    given = dice.pick((near, near, far))
    src = given(dice)
    dst = dice.pick((BACK4, pack_ip("10.9.0.77")))
    name, protocol, data = upper(dice, src, dst)
    ttl = dice.pick((64, 64, 2, 1))
    packet = ip4(data, protocol, src, dst, ttl=ttl, ident=dice.ident)
    label = f"ip4 back from {given.__name__} to {format_ip(dst)}, TTL {ttl}, {name}"
    return Odd(label, (frame(packet),))


def lost4(dice: Dice) -> Odd:
    """There is no way, or no time: what is told, and of what not."""
    src = far(dice)  # errors about no route are limited by sender
    dst, ttl = dice.pick(((LOST4, 64), (BEYOND4, 1), (BEYOND4, 0)))
    what = dice.pick(("an error", "an echo reply", "a query", "SYN", "a redirect"))
    what = dice.pick((what, "type 44", "1200 bytes", "a later piece", "UDP, bad sum"))
    word = 0
    if what == "an error":
        protocol, data = 1, icmp4(3, 3, bytes(4), bytes(28))
    elif what == "a redirect":
        protocol, data = 1, icmp4(5, 1, bytes(4), bytes(28))
    elif what == "type 44":
        protocol, data = 1, icmp4(44, 0, bytes(4), bytes(28))
    elif what in ("an echo reply", "a query"):
        protocol, data = 1, icmp4(0 if "echo" in what else 13, 0, bytes(4), bytes(12))
    elif what == "SYN":
        protocol, data = 6, tcp(dice.port, 80, 2, src, dst)
    elif what == "UDP, bad sum":
        protocol, data = 17, udp(dice.port, 9, b"x", src, dst, check=1)
    else:
        protocol, data = 253, bytes(1200)
        word = 9 if "piece" in what else 0
    packet = ip4(data, protocol, src, dst, ttl=ttl, word=word, ident=dice.ident)
    way = "no way" if dst == LOST4 else f"TTL {ttl}"
    return Odd(f"ip4 lost: {way}, {what}", (frame(packet),))


def damaged(dice: Dice) -> Odd:
    """Wrong beyond the IP header, which is no router's business."""
    size = dice.pick((4, 16))
    src, dst = _ends(dice, size)
    what, protocol, data = dice.pick(
        (
            ("UDP, bad sum", 17, udp(dice.port, 9, b"text", src, dst, check=7)),
            ("UDP, no sum", 17, udp(dice.port, 9, b"text", src, dst, check=0)),
            ("UDP of length 3", 17, udp(dice.port, 9, b"text", src, dst, length=3)),
            ("UDP, cut", 17, b"\0\1\0"),
            ("TCP, bad sum", 6, tcp(dice.port, 80, 2, src, dst, wrong=1)),
            ("TCP, offset 0", 6, tcp(dice.port, 80, 2, src, dst, offset=0)),
            ("TCP, no flags", 6, tcp(dice.port, 80, 0, src, dst)),
            ("nothing", 253, b""),
            ("protocol 255", 255, b"x"),
            (
                "protocol 0" if size == 4 else "protocol 60, cut",
                0 if size == 4 else 60,
                b"x",
            ),
        )
    )
    packet = (ip4 if size == 4 else ip6)(data, protocol, src, dst)
    return Odd(f"ip{4 if size == 4 else 6} with {what}", (frame(packet),))


def header6(dice: Dice) -> Odd:
    src, dst = _ends(dice, 16)
    name, protocol, data = upper(dice, src, dst)
    what, options = dice.pick(
        (
            ("version 4", {"version": 4}),
            ("payload length 0", {"length": 0}),
            ("payload 1 too short", {"length": len(data) - 1}),
            ("payload 1 too long", {"length": max(len(data), 6) + 1}),
            ("hop limit 0", {"hops": 0}),
            ("hop limit 1", {"hops": 1}),
            ("hop limit 1", {"hops": 1}),
            ("hop limit 2", {"hops": 2}),
            ("hop limit 255", {"hops": 255}),
            ("flow label", {"label": 0x12345}),
            ("traffic class", {"label": 0xFF << 20}),
        )
    )
    packet = ip6(data, protocol, src, dst, **options)  # type: ignore[arg-type]
    packet += dice.pick((b"", b"", bytes(3), dice.bytes(40)))
    return Odd(f"ip6 header: {what}, {name}", (frame(packet, ethertype=0x86DD),))


def option6(dice: Dice) -> Odd:
    src, dst = _ends(dice, 16)
    kind = dice.pick((ipv6.HBH, ipv6.HBH, ipv6.DST))
    what, body = dice.pick(ipv6.OPTIONS)
    hops = dice.pick((64, 64, 64, 1))
    name, protocol, data = upper(dice, src, dst)
    packet = ip6(ipv6.options_header(protocol, body) + data, kind, src, dst, hops=hops)
    where = "hop-by-hop" if kind == ipv6.HBH else "destination"
    ending = ", hop limit 1" if hops == 1 else ""
    return Odd(f"ip6 {where}: {what}{ending}, {name}", (frame(packet),))


def chain6(dice: Dice) -> Odd:
    """Headers that are for the destination, or for nobody."""
    src, dst = _ends(dice, 16)
    make: Callable[[Dice], Odd] = dice.pick((ipv6.chain, ipv6.chain, ipv6.chain_lies))
    odd = make(dice)
    packet = odd.frames[0][14:]
    size = int.from_bytes(packet[4:6], "big")
    packet = ip6(packet[40 : 40 + size], packet[6], src, dst)
    return Odd(odd.label, (frame(packet),))


DESTINATIONS6 = (
    *("fd08::77", "fd08::", "2001:db8:51::9", "2001:db8:203::9", "2001:db8:dead::9"),
    *("::1", "::", "ff02::9", "ff05::9", "ff0e::9", "ff01::1", "fe80::77"),
    *("fec0::9", "::ffff:10.8.0.77", "::10.8.0.77", "fd08::2", "fd09::77", "ff00::1"),
)


def address6(dice: Dice) -> Odd:
    given = dice.pick(("near", "far", *ipv6.SOURCES))
    if given in ("near", "far"):
        src = (near if given == "near" else far)(dice, 16)
    else:
        src = pack_ip(given)
    dst = pack_ip(dice.pick(DESTINATIONS6))
    name, protocol, data = upper(dice, src, dst)
    kind = dice.pick(("ours", "ours", "ours", "broadcast", "its group"))
    mac = {"ours": OUR_MAC, "broadcast": BROADCAST_MAC, "its group": group_mac(dst)}
    label = f"ip6 from {given} to {format_ip(dst)}, link {kind}, {name}"
    return Odd(label, (frame(ip6(data, protocol, src, dst), mac[kind]),))


def big6(dice: Dice) -> Odd:
    src, dst = _ends(dice, 16)
    size = dice.pick((1240, 1241, 1300, 1460))
    hops = dice.pick((64, 64, 1))
    what = dice.pick(("alone", "a fragment", "an error"))
    protocol, data = 253, dice.bytes(size)
    if what == "a fragment":
        protocol, data = 44, pack("!BBHI", 253, 0, 801, dice.ident) + data[8:]
    elif what == "an error":
        protocol = 58
        data = icmp6(1, 4, bytes(4), dice.bytes(size - 8), src=src, dst=dst)
    packet = ip6(data, protocol, src, dst, hops=hops)
    return Odd(f"ip6 big: {size}, hop limit {hops}, {what}", (frame(packet),))


def back6(dice: Dice) -> Odd:
    given = dice.pick((near, near, far))
    src = given(dice, 16)
    # redirects are limited by destination as well
    where, dst = dice.pick(
        (
            ("behind a gateway", BACK6[:14] + pack("!H", dice.serial % 0xFFFF)),
            ("on the link", pack_ip(f"fd09::{1000 + dice.serial % NEIGHBOURS:x}")),
        )
    )
    name, protocol, data = upper(dice, src, dst)
    hops = dice.pick((64, 64, 2, 1))
    packet = ip6(data, protocol, src, dst, hops=hops)
    label = f"ip6 back from {given.__name__} to one {where}, {hops} hops, {name}"
    return Odd(label, (frame(packet),))


def lost6(dice: Dice) -> Odd:
    src = dice.pick((near, far))(dice, 16)
    dst, hops = dice.pick(((LOST6, 64), (BEYOND6, 1), (BEYOND6, 0)))
    what = dice.pick(("an error", "an echo reply", "a redirect", "SYN", "type 200"))
    what = dice.pick((what, "type 100", "1200 bytes", "a later piece", "a lone header"))
    protocol = 58
    if what == "an error":
        data = icmp6(1, 4, bytes(4), bytes(48), src=src, dst=dst)
    elif what == "a redirect":
        data = icmp6(137, 0, bytes(4), bytes(32), src=src, dst=dst)
    elif what.startswith("type"):
        data = icmp6(int(what[5:]), 0, bytes(4), bytes(8), src=src, dst=dst)
    elif what == "an echo reply":
        data = icmp6(129, 0, bytes(4), bytes(8), src=src, dst=dst)
    elif what == "SYN":
        protocol, data = 6, tcp(dice.port, 80, 2, src, dst)
    elif what == "a lone header":
        data = b""
    elif what == "a later piece":
        protocol, data = 44, pack("!BBHI", 58, 0, 80, dice.ident) + bytes(40)
    else:
        protocol, data = 253, bytes(1230)
    packet = ip6(data, protocol, src, dst, hops=hops)
    way = "no way" if dst == LOST6 else f"hop limit {hops}"
    return Odd(f"ip6 lost: {way}, {what}", (frame(packet),))


MAKERS = (
    *(header4, checksum4, option4, option4, address4, address4, big4, back4, lost4),
    *(damaged, header6, option6, option6, chain6, address6, address6, big6, back6),
    lost6,
)


def transit_packet(seed: int, index: int) -> Odd:
    """As `odd_packet`, for somebody else."""
    return MAKERS[index % len(MAKERS)](Dice(seed, index, "transit"))
