"""What kind of answer a frame is, as one line of text."""

from __future__ import annotations

from struct import unpack_from

from sansio_net.addresses import format_ip, format_mac
from sansio_net.wire.tcp import ACK, RST, format_flags

from .odd.tools import OUR4, OUR6, OUR_LL, PEER_MAC, Odd

NOTHING = "nothing"

_MULTICAST_REPORTS = (131, 132, 143)


def kinds(odd: Odd, answers: list[bytes]) -> str:
    """All answers to one odd packet, repetitions counted."""
    said: list[str] = []
    for answer in answers:
        kind = kind_of(odd, answer)
        if kind is not None:
            said.append(kind)
    text = " + ".join(
        kind if said.count(kind) == 1 else f"{said.count(kind)} x {kind}"
        for kind in dict.fromkeys(said)
    )
    return text or NOTHING


def kind_of(odd: Odd, answer: bytes) -> str | None:
    """None for what is no answer and said in one's own time: memberships, and probes
    whether a neighbour that was heard of is still there.
    """
    ethertype = answer[12:14]
    if ethertype == b"\x08\x06":
        if answer[21] == 1 and not answer[0] & 1:
            return None
        kind = _arp(answer[14:])
    elif ethertype == b"\x08\x00":
        four = _ipv4(odd, answer[14:])
        if four is None:
            return None
        kind = four
    elif ethertype == b"\x86\xdd":
        six = _ipv6(odd, answer[14:])
        if six is None:
            return None
        kind = six
    else:
        kind = f"ethertype {ethertype.hex()}"
    if answer[:6] != PEER_MAC:
        kind += f" at {format_mac(answer[:6])}"
    return kind


def _arp(packet: bytes) -> str:
    op = int.from_bytes(packet[6:8], "big")
    spa, tpa = format_ip(packet[14:18]), format_ip(packet[24:28])
    return f"arp {op} of {spa} for {tpa}"


def _ends(odd: Odd, src: bytes, dst: bytes) -> str:
    """What is not as usual about its addresses."""
    text = ""
    if src not in (OUR4, OUR6, OUR_LL) or src != _asked(odd, len(src))[1]:
        text += f" from {format_ip(src)}"
    if dst != _asked(odd, len(src))[0]:
        text += f" to {format_ip(dst)}"
    return text


def _asked(odd: Odd, size: int) -> tuple[bytes, bytes]:
    at = 26 if size == 4 else 22
    return odd.frames[0][at : at + size], odd.frames[0][at + size : at + 2 * size]


def _ipv4(odd: Odd, packet: bytes) -> str | None:
    size = (packet[0] & 15) * 4
    total, word = int.from_bytes(packet[2:4], "big"), int.from_bytes(packet[6:8], "big")
    protocol, src, dst = packet[9], packet[12:16], packet[16:20]
    data = packet[size:total]
    if protocol == 2:
        return None
    if word & 0x1FFF:
        return "a later fragment"
    kind = f"protocol {protocol}"
    if protocol == 1:
        kind = _icmp4(data)
    elif protocol == 6:
        kind = _tcp(odd, data)
    if word & 0x2000:
        kind = "a first fragment of " + kind
    if size > 20:
        kind += f", options{_options(packet[20:size])}"
    return kind + _ends(odd, src, dst)


def _options(options: bytes) -> str:
    """Which, and how far they are filled; not with what: a timestamp may be in them."""
    text, at = "", 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        kind, size = options[at : at + 2]
        text += f" {kind}/{size}"
        if kind in (7, 68, 131, 137):
            text += f"@{options[at + 2]}"
        if kind == 68:
            text += f"+{options[at + 3] >> 4}"
        at += max(size, 2)
    return text


def _icmp4(data: bytes) -> str:
    kind, code = data[:2]
    if kind == 0:
        return f"echo reply of {len(data) - 8}" + (f", code {code}" if code else "")
    text = f"icmp {kind}/{code}"
    if kind == 12:
        text += f" @{data[4]}"
    if kind in (3, 11, 12):
        text += f" quoting {len(data) - 8}"
    return text


def _ipv6(odd: Odd, packet: bytes) -> str | None:
    length, protocol = unpack_from("!HB", packet, 4)
    src, dst, data = packet[8:24], packet[24:40], packet[40 : 40 + length]
    if protocol == 0 and data[:1] == b"\x3a" and data[8] in _MULTICAST_REPORTS:
        return None
    kind = f"next header {protocol}"
    if protocol == 44:
        _, word = unpack_from("!HH", data)
        if word >> 3:
            return "a later fragment"
        protocol, data = data[0], data[8:]
        kind = "a first fragment of "
    else:
        kind = ""
    if protocol == 58:
        if data[0] in (133, 143) or (data[0] == 135 and dst[0] != 0xFF):
            return None
        kind += _icmp6(data)
    elif protocol == 6:
        kind += _tcp(odd, data)
    else:
        kind += f"next header {protocol}"
    return kind + _ends(odd, src, dst)


def _icmp6(data: bytes) -> str:
    kind, code = data[:2]
    if kind == 129:
        return f"echo reply of {len(data) - 8}" + (f", code {code}" if code else "")
    if kind == 135:
        return f"ns for {format_ip(data[8:24])}"
    if kind == 136:
        letters = "".join(
            name if data[4] & bit else ""
            for name, bit in (("R", 128), ("S", 64), ("O", 32))
        )
        option = data[24:].hex()
        return f"na of {format_ip(data[8:24])} {letters} {option}"
    text = f"icmp6 {kind}/{code}"
    if kind == 4:
        text += f" @{int.from_bytes(data[4:8], 'big')}"
    if kind < 128:
        text += f" quoting {len(data) - 8}"
    return text


def _tcp(odd: Odd, data: bytes) -> str:
    """Numbers as distances from those that were asked with."""
    seq, ack = unpack_from("!II", data, 4)
    flags = data[13]
    text = f"tcp {format_flags(flags)}"
    if flags & RST:
        text += (
            " seq 0" if flags & ACK and not seq else f" seq {_distance(seq, odd.ack)}"
        )
    if flags & ACK:
        text += f" ack {_distance(ack, odd.seq)}"
    return text


def _distance(number: int, base: int) -> str:
    distance = (number - base) % (1 << 32)
    return f"+{distance}" if distance < 1 << 16 else "elsewhere"
