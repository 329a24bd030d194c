"""Odd packets of IPv6: headers, chains of extension headers, addresses, fragments,
ICMPv6, neighbour discovery."""

from __future__ import annotations

from struct import pack

from sansio_net.addresses import format_ip, pack_ip

from .ipv4 import SHAPES
from .tools import (
    BROADCAST_MAC,
    FAR6,
    GATE6,
    OUR6,
    OUR_LL,
    OUR_MAC,
    PEER6,
    PEER_LL,
    PEER_MAC,
    UDP_PORT,
    Dice,
    Odd,
    frame,
    group_mac,
    icmp6,
    ip6,
    named_upper,
    udp,
    upper,
)

HBH, ROUTING, FRAGMENT, ESP, AH, NONE, DST, MOBILITY, HIP, SHIM = (
    *(0, 43, 44, 50, 51, 59, 60, 135, 139, 140),
)
ALL_NODES = pack_ip("ff02::1")


def header(dice: Dice) -> Odd:
    src = dice.pick((PEER6, FAR6))
    name, protocol, data = upper(dice, src, OUR6)
    what, options = dice.pick(
        (
            ("version 4", {"version": 4}),
            ("version 0", {"version": 0}),
            ("version 15", {"version": 15}),
            ("payload length 0", {"length": 0}),
            ("payload 1 too short", {"length": len(data) - 1}),
            ("payload 1 too long", {"length": max(len(data), 6) + 1}),
            ("payload 65535", {"length": 65535}),
            ("hop limit 0", {"hops": 0}),
            ("hop limit 1", {"hops": 1}),
            ("hop limit 255", {"hops": 255}),
            ("flow label", {"label": 0x12345}),
            ("traffic class", {"label": 0xFF << 20}),
        )
    )
    packet = ip6(data, protocol, src, **options)  # type: ignore[arg-type]
    return Odd(f"ip6 header: {what}, {name}", (frame(packet, ethertype=0x86DD),))


def padding(dice: Dice) -> Odd:
    name, protocol, data = upper(dice, PEER6, OUR6)
    n = dice.pick((1, 2, 7, 100, 1000))
    packet = ip6(data, protocol) + dice.pick((bytes(n), dice.bytes(n)))
    return Odd(f"ip6 trailer: {name}", (frame(packet),))


def padded(body: bytes) -> bytes:
    """Options filled up to a whole header, with PadN or Pad1."""
    pad = -(len(body) + 2) % 8
    if pad == 1:
        return body + b"\0"
    return body + (bytes((1, pad - 2)) + bytes(pad - 2) if pad else b"")


def options_header(following: int, body: bytes, size: int | None = None) -> bytes:
    body = padded(body)
    units = (len(body) + 2) // 8 - 1 if size is None else size
    return bytes((following, units)) + body


OPTIONS: tuple[tuple[str, bytes], ...] = (
    ("only padding", b""),
    ("Pad1 x 6", bytes(6)),
    ("Pad1 x 5 after PadN", b"\x01\x04\0\0\0\0" + bytes(5) + b"\1\1\0"),
    ("PadN of 4", b"\x01\x02\0\0"),
    ("PadN of 7", b"\x01\x05" + bytes(5)),
    ("PadN of 8", b"\x01\x06" + bytes(6)),
    ("PadN of 9", b"\x01\x07" + bytes(7)),
    ("PadN with data", b"\x01\x04\1\2\3\4"),
    ("PadN beyond", b"\x01\x09\0\0\0\0"),
    ("PadN without length", b"\x05\x02\0\0\x1e\0\x1e\0\1\x02\0\0\0\x01"),
    ("router alert", b"\x05\x02\0\0"),
    ("router alert 1", b"\x05\x02\0\1"),
    ("router alert of 4", b"\x05\x04\0\0\0\0"),
    ("router alert of 0", b"\x05\x00"),
    ("router alert twice", b"\x05\x02\0\0\x05\x02\0\0"),
    ("jumbo 0", b"\xc2\x04\0\0\0\0"),
    ("jumbo 70000", b"\xc2\x04\0\1\x11\x70"),
    ("jumbo of 2", b"\xc2\x02\0\0"),
    ("tunnel limit", b"\x04\x01\x04"),
    ("home address", b"\xc9\x10" + FAR6),
    ("home address of 4", b"\xc9\x04" + bytes(4)),
    ("CALIPSO", b"\x07\x08\0\0\0\1\0\0\0\0"),
    ("quick start", b"\x26\x06\0\0\0\0\0\0"),
    ("ILNP nonce", b"\x8b\x04\0\0\0\0"),
    ("IOAM", b"\x31\x02\0\0"),
    ("RPL", b"\x63\x04\0\0\0\0"),
    ("skip", b"\x1e\x02\0\0"),
    ("skip beyond", b"\x1e\x40\0\0"),
    ("discard", b"\x5e\x02\0\0"),
    ("tell always", b"\x9e\x02\0\0"),
    ("tell unicast", b"\xde\x02\0\0"),
    ("changeable, skip", b"\x3e\x02\0\0"),
    ("changeable, tell always", b"\xbe\x00"),
    ("skip, then tell", b"\x1e\x02\0\0\xde\x00"),
    ("tell, then a lie", b"\xde\x00\x1e\x40"),
    ("8 skipped", b"\x1e\x00" * 8),
    ("9 skipped", b"\x1e\x00" * 9),
    ("20 skipped", b"\x1e\x00" * 20),
    ("300 bytes skipped", b"\x1e\xfe" + bytes(254) + b"\x1e\x28" + bytes(40)),
    ("1000 bytes skipped", (b"\x1e\xfe" + bytes(254)) * 4),
)


