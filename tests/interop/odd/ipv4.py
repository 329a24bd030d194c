"""Odd packets of IPv4: headers, options, addresses, fragments, ICMP, ARP."""

from __future__ import annotations

from struct import pack

from sansio_net.addresses import format_ip, pack_ip
from sansio_net.wire.ethernet import build_ethernet

from .tools import (
    BROADCAST_MAC,
    FAR4,
    GATE4,
    OUR4,
    OUR_MAC,
    PEER4,
    PEER_MAC,
    UDP_PORT,
    Dice,
    Odd,
    frame,
    group_mac,
    icmp4,
    ip4,
    named_upper,
    udp,
    upper,
)

MF, DF, EVIL = 0x2000, 0x4000, 0x8000


def header(dice: Dice) -> Odd:
    """One field of the header says something odd."""
    src = dice.pick((PEER4, FAR4))
    name, protocol, data = upper(dice, src, OUR4)
    what, options = dice.pick(
        (
            ("version 0", {"version": 0}),
            ("version 5", {"version": 5}),
            ("version 6", {"version": 6}),
            ("IHL 0", {"ihl": 0}),
            ("IHL 4", {"ihl": 4}),
            ("IHL 6 without options", {"ihl": 6}),
            ("IHL 15", {"ihl": 15}),
            ("total length 0", {"total": 0}),
            ("total length 19", {"total": 19}),
            ("total length 20", {"total": 20}),
            ("total length 21", {"total": 21}),
            ("total length 4 too short", {"total": 16 + len(data)}),
            ("total length 1 too long", {"total": max(60, 21 + len(data))}),
            ("total length 65535", {"total": 65535}),
            ("checksum off by one", {"wrong_by": 1}),
            ("checksum off by 0x8000", {"wrong_by": 0x8000}),
            ("TTL 0", {"ttl": 0}),
            ("TTL 1", {"ttl": 1}),
            ("TTL 255", {"ttl": 255}),
            ("TOS 255", {"tos": 255}),
            ("TOS 3", {"tos": 3}),
            ("the evil bit", {"word": EVIL}),
            ("DF", {"word": DF}),
            ("identification 0", {"ident": 0}),
        )
    )
    packet = ip4(data, protocol, src, **{"ident": dice.ident, **options})  # type: ignore[arg-type]
    return Odd(f"ip4 header: {what}, {name}", (frame(packet, ethertype=0x0800),))


def padding(dice: Dice) -> Odd:
    """More in the frame than the packet says."""
    name, protocol, data = upper(dice, PEER4, OUR4)
    n = dice.pick((1, 2, 7, 100, 1000))
    packet = ip4(data, protocol) + dice.pick((bytes(n), dice.bytes(n)))
    return Odd(f"ip4 trailer: {name}", (frame(packet),))


def _route(dice: Dice, kind: int) -> tuple[str, bytes]:
    room = dice.pick((1, 2, 9))
    at = dice.pick((0, 3, 4, 5, 8, 12, 40, 255))
    size = 3 + 4 * room + dice.pick((0, 0, 0, 1))
    hops = b"".join(dice.pick((OUR4, FAR4, PEER4)) for _ in range(room))
    option = (bytes((kind, size, at)) + hops).ljust(size, b"\0")[:40]
    return f"pointer {at} of {size}", option


def _stamp(dice: Dice) -> tuple[str, bytes]:
    flag = dice.pick((0, 1, 3, 2, 15))
    overflow = dice.pick((0, 0, 14, 15))
    at = dice.pick((0, 4, 5, 6, 9, 13, 41, 255))
    size = dice.pick((4, 8, 12, 16, 36, 10))
    wanted = dice.pick(("ours", "another's"))
    body = (OUR4 if wanted == "ours" else FAR4) + bytes(28)
    option = (bytes((68, size, at, overflow << 4 | flag)) + body).ljust(size, b"\0")
    text = f"flag {flag}, overflow {overflow}, pointer {at} of {size}, {wanted}"
    return text, option[:size]


