"""Odd UDP and TCP of both families, and odd frames."""

from __future__ import annotations

from struct import pack

from sansio_net.wire.ethernet import build_ethernet
from sansio_net.wire.tcp import format_flags

from .tools import (
    FAR4,
    FAR6,
    OUR4,
    OUR6,
    OUR_MAC,
    PEER4,
    PEER6,
    PEER_MAC,
    TCP_PORT,
    UDP_PORT,
    Dice,
    Odd,
    frame,
    ip4,
    ip6,
    named_upper,
    tcp,
    udp,
)


def udp4(dice: Dice) -> Odd:
    return _udp(dice, "udp4", dice.pick((PEER4, FAR4)), OUR4)


def udp6(dice: Dice) -> Odd:
    return _udp(dice, "udp6", dice.pick((PEER6, FAR6)), OUR6)


def tcp4(dice: Dice) -> Odd:
    return _tcp(dice, "tcp4", dice.pick((PEER4, FAR4)), OUR4)


def tcp6(dice: Dice) -> Odd:
    return _tcp(dice, "tcp6", dice.pick((PEER6, FAR6)), OUR6)


def _framed(data: bytes, protocol: int, src: bytes, dst: bytes) -> bytes:
    build = ip4 if len(src) == 4 else ip6
    return frame(build(data, protocol, src, dst))


def _udp(dice: Dice, family: str, src: bytes, dst: bytes) -> Odd:
    where, dport = dice.pick((("closed", 9), ("open", UDP_PORT)))
    size = dice.pick((0, 1, 8, 100, 1400))
    data = dice.bytes(size)
    what = dice.pick(
        (
            *("right", "no checksum", "checksum 0xFFFF", "bad checksum", "length 0"),
            *("length 7", "length 8", "length too long", "length too short"),
            *(
                "source port 0",
                "destination port 0",
                "cut to 7",
                "cut to 4",
                "cut to 0",
            ),
        )
    )
    sport, length, check = dice.port, None, None
    if what == "no checksum":
        check = 0
    elif what == "checksum 0xFFFF":
        check = 0xFFFF
    elif what == "bad checksum":
        check = 0x1234
    elif what == "length 0":
        length = 0
    elif what == "length 7":
        length = 7
    elif what == "length 8":
        length = 8
    elif what == "length too long":
        length = size + 9
    elif what == "length too short":
        length = max(8, size + 7)
    elif what == "source port 0":
        sport = 0
    elif what == "destination port 0":
        dport = 0
    if what == "length too short" and size:
        # the checksum is right of what the length says
        body = udp(sport, dport, data[:-1], src, dst) + data[-1:]
    else:
        body = udp(sport, dport, data, src, dst, length=length, check=check)
    if what.startswith("cut"):
        body = body[: int(what[-1])]
    label = f"{family}: {where}, {what}, {'empty' if not size else 'data'}"
    return Odd(label, (_framed(body, 17, src, dst),))


OPTIONS = (
    ("none", b""),
    ("none", b""),
    ("MSS", b"\x02\x04\x05\xb4"),
    ("MSS 0", b"\x02\x04\x00\x00"),
    ("all", b"\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\1\0\0\0\0\x01\x03\x03\x0e"),
    ("length 0", b"\x02\x00\x05\xb4"),
    ("length 1", b"\x03\x01\x05\xb4"),
    ("length beyond", b"\x08\x0a\0\0"),
    ("unknown", b"\xfa\x04\1\2"),
    ("40 NOPs", b"\1" * 40),
    ("SACK without blocks", b"\x05\x02\1\1"),
    ("MD5", b"\x13\x12" + bytes(16)),
    ("fast open", b"\x22\x02\1\1"),
    ("fast open cookie", b"\x22\x0a" + bytes(8)),
)


def _tcp(dice: Dice, family: str, src: bytes, dst: bytes) -> Odd:
    where, dport = dice.pick((("closed", 9), ("open", TCP_PORT)))
    common = (0x02, 0x10, 0x12, 0x04, 0x14, 0x11, 0x01, 0x18, 0x00, 0xFF, 0x29, 0x03)
    flags = dice.pick((*common, dice.number(0, 255)))
    data = dice.pick((b"", b"", b"GET", dice.bytes(500)))
    ack = dice.pick((0, 1, 0xFFFFFFFF, 12345))
    seq = dice.pick((0, 1000, 0xFFFFFFFF, 0x80000000))
    name, options = dice.pick(OPTIONS)
    sport, offset, wrong, reserved, window = dice.port, None, 0, 0, 1024
    what = dice.pick(
        (
            *("",) * 6,
            *(", bad checksum", ", offset 0", ", offset 4", ", offset 15"),
            *(
                ", source port 0",
                ", destination port 0",
                ", reserved bits",
                ", window 0",
            ),
            *(", cut to 19", ", cut to 0", ", urgent"),
        )
    )
    if what == ", bad checksum":
        wrong = 1
    elif what.startswith(", offset"):
        offset, data = int(what.split()[-1]), bytes(len(data))  # read as options
    elif what == ", source port 0":
        sport = 0
    elif what == ", destination port 0":
        dport = 0
    elif what == ", reserved bits":
        reserved = 0x0F
    elif what == ", window 0":
        window = 0
    body = tcp(
        sport,
        dport,
        flags,
        src,
        dst,
        seq=seq,
        ack=ack,
        offset=offset,
        wrong=wrong,
        reserved=reserved,
        window=window,
        urgent=77 if what == ", urgent" else 0,
        options=options,
        data=data,
    )
    if what.startswith(", cut"):
        body = body[: int(what.split()[-1])]
    text = f"{family}: {where}, {format_flags(flags)}, ack {ack}, options {name}"
    text += f"{', data' if data else ''}{what}"
    return Odd(text, (_framed(body, 6, src, dst),), seq, ack)


def link(dice: Dice) -> Odd:
    """Frames that lie about what they are, or are nothing."""
    four = ip4(*reversed(named_upper("echo", dice.port, PEER4, OUR4)))  # type: ignore[arg-type]
    six = ip6(*reversed(named_upper("echo", dice.port, PEER6, OUR6)))  # type: ignore[arg-type]
    name, inner, ethertype = dice.pick(
        (
            ("IPv4 as IPv6", four, 0x86DD),
            ("IPv6 as IPv4", six, 0x0800),
            ("IPv4 as ARP", four, 0x0806),
            ("an unknown type", four, 0x88B5),
            ("LLC", b"\xaa\xaa\x03" + bytes(40), 43),
            ("IPv4 as 802.3", four, len(four)),
            ("IPv4 in SNAP", b"\xaa\xaa\x03\0\0\0\x08\0" + four, 8 + len(four)),
            ("nothing as IPv4", b"", 0x0800),
            ("nothing as IPv6", b"", 0x86DD),
            ("19 bytes of IPv4", four[:19], 0x0800),
            ("39 bytes of IPv6", six[:39], 0x86DD),
            ("priority tag", pack("!HH", 0, 0x0800) + four, 0x8100),
            ("VLAN 5", pack("!HH", 5, 0x0800) + four, 0x8100),
            ("two tags of 0", pack("!HHHH", 0, 0x8100, 0, 0x0800) + four, 0x8100),
            ("half a tag", b"\0", 0x8100),
            ("random", dice.bytes(60), dice.pick((0x0800, 0x86DD, 0x0806))),
        )
    )
    raw = build_ethernet(OUR_MAC, PEER_MAC, ethertype) + inner
    return Odd(f"link: {name}", (raw,))