def option(dice: Dice) -> Odd:
    """One options header before a transport, to us or to a group."""
    kind = dice.pick((HBH, DST))
    what, body = dice.pick(OPTIONS)
    to_group = dice.number(0, 4) == 0
    src = PEER6 if to_group else dice.pick((PEER6, FAR6))
    dst = ALL_NODES if to_group else OUR6
    name, protocol, data = upper(dice, src, dst)
    packet = ip6(options_header(protocol, body) + data, kind, src, dst)
    where = "hop-by-hop" if kind == HBH else "destination"
    group = " to all nodes" if to_group else ""
    mac = group_mac(dst) if to_group else OUR_MAC
    return Odd(f"ip6 {where}: {what}{group}, {name}", (frame(packet, mac),))


def _extension(dice: Dice, kind: int, ident: int) -> tuple[str, bytes]:
    """An extension header, its next header 0, and what is odd about it."""
    if kind in (HBH, DST):
        name = "hbh" if kind == HBH else "dst"
        size = dice.pick((0, 0, 0, 1, 3))
        return name, options_header(
            0, b"\x01\x06" * 0 + b"\x1e\x00" * (size * 4 + 1), size
        )
    if kind == ROUTING:
        of = dice.pick((0, 1, 2, 3, 4, 253))
        left = dice.pick((0, 0, 1, 2))
        size = dice.pick((0, 2, 2, 4, 3))
        body = bytes((0, size, of, left)) + bytes(4) + (FAR6 * 3)[: size * 8]
        return f"rh type {of} left {left} size {size}", body
    if kind == FRAGMENT:
        what = dice.pick(("atomic", "atomic", "first", "last"))
        word = {"atomic": 0, "first": 1, "last": 800}[what]
        return f"fh {what}", pack("!BBHI", 0, 0, word, ident)
    if kind == AH:
        return "ah", bytes((0, 4, 0, 0)) + bytes(20)
    if kind == ESP:
        return "esp", bytes(16)
    names = {MOBILITY: "mobility", HIP: "hip", SHIM: "shim6"}
    return names[kind], bytes((59, 0, 0, 0, 0, 0, 0, 0))


def chain(dice: Dice) -> Odd:
    """Up to four extension headers in any order, then a transport or nothing."""
    src = dice.pick((PEER6, FAR6))
    name, protocol, data = upper(dice, src, OUR6)
    if dice.number(0, 5) == 0:
        name, protocol, data = "nothing", NONE, dice.pick((b"", b"more"))
    many = (DST, DST, DST, HBH, ROUTING, ROUTING, FRAGMENT)
    rare = (AH, ESP, MOBILITY, HIP, SHIM, DST, ROUTING, FRAGMENT)
    kinds = [
        dice.pick(many if dice.number(0, 4) else rare) for _ in range(dice.number(1, 4))
    ]
    names = []
    for kind in reversed(kinds):
        text, body = _extension(dice, kind, dice.ident)
        names.insert(0, text)
        data, protocol = bytes((protocol,)) + body[1:] + data, kind
    label = f"ip6 chain: {', '.join(names)}, {name}"
    return Odd(label, (frame(ip6(data, protocol, src)),))