def option(dice: Dice) -> Odd:
    """One option, right or lying."""
    src = dice.pick((PEER4, FAR4))
    name, protocol, data = upper(dice, src, OUR4)
    what = dice.pick(("RR", "TS", "LSRR", "SSRR", "TS", "other", "other", "lies"))
    if what in ("RR", "LSRR", "SSRR"):
        text, body = _route(dice, {"RR": 7, "LSRR": 131, "SSRR": 137}[what])
    elif what == "TS":
        text, body = _stamp(dice)
    elif what == "other":
        kind = dice.pick((2, 10, 30, 82, 94, 130, 133, 134, 136, 148, 150, 158, 205))
        size = dice.pick((2, 3, 4, 6, 8, 11, 40))
        text, body = f"type {kind} of {size}", bytes((kind, size)) + bytes(size - 2)
    else:
        text, body = dice.pick(_LIES)
    before = dice.pick((0, 0, 1, 3))
    body = (b"\1" * before + body)[:40]
    label = f"ip4 option: {what}, {text}, {before} NOPs, {name}"
    return Odd(label, (frame(ip4(data, protocol, src, options=body)),))


_LIES = (
    ("only NOPs", b"\1" * 8),
    ("only end of list", bytes(4)),
    ("garbage after the end", b"\0\x07\x01\xff"),
    ("type 7 of 0", b"\x07\x00\x00\x00"),
    ("type 7 of 1", b"\x07\x01\x04\x00"),
    ("type 7 of 2", b"\x07\x02\x00\x00"),
    ("type 7 of 3", b"\x07\x03\x04\x00"),
    ("type 7 of 8 in 4", b"\x07\x08\x04\x00"),
    ("type 68 of 0", b"\x44\x00\x05\x00"),
    ("type 68 of 3", b"\x44\x03\x05\x00"),
    ("type 68 of 40 in 4", b"\x44\x28\x05\x00"),
    ("type 131 of 2", b"\x83\x02\x00\x00"),
    ("type 200 of 0", b"\xc8\x00\x00\x00"),
    ("type 200 of 9 in 4", b"\xc8\x09\x00\x00"),
    ("a type without a length", b"\1\1\1\xc8"),
    ("RR twice", b"\x07\x07\x04" + bytes(4) + b"\x07\x07\x04" + bytes(4)),
    ("TS twice", b"\x44\x08\x05\x00" + bytes(4) + b"\x44\x08\x05\x00" + bytes(4)),
    ("alert twice", b"\x94\x04\x00\x00\x94\x04\x00\x00"),
    ("alert and RR", b"\x94\x04\x00\x00\x07\x07\x04" + bytes(4)),
)