def chain_lies(dice: Dice) -> Odd:
    """Chains that end in the wrong place, or never."""
    src = dice.pick((PEER6, FAR6))
    protocol, data = named_upper("echo", dice.port, src, OUR6, dice.bytes(8))
    what, first, body = dice.pick(
        (
            (
                "HBH longer than the packet",
                HBH,
                bytes((protocol, 200)) + bytes(6) + data,
            ),
            (
                "DST longer than the packet",
                DST,
                bytes((protocol, 200)) + bytes(6) + data,
            ),
            ("RH longer than the packet", 43, bytes((protocol, 200)) + bytes(6) + data),
            ("HBH of 7 bytes", HBH, bytes((protocol, 0)) + bytes(5)),
            ("DST of 1 byte", DST, bytes((protocol,))),
            ("RH of 7 bytes", ROUTING, bytes((protocol, 0)) + bytes(5)),
            ("FH of 7 bytes", FRAGMENT, bytes((protocol, 0)) + bytes(5)),
            ("HBH and the end", HBH, b""),
            ("DST and the end", DST, b""),
            ("RH and the end", ROUTING, b""),
            ("FH and the end", FRAGMENT, b""),
            ("DST up to the end", DST, bytes((protocol, 0, 1, 4)) + bytes(4)),
            ("DST to TCP, cut", DST, bytes((6, 0, 1, 4)) + bytes(4) + bytes(8)),
            ("DST x 7", DST, _repeat(DST, 7, protocol) + data),
            ("DST x 8", DST, _repeat(DST, 8, protocol) + data),
            ("DST x 9", DST, _repeat(DST, 9, protocol) + data),
            ("DST x 60", DST, _repeat(DST, 60, protocol) + data),
            ("FH x 2", FRAGMENT, _repeat(FRAGMENT, 2, protocol) + data),
            ("FH x 9", FRAGMENT, _repeat(FRAGMENT, 9, protocol) + data),
            (
                "RH of 2048",
                ROUTING,
                bytes((protocol, 170, 253, 0)) + bytes(1364) + data,
            ),
            ("next header 255", 255, data),
            ("next header 1", 1, data),
            ("next header 4", 4, data),
            ("next header 41", 41, data),
            ("next header 2", 2, data),
            ("next header 132", 132, data),
            ("no next header", NONE, data),
            ("DST to no next header", DST, bytes((NONE, 0, 1, 4)) + bytes(4) + data),
            (
                "DST to HBH",
                DST,
                bytes((HBH, 0, 1, 4))
                + bytes(4)
                + bytes((58, 0, 1, 4))
                + bytes(4)
                + data,
            ),
            (
                "atomic to HBH",
                FRAGMENT,
                bytes((HBH, 0, 0, 0))
                + bytes(4)
                + bytes((58, 0, 1, 4))
                + bytes(4)
                + data,
            ),
            ("reserved bits in FH", FRAGMENT, bytes((58, 255, 0, 6)) + bytes(4) + data),
        )
    )
    return Odd(f"ip6 lies: {what}", (frame(ip6(body, first, src)),))


def _repeat(kind: int, times: int, last: int) -> bytes:
    body = bytes(6) if kind == FRAGMENT else b"\x00\x01\x04\0\0\0\0"
    body = b"\0" + body if kind == FRAGMENT else body
    ends = [kind] * (times - 1) + [last]
    return b"".join(bytes((end,)) + body[:7] for end in ends)


SOURCES = (
    *("::", "::1", "fd09::2", "fe80::2", "fd09::77", "fe80::77", "2001:db8::7"),
    *("ff02::1", "ff0e::5", "::ffff:10.9.0.77", "::10.9.0.77", "fec0::1", "64:ff9b::1"),
    *("fd09::", "2002:a09:4d::1"),
)
DESTINATIONS = (
    *("fd09::2", "fd09::2", "fe80::2", "ff02::1", "ff02::1", "ff01::1", "ff00::1"),
    *("ff02::2", "ff02::1:ff00:2", "ff02::1:ff00:99", "ff05::2", "ff0e::101", "::1"),
    *("::", "fd09::99", "2001:db8::9", "fd09::", "::ffff:10.9.0.2", "fe80::99"),
    *("ff12::1", "ff03::1", "ff0f::1"),
)


def address(dice: Dice) -> Odd:
    """An odd source, an odd destination, or the wrong link address for it."""
    src, dst = pack_ip(dice.pick(SOURCES)), pack_ip(dice.pick(DESTINATIONS))
    name, protocol, data = upper(dice, src, dst)
    kind = dice.pick(("ours", "its group", "its group", "broadcast", "another host"))
    mac = {
        "ours": OUR_MAC,
        "broadcast": BROADCAST_MAC,
        "its group": group_mac(dst),
        "another host": b"\x02\0\0\0\0\x99",
    }[kind]
    if kind == "its group" and dst[0] != 0xFF:
        kind, mac = "ours", OUR_MAC
    label = f"ip6 from {format_ip(src)} to {format_ip(dst)}, link {kind}, {name}"
    return Odd(label, (frame(ip6(data, protocol, src, dst), mac),))


def source(dice: Dice) -> Odd:
    src, dst = pack_ip(dice.pick(SOURCES)), dice.pick((OUR6, OUR6, OUR_LL))
    name, protocol, data = upper(dice, src, dst)
    label = f"ip6 from {format_ip(src)} to {format_ip(dst)}, {name}"
    return Odd(label, (frame(ip6(data, protocol, src, dst)),))


def fragment(dice: Dice) -> Odd:
    """Pieces of one packet in any shape."""
    src = dice.pick((PEER6, FAR6))
    what, shape = dice.pick(SHAPES)
    end = max((to for _, to, more in shape if not more and to < 999), default=32)
    name, protocol, data = upper(dice, src, OUR6, dice.bytes(end - 8))
    if protocol == 6:
        data = (data + bytes(end))[:end]
    frames = []
    for n, (start, to, more) in enumerate(shape):
        piece = data[start:to].ljust(to - start, b"x")
        if what == "an unlike copy" and n == 1:
            piece = piece[:-1] + bytes((piece[-1] ^ 1,))
        top = pack("!BBHI", protocol, 0, start & 0xFFF8 | more, dice.ident)
        frames.append(frame(ip6(top + piece, FRAGMENT, src)))
    return Odd(f"ip6 fragments: {what}, {name}", tuple(frames))


def fragment_oddly(dice: Dice) -> Odd:
    """Pieces with more than a transport in them, or that agree about the cut alone."""
    src = PEER6
    protocol, data = named_upper("echo", dice.port, src, OUR6, dice.bytes(24))
    ident = dice.ident
    skip = options_header(0, b"\x1e\x00")
    tell = options_header(0, b"\xde\x00")
    before = after = b""
    heads, hops, named = [0, 0], [64, 64], [protocol, protocol]
    sources, idents, labels = [src, src], [ident, ident], [0, 0]
    what = dice.pick(
        (
            *("sources", "identifications", "next headers", "hop limit 0", "ECN 3"),
            *(
                "ECN 3 and 0",
                "options before",
                "options that tell before",
                "a DST in it",
            ),
            *("a DST that tells in it", "options before the first", "only a DST in it"),
            *("half a DST in the first", "options before the last", "to a group"),
            *("a fragment in it", "a last of 12 bytes", "an RH in it", "a HBH in it"),
        )
    )
    if what == "sources":
        sources[1] = FAR6
    elif what == "identifications":
        idents[1] += 1 << 20
    elif what == "next headers":
        named[1] = 17
    elif what == "hop limit 0":
        hops[1] = 0
    elif what == "ECN 3":
        labels = [2 << 20, 3 << 20]
    elif what == "ECN 3 and 0":
        labels = [0, 3 << 20]
    elif what == "options before":
        before, heads = skip, [1, 1]
    elif what == "options that tell before":
        before, heads = tell, [1, 1]
    elif what == "options before the first":
        before, heads = skip, [1, 0]
    elif what == "options before the last":
        before, heads = skip, [0, 1]
    elif what in ("a DST in it", "a DST that tells in it", "only a DST in it"):
        after = bytes((protocol,)) + (tell if "tells" in what else skip)[1:]
        named = [DST, DST]
        data = after + data
    elif what == "half a DST in the first":
        data = bytes((protocol, 2, 1, 20)) + bytes(20) + data
        named = [DST, DST]
    elif what == "a fragment in it":
        data, named = pack("!BBHI", protocol, 0, 0, 7) + data, [FRAGMENT, FRAGMENT]
    elif what == "an RH in it":
        data, named = bytes((protocol, 0, 0, 1)) + bytes(4) + data, [ROUTING, ROUTING]
    elif what == "a HBH in it":
        data, named = bytes((protocol,)) + skip[1:] + data, [HBH, HBH]
    cut = 8 if what == "only a DST in it" else 16
    dst = ALL_NODES if what == "to a group" else OUR6
    if what == "to a group":
        protocol, data = named_upper("echo", dice.port, src, dst, dice.bytes(24))
    if what == "a last of 12 bytes":
        data = data[: cut + 12]
    packets = []
    for n, (start, piece) in enumerate(((0, data[:cut]), (cut, data[cut:]))):
        top = pack("!BBHI", named[n], 0, start | (not n), idents[n])
        body, first = top + piece, FRAGMENT
        if heads[n]:
            body, first = bytes((FRAGMENT,)) + before[1:] + body, DST
        packets.append(ip6(body, first, sources[n], dst, hops=hops[n], label=labels[n]))
    order = ""
    if dice.number(0, 1):
        packets.reverse()
        order = ", the last first"
    mac = group_mac(dst) if dst[0] == 0xFF else OUR_MAC
    frames = tuple(frame(packet, mac) for packet in packets)
    return Odd(f"ip6 fragments, {what}{order}", frames)