SOURCES = (
    *("0.0.0.0", "0.1.2.3", "127.0.0.1", "10.9.0.2", "10.9.0.255", "10.9.0.0"),
    *("224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "169.254.1.1"),
    *("192.0.2.7", "10.9.0.77", "100.64.0.1"),
)
DESTINATIONS = (
    *("10.9.0.2", "10.9.0.2", "10.9.0.255", "10.9.0.0", "255.255.255.255"),
    *("224.0.0.1", "224.0.0.9", "239.1.2.3", "127.0.0.1", "127.1.2.3", "10.9.0.99"),
    *("192.0.2.9", "0.0.0.0", "240.0.0.2", "169.254.7.7"),
)


def address(dice: Dice) -> Odd:
    """An odd source, an odd destination, or the wrong link address for it."""
    src, dst = pack_ip(dice.pick(SOURCES)), pack_ip(dice.pick(DESTINATIONS))
    name, protocol, data = upper(dice, src, dst)
    kind = dice.pick(("ours", "broadcast", "its group", "another host"))
    mac = {
        "ours": OUR_MAC,
        "broadcast": BROADCAST_MAC,
        "its group": group_mac(dst),
        "another host": b"\x02\0\0\0\0\x99",
    }[kind]
    label = f"ip4 from {format_ip(src)} to {format_ip(dst)}, link {kind}, {name}"
    return Odd(label, (frame(ip4(data, protocol, src, dst), mac),))


def source(dice: Dice) -> Odd:
    """Odd in its source alone."""
    src = pack_ip(dice.pick(SOURCES))
    name, protocol, data = upper(dice, src, OUR4)
    packet = ip4(data, protocol, src)
    return Odd(f"ip4 from {format_ip(src)}, {name}", (frame(packet),))


Piece = tuple[int, int, bool]
"""From, to, more."""

SHAPES: tuple[tuple[str, tuple[Piece, ...]], ...] = (
    ("two in order", ((0, 16, True), (16, 32, False))),
    ("two, the last first", ((16, 32, False), (0, 16, True))),
    ("three", ((0, 8, True), (16, 32, False), (8, 16, True))),
    ("the first alone", ((0, 16, True),)),
    ("the last alone", ((16, 32, False),)),
    ("a middle alone", ((8, 16, True),)),
    ("the first twice", ((0, 16, True), (0, 16, True), (16, 32, False))),
    ("the last twice", ((16, 32, False), (16, 32, False), (0, 16, True))),
    ("teardrop", ((0, 24, True), (8, 16, False))),
    ("an overlap of 8", ((0, 24, True), (16, 32, False))),
    ("an overlap from behind", ((16, 32, False), (0, 24, True))),
    ("one within the other", ((0, 32, True), (8, 16, True), (32, 40, False))),
    ("a gap", ((0, 8, True), (16, 32, False))),
    ("two ends", ((8, 16, False), (8, 32, False), (0, 8, True))),
    ("an end before what came", ((16, 32, True), (8, 16, False), (0, 8, True))),
    ("first of 4 bytes", ((0, 4, True), (8, 32, False))),
    ("first of 12 bytes", ((0, 12, True), (16, 32, False))),
    ("an empty last", ((0, 32, True), (32, 32, False))),
    ("an empty first", ((0, 0, True), (0, 32, True), (32, 40, False))),
    ("an empty middle", ((0, 16, True), (16, 16, True), (16, 32, False))),
    ("beyond the end", ((0, 16, True), (65528, 65544, False))),
    ("beyond the end alone", ((65528, 65544, False),)),
    ("at the very end", ((65504, 65512, False),)),
    ("tiny ones", tuple((n, n + 8, n < 24) for n in range(0, 32, 8))),
    ("tiny ones backwards", tuple((n, n + 8, n < 24) for n in (24, 16, 8, 0))),
    ("an unlike copy", ((0, 16, True), (0, 16, True), (16, 32, False))),
    ("whole after a part", ((0, 16, True), (0, 32, False))),
    ("a part after the overlap", ((0, 24, True), (8, 32, False), (24, 32, False))),
)


def fragment(dice: Dice) -> Odd:
    """Pieces of one datagram of 32 bytes or more, in any shape."""
    src = dice.pick((PEER4, FAR4))
    what, shape = dice.pick(SHAPES)
    end = max((to for _, to, more in shape if not more and to < 999), default=32)
    name, protocol, data = upper(dice, src, OUR4, dice.bytes(end - 8))
    if protocol == 6:
        data = (data + bytes(end))[:end]
    flags = dice.pick((0, 0, 0, DF, EVIL))
    frames = []
    for n, (start, to, more) in enumerate(shape):
        piece = data[start:to].ljust(to - start, b"x")
        if what == "an unlike copy" and n == 1:
            piece = piece[:-1] + bytes((piece[-1] ^ 1,))
        word = flags | (MF if more else 0) | (start >> 3 & 0x1FFF)
        packet = ip4(piece, protocol, src, ident=dice.ident, word=word)
        frames.append(frame(packet))
    text = {0: "", DF: ", DF", EVIL: ", evil"}[flags]
    return Odd(f"ip4 fragments: {what}{text}, {name}", tuple(frames))


def fragment_oddly(dice: Dice) -> Odd:
    """Pieces that agree about the cut and not about something else."""
    protocol, data = named_upper("echo", dice.port, PEER4, OUR4, dice.bytes(24))
    ident, options = dice.ident, b"\x07\x07\x04" + bytes(4)
    one = {"ident": ident, "word": MF}
    two = {"ident": ident, "word": 2}
    what = dice.pick(
        (
            *("sources", "protocols", "identifications", "TOS", "TTL 0", "TTL 1"),
            *("options in the first", "options in the last", "ECN 3", "ECN 3 and 0"),
            *("a broken checksum", "ECN 1 and 2", "DF in one", "to a group"),
            *("options that lie in the last", "a source route in the last"),
        )
    )
    src = dst = b""
    if what == "sources":
        src = FAR4
    elif what == "identifications":
        two["ident"] = ident ^ 0x8000
    elif what == "TOS":
        two["tos"] = 8
    elif what in ("TTL 0", "TTL 1"):
        two["ttl"] = int(what[-1])
    elif what == "ECN 3":
        one["tos"], two["tos"] = 2, 3
    elif what == "ECN 3 and 0":
        one["tos"], two["tos"] = 0, 3
    elif what == "ECN 1 and 2":
        one["tos"], two["tos"] = 1, 2
    elif what == "a broken checksum":
        two["wrong_by"] = 1
    elif what == "DF in one":
        one["word"] |= DF
    elif what == "to a group":
        dst = pack_ip("10.9.0.255")
    late = {
        "options in the last": options,
        "options that lie in the last": b"\x94\x09\0\0",
        "a source route in the last": b"\x83\x07\x04" + FAR4,
    }.get(what, b"")
    early = options if what == "options in the first" else b""
    first = ip4(data[:16], protocol, PEER4, dst or OUR4, options=early, **one)  # type: ignore[arg-type]
    last = ip4(
        data[16:],
        17 if what == "protocols" else protocol,
        src or PEER4,
        dst or OUR4,
        options=late,
        **two,  # type: ignore[arg-type]
    )
    mac = BROADCAST_MAC if dst else OUR_MAC
    pieces = [first, last] if dice.number(0, 1) else [last, first]
    order = "" if pieces[0] is first else ", the last first"
    return Odd(
        f"ip4 fragments unlike in {what}{order}", tuple(frame(p, mac) for p in pieces)
    )


def big(dice: Dice) -> Odd:
    """Echo and UDP that need many pieces; so does the reply."""
    name = dice.pick(("echo", "UDP to a closed port"))
    size = dice.pick((1472, 1473, 2000, 8192, 65507))
    protocol, data = named_upper(name, dice.port, PEER4, OUR4, dice.bytes(size))
    frames = []
    for start in range(0, len(data), 1480):
        more = start + 1480 < len(data)
        word = start >> 3 | (MF if more else 0)
        piece = data[start : start + 1480]
        frames.append(frame(ip4(piece, protocol, ident=dice.ident, word=word)))
    if dice.number(0, 1):
        frames.reverse()
    return Odd(f"ip4 big: {name} of {size}", tuple(frames))


def protocol(dice: Dice) -> Odd:
    """A protocol that nobody speaks."""
    src = dice.pick((PEER4, FAR4))
    number = dice.pick((0, 3, 4, 5, 8, 41, 43, 44, 47, 50, 51, 58, 59, 60, 89, 255))
    data = dice.bytes(dice.pick((0, 1, 8, 40, 200, 1400)))
    label = f"ip4 protocol {number} with {len(data)} bytes"
    return Odd(label, (frame(ip4(data, number, src)),))


def icmp(dice: Dice) -> Odd:
    """Any message, about nothing."""
    src = dice.pick((PEER4, FAR4))
    kind = dice.pick((*range(20), 30, 37, 40, 41, 42, 43, 44, 253, 255, 13, 17, 15))
    code = dice.pick((0, 0, 0, 1, 2, 3, 4, 13, 15, 16, 255))
    body = dice.pick((b"", bytes(12), dice.bytes(12), dice.bytes(40)))
    flaw = dice.pick(("", "", "", ", bad checksum", ", cut short"))
    data = icmp4(kind, code, dice.bytes(4), body, 0x0101 if "bad" in flaw else 0)
    if "cut" in flaw:
        data = data[: dice.pick((0, 1, 4, 7))]
    label = f"icmp4 {kind}/{code}, {len(body)} bytes{flaw}"
    if "cut" in flaw:
        label = f"icmp4 {kind}/{code}, cut to {len(data)} bytes"
    return Odd(label, (frame(ip4(data, 1, src)),))


def icmp_error(dice: Dice) -> Odd:
    """An error about a packet that we never sent, or that nobody did."""
    kind = dice.pick((3, 3, 4, 5, 11, 12))
    code = dice.pick((0, 1, 2, 3, 4, 13, 20))
    what = dice.pick(
        (
            *("our UDP", "our TCP", "our echo", "their UDP", "an error", "8 bytes"),
            *("a fragment", "IHL 15", "version 6", "its own error", "protocol 253"),
        )
    )
    mine, other = OUR4, pack_ip("198.51.100.9")
    if what in ("our UDP", "8 bytes", "a fragment", "IHL 15", "version 6"):
        quoted = ip4(udp(UDP_PORT, dice.port, b"x", mine, other), 17, mine, other)
    elif what == "their UDP":
        quoted = ip4(udp(dice.port, 9, b"x", other, PEER4), 17, other, PEER4)
    elif what in ("an error", "its own error"):
        quoted = ip4(icmp4(3, 3, bytes(4), bytes(28)), 1, mine, other)
    else:
        name = {
            "our TCP": "SYN to an open port",
            "our echo": "echo",
            "protocol 253": "protocol 253",
        }[what]
        number, data = named_upper(name, dice.port, mine, other)
        quoted = ip4(data, number, mine, other)
    if what == "8 bytes":
        quoted = quoted[:8]
    elif what == "a fragment":
        quoted = ip4(bytes(16), 17, mine, other, word=100)
    elif what == "IHL 15":
        quoted = b"\x4f" + quoted[1:]
    elif what == "version 6":
        quoted = b"\x65" + quoted[1:]
    rest = dice.pick((bytes(4), GATE4, pack("!HH", 0, 68), b"\xff" * 4))
    src = dice.pick((PEER4, FAR4, GATE4))
    data = icmp4(kind, code, rest, quoted)
    return Odd(f"icmp4 error {kind}/{code} about {what}", (frame(ip4(data, 1, src)),))


def echo(dice: Dice) -> Odd:
    """Echo requests of all sizes, to one and to all."""
    what = dice.pick(("", "", ", broadcast", ", limited broadcast", ", to 224.0.0.1"))
    dst = pack_ip(
        {
            ", broadcast": "10.9.0.255",
            ", limited broadcast": "255.255.255.255",
            ", to 224.0.0.1": "224.0.0.1",
        }.get(what, "10.9.0.2")
    )
    mac = OUR_MAC
    if what:
        mac = group_mac(dst) if dst[0] == 224 else BROADCAST_MAC
    size = dice.pick((0, 1, 2, 55, 56, 500, 1471, 1472))
    code = dice.pick((0, 0, 0, 1, 255))
    src = dice.pick((PEER4, FAR4))
    data = icmp4(8, code, dice.bytes(4), dice.bytes(size))
    label = f"icmp4 echo of {size}, code {code}{what}"
    return Odd(label, (frame(ip4(data, 1, src, dst), mac),))


def arp(dice: Dice) -> Odd:
    """Requests and replies, right and wrong."""
    op = dice.pick((1, 1, 1, 1, 2, 0, 3, 8, 255))
    hrd, pro, hln, pln = dice.pick(
        (
            *((1, 0x0800, 6, 4),) * 6,
            *((6, 0x0800, 6, 4), (1, 0x86DD, 6, 4), (1, 0x0800, 8, 4)),
            *((1, 0x0800, 6, 16), (0, 0x0800, 6, 4), (1, 0x0800, 0, 0)),
        )
    )
    shas = {
        "": PEER_MAC,
        ", sha broadcast": BROADCAST_MAC,
        ", sha a group": b"\x01\0\x5e\0\0\x01",
        ", sha 0": bytes(6),
        ", sha ours": OUR_MAC,
        ", sha another's": b"\x02\0\0\0\0\x88",
    }
    sha = dice.pick(("", "", "", *shas))
    spa = dice.pick(("10.9.0.77", "10.9.0.77", "10.9.0.77", *SOURCES))
    tpa = dice.pick(("10.9.0.2", "10.9.0.2", "10.9.0.2", "10.9.0.77", *DESTINATIONS))
    tha = dice.pick((bytes(6), OUR_MAC, BROADCAST_MAC))
    unicast = dice.number(0, 1)
    body = pack("!HHBBH", hrd, pro, hln, pln, op)
    body += shas[sha] + pack_ip(spa) + tha + pack_ip(tpa)
    text = f"arp {op}, {spa} asks for {tpa}{sha}, {'unicast' if unicast else 'all'}"
    if (hrd, pro, hln, pln) != (1, 0x0800, 6, 4):
        text += f", hardware {hrd} {hln}, protocol {pro:#x} {pln}"
    mac = OUR_MAC if unicast else BROADCAST_MAC
    cut = dice.pick((0, 0, 0, 0, 0, 27, 8))
    if cut:
        raw = build_ethernet(mac, PEER_MAC, 0x0806) + body[:cut]
        return Odd(f"arp {op} cut to {cut} bytes", (raw,))
    return Odd(text, (frame(body, mac, 0x0806),))