def big(dice: Dice) -> Odd:
    name = dice.pick(("echo", "UDP to a closed port"))
    size = dice.pick((1452, 1453, 2000, 8192, 65507))
    protocol, data = named_upper(name, dice.port, PEER6, OUR6, dice.bytes(size))
    frames = []
    for start in range(0, len(data), 1448):
        more = start + 1448 < len(data)
        top = pack("!BBHI", protocol, 0, start | more, dice.ident)
        frames.append(frame(ip6(top + data[start : start + 1448], FRAGMENT)))
    if dice.number(0, 1):
        frames.reverse()
    return Odd(f"ip6 big: {name} of {size}", tuple(frames))


def icmp(dice: Dice) -> Odd:
    """Any message, about nothing. Neighbour discovery has its own."""
    src = dice.pick((PEER6, FAR6, PEER_LL))
    dst = OUR_LL if src == PEER_LL else dice.pick((OUR6, OUR6, ALL_NODES))
    numbers = (*range(6), 99, 100, 101, 127, 128, 129, *range(138, 162), 200, 201, 255)
    kind = dice.pick(numbers)
    code = dice.pick((0, 0, 0, 1, 2, 4, 7, 255))
    body = dice.pick((b"", bytes(12), dice.bytes(12), dice.bytes(40)))
    flaw = dice.pick(("", "", "", ", bad checksum", ", cut short"))
    wrong = 0x0101 if "bad" in flaw else 0
    data = icmp6(kind, code, dice.bytes(4), body, src=src, dst=dst, wrong=wrong)
    label = f"icmp6 {kind}/{code}, {len(body)} bytes{flaw}"
    if "cut" in flaw:
        data = data[: dice.pick((0, 1, 4, 7))]
        label = f"icmp6 {kind}/{code}, cut to {len(data)} bytes"
    if dst == ALL_NODES:
        label += ", to all nodes"
    mac = group_mac(dst) if dst == ALL_NODES else OUR_MAC
    return Odd(label, (frame(ip6(data, 58, src, dst), mac),))


def icmp_error(dice: Dice) -> Odd:
    """An error about a packet that we never sent, or that nobody did."""
    kind = dice.pick((1, 1, 2, 3, 4, 5, 100))
    code = dice.pick((0, 1, 2, 3, 4, 7))
    what = dice.pick(
        (
            *("our UDP", "our SYN", "our echo", "their UDP", "an error", "8 bytes"),
            *("a fragment", "version 4", "extension headers", "protocol 253"),
        )
    )
    mine, other = OUR6, pack_ip("2001:db8:9::9")
    quoted = ip6(udp(UDP_PORT, dice.port, b"x", mine, other), 17, mine, other)
    if what == "their UDP":
        quoted = ip6(udp(dice.port, 9, b"x", other, PEER6), 17, other, PEER6)
    elif what == "an error":
        inner = icmp6(1, 4, bytes(4), bytes(48), src=mine, dst=other)
        quoted = ip6(inner, 58, mine, other)
    elif what in ("our SYN", "our echo", "protocol 253"):
        name = {"our SYN": "SYN to an open port", "our echo": "echo"}.get(what, what)
        number, data = named_upper(name, dice.port, mine, other)
        quoted = ip6(data, number, mine, other)
    elif what == "8 bytes":
        quoted = quoted[:8]
    elif what == "a fragment":
        quoted = ip6(pack("!BBHI", 17, 0, 800, 9) + bytes(16), 44, mine, other)
    elif what == "version 4":
        quoted = b"\x45" + quoted[1:]
    elif what == "extension headers":
        quoted = ip6(bytes((17, 0, 1, 4)) + bytes(4) + quoted[40:], DST, mine, other)
    rest = dice.pick((bytes(4), pack("!I", 1280), pack("!I", 68), b"\xff" * 4))
    src = dice.pick((PEER6, FAR6, GATE6))
    data = icmp6(kind, code, rest, quoted, src=src)
    return Odd(f"icmp6 error {kind}/{code} about {what}", (frame(ip6(data, 58, src)),))


def echo(dice: Dice) -> Odd:
    where = dice.pick(("fd09::2", "fe80::2", "ff02::1", "ff01::1", "ff02::1:ff00:2"))
    dst = pack_ip(where)
    src = PEER_LL if dst == OUR_LL else dice.pick((PEER6, FAR6, PEER_LL))
    if dst == OUR6 and src == PEER_LL:
        src = PEER6
    size = dice.pick((0, 1, 2, 55, 56, 500, 1451, 1452))
    code = dice.pick((0, 0, 0, 1, 255))
    rest, body = dice.bytes(4), dice.bytes(size)
    data = icmp6(128, code, rest, body, src=src, dst=dst)
    mac = group_mac(dst) if dst[0] == 0xFF else OUR_MAC
    label = f"icmp6 echo of {size}, code {code}, {format_ip(src)} to {where}"
    return Odd(label, (frame(ip6(data, 58, src, dst), mac),))


def _link_option(kind: int, mac: bytes = PEER_MAC) -> bytes:
    return bytes((kind, 1)) + mac


SOLICITATIONS: tuple[tuple[str, dict[str, object]], ...] = (
    *(("as usual", {}),) * 2,
    ("unicast", {"dst": OUR6}),
    ("from its link-local", {"src": PEER_LL}),
    ("unicast to link-local", {"src": PEER_LL, "dst": OUR_LL, "target": OUR_LL}),
    ("about link-local", {"src": PEER_LL, "target": OUR_LL}),
    ("from off the link", {"src": FAR6}),
    ("without an option", {"options": b""}),
    ("unicast without an option", {"dst": OUR6, "options": b""}),
    ("hop limit 254", {"hops": 254}),
    ("hop limit 64", {"hops": 64}),
    ("code 1", {"code": 1}),
    ("bad checksum", {"wrong": 1}),
    ("about a group", {"target": ALL_NODES}),
    ("about another", {"target": PEER6}),
    ("about loopback", {"target": pack_ip("::1")}),
    ("about nothing", {"target": bytes(16)}),
    ("to all nodes", {"dst": ALL_NODES}),
    ("to another's group", {"dst": pack_ip("ff02::1:ff00:99")}),
    ("DAD", {"src": bytes(16), "options": b""}),
    ("DAD with an option", {"src": bytes(16)}),
    ("DAD to us", {"src": bytes(16), "dst": OUR6, "options": b""}),
    ("DAD to all nodes", {"src": bytes(16), "dst": ALL_NODES, "options": b""}),
    ("DAD about another", {"src": bytes(16), "options": b"", "target": PEER6}),
    ("DAD with a nonce", {"src": bytes(16), "options": b"\x0e\x01abcdef"}),
    ("from a group", {"src": ALL_NODES}),
    ("from ourselves", {"src": OUR6}),
    ("option of length 0", {"options": b"\x01\x00" + PEER_MAC}),
    ("option of length 2", {"options": b"\x01\x02" + PEER_MAC}),
    ("option of 16", {"options": b"\x01\x02" + PEER_MAC + bytes(8)}),
    ("option twice", {"options": _link_option(1) * 2}),
    ("two options unlike", {"options": _link_option(1) + _link_option(1, OUR_MAC)}),
    ("option a group's", {"options": _link_option(1, BROADCAST_MAC)}),
    ("option ours", {"options": _link_option(1, OUR_MAC)}),
    ("option another's", {"options": _link_option(1, b"\x02\0\0\0\0\x88")}),
    ("target link option", {"options": _link_option(2)}),
    ("unknown option first", {"options": b"\x63\x01" + bytes(6) + _link_option(1)}),
    ("unknown option of 0", {"options": _link_option(1) + b"\x63\x00" + bytes(6)}),
    ("4 bytes more", {"options": _link_option(1) + bytes(4)}),
    ("1 byte more", {"options": _link_option(1) + b"\x01"}),
    ("cut to 20", {"cut": 20}),
    ("cut to 8", {"cut": 8}),
    ("cut to 4", {"cut": 4}),
    ("router alert before", {"chain": HBH}),
    ("destination options before", {"chain": DST}),
    ("atomic fragment", {"chain": FRAGMENT}),
)


def solicitation(dice: Dice) -> Odd:
    what, changes = dice.pick(SOLICITATIONS)
    given: dict[str, object] = {
        "src": PEER6,
        "dst": pack_ip("ff02::1:ff00:2"),
        "target": OUR6,
        "hops": 255,
        "code": 0,
        "wrong": 0,
        "cut": 999,
        "chain": 0,
        "options": _link_option(1),
        **changes,
    }
    src, dst = given["src"], given["dst"]
    target, options, chained = given["target"], given["options"], given["chain"]
    assert isinstance(src, bytes)
    assert isinstance(dst, bytes)
    assert isinstance(target, bytes)
    assert isinstance(options, bytes)
    data = icmp6(
        135,
        given["code"],  # type: ignore[arg-type]
        bytes(4),
        target + options,
        src=src,
        dst=dst,
        wrong=given["wrong"],  # type: ignore[arg-type]
    )
    if given["cut"] != 999:
        data = icmp6(135, 0, bytes(4), target[: given["cut"] - 8], src=src, dst=dst)  # type: ignore[operator]
        data = data[: given["cut"]]  # type: ignore[misc]
    protocol = 58
    if chained == FRAGMENT:
        data, protocol = pack("!BBHI", 58, 0, 0, dice.ident) + data, FRAGMENT
    elif chained:
        body = b"\x05\x02\0\0" if chained == HBH else b"\x1e\x00"
        data, protocol = options_header(58, body) + data, chained  # type: ignore[assignment]
    mac = group_mac(dst) if dst[0] == 0xFF else OUR_MAC
    packet = ip6(data, protocol, src, dst, hops=given["hops"])  # type: ignore[arg-type]
    return Odd(f"ns {what}", (frame(packet, mac),))


def discovery(dice: Dice) -> Odd:
    """Advertisements, router messages, redirects, queries: no answer is due."""
    kind = dice.pick((133, 134, 136, 137, 130, 131, 132, 143))
    hops = dice.pick((255, 255, 64, 1))
    code = dice.pick((0, 0, 0, 1))
    src = dice.pick((PEER_LL, PEER_LL, PEER6, FAR6, bytes(16)))
    dst = dice.pick((ALL_NODES, OUR6, pack_ip("ff02::2")))
    target = dice.pick((OUR6, PEER6, FAR6, ALL_NODES))
    body = {
        133: _link_option(1),
        134: bytes(8) + _link_option(1),
        136: target + _link_option(2),
        137: GATE6 + FAR6 + _link_option(2),
        130: dice.pick((bytes(16), target)),
        131: target,
        132: target,
        143: bytes(0),
    }[kind]
    if dice.number(0, 3) == 0:
        body = body[: dice.number(0, len(body))]
    rest = dice.pick((bytes(4), b"\xe0\0\0\0", b"\0\1\0\0"))
    data = icmp6(kind, code, rest, body, src=src, dst=dst)
    alert = kind in (130, 131, 132, 143) and dice.number(0, 1)
    protocol = 58
    if alert:
        data, protocol = options_header(58, b"\x05\x02\0\0") + data, HBH
    mac = group_mac(dst) if dst[0] == 0xFF else OUR_MAC
    label = f"icmp6 {kind}/{code} of {len(body)} at {hops} from {format_ip(src)}"
    label += f" to {format_ip(dst)}, {format_ip(target)}, {rest.hex()}"
    return Odd(label, (frame(ip6(data, protocol, src, dst, hops=hops), mac),))
